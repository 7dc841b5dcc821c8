"""What is told of a run over many orders: while it goes on, of each order that failed, and at its end."""

from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

import msgspec
from msgspec import Struct

from voucherify_async.clock import Clock
from voucherify_async.events import RunEnded, RunKind, RunStarted
from voucherify_async.jobs import report
from voucherify_async.models.jobs import AsyncAction
from voucherify_async.models.orders import NewOrder
from voucherify_async.reporting import Reporter

MOST_NAMED: Final = 10_000
# Seconds; who draws a bar needs no more, and who writes lines picks.
BETWEEN_NEWS: Final = 0.1
_RATE_OVER: Final = 10.0


class OrderFailure(Struct, frozen=True, kw_only=True):
    """An order that was not stored, or of which that is not known.

    Attributes:
        key: its `source_id`, or else its `id`; None if it has neither, or the service does not name it.
        reason: why.
        position: of the entry in the source, the first one is 0; None if the service does not name it.
        outcome_unknown: whether the service may have stored it all the same.
        order: as the source gave it, for `on_failure`; a report does not keep it.
    """

    key: str | None
    reason: str
    position: int | None
    outcome_unknown: bool = False
    order: NewOrder | None = None


class BulkProgress(Struct, frozen=True, kw_only=True):
    """How far a run is. What earlier runs did, by its checkpoint, is counted in.

    Attributes:
        read: entries taken from the source.
        done: of them, stored.
        failed_count: of them, failed.
        retried: requests that were sent again.
        in_flight: orders that are under way.
        concurrency: how many may be under way at the same time.
        total: how many entries the source has; None if it does not say.
        seconds: since this run began.
        per_second: orders that were settled per second, of late.
        job: the import under way, as it was last seen; None for `upsert_all`.
    """

    read: int
    done: int
    failed_count: int
    retried: int
    in_flight: int
    concurrency: int
    total: int | None
    seconds: float
    per_second: float
    job: AsyncAction | None = None


class BulkReport(Struct, frozen=True, kw_only=True):
    """What came of a run, together with those before it that its checkpoint tells of.

    At the end of a run `read == done + failed_count`. If it was stopped, the rest was not settled: those orders
    were not sent, or what became of them is not known.

    Attributes:
        read: entries taken from the source, each counted once.
        done: of them, stored.
        failed: those that were not, with key and reason: the first 10,000. `on_failure` is told of all.
        failed_count: how many were not.
        retried: requests that were sent again.
        skipped: entries that runs before this one had settled.
        seconds: that this run took.
    """

    read: int
    done: int
    failed: list[OrderFailure]
    failed_count: int
    retried: int
    skipped: int
    seconds: float


class Tally:
    """Counts what is settled, and tells those who want to know.

    Attributes:
        concurrency: how many orders may be under way at the same time.
        in_flight: orders that are under way.
        job: the import under way, as it was last seen.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        total: int | None,
        on_progress: Callable[[BulkProgress], object] | None,
        on_failure: Callable[[OrderFailure], object] | None,
    ) -> None:
        self._clock = clock
        self._total = total
        self._on_progress = on_progress
        self._on_failure = on_failure
        self._started = self._told_at = clock.monotonic()
        self._telling = False
        # Moments, and how many orders were settled by then: the rate of late is that between the ends.
        self._history: deque[tuple[float, int]] = deque([(self._started, 0)])
        self._settled_here = 0
        self._failed: list[OrderFailure] = []
        self.read = 0
        self.done = 0
        self.failed_count = 0
        self.retried = 0
        self.skipped = 0
        self.in_flight = 0
        self.concurrency = 1
        self.job: AsyncAction | None = None

    def telling(self, reporter: Reporter, kind: RunKind) -> AbstractContextManager[None]:
        """What a run happens within, so that its start and its end are told to `on_event`."""
        return reporter.telling(
            lambda run: RunStarted(run, kind),
            lambda run, error: RunEnded(
                run,
                kind,
                read=self.read,
                done=self.done,
                failed_count=self.failed_count,
                retried=self.retried,
                skipped=self.skipped,
                error=error,
                elapsed=self._clock.monotonic() - self._started,
            ),
        )

    def count_done(self, orders: int) -> None:
        """So many more were stored just now."""
        self.done += orders
        self._settled_here += orders

    async def tell_failure(self, failure: OrderFailure) -> None:
        """Tell of a failure, before it is counted: a kill in between must not lose it."""
        await report(self._on_failure, failure)

    def count_failure(self, failure: OrderFailure) -> None:
        """One more has failed just now."""
        self._settled_here += 1
        self.take_up(0, [failure], 1, 0)

    def take_up(self, done: int, failed: list[OrderFailure], failed_count: int, retried: int) -> None:
        """Add what an earlier run settled."""
        self.done += done
        self.failed_count += failed_count
        self.retried += retried
        room = MOST_NAMED - len(self._failed)
        self._failed += [msgspec.structs.replace(failure, order=None) for failure in failed[:room]]

    async def tell(self, *, last: bool = False) -> None:
        """Tell how far it is, if that was not just told. One call at a time, the last one always."""
        if self._on_progress is None:
            return
        now = self._clock.monotonic()
        if not last and (self._telling or now - self._told_at < BETWEEN_NEWS):
            return
        self._telling, self._told_at = True, now
        try:
            await report(self._on_progress, self._progress(now))
        finally:
            self._telling = False

    def _progress(self, now: float) -> BulkProgress:
        history = self._history
        history.append((now, self._settled_here))
        while len(history) > 2 and history[1][0] < now - _RATE_OVER:
            history.popleft()
        since, before = history[0]
        return BulkProgress(
            read=self.read,
            done=self.done,
            failed_count=self.failed_count,
            retried=self.retried,
            in_flight=self.in_flight,
            concurrency=self.concurrency,
            total=self._total,
            seconds=now - self._started,
            per_second=(self._settled_here - before) / (now - since) if now > since else 0.0,
            job=self.job,
        )

    def report(self) -> BulkReport:
        """What came of it so far."""
        return BulkReport(
            read=self.read,
            done=self.done,
            failed=list(self._failed),
            failed_count=self.failed_count,
            retried=self.retried,
            skipped=self.skipped,
            seconds=self._clock.monotonic() - self._started,
        )
