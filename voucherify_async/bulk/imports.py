"""`client.orders.import_all`: one request for up to 2,000 entries, one after another, each awaited to its end."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, nullcontext
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from voucherify_async.bulk.chunks import Chunk, Chunker, Part
from voucherify_async.bulk.entries import Entries, Entry
from voucherify_async.bulk.journal import Accepted, Journal, NotSent, Record, Sent
from voucherify_async.bulk.journal import Settled as ChunkSettled
from voucherify_async.bulk.reports import BulkProgress, BulkReport, OrderFailure, Tally
from voucherify_async.bulk.settled import ANOTHER_SOURCE, Settled
from voucherify_async.bulk.verdicts import (
    is_of_the_order,
    outcome_unknown,
    reason_of,
    retried,
)
from voucherify_async.errors import (
    ApiError,
    BulkStoppedError,
    ConfigurationError,
    JobError,
    NotFoundError,
    VoucherifyError,
)
from voucherify_async.jobs import ImportJob
from voucherify_async.models.jobs import AsyncAction, ImportResult
from voucherify_async.models.orders import NewOrder

if TYPE_CHECKING:
    from voucherify_async.resources.orders import Orders

MOST_ORDERS: Final = 2_000
_UNNAMED: Final = "the service counts it as failed and does not name it"


class Imports:
    """One run. See `Orders.import_all`."""

    def __init__(
        self,
        orders: "Orders",
        source: Iterable[NewOrder] | AsyncIterable[NewOrder],
        *,
        keyless: bool,
        most_bytes: int,
        timeout: float | None,
        turn: AbstractAsyncContextManager[object] | None,
        checkpoint: str | PathLike[str] | None,
        on_progress: Callable[[BulkProgress], object] | None,
        on_failure: Callable[[OrderFailure], object] | None,
    ) -> None:
        self._orders = orders
        self._timeout = timeout
        self._turn = nullcontext() if turn is None else turn
        self._entries = Entries(source, keyless=keyless)
        self._settled = Settled()
        self._chunker = Chunker(self._next_entry, most_orders=MOST_ORDERS, most_bytes=most_bytes)
        self._tally = Tally(
            orders._session.clock, total=self._entries.total, on_progress=on_progress, on_failure=on_failure
        )
        self._seconds_an_order = 0.0  # of the last import, as the service tells
        self._sent_any = False
        self._complaint: Exception | None = None  # of `on_progress`
        self._under_way: Sent | Accepted | None = None  # when an earlier run ended
        self._journal = None if checkpoint is None else Journal(Path(checkpoint), "import_all", self._replay)
        self._recorded_retried = self._tally.retried

    def _replay(self, record: Record) -> None:
        """Take up what an earlier run has settled, and what it had under way."""
        if isinstance(record, ChunkSettled):
            self._tally.take_up(record.done, record.failed, record.failed_count, record.retried)
            self._settled.reach(record.end, record.key_sum)
            self._under_way = None
        elif isinstance(record, (Sent, Accepted)):
            self._under_way = record
        elif isinstance(record, NotSent):
            self._under_way = None

    # --- The run --------------------------------------------------------------------------------------------

    async def run(self) -> BulkReport:
        """Do it all, or as much as can be done."""
        with self._tally.telling(self._orders._session.reporter, "import_all"):
            return await self._run()

    async def _run(self) -> BulkReport:
        cause: Exception | None = None
        try:
            try:
                await self._import_all()
            except Exception as error:
                cause = error
            finally:
                try:
                    await self._entries.close()
                except Exception as error:  # the source's own
                    cause = cause or error
            if cause is None:
                cause = await self._conclude()
        finally:
            if self._journal is not None:
                self._journal.close()
        if cause is None:
            return self._tally.report()
        if isinstance(cause, ConfigurationError) and not self._sent_any:
            raise cause
        raise BulkStoppedError(cause, report=self._tally.report()) from cause

    async def _conclude(self) -> Exception | None:
        """Tell that all is done, and only then forget it: a run that is stopped here can be gone on with."""
        try:
            await self._tally.tell(last=True)
            if self._journal is not None:
                self._journal.remove()
        except Exception as error:
            return error
        return None

    async def _import_all(self) -> None:
        before = self._under_way
        chunk = await self._chunker.next(until=None if before is None else before.end)
        job = None if before is None else self._job_of(before, chunk)
        while chunk is not None:
            # The next chunk is made ready meanwhile, and no more than that one.
            following = asyncio.create_task(self._chunker.next())
            try:
                await self._import(chunk, job)
                chunk, job = await following, None
            finally:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
            if self._complaint is not None:
                raise self._complaint
        self._settled.check_end(self._entries.read)

    def _job_of(self, before: Sent | Accepted, chunk: Chunk | None) -> ImportJob | None:
        """The job that an earlier run had under way, if it is known which."""
        if chunk is None or (chunk.end, chunk.key_sum) != (before.end, before.key_sum):
            raise ConfigurationError("checkpoint", ANOTHER_SOURCE)
        if isinstance(before, Accepted):
            self._sent_any = True
            return self._orders.import_job(before.job_id)
        for part in chunk.parts:
            if part.entry.key is None:
                part.problem = _NotSentAgainError()
        return None

    async def _next_entry(self) -> Entry | None:
        """The next entry that is not settled yet."""
        while True:
            entry = await self._entries.next()
            self._tally.read = self._entries.read
            if entry is None or not self._settled.has(entry):
                return entry
            self._tally.skipped += 1
            await self._tell()

    # --- One chunk ------------------------------------------------------------------------------------------

    async def _import(self, chunk: Chunk, job: ImportJob | None) -> None:
        """Import a chunk, in halves if the service does not take it as a whole."""
        pieces = deque([chunk])
        while pieces:
            piece = pieces.popleft()
            sendable, failures = piece.sendable, []
            if sendable:
                self._tally.in_flight = len(sendable)
                try:
                    failures = failures_of(piece, await self._result(piece, job))
                except (ApiError, JobError) as error:
                    if is_of_the_order(error) and len(sendable) > 1:
                        pieces.extendleft(reversed(piece.halves()))
                        continue
                    if not (is_of_the_order(error) or _has_ended_badly(error)):
                        raise
                    unknown = isinstance(error, JobError)
                    failures = [_failure(part, reason_of(error), unknown=unknown) for part in sendable]
                finally:
                    self._tally.in_flight, job = 0, None
            await self._settle(piece, failures)

    async def _result(self, piece: Chunk, job: ImportJob | None) -> ImportResult:
        """What came of a request. One whose job is gone or failed as a whole is made once more, if it may be."""
        again = piece.keyed
        while True:
            try:
                async with self._turn:  # entered anew for each: one that was lost is found out here
                    if job is None:
                        job = await self._send(piece)
                        # It takes about as long as the one before: looks until then would ask what is known. Where
                        # time runs out before that, to look is the only way to learn that it was quicker.
                        seconds = self._seconds_an_order * len(piece.sendable)
                        if self._timeout is None or seconds < self._timeout:
                            job._expect_in(seconds)
                    result = await job.wait(timeout=self._timeout, on_progress=self._seen)
                ended = self._tally.job
                took_ms = ended.processing_time if ended is not None else None
                self._seconds_an_order = (took_ms or 0) / 1000 / len(piece.sendable)
                return result
            except JobError as error:
                if not (again and _has_ended_badly(error)):
                    raise
            job, again = None, False

    async def _send(self, piece: Chunk) -> ImportJob:
        if not piece.keyed:
            self._record(Sent(piece.end, piece.key_sum))
        call = self._orders._import_call(piece.body(), keyed=piece.keyed)
        self._sent_any = True
        try:
            response = await self._orders._session.send(call, self._orders._options, "orders.import_orders")
        except VoucherifyError as error:
            self._tally.retried += retried(error)
            if not piece.keyed and not outcome_unknown(error):
                self._record(NotSent())
            raise
        self._tally.retried += response.attempts - 1
        self._record(Accepted(piece.end, piece.key_sum, response.data.id))
        return response.data

    async def _settle(self, piece: Chunk, failures: list[OrderFailure]) -> None:
        done = len(piece.sendable) - len(failures)
        unfit = ((part, part.problem) for part in piece.parts if part.problem is not None)
        failures = [
            *(_failure(part, reason_of(why), unknown=outcome_unknown(why)) for part, why in unfit),
            *failures,
        ]
        for failure in failures:
            await self._tally.tell_failure(failure)
        self._tally.count_done(done)
        for failure in failures:
            self._tally.count_failure(failure)
        again, self._recorded_retried = self._tally.retried - self._recorded_retried, self._tally.retried
        self._record(
            ChunkSettled(
                piece.end,
                piece.key_sum,
                done,
                len(failures),
                again,
                [msgspec.structs.replace(failure, order=None) for failure in failures],
            )
        )
        self._settled.reach(piece.end, piece.key_sum)
        await self._tell()

    async def _seen(self, action: AsyncAction) -> None:
        self._tally.job = action
        await self._tell()

    async def _tell(self) -> None:
        """Tell how far it is. What the function raises stops the run, when the chunk under way is done."""
        try:
            await self._tally.tell()
        except Exception as error:
            self._complaint = self._complaint or error

    def _record(self, record: Record) -> None:
        if self._journal is not None:
            self._journal.append(record)


class _NotSentAgainError(Exception):
    outcome_unknown = True

    def __str__(self) -> str:
        return "an earlier run was stopped while it was sent, and without a key it must not be sent twice"


def _has_ended_badly(error: Exception) -> bool:
    """Whether the job is not there any more, failed as a whole, or has no result that can be read."""
    ended = (
        isinstance(error, JobError) and error.snapshot is not None and error.snapshot.status in ("DONE", "FAILED")
    )
    return ended or isinstance(error.__cause__, NotFoundError)


def failures_of(piece: Chunk, result: ImportResult) -> list[OrderFailure]:
    """The orders that were not imported, one by one: those that are named, and those that are only counted."""
    sent = piece.sendable
    by_name: dict[str, list[Part]] = {}
    for part in sent:
        for name in part.entry.names:
            by_name.setdefault(name, []).append(part)
    times = Counter(failed.source_id or "" for failed in result.failed)
    # Of several entries of one order the last ones, in their sequence: whichever it was, to feed those in again
    # leaves what came last. But it is not known that they were not imported.
    ambiguous = {name for name, parts in by_name.items() if 0 < times[name] < len(parts)}
    last = {name: by_name[name][-times[name] :][::-1] for name in times.keys() & by_name.keys()}
    failures = []
    for failed in result.failed:
        name = failed.source_id or ""
        candidates = last.get(name)
        named = candidates.pop() if candidates else None
        reason = failed.reason or "the service tells no reason"
        failures.append(
            OrderFailure(key=failed.source_id, reason=reason, position=None)
            if named is None
            else _failure(named, reason, unknown=name in ambiguous)
        )
    unnamed = result.failed_count - len(failures)
    # Two entries of one order may be counted as one; what is missing beyond that was not imported for all we know.
    accounted = result.done_count + max(result.failed_count, len(failures))
    distinct = len({part.entry.key or part.entry.position for part in sent})
    failures += [OrderFailure(key=None, reason=_UNNAMED, position=None)] * max(0, unnamed)
    if accounted < distinct:
        reason = f"the service accounts for {accounted} of {len(sent)} orders of its import"
        failures += [OrderFailure(key=None, reason=reason, position=None, outcome_unknown=True)] * (
            len(sent) - accounted
        )
    return failures[: len(sent)]


def _failure(part: Part, reason: str, *, unknown: bool = False) -> OrderFailure:
    entry = part.entry
    return OrderFailure(
        key=entry.key, reason=reason, position=entry.position, outcome_unknown=unknown, order=entry.order
    )
