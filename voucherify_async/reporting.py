"""Where events go: to the log, and to the function that a user gave.

The logger is `voucherify_async`: at INFO a line for each repeat and each pause for the limit, at DEBUG one for each
attempt and each call that waits in line. What is written is chosen one by one below; keys, tokens, queries and
bodies are not known here.
"""

import inspect
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from types import TracebackType
from typing import Final, Self, TypeAlias

from voucherify_async.clock import Clock
from voucherify_async.errors import ConfigurationError
from voucherify_async.events import (
    AttemptEnded,
    AttemptStarted,
    CallEnded,
    CallInfo,
    CallStarted,
    Event,
    JobSeen,
    Polled,
    RateLimitPaused,
    Waiting,
    WaitReason,
)
from voucherify_async.options import check_function
from voucherify_async.outcome import State

Emit: TypeAlias = Callable[[Event], None]

_log: Final = logging.getLogger("voucherify_async")

_PAIRS: Final = count(1)  # of all clients: one function may be told of the events of several
_SHOWN_HEADERS: Final = (
    *("Content-Length", "Content-Type", "Retry-After", "X-Request-Id"),
    *("X-Rate-Limit-Limit", "X-Rate-Limit-Remaining", "X-Rate-Limit-Retry", "X-Rate-Limit-Type"),
)
_WAITS_FOR: Final = {
    "rate_limit": "until the rate limit lets it",
    "pool": "for a connection",
    "repeat": "before it is sent again",
    "retry_budget": "for its turn to be sent again",
}
# Nothing went wrong, and a run that keeps to a limit has such a wait for nearly each of its orders.
_IN_LINE: Final[frozenset[WaitReason]] = frozenset({"rate_limit", "pool"})


def shown_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Those headers of an answer that may be shown, and no others."""
    return {name: headers[name] for name in _SHOWN_HEADERS if name in headers}


class Reporter:
    """Hands events on, and costs next to nothing while nobody wants them.

    Args:
        on_event: the user's function.

    Raises:
        ConfigurationError: it is no function, or a coroutine function.
    """

    def __init__(self, on_event: Callable[[Event], object] | None) -> None:
        check_function("on_event", on_event)
        if inspect.iscoroutinefunction(on_event):
            raise ConfigurationError("on_event", "must be a plain function: nothing would await it")
        self._on_event = on_event
        self._numbers = count(1)

    @property
    def emit(self) -> Emit | None:
        """What takes events; None if nobody wants them."""
        if self._on_event is None and not _log.isEnabledFor(logging.INFO):
            return None
        return self._emit

    def tell(self, event: Event) -> None:
        """Hand on an event that is about no call, if anybody wants it."""
        if (emit := self.emit) is not None:
            emit(event)

    def paused(self, seconds: float) -> None:
        """Hand on that the rate limit lets no call go."""
        self.tell(RateLimitPaused(seconds))

    def call_info(self, operation: str, method: str, path: str, url: str) -> CallInfo:
        """A name for a call that begins. The URL may have a query, which may hold a token and is left out."""
        return CallInfo(next(self._numbers), operation, method, path, url.partition("?")[0].partition("#")[0])

    @contextmanager
    def telling(self, started: Callable[[int], Event], ended: Callable[[int, str | None], Event]) -> Iterator[None]:
        """Hand on an event before and one after what happens within, if anybody wants them.

        Args:
            started: makes the first one, from a number that no other such pair has.
            ended: makes the second one, from the same number and the name of the error, if there was one.
        """
        emit = self.emit
        if emit is None:
            yield
            return
        number = next(_PAIRS)
        emit(started(number))
        error: str | None = None
        try:
            yield
        except BaseException as raised:
            error = type(raised).__name__
            raise
        finally:
            emit(ended(number, error))

    def _emit(self, event: Event) -> None:
        _write(event)
        if self._on_event is not None:
            try:
                self._on_event(event)
            except Exception:  # whatever it is, it is not about the call
                _log.exception("on_event failed for %s", type(event).__name__)


class CallReport:
    """Tells of one call, from its start to its end, whatever comes between.

    Args:
        emit: takes the events.
        info: names the call.
        state: how far it is.
        clock: the client's.
    """

    def __init__(self, emit: Emit, info: CallInfo, state: State, clock: Clock) -> None:
        self._emit = emit
        self._info = info
        self._state = state
        self._clock = clock
        self._attempt_at: float | None = None
        self._headers: Mapping[str, str] = {}

    def __enter__(self) -> Self:
        self._emit(CallStarted(self._info))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        state = self._state
        if self._attempt_at is not None:
            self.attempt_ended(error)
        self._emit(
            CallEnded(
                self._info,
                state.attempts,
                state.status,
                None if kind is None else kind.__name__,
                # As the error tells it, if it does: after a good status that cannot be read it has been done.
                kind is not None and getattr(error, "outcome_unknown", state.maybe_done or state.in_flight),
                self._clock.monotonic() - state.started,
            )
        )

    def waiting(self, reason: WaitReason, seconds: float | None) -> None:
        """It waits."""
        last = self._state.last
        name = None if last is None else type(last).__name__
        self._emit(Waiting(self._info, reason, seconds, self._state.attempts, name))

    def attempt_started(self) -> None:
        """Its request goes out."""
        self._attempt_at = self._clock.monotonic()
        self._headers = {}
        self._emit(AttemptStarted(self._info, self._state.attempts))

    def answered(self, headers: Mapping[str, str]) -> None:
        """An answer begins to come."""
        self._headers = headers

    def attempt_ended(self, error: BaseException | None) -> None:
        """It came to an answer, or to an error."""
        begun, self._attempt_at = self._attempt_at, None
        now = self._clock.monotonic()
        self._emit(
            AttemptEnded(
                self._info,
                self._state.attempts,
                self._state.status,
                None if error is None else type(error).__name__,
                shown_headers(self._headers),
                now - (now if begun is None else begun),
            )
        )


def _write(event: Event) -> None:
    match event:
        case AttemptEnded(call, attempt, status, error, headers, elapsed):
            outcome = " ".join(str(part) for part in (status, error) if part is not None)
            told = "".join(f", {name}: {value}" for name, value in headers.items())
            _log.debug("%s %s: attempt %d: %s in %.3f s%s", call.method, call.path, attempt, outcome, elapsed, told)
        case Waiting(call, reason, seconds, attempts, error):
            _log.log(
                logging.DEBUG if reason in _IN_LINE else logging.INFO,
                "%s %s: waits %s%s%s",
                call.method,
                call.path,
                "" if seconds is None else f"{seconds:.2f} s ",
                _WAITS_FOR[reason],
                "" if error is None else f", after attempt {attempts}: {error}",
            )
        case RateLimitPaused(seconds):
            _log.info("the rate limit is used up: nothing is sent for %.2f s", seconds)
        case Polled(kind, jobs, requests):
            _log.debug("looked at %d %s jobs with %d requests", jobs, kind, requests)
        case JobSeen(kind, job_id, status, progress):
            _log.debug("%s %s is %s%s", kind, job_id, status, "" if progress is None else f", {progress} %")
        case _:
            pass
