"""`client.orders.upsert_all`: one call for each entry, many side by side, those of one order one after another."""

import asyncio
from collections.abc import AsyncIterable, Callable, Iterable
from os import PathLike
from pathlib import Path
from typing import Final

import msgspec

from voucherify_async.bulk.entries import Entries, Entry
from voucherify_async.bulk.journal import Done, Failed, Journal, Record
from voucherify_async.bulk.lanes import Lanes
from voucherify_async.bulk.level import Level
from voucherify_async.bulk.reports import BulkProgress, BulkReport, OrderFailure, Tally
from voucherify_async.bulk.settled import Settled
from voucherify_async.bulk.verdicts import (
    is_in_doubt,
    is_of_the_order,
    outcome_unknown,
    reason_of,
    retried,
    sent_at_all,
)
from voucherify_async.call import Call, any_json, json_decoder
from voucherify_async.errors import BulkStoppedError, ConfigurationError, RateLimitError
from voucherify_async.inputs import checked_json
from voucherify_async.models.orders import Id, NewOrder
from voucherify_async.session import CallOptions, SessionManager

# Entries that may wait for an earlier one of their order, and by how many one that takes long may be overtaken:
# what is kept in memory, and in a checkpoint beyond its mark.
MOST_WAITING: Final = 1_000
LONGEST_LEAD: Final = 100_000
# Orders that the service failed at with no good answer in between, before it is taken to be away. Of few calls side
# by side, half of them: an outage shows when the first round of them has failed.
MOST_IN_DOUBT: Final = 8


class _Stored(msgspec.Struct, frozen=True):
    """All that has to be known of the answer: that it is one."""

    id: Id


_decode_stored = json_decoder(_Stored)
_ANY_ORDER: Final = Call("GET", "/v1/orders", any_json, query="limit=1")
_check_new: Callable[[bytes], object] = msgspec.json.Decoder(NewOrder).decode


