"""The two kinds of jobs, as the service shows them, and how they get on with time.

Nothing runs in the background: where a job stands is worked out from the clock when somebody looks (`advance`), and
each order of an import gets the time at which its turn came, whoever looked and when. Times are Unix seconds.

Guesses, where the documents are silent:

- An import is ENQUEUED until it is looked at for the first time with no other before it; its orders appear as it
  goes on. `operation_status` is UNKNOWN until the end, then SUCCESS, or FAILED if not one order went in.
- One order of an import never stops the others, nor the queue: what goes wrong with it is its entry in `failed`.
- An import that FAILED as a whole applied nothing, and its result says so in `message`.
- Exports run side by side; the first fifth of their time they are SCHEDULED. The file shows the orders as they are
  at the end.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Literal

from voucherify_async.emulator.catalogue import Mark
from voucherify_async.emulator.checks import MismatchError, check_order
from voucherify_async.emulator.clock import format_ms
from voucherify_async.emulator.problems import ServiceError
from voucherify_async.emulator.store import Orders

__all__ = ["ExportJob", "ImportEnd", "ImportJob", "Jobs"]

ImportStatus = Literal["ENQUEUED", "IN_PROGRESS", "DONE", "FAILED"]
ExportStatus = Literal["SCHEDULED", "IN_PROGRESS", "DONE", "ERROR"]
ImportEnd = Literal["DONE", "FAILED"]

IMPORT_TRANSITIONS: Final[dict[ImportStatus, tuple[ImportStatus, ...]]] = {
    "ENQUEUED": ("IN_PROGRESS",),
    "IN_PROGRESS": ("DONE", "FAILED"),
    "DONE": (),
    "FAILED": (),
}
EXPORT_TRANSITIONS: Final[dict[ExportStatus, tuple[ExportStatus, ...]]] = {
    "SCHEDULED": ("IN_PROGRESS",),
    "IN_PROGRESS": ("DONE", "ERROR"),
    "DONE": (),
    "ERROR": (),
}
_SCHEDULED_PART: Final = 0.2
_log: Final = logging.getLogger(__name__)


class ImportJob:
    """An import and its rows, until they are applied."""

    def __init__(self, job_id: str, sequence: int, request_id: str, rows: list[Any], created: float) -> None:
        self.id = job_id
        self.sequence = sequence
        self.request_id = request_id
        self.rows = rows
        self.total = len(rows)
        self.created = created
        self.updated = created
        self.started: float | None = None
        self.seconds = 0.0
        self.status: ImportStatus = "ENQUEUED"
        self.applied = 0
        self.done_count = 0
        self.failed: list[dict[str, Any]] = []
        self.failure: tuple[str, ImportEnd] | None = None

    def turn(self, status: ImportStatus) -> None:
        """Go to the next status, as the table allows."""
        if status not in IMPORT_TRANSITIONS[self.status]:  # pragma: no cover - a mistake in this module
            raise AssertionError((self.status, status))
        self.status = status

    @property
    def progress(self) -> int:
        """0 to 100; 100 only when it has ended."""
        if self.status in ("DONE", "FAILED"):
            return 100
        return min(99, self.applied * 100 // self.total)

    @property
    def operation_status(self) -> str:
        """Whether it went well: the status alone does not say."""
        if self.status not in ("DONE", "FAILED"):
            return "UNKNOWN"
        return "SUCCESS" if self.failure is None and self.done_count else "FAILED"

    def shown(self, *, with_result: bool) -> dict[str, Any]:
        """The async action; entries of a listing have no result."""
        action: dict[str, Any] = {
            "id": self.id,
            "type": "ORDERS.IMPORT",
            "status": self.status,
            "operation_status": self.operation_status,
        }
        ended = self.status in ("DONE", "FAILED")
        if with_result and ended:
            action["result"] = self._result()
        action["created_at"] = format_ms(round(self.created * 1000))
        action["updated_at"] = format_ms(round(self.updated * 1000))
        action["request_id"] = self.request_id
        action["progress"] = self.progress
        if ended:
            action["processing_time"] = round(self.seconds * 1000)
        action["object"] = "async_action"
        return action

    def _result(self) -> dict[str, Any]:
        failed_count = self.total - self.done_count
        message = f"{self.done_count} order(s) imported successfully, {failed_count} failed."
        return {
            "message": message if self.failure is None else self.failure[0],
            "failed": self.failed,
            "done_count": self.done_count,
            "failed_count": failed_count,
        }

    def dump(self) -> dict[str, Any]:
        """What a database keeps; the rows are kept apart, since they do not change with every step."""
        return {**vars(self), "rows": []}


class ExportJob:
    """An export, and its snapshot once it is done."""

    def __init__(self, job_id: str, sequence: int, parameters: dict[str, Any], created: float) -> None:
        self.id = job_id
        self.sequence = sequence
        self.parameters = parameters
        self.created = created
        self.started = created
        self.seconds = 0.0
        self.status: ExportStatus = "SCHEDULED"
        self.failing = False

    def turn(self, status: ExportStatus) -> None:
        """Go to the next status, as the table allows."""
        if status not in EXPORT_TRANSITIONS[self.status]:  # pragma: no cover - a mistake in this module
            raise AssertionError((self.status, status))
        self.status = status

    def shown(self, url: str | None) -> dict[str, Any]:
        """The export; `url` is where its file is, when it is done."""
        return {
            "id": self.id,
            "object": "export",
            "created_at": format_ms(round(self.created * 1000)),
            "status": self.status,
            "channel": "API",
            "exported_object": "order",
            "parameters": self.parameters,
            "result": None if url is None else {"url": url},
            "user_id": None,
        }

    def dump(self) -> dict[str, Any]:
        """What a database keeps."""
        return vars(self)


class Jobs:
    """All jobs: imports one after the other, exports side by side."""

    def __init__(self, orders: Orders, mark: Mark, on_export_done: Callable[[ExportJob, float], None]) -> None:
        self._orders = orders
        self._mark = mark
        self._on_export_done = on_export_done
        self.imports: dict[str, ImportJob] = {}
        self.exports: dict[str, ExportJob] = {}
        self._queue: deque[ImportJob] = deque()
        self._running: list[ExportJob] = []
        self._free_at = 0.0
        self._sequence = 0
        self.import_seconds: float | None = None
        self.export_seconds: float | None = None
        self._next_imports: deque[tuple[str, ImportEnd]] = deque()
        self._next_exports = 0

    def restore(
        self, imports: list[dict[str, Any]], rows: dict[str, list[Any]], exports: list[dict[str, Any]]
    ) -> None:
        """Take up what a database kept."""
        for kept in sorted(imports, key=lambda job: job["sequence"]):
            job = ImportJob("", 0, "", [], 0.0)
            vars(job).update(kept, rows=rows.get(kept["id"], []))
            self.imports[job.id] = job
            if job.status in ("ENQUEUED", "IN_PROGRESS"):
                self._queue.append(job)
            else:
                self._free_at = max(self._free_at, job.updated)
        for kept in sorted(exports, key=lambda job: job["sequence"]):
            export = ExportJob("", 0, {}, 0.0)
            vars(export).update(kept)
            self.exports[export.id] = export
            if export.status in ("SCHEDULED", "IN_PROGRESS"):
                self._running.append(export)
        everything: list[ImportJob | ExportJob] = [*self.imports.values(), *self.exports.values()]
        self._sequence = max((one.sequence for one in everything), default=0)

    def fail_next_import(self, message: str, status: ImportEnd) -> None:
        """The next import that is made ends badly."""
        self._next_imports.append((message, status))

    def fail_next_export(self) -> None:
        """The next export that is made ends in ERROR."""
        self._next_exports += 1

    def add_import(self, job_id: str, request_id: str, rows: list[Any], now: float) -> ImportJob:
        """Put an import at the end of the queue."""
        self._sequence += 1
        job = ImportJob(job_id, self._sequence, request_id, rows, now)
        job.failure = self._next_imports.popleft() if self._next_imports else None
        self.imports[job_id] = job
        self._queue.append(job)
        self._mark("import", job_id, job)
        self._mark("rows", job_id, {"id": job_id, "rows": rows})
        return job

    def add_export(self, job_id: str, parameters: dict[str, Any], now: float) -> ExportJob:
        """Begin an export."""
        self._sequence += 1
        export = ExportJob(job_id, self._sequence, parameters, now)
        # As quick as the service is for a small project: 50 ms, and 1 s for 100,000 orders.
        export.seconds = _seconds(self.export_seconds, 0.05 + len(self._orders) * 0.000_01)
        if self._next_exports:
            self._next_exports -= 1
            export.failing = True
        self.exports[job_id] = export
        self._running.append(export)
        self._mark("export", job_id, export)
        return export

    def delete_export(self, job_id: str) -> None:
        """Forget an export, running or not."""
        export = self.exports.pop(job_id)
        if export in self._running:
            self._running.remove(export)

    def postpone(self, paused_at: float, now: float) -> None:
        """Take the time of a pause out of the jobs that are on their way."""
        for export in self._running:
            export.started += now - max(paused_at, export.started)
            self._mark("export", export.id, export)
        if self._queue:
            self._free_at = max(self._free_at, now)
            job = self._queue[0]
            if job.started is not None:
                job.started += now - paused_at
                self._mark("import", job.id, job)

    def advance(self, now: float) -> None:
        """Bring all jobs to where they are at this time."""
        if self._running:
            due = [export for export in self._running if export.started + export.seconds <= now]
            for export in sorted(due, key=lambda one: (one.started + one.seconds, one.sequence)):
                # The snapshot has in it what the imports had done by then, not what they have done since.
                self._advance_imports(export.started + export.seconds)
                self._end_export(export)
            for export in self._running:
                if export.status == "SCHEDULED" and export.started + export.seconds * _SCHEDULED_PART <= now:
                    export.turn("IN_PROGRESS")
                    self._mark("export", export.id, export)
        self._advance_imports(now)

    def _end_export(self, export: ExportJob) -> None:
        self._running.remove(export)
        if export.status == "SCHEDULED":
            export.turn("IN_PROGRESS")
        try:
            if not export.failing:
                self._on_export_done(export, export.started + export.seconds)
        except Exception:
            _log.exception("Export %s cannot be made", export.id)
            export.failing = True
        export.turn("ERROR" if export.failing else "DONE")
        self._mark("export", export.id, export)

    def _advance_imports(self, now: float) -> None:
        while self._queue:
            job = self._queue[0]
            if job.started is None:
                started = max(job.created, self._free_at)
                if started > now:
                    return
                job.started = started
                # An import of one order takes about 50 ms, one of 2,000 about 0.3 s, unless it is set otherwise.
                job.seconds = _seconds(self.import_seconds, 0.05 + job.total * 0.000_125)
                job.turn("IN_PROGRESS")
                self._mark("import", job.id, job)
            elapsed = now - job.started
            ended = elapsed >= job.seconds
            self._apply_rows(job, job.total if ended else int(job.total * max(0.0, elapsed) / job.seconds))
            if not ended:
                return
            self._queue.popleft()
            job.turn("DONE" if job.failure is None else job.failure[1])
            self._free_at = job.updated = job.started + job.seconds
            job.rows = []
            self._mark("import", job.id, job)
            self._mark("rows", job.id, None)

    def _apply_rows(self, job: ImportJob, due: int) -> None:
        if due <= job.applied or job.started is None:
            return
        pace = job.seconds / job.total
        for index in range(job.applied, due) if job.failure is None else ():
            at = job.started + (index + 1) * pace
            self._apply_row(job, job.rows[index], round(at * 1000))
        job.applied = due
        job.updated = job.started + due * pace
        self._mark("import", job.id, job)

    def _apply_row(self, job: ImportJob, row: Any, at_ms: int) -> None:
        try:
            self._orders.import_one(check_order(row), at_ms)
        except MismatchError as mismatch:
            reason = mismatch.details
        except ServiceError as problem:
            reason = problem.details or problem.message
        except Exception:
            _log.exception("An order of import %s cannot be applied", job.id)
            reason = "Internal error"
        else:
            job.done_count += 1
            return
        source_id = row.get("source_id") if isinstance(row, dict) else None
        job.failed.append({"source_id": source_id if isinstance(source_id, str) else None, "reason": reason})


def _seconds(setting: float | None, natural: float) -> float:
    return natural if setting is None else setting
