"""How a command of the client runs: keys from the environment, signals heard, errors told in a sentence."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

import click

from voucherify_async import ConfigurationError, HeaderRateLimiter, VoucherifyClient, VoucherifyError
from voucherify_async.cli.progress import Display, display
from voucherify_async.errors import ApiError

__all__ = [
    "DONE",
    "SERVICE_FAILED",
    "SOME_FAILED",
    "WRONG_USE",
    "Interruption",
    "Surroundings",
    "complain",
    "run",
    "say",
    "status_of",
]

DONE: Final = 0
SOME_FAILED: Final = 1
WRONG_USE: Final = 2
SERVICE_FAILED: Final = 3

# A shorter wait needs no word.
TOLD_SECONDS: Final = 2.0

# The service is well, and refuses this one order.
_OF_THE_ORDER: Final = frozenset({400, 404, 409, 422, 423})


class Interruption:
    """SIGINT and SIGTERM: the first one asks whoever listens to stop, the next one ends the command at once.

    If nobody listens, the first one ends it.

    Attributes:
        signal: the first that came, None if none did.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._task: asyncio.Task[object] | None = None
        self._ask: Callable[[], object] | None = None

    @property
    def status(self) -> int:
        """The exit status, as a shell has it: 130 after SIGINT, 143 after SIGTERM."""
        return 128 + (self.signal or signal.SIGINT)

    def begin(self) -> None:
        """Hear signals from now on, for the task that calls."""
        self._task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            # Neither Windows nor a thread that is not the main one has them; there, Ctrl-C is a KeyboardInterrupt.
            with suppress(NotImplementedError, RuntimeError, ValueError):
                loop.add_signal_handler(number, self.receive, number)

    def receive(self, number: signal.Signals) -> None:
        """A signal came."""
        self.signal = self.signal or number
        ask, self._ask = self._ask, None
        if ask is not None:
            ask()
        elif self._task is not None:
            self._task.cancel()

    @contextmanager
    def asks(self, ask: Callable[[], object]) -> Iterator[None]:
        """While the context lasts, the first signal calls a function."""
        self._ask = ask
        try:
            yield
        finally:
            self._ask = None


class Surroundings:
    """What a command has around it: the signals, the terminal, and the limit that it may have to wait for.

    Attributes:
        interruption: the signals.
        limiter: of its client.
    """

    def __init__(self) -> None:
        self.interruption = Interruption()
        self.limiter = HeaderRateLimiter()
        self.limiter.listen(self)
        self._say: Callable[[str], object] = say

    @contextmanager
    def display(self) -> Iterator[Display]:
        """Show progress on standard error."""
        with display(sys.stderr) as shown:
            self._say = shown.say
            try:
                yield shown
            finally:
                self._say = say

    def paused(self, seconds: float) -> None:
        """Say that all wait for the limit, if it is long enough to be wondered at."""
        if seconds >= TOLD_SECONDS:
            self._say(f"The limit is used up: nothing is sent for {seconds:.0f} s.")


Work = Callable[[VoucherifyClient, Surroundings], Awaitable[int]]


def run(work: Work) -> int:
    """Run the work of a command with a client, and return the exit status.

    Args:
        work: an async function of the client and what is around it; it returns the exit status.
    """
    around = Surroundings()
    try:
        return asyncio.run(_with_client(work, around))
    except (asyncio.CancelledError, KeyboardInterrupt):
        say("Interrupted.")
        return around.interruption.status
    except BrokenPipeError:
        raise
    except (VoucherifyError, OSError) as error:
        complain(error)
        return status_of(error)


async def _with_client(work: Work, around: Surroundings) -> int:
    around.interruption.begin()
    async with VoucherifyClient.from_env(rate_limiter=around.limiter) as client:
        return await work(client, around)


def status_of(error: BaseException) -> int:
    """The exit status for what ended a command."""
    if isinstance(error, ConfigurationError):
        return WRONG_USE
    if isinstance(error, ApiError) and error.status in _OF_THE_ORDER:
        return SOME_FAILED
    return SERVICE_FAILED


def complain(error: BaseException | str) -> None:
    """Tell what is wrong in a sentence, on standard error."""
    say(f"{click.get_current_context().command_path}: {error}")


def say(text: str) -> None:
    """Say something on standard error."""
    click.echo(text, err=True)
