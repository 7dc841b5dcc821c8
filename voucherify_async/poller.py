"""One poller looks after all jobs of a kind that somebody waits for.

One waiting job is asked for by its id. Several are found in one listing, and only those that need it are asked
for by themselves: 50 waiting imports cost one request per look, not 50.
"""

import asyncio
import datetime
import sys
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from copy import copy
from typing import Any, Final, Generic, Protocol, TypeVar

import msgspec

from voucherify_async.call import ApiResponse
from voucherify_async.errors import (
    ApiError,
    ClientClosedError,
    JobError,
    RateLimitError,
    ServerError,
    TransportError,
    VoucherifyError,
)
from voucherify_async.events import JobKind, JobSeen, JobWaitEnded, JobWaitStarted, LookStarted, Polled
from voucherify_async.models.jobs import AsyncAction, Export
from voucherify_async.resources.async_actions import AsyncActions
from voucherify_async.resources.exports import Exports
from voucherify_async.session import SessionManager
from voucherify_async.wire import asked_wait

S = TypeVar("S", bound=AsyncAction | Export)

FIRST_INTERVAL: Final = 0.5
LONGEST_INTERVAL: Final = 10.0
GROWTH: Final = 1.5
JITTER: Final = 0.2

# Looks in a row that may fail for reasons that pass, each with the client's own repeats, before all who wait are
# told. One that the service asked to be made later does not count.
PATIENCE: Final = 10
# Seconds; those who come one by one to wait are looked after together.
BETWEEN_LISTINGS: Final = 0.1
# Seconds; a service that asks for a longer pause than this between two looks is not taken at its word.
LONGEST_ASKED: Final = 3600.0

_PASSING = (TransportError, ServerError, RateLimitError)
_FETCHES_AT_ONCE: Final = 16
_PAGE: Final = 100
_MILLISECOND: Final = datetime.timedelta(milliseconds=1)


class Watch(Generic[S]):
    """What is known of one job, and who waits for news of it.

    Attributes:
        snapshot: the last state seen, None if there was none.
        version: counts the news.
        error: what ends the waiting, None if nothing does.
        trouble: what went wrong with the last look and may pass.
        expected_at: by the clock, when the job is likely to end; looks before that would only find it under way.
    """

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        self.snapshot: S | None = None
        self.version = 0
        self.error: VoucherifyError | None = None
        self.trouble: VoucherifyError | None = None
        self.waiting = 0
        self.interval = 0.0
        self.due_at = 0.0
        self.expected_at = 0.0
        self.failures = 0
        self.listening = 0
        self.changed = asyncio.Event()
        self.ended = asyncio.Event()

    def start_afresh(self, now: float) -> None:
        """Look as soon as that makes sense, and often at first: somebody begins to wait, and nobody did."""
        self.interval = 0.0
        self.due_at = min(self.expected_at, now + LONGEST_INTERVAL)
        self.failures = 0

    def forget_loop(self) -> None:
        """Nobody waits; the next one may do so on another event loop."""
        self.changed, self.ended = asyncio.Event(), asyncio.Event()

    async def wait_for_news(self) -> None:
        """Wait for the next state, or an error."""
        self.listening += 1
        try:
            await self.changed.wait()
        finally:
            self.listening -= 1

    def publish(self, snapshot: S, *, final: bool) -> None:
        """Wake those who listen to each new state, and at the last one all who wait."""
        self.snapshot, self.error = snapshot, None
        self._wake(ended=final)

    def fail(self, error: VoucherifyError) -> None:
        """Wake all who wait with an error."""
        self.error = error
        self._wake(ended=True)

    def _wake(self, *, ended: bool) -> None:
        self.version += 1
        if self.listening:
            changed, self.changed = self.changed, asyncio.Event()
            changed.set()
        if ended:
            last, self.ended = self.ended, asyncio.Event()
            last.set()


class Found(msgspec.Struct, Generic[S], frozen=True):
    """What one request brought: states by job id, and the headers, which may ask for a pause."""

    snapshots: dict[str, S]
    headers: Mapping[str, str]


