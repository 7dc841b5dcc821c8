"""How far something is: bars on a terminal, where rich is installed, and plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol, TextIO

from voucherify_async.cli.pace import Pace, duration

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["Bars", "Display", "PlainLines", "Step", "display"]

# A log is not to be filled with progress.
LINE_SECONDS: Final = 5.0
# A terminal is not to be kept busy with it.
BAR_SECONDS: Final = 0.05


class Step:
    """Something that goes on.

    Attributes:
        done: how much of it is done.
        total: of how much, None if nobody knows.
        note: what else there is to say.
    """

    def __init__(
        self,
        unit: str,
        total: int | None,
        *,
        every: float,
        show: Callable[["Step"], object],
        clock: Callable[[], float],
    ) -> None:
        self.done = 0
        self.total = total
        self.note = ""
        self._unit = unit
        self._every = every
        self._show = show
        self._clock = clock
        self._began = self._shown = clock()
        self._pace = Pace(self._began)

    def advance(self, amount: int = 1) -> None:
        """So much more is done."""
        self.reach(self.done + amount)

    def reach(
        self, done: int, total: int | None = None, *, note: str = "", per_second: float | None = None
    ) -> None:
        """So much is done.

        Args:
            done: how much.
            total: of how much, if that is known by now.
            note: what else there is to say.
            per_second: how fast it goes; None to have that found out here.
        """
        now = self._clock()
        self.done = done
        self.total = self.total if total is None else total
        self.note = note or self.note
        self._pace.reached(now, done, per_second)
        if now - self._shown >= self._every:
            self._shown = now
            self._show(self)

    @property
    def state(self) -> str:
        """How far it is, as much as is known: `1,500 orders, 3 failed; 250/s, 0:12 left`."""
        now = self._clock()
        rate, left = self._pace.per_second(now), self._pace.seconds_left(now, self.total)
        pace = "" if rate is None else f"; {rate:,.0f}/s"
        return f"{self._count}{pace}{'' if left is None else f', {duration(left)} left'}"

    @property
    def summary(self) -> str:
        """What is to be said at the end: `2,000 orders, 3 failed in 8.1 s`."""
        return f"{self._count} in {self._clock() - self._began:.1f} s"

    @property
    def _count(self) -> str:
        return f"{self.done:,} {self._unit}{f', {self.note}' if self.note else ''}"


class Display(Protocol):
    """Where steps are shown."""

    def step(self, title: str, unit: str, total: int | None = None) -> AbstractContextManager[Step]:
        """Show a step for as long as the context lasts.

        Args:
            title: what is done.
            unit: of what, in the plural.
            total: how much there is to do, None if nobody knows.
        """
        ...

    def say(self, text: str) -> None:
        """Say something meanwhile."""
        ...


class PlainLines:
    """A line for each step when it is done, and one every few seconds of a long one."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.perf_counter) -> None:
        self._stream = stream
        self._clock = clock

    @contextmanager
    def step(self, title: str, unit: str, total: int | None = None) -> Iterator[Step]:
        """See `Display`. A step that fails has no last line: the error speaks for it."""

        def show(step: Step) -> None:
            self.say(f"{title}: {step.state}")

        step = Step(unit, total, every=LINE_SECONDS, show=show, clock=self._clock)
        yield step
        self.say(f"{title}: {step.summary}")

    def say(self, text: str) -> None:
        """See `Display`."""
        print(text, file=self._stream, flush=True)


class Bars:
    """A bar for each step, in one of rich's live displays."""

    def __init__(self, progress: "Progress", clock: Callable[[], float] = time.perf_counter) -> None:
        self._progress = progress
        self._clock = clock

    @contextmanager
    def step(self, title: str, unit: str, total: int | None = None) -> Iterator[Step]:
        """See `Display`. The bar stays where it is when the step is over."""
        task = self._progress.add_task(title, total=total, state=f"0 {unit}")

        def show(step: Step) -> None:
            self._progress.update(task, completed=step.done, total=step.total, state=step.state)

        step = Step(unit, total, every=BAR_SECONDS, show=show, clock=self._clock)
        try:
            yield step
        except BaseException:
            show(step)
            raise
        # Nothing to do is done too: a bar of nothing is shown full.
        whole = step.done or 1
        self._progress.update(task, completed=whole, total=whole, state=step.summary)

    def say(self, text: str) -> None:
        """See `Display`. It stands above the bars."""
        self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def display(stream: TextIO | None = None) -> Iterator[Display]:
    """The display that fits a stream, standard output if not given: bars on a terminal, if rich is there."""
    target = sys.stdout if stream is None else stream
    progress = _live_progress(target) if target.isatty() else None
    if progress is None:
        yield PlainLines(target)
    else:
        with progress:
            yield Bars(progress)


def _live_progress(stream: TextIO, **console_options: Any) -> "Progress | None":
    try:
        from rich.console import Console  # noqa: PLC0415 - an extra, and slow to import
        from rich.progress import BarColumn, Progress, TextColumn  # noqa: PLC0415
    except ImportError:
        return None
    console = Console(file=stream, **console_options)
    if not console.is_terminal or console.is_dumb_terminal:
        return None
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[state]}", markup=False),
        console=console,
        # Results may go to another stream meanwhile; what belongs between the bars is said to them.
        redirect_stdout=False,
        redirect_stderr=False,
    )
