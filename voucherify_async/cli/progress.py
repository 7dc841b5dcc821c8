"""How far something is: bars on a terminal, where rich is installed, and plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["Bars", "Display", "PlainLines", "Step", "display"]


class Step:
    """Something that goes on.

    Attributes:
        done: how much of it is done.
        total: of how much, None if nobody knows.
    """

    def __init__(self, total: int | None, on_change: Callable[[int, int | None], object] | None = None) -> None:
        self.done = 0
        self.total = total
        self._on_change = on_change

    def advance(self, amount: int = 1) -> None:
        """So much more is done."""
        self.reach(self.done + amount)

    def reach(self, done: int, total: int | None = None) -> None:
        """So much is done, and of so much, if that is known by now."""
        self.done = done
        self.total = self.total if total is None else total
        if self._on_change is not None:
            self._on_change(self.done, self.total)


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


class PlainLines:
    """A line for each step, when it is done."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @contextmanager
    def step(self, title: str, unit: str, total: int | None = None) -> Iterator[Step]:
        """See `Display`. A step that fails has no line: the error speaks for it."""
        started = time.perf_counter()
        step = Step(total)
        yield step
        seconds = time.perf_counter() - started
        print(f"{title}: {step.done:,} {unit} in {seconds:.1f} s", file=self._stream, flush=True)


class Bars:
    """A bar for each step, in one of rich's live displays."""

    def __init__(self, progress: "Progress") -> None:
        self._progress = progress

    @contextmanager
    def step(self, title: str, unit: str, total: int | None = None) -> Iterator[Step]:
        """See `Display`. The bar stays where it is when the step is over."""
        started = time.perf_counter()
        task = self._progress.add_task(title, total=total, count=f"0 {unit}")

        def show(done: int, total: int | None) -> None:
            self._progress.update(task, completed=done, total=total, count=f"{done:,} {unit}")

        step = Step(total, show)
        yield step
        count = f"{step.done:,} {unit} in {time.perf_counter() - started:.1f} s"
        # Nothing to do is done too: a bar of nothing is shown full.
        self._progress.update(task, completed=step.done or 1, total=step.done or 1, count=count)


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
        TextColumn("{task.fields[count]}", justify="right", markup=False),
        console=console,
    )