class Source(Protocol[S]):
    """Where the states of one kind of job come from.

    Attributes:
        kind: of job, for events.
        most_pages: that its listing has.
    """

    kind: JobKind
    most_pages: int

    async def one(self, job_id: str) -> Found[S]:
        """Ask for one job, with its result if it is done."""
        ...

    async def page(self, number: int, last: S | None) -> Found[S]:
        """A page of the newest jobs, the first or the one after `last`; at most 100."""
        ...

    def is_final(self, snapshot: S) -> bool:
        """Whether the job has ended."""
        ...

    def is_complete(self, snapshot: S) -> bool:
        """Whether a listed state says all there is to say."""
        ...


class Poller(Generic[S]):
    """Looks after the watched jobs of one kind, for as long as somebody waits."""

    def __init__(self, session: SessionManager, source: Source[S]) -> None:
        self._session = session
        self._source = source
        self._active: set[Watch[S]] = set()
        self._task: asyncio.Task[None] | None = None
        self._nap: asyncio.Future[None] | None = None
        self._not_before = 0.0  # a pause that the service asked for, or that many who come one by one are given

    async def news(self, watch: Watch[S], seen: int, *, last_only: bool) -> S:
        """Wait for a state newer than version `seen`, or for the last one. Cancelling this disturbs nobody else.

        To be woken costs more than all the rest of a look: of many who wait, those sleep on who need no news.

        Raises:
            JobError: the job cannot be followed; its cause tells why.
            ClientClosedError: the client was closed, before or meanwhile.
            EventLoopError: the client belongs to another event loop.
        """
        try:
            self._session.belong_here()
        except ClientClosedError:
            raise _closed(watch) from None
        if not watch.waiting:
            watch.forget_loop()
        watch.waiting += 1
        self._active.add(watch)
        try:
            self._wake(watch)
            while (
                watch.version <= seen or watch.snapshot is None or (last_only and not self.is_final(watch.snapshot))
            ):
                await (watch.ended.wait() if last_only else watch.wait_for_news())
                if watch.error is not None:
                    raise copy(watch.error) from watch.error.__cause__  # one for each who waits
            return watch.snapshot
        finally:
            watch.waiting -= 1
            if not watch.waiting:
                self._active.discard(watch)
                if not self._active and self._nap is not None:
                    self._nap.cancel()

    def is_final(self, snapshot: S) -> bool:
        """Whether the job has ended."""
        return self._source.is_final(snapshot)

    def telling(self, watch: Watch[S]) -> AbstractContextManager[None]:
        """What waiting for a job happens within, so that its start and its end are told, if there is any."""
        if watch.snapshot is not None and self.is_final(watch.snapshot):
            return nullcontext()
        job_id, kind, clock = watch.job_id, self._source.kind, self._session.clock
        begun = clock.monotonic()
        return self._session.reporter.telling(
            lambda wait: JobWaitStarted(wait, kind, job_id),
            lambda wait, error: JobWaitEnded(wait, kind, job_id, error, clock.monotonic() - begun),
        )

    def now(self) -> float:
        """By the clock that looks go by."""
        return self._session.clock.monotonic()

    def _wake(self, watch: Watch[S]) -> None:
        running = asyncio.get_running_loop()
        if self._task is None or self._task.done() or self._task.get_loop() is not running:
            if self._task is not None and self._task.get_loop() is not running:
                self._active = {watch}  # others were waited for on a loop that has ended, or before a fork
            self._nap = None
            self._task = self._session.spawn(self._run())
        elif self._nap is not None:
            self._nap.cancel()

    async def _run(self) -> None:
        clock = self._session.clock
        try:
            while watches := self._unfinished():
                next_at = max(min(watch.due_at for watch in watches), self._not_before)
                pause = next_at - clock.monotonic()
                if pause > 0:
                    await self._sleep(pause)
                else:
                    await self._look(watches)
        except asyncio.CancelledError:
            for watch in self._unfinished():
                watch.fail(_closed(watch))
            raise
        except Exception as error:  # ours, or a rate limiter's: nobody must be left waiting for ever
            for watch in self._unfinished():
                watch.fail(_lost(watch, error))

    async def _sleep(self, seconds: float) -> None:
        """Sleep, unless somebody comes to wait for another job."""
        nap = self._nap = asyncio.ensure_future(self._session.clock.sleep(seconds))
        try:
            await asyncio.wait([nap])
            if not nap.cancelled():
                nap.result()  # a clock of the user's own may fail
        finally:
            self._nap = None
            if not nap.done():
                nap.cancel()
                await asyncio.wait([nap])

    def _unfinished(self) -> list[Watch[S]]:
        return [watch for watch in self._active if watch.snapshot is None or not self.is_final(watch.snapshot)]

    async def _look(self, watches: list[Watch[S]]) -> None:
        """Bring every watched job up to date, with as few requests as that takes."""
        job_ids = {watch.job_id for watch in watches}
        self._session.reporter.tell(LookStarted(self._source.kind, frozenset(job_ids)))
        news: dict[str, S | VoucherifyError] = {}
        pause, requests = 0.0, 0
        if len(job_ids) > 1:
            self._not_before = self._session.clock.monotonic() + BETWEEN_LISTINGS
            news, pause, requests = await self._listed(job_ids)
        singly = [job_id for job_id in job_ids if not self._is_news(news.get(job_id))]
        for start in range(0, len(singly), _FETCHES_AT_ONCE):
            batch = singly[start : start + _FETCHES_AT_ONCE]
            for job_id, answer in zip(batch, await asyncio.gather(*map(self._one, batch)), strict=True):
                if isinstance(answer, VoucherifyError):
                    news[job_id] = answer
                else:
                    (news[job_id],) = answer.snapshots.values()
                    pause = max(pause, self._asked(answer.headers))
        self._session.reporter.tell(Polled(self._source.kind, len(job_ids), requests + len(singly)))
        self._tell(watches, news, pause)

    def _is_news(self, news: S | VoucherifyError | None) -> bool:
        """Whether it needs no look at the job by itself. A listed end without its result does."""
        if news is None or isinstance(news, VoucherifyError):
            return news is not None
        return self._source.is_complete(news) or not self._source.is_final(news)

    async def _one(self, job_id: str) -> Found[S] | VoucherifyError:
        try:
            return await self._source.one(job_id)
        except VoucherifyError as error:
            return error

    async def _listed(self, job_ids: set[str]) -> tuple[dict[str, S | VoucherifyError], float, int]:
        """Find several jobs with few requests: older pages for as long as each brings two or more of them.

        Returns:
            What was found, or why not; the seconds that the service asks to wait; and how many requests it took.
        """
        missing, listed, pause, requests = set(job_ids), dict[str, S | VoucherifyError](), 0.0, 0
        last: S | None = None
        for number in range(1, self._source.most_pages + 1):
            requests = number
            try:
                page = await self._source.page(number, last)
            except VoucherifyError as error:
                # What is refused or cannot be read as a list may still be had one by one.
                if _passes(error) or isinstance(error, ClientClosedError):
                    listed |= dict.fromkeys(missing, error)
                break
            news = {job_id: state for job_id, state in page.snapshots.items() if job_id in missing}
            listed |= news
            pause = max(pause, self._asked(page.headers))
            missing -= news.keys()
            if len(missing) < 2 or len(news) < 2 or len(page.snapshots) < _PAGE:
                break
            last = list(page.snapshots.values())[-1]
        return listed, pause, requests

    def _asked(self, headers: Mapping[str, str]) -> float:
        """How many seconds an answer of success asks to wait before the next look."""
        return min(asked_wait(200, headers, self._session.clock.wall()) or 0.0, LONGEST_ASKED)

    def _tell(self, watches: Iterable[Watch[S]], news: Mapping[str, S | VoucherifyError], pause: float) -> None:
        """Wake those who wait for a job that there is news of, and say when each is looked at next."""
        errors = [error for error in news.values() if isinstance(error, ApiError)]
        pause = max([pause, *(error.retry_after or 0.0 for error in errors)])
        clock = self._session.clock
        now = clock.monotonic()
        self._not_before = max(self._not_before, now + min(pause, LONGEST_ASKED))
        # One for all, and also for those that were looked at before their time: with a moment of its own for each
        # job, every moment would be a look at all of them.
        spread = 1 + JITTER * (2 * clock.random() - 1)
        for watch in watches:
            if watch.due_at <= now:
                watch.interval = min(watch.interval * GROWTH or FIRST_INTERVAL, LONGEST_INTERVAL)
            until_expected = min(watch.expected_at - now, LONGEST_INTERVAL)
            watch.due_at = now + max(watch.interval * spread, until_expected)
            found = news[watch.job_id]
            if not isinstance(found, VoucherifyError):
                watch.trouble, watch.failures = None, 0
                progress = found.progress if isinstance(found, AsyncAction) else None
                self._session.reporter.tell(JobSeen(self._source.kind, watch.job_id, found.status, progress))
                watch.publish(found, final=self.is_final(found))
                continue
            watch.trouble = found
            asked = isinstance(found, ApiError) and found.retry_after is not None
            watch.failures += not asked
            if isinstance(found, ClientClosedError):
                watch.fail(_closed(watch))
            elif not _passes(found) or watch.failures >= PATIENCE:
                watch.fail(_lost(watch, found))