class Upserts:
    """One run. See `Orders.upsert_all`.

    Args:
        concurrency: calls at the same time; None for as many as turn out best.
    """

    def __init__(
        self,
        session: SessionManager,
        options: CallOptions,
        source: Iterable[NewOrder] | AsyncIterable[NewOrder],
        *,
        concurrency: int | None,
        checkpoint: str | PathLike[str] | None,
        on_progress: Callable[[BulkProgress], object] | None,
        on_failure: Callable[[OrderFailure], object] | None,
    ) -> None:
        self._session = session
        self._options = options
        self._clock = session.clock
        self._entries = Entries(source, keyless=False)
        most = session.most_at_once()
        self._level = Level(most, session.repeats) if concurrency is None else None
        self._ceiling = min(concurrency or most, most)
        self._lanes = Lanes()
        self._settled = Settled()
        self._tally = Tally(self._clock, total=self._entries.total, on_progress=on_progress, on_failure=on_failure)
        self._calls: set[asyncio.Task[None]] = set()
        self._room = asyncio.Event()
        self._failing = asyncio.Lock()  # `on_failure` is called once at a time
        self._reader: asyncio.Task[None] | None = None
        self._cause: BaseException | None = None
        # Failed at by a service of which nothing else has been heard since: it may be the orders, or the service.
        self._in_doubt: list[tuple[Entry, Exception]] = []
        self._second_chance: set[Entry] = set()
        self._sent_any = False
        self._journal = None if checkpoint is None else Journal(Path(checkpoint), "upsert_all", self._replay)

    def _replay(self, record: Record) -> None:
        """Take up what an earlier run has settled."""
        if isinstance(record, Done):
            self._tally.take_up(1, [], 0, record.retried)
        elif isinstance(record, Failed):
            self._tally.take_up(0, [record.failure], 1, record.retried)
        else:
            return
        self._settled.add(record.position, record.key_sum)

    # --- The run --------------------------------------------------------------------------------------------

    async def run(self) -> BulkReport:
        """Do it all, or as much as can be done."""
        with self._tally.telling(self._session.reporter, "upsert_all"):
            return await self._run()

    async def _run(self) -> BulkReport:
        try:
            self._reader = asyncio.create_task(self._read())
            try:
                await asyncio.wait([self._reader])
                self._take_error(self._reader)
                while self._calls or (self._in_doubt and self._cause is None):
                    if self._calls:
                        await asyncio.wait(self._calls)
                    else:
                        await self._ask_for_the_service()
            finally:
                await self._end(self._reader)
            return await self._concluded()
        finally:
            if self._journal is not None:
                self._journal.close()

    async def _end(self, reader: "asyncio.Task[None]") -> None:
        """Leave no task behind: there is one only if the run was cancelled."""
        left = [task for task in (reader, *self._calls) if not task.done()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        try:
            await self._entries.close()
        except Exception as error:  # the source's own
            self._stop(error)

    def _take_error(self, reader: "asyncio.Task[None]") -> None:
        if reader.cancelled():
            # If it was not stopped, the source itself awaited something that was: there is more of it.
            self._stop(RuntimeError("its source was cancelled"))
            return
        error = reader.exception()
        if isinstance(error, Exception):
            self._stop(error)
        elif error is not None:
            raise error

    async def _concluded(self) -> BulkReport:
        if self._cause is None:
            try:
                # Only then is it forgotten what was done: a run that is stopped here can be gone on with.
                await self._tally.tell(last=True)
                if self._journal is not None:
                    self._journal.remove()
            except Exception as error:
                self._cause = error
        report = self._tally.report()
        if self._cause is None:
            return report
        of_nothing_sent = isinstance(self._cause, ConfigurationError) and not self._sent_any
        if of_nothing_sent or not isinstance(self._cause, Exception):
            raise self._cause
        raise BulkStoppedError(self._cause, report=report) from self._cause

    def _stop(self, cause: BaseException) -> None:
        """Read and send no more; what is under way is finished."""
        if self._cause is None:
            self._cause = cause
        if self._reader is not None:
            self._reader.cancel()

    async def _read(self) -> None:
        """Take an entry from the source whenever one can be made use of."""
        # Before that, another source than the checkpoint's can still show as such, and nothing of it is sent.
        sure_from = self._settled.end
        while self._cause is None:
            entry = await self._entries.next()
            self._tally.read = self._entries.read
            if entry is None:
                self._settled.check_end(self._entries.read)
                return
            if self._settled.has(entry):
                self._tally.skipped += 1
                await self._tally.tell()
            else:
                self._lanes.add(entry)
            if self._entries.read < sure_from:
                continue
            self._send_ready()
            while self._is_full(entry):
                if self._in_doubt and not self._calls:  # all wait for those
                    await self._ask_for_the_service()
                    continue
                self._room.clear()
                await self._room.wait()

    def _is_full(self, newest: Entry) -> bool:
        return (
            len(self._calls) >= self._limit
            or self._lanes.waiting >= MOST_WAITING
            or newest.position - self._settled.mark >= LONGEST_LEAD
        )

    @property
    def _limit(self) -> int:
        return self._ceiling if self._level is None else min(self._level.limit, self._ceiling)

    def _send_ready(self) -> None:
        ready = self._lanes.ready
        while ready and self._cause is None and len(self._calls) < self._limit:
            self._sent_any = True
            call = asyncio.create_task(self._upsert(ready.popleft()))
            self._calls.add(call)
            call.add_done_callback(self._ended)
        self._tally.in_flight, self._tally.concurrency = len(self._calls), self._limit

    def _ended(self, call: "asyncio.Task[None]") -> None:
        if self._level is not None:
            self._level.settled(self._clock.monotonic(), len(self._calls), self._session.repeats)
        self._calls.discard(call)
        error = RuntimeError("one of its calls was cancelled") if call.cancelled() else call.exception()
        if error is not None:
            self._stop(error)
        self._send_ready()
        self._room.set()

    # --- One entry ------------------------------------------------------------------------------------------

    async def _upsert(self, entry: Entry) -> None:
        """Send an entry and settle it. What it raises stops the run."""
        try:
            body = checked_json("order", entry.order, _check_new)
        except ConfigurationError as error:
            await self._fail(entry, error)
            return
        try:
            response = await self._session.send(
                Call("POST", "/v1/orders", _decode_stored, body=body), self._options, "orders.create"
            )
        except Exception as error:
            self._tally.retried += retried(error)
            if is_of_the_order(error):
                await self._fail(entry, error)
                await self._heard_of_the_service()
            elif is_in_doubt(error) and len(self._in_doubt) < max(1, min(MOST_IN_DOUBT, self._limit // 2)):
                self._in_doubt.append((entry, error))
            elif isinstance(error, RateLimitError) and len(self._calls) > 1:
                # The line for the limit is longer than a call may wait. Others stand in it: fewer will do.
                self._tally.retried += sent_at_all(error)
                self._ceiling = len(self._calls) - 1
                self._lanes.ready.appendleft(entry)
            else:
                raise
            return
        self._tally.retried += response.attempts - 1
        self._tally.count_done(1)
        await self._settle(entry, Done(entry.position, entry.key_sum, response.attempts - 1))
        await self._heard_of_the_service()

    async def _heard_of_the_service(self) -> None:
        """An order in doubt may have met an outage: it gets a second chance, and fails if that is in doubt too."""
        in_doubt, self._in_doubt = self._in_doubt, []
        for entry, error in in_doubt:
            if entry in self._second_chance:
                self._second_chance.remove(entry)
                await self._fail(entry, error)
            else:
                self._second_chance.add(entry)
                self._tally.retried += sent_at_all(error)
                self._lanes.ready.appendleft(entry)

    async def _ask_for_the_service(self) -> None:
        """No order is left that could tell whether the service is there."""
        _, error = self._in_doubt[0]
        try:
            await self._session.send(_ANY_ORDER, self._options, "orders.list")
        except Exception:
            self._stop(error)
            return
        try:
            await self._heard_of_the_service()
        except Exception as problem:  # such as one of `on_failure`
            self._stop(problem)
        self._send_ready()

    async def _fail(self, entry: Entry, error: Exception) -> None:
        failure = OrderFailure(
            key=entry.key,
            reason=reason_of(error),
            position=entry.position,
            outcome_unknown=outcome_unknown(error),
            order=entry.order,
        )
        async with self._failing:
            await self._tally.tell_failure(failure)
        self._tally.count_failure(failure)
        told = msgspec.structs.replace(failure, order=None)
        await self._settle(entry, Failed(entry.position, entry.key_sum, retried(error), told))

    async def _settle(self, entry: Entry, record: Record) -> None:
        if self._journal is not None:
            self._journal.append(record)
        self._settled.add(entry.position, entry.key_sum)
        self._lanes.settle(entry)
        self._second_chance.discard(entry)
        await self._tally.tell()
