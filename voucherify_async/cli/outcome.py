"""What came of a run of `orders import` or `orders sync`: told to people or to machines, and as an exit status."""

import shlex
from dataclasses import dataclass
from signal import Signals
from typing import Any, Final

import msgspec

from voucherify_async import BulkReport
from voucherify_async.cli.feed import Feed
from voucherify_async.cli.running import DONE, SOME_FAILED, WRONG_USE, status_of
from voucherify_async.cli.stoppable import Stopped
from voucherify_async.errors import SourceError

__all__ = ["BadLineStop", "Outcome"]

SHOWN_FAILURES: Final = 10


class BadLineStop(Exception):  # noqa: N818 - it is what was asked for
    """A line that is no order ended a run that was told to be strict."""

    def __str__(self) -> str:
        return "stopped at a line that is no order, as --strict says"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a run.

    Attributes:
        feed: what it was given.
        report: of the library.
        bad_lines: how many lines of the source are in no order.
        stopped_by: what ended it early, None if nothing did.
        signal: the one that did, None if none did.
    """

    feed: Feed
    report: BulkReport
    bad_lines: int
    stopped_by: BaseException | None = None
    signal: Signals | None = None

    @property
    def status(self) -> int:
        """The exit status."""
        if isinstance(self.stopped_by, Stopped) and self.signal is not None:
            return 128 + self.signal
        if isinstance(self.stopped_by, SourceError) and not self.report.read:
            return WRONG_USE  # it is no file of orders
        if isinstance(self.stopped_by, SourceError | BadLineStop):
            return SOME_FAILED
        if self.stopped_by is not None:
            return status_of(self.stopped_by)
        return SOME_FAILED if self.report.failed_count or self.bad_lines else DONE

    @property
    def problem(self) -> str | None:
        """What ended it early, in a sentence; None if nothing did."""
        if isinstance(self.stopped_by, Stopped):
            return "interrupted" if self.signal is None else f"stopped by {self.signal.name}"
        return None if self.stopped_by is None else str(self.stopped_by) or type(self.stopped_by).__name__

    def document(self) -> dict[str, Any]:
        """All of it, for machines."""
        report = self.report
        failures, checkpoint = self.feed.failures_path, self.feed.checkpoint_path
        return {
            "read": report.read,
            "done": report.done,
            "failed_count": report.failed_count,
            "failed": [_named(failure) for failure in report.failed],
            "bad_lines": self.bad_lines,
            "retried": report.retried,
            "skipped": report.skipped,
            "seconds": round(report.seconds, 3),
            "stopped": self.problem,
            "failures": str(failures) if report.failed_count and failures.exists() else None,
            "checkpoint": str(checkpoint) if checkpoint is not None and checkpoint.exists() else None,
        }

    def lines(self) -> list[str]:
        """The report, for people."""
        report = self.report
        rate = (report.done + report.failed_count - report.skipped) / report.seconds if report.seconds else 0.0
        lines = [
            f"orders   {report.read:,} read, {report.done:,} done, {report.failed_count:,} failed",
            f"seconds  {report.seconds:.1f}, {rate:,.0f} orders a second",
        ]
        if report.skipped:
            lines[0] += f"; {report.skipped:,} by runs before this one"
        if report.retried:
            lines.append(f"repeats  {report.retried:,} requests were sent again")
        if self.bad_lines:
            lines.append(f"lines    {self.bad_lines:,} in no order, told of above")
        path = self.feed.failures_path
        if report.failed_count and path.exists():
            said = [] if path.suffix in (".jsonl", ".ndjson", ".json") else ["--format", "jsonl"]
            again = shlex.join(["voucherify-async", "orders", self.feed.kind, str(path), *said])
            lines.append(f"failed   kept in {path}; to feed them in again: {again}")
        lines += [f"- {failure.key or '?'}: {failure.reason}" for failure in report.failed[:SHOWN_FAILURES]]
        more = report.failed_count - SHOWN_FAILURES
        return [*lines, f"- and {more:,} more"] if more > 0 else lines


def _named(failure: Any) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(failure).items() if name != "order"}