def _closed(watch: Watch[Any]) -> ClientClosedError:
    error = ClientClosedError(f"the client was closed while job {watch.job_id} was waited for")
    error.job_id = watch.job_id
    return error


def _lost(watch: Watch[S], error: Exception) -> JobError:
    failure = JobError(f"the job cannot be followed: {error}", job_id=watch.job_id, snapshot=watch.snapshot)
    failure.__cause__ = error
    return failure


def _passes(error: VoucherifyError) -> bool:
    """Whether an error is of the kind that is gone after a while."""
    if isinstance(error, RateLimitError) and error.limit_type == "api_calls_cycle":
        return False
    return isinstance(error, _PASSING)


# --- The two kinds of job -----------------------------------------------------------------------------------


class ImportSource:
    """Imports are async actions. Their list is the newest first, and has no results."""

    kind: JobKind = "import"
    most_pages: int = sys.maxsize  # they go by time

    def __init__(self, actions: AsyncActions) -> None:
        self._actions = actions

    async def one(self, job_id: str) -> Found[AsyncAction]:
        """`GET /v1/async-actions/{id}`."""
        response = await self._actions.with_http_info.get(job_id)
        return _found(response, [response.data])

    async def page(self, number: int, last: AsyncAction | None) -> Found[AsyncAction]:
        """`GET /v1/async-actions`, which pages by time."""
        # "Scheduled before": others of the same millisecond may stand on this page, as far as it reaches.
        end_date = None if last is None or last.created_at is None else last.created_at + _MILLISECOND
        response = await self._actions.with_http_info.list(limit=_PAGE, end_date=end_date)
        return _found(response, response.data.async_actions)

    def is_final(self, snapshot: AsyncAction) -> bool:
        """Whether it is done or has failed."""
        return snapshot.status in {"DONE", "FAILED"}

    def is_complete(self, snapshot: AsyncAction) -> bool:
        """A listed action has no result."""
        return snapshot.result is not None


class ExportSource:
    """Exports; their list has the address of the file."""

    kind: JobKind = "export"
    most_pages: int = 100  # as of orders; the documents name no number for exports

    def __init__(self, exports: Exports) -> None:
        self._exports = exports

    async def one(self, job_id: str) -> Found[Export]:
        """`GET /v1/exports/{id}`."""
        response = await self._exports.with_http_info.get(job_id)
        return _found(response, [response.data])

    async def page(self, number: int, last: Export | None) -> Found[Export]:
        """`GET /v1/exports`."""
        response = await self._exports.with_http_info.list(limit=_PAGE, page=number, order="-created_at")
        return _found(response, response.data.exports)

    def is_final(self, snapshot: Export) -> bool:
        """Whether it is done or has failed."""
        return snapshot.status in {"DONE", "ERROR"}

    def is_complete(self, snapshot: Export) -> bool:
        """A file that is done has an address."""
        return snapshot.status != "DONE" or (snapshot.result is not None and snapshot.result.url is not None)


def _found(response: ApiResponse[Any], snapshots: Iterable[S]) -> Found[S]:
    return Found({snapshot.id: snapshot for snapshot in snapshots}, response.headers)
