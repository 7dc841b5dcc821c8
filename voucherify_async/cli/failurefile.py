"""Where failed orders go, so that they can be fed in again."""

from contextlib import suppress
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self

from voucherify_async import OrderFailure
from voucherify_async.sources import failure_line

__all__ = ["FailureFile"]


class FailureFile:
    """A JSON Lines file of orders that failed; there is none if none did.

    Each line is written out before the run goes on: one that is killed leaves what is needed.

    Args:
        path: where it is.
        go_on: there was a run before this one, whose failures it holds; else it begins anew.

    Raises:
        OSError: it cannot be written; when a run begins, and when an order is put into it.
    """

    def __init__(self, path: Path, *, go_on: bool) -> None:
        self.path = path
        self._go_on = go_on
        self._file: FileIO | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def begin(self) -> Path | None:
        """The run has orders to send. Failures of an older one are not its own: where they are kept now, if any."""
        if self._go_on or not self.path.is_file():  # or it is a device
            return None
        return self.path.replace(self.path.with_name(f"{self.path.name}.old"))

    def put(self, failure: OrderFailure) -> None:
        """Write down an order and why it failed. If the service does not say which, there is nothing to write."""
        if failure.order is None:
            return
        more = {"outcome_unknown": True} if failure.outcome_unknown else {}
        line = failure_line(failure.order, failure.reason, position=failure.position, **more)
        if self._file is None:
            self._file = self.path.open("ab", buffering=0)
        end = self._file.tell() if self._file.seekable() else None
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            with suppress(OSError):  # half a line would spoil the one that is put behind it
                self._file.truncate(end)
            error.filename = str(self.path)  # a write does not know it
            raise
