"""Imports and exports as things to await."""

import asyncio
import contextlib
import datetime
import email.utils
import gc
import os
import random
from collections.abc import Awaitable, Generator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.fakes import FakeClock, http, raw_server, until
from voucherify_async import (
    AsyncAction,
    AuthenticationError,
    ClientClosedError,
    ConfigurationError,
    ConnectError,
    DecodeError,
    DownloadProgress,
    Export,
    ExportFailedError,
    ExportJob,
    ImportFailedError,
    JobError,
    JobTimeoutError,
    NewOrder,
    NotFoundError,
    OrderRow,
    PermissionDeniedError,
    RetryPolicy,
    VoucherifyClient,
)
from voucherify_async.emulator import Clock, Emulator
from voucherify_async.emulator.faults import Fault
from voucherify_async.events import JobKind
from voucherify_async.jobs import ImportJob
from voucherify_async.poller import LONGEST_INTERVAL, PATIENCE, Found, Poller

LIST_ACTIONS = ("GET", "/v1/async-actions")
GET_ACTION = ("GET", "/v1/async-actions/*")
LIST_EXPORTS = ("GET", "/v1/exports")
GET_EXPORT = ("GET", "/v1/exports/*")


def orders(count: int, prefix: str = "o") -> list[NewOrder]:
    return [NewOrder(source_id=f"{prefix}-{number}", amount=number) for number in range(count)]


# --- Imports ------------------------------------------------------------------------------------------------


async def test_an_import_is_awaited(emulator: Emulator, client: VoucherifyClient) -> None:
    job = await client.orders.import_orders(orders(30))
    assert job.id.startswith("aa_")
    result = await job
    assert (result.done_count, result.failed_count, result.failed) == (30, 0, [])
    assert result.job_id == job.id
    result.raise_for_failures()
    assert emulator.effects.of("o-29").imported == 1
    assert job.id in repr(job)
    assert "DONE" in repr(job)


async def test_a_finished_job_is_known_without_asking_again(emulator: Emulator, client: VoucherifyClient) -> None:
    job = await client.orders.import_orders(orders(1))
    first = await job
    asked = len(emulator.requests)
    assert await job == first
    assert [state.status async for state in job.snapshots()] == ["DONE"]
    assert len(emulator.requests) == asked


class Counting:
    """An awaitable that counts how often it is gone on with."""

    def __init__(self, inner: Awaitable[object]) -> None:
        self._inner = inner
        self.steps = 0

    def __await__(self) -> Generator[Any, None, None]:
        steps = self._inner.__await__()
        for awaited in steps:
            self.steps += 1
            yield awaited

    async def run(self) -> None:
        await self


async def test_only_who_wants_to_hear_of_each_state_is_woken_by_it(
    emulator: Emulator, client: VoucherifyClient
) -> None:
    emulator.pause_jobs()
    job = await client.orders.import_orders(orders(1))
    seen: list[AsyncAction] = []
    silent, told = Counting(job.wait()), Counting(job.wait(on_progress=seen.append))
    waiting = [asyncio.create_task(one.run()) for one in (silent, told)]
    await until(lambda: len(seen) == 20)
    emulator.resume_jobs()
    await asyncio.gather(*waiting)
    assert silent.steps == 1
    assert told.steps >= len(seen) > 20


async def test_failed_orders_are_a_result(client: VoucherifyClient) -> None:
    job = await client.orders.import_orders([NewOrder(source_id="good"), NewOrder(source_id="bad", status="LOST")])
    result = await job
    assert (result.done_count, result.failed_count) == (1, 1)
    assert result.failed[0].source_id == "bad"
    assert result.failed[0].reason
    with pytest.raises(ImportFailedError, match="1 of 2") as caught:
        result.raise_for_failures()
    assert caught.value.job_id == job.id


async def test_a_failed_import_is_an_error(emulator: Emulator, client: VoucherifyClient) -> None:
    emulator.fail_next_import("Disk full")
    job = await client.orders.import_orders(orders(3))
    for _ in range(2):
        with pytest.raises(ImportFailedError, match="Disk full") as caught:
            await job
        assert caught.value.job_id == job.id
        assert caught.value.snapshot is not None
        assert caught.value.snapshot.status == "FAILED"


async def test_an_import_whose_orders_all_failed_is_a_result_too(client: VoucherifyClient) -> None:
    result = await (await client.orders.import_orders([NewOrder(source_id="bad", status="LOST")]))
    assert (result.done_count, result.failed_count) == (0, 1)


@pytest.mark.parametrize(
    ("action", "outcome"),
    [
        ({"status": "DONE", "operation_status": "SUCCESS", "result": {"done_count": 2}}, 2),
        ({"status": "DONE", "operation_status": "UNKNOWN", "result": {"done_count": 2}}, 2),
        ({"status": "DONE", "result": {"done_count": 0, "failed_count": 0}}, 0),
        ({"status": "DONE", "operation_status": "FAILED", "result": {"done_count": 1, "failed_count": 1}}, 1),
        ({"status": "DONE", "operation_status": "FAILED", "result": {"message": "no"}}, ImportFailedError),
        ({"status": "FAILED", "result": {"done_count": 1, "failed_count": 1}}, ImportFailedError),
        ({"status": "FAILED", "result": None}, ImportFailedError),
        ({"status": "DONE", "result": None}, JobError),
        ({"status": "DONE", "operation_status": "SUCCESS", "result": None}, JobError),
        ({"status": "DONE", "result": {"done_count": "two"}}, JobError),
    ],
)
async def test_how_an_import_ended(clock: FakeClock, action: dict[str, Any], outcome: Any) -> None:
    body = msgspec.json.encode({"id": "aa_1", **action})
    async with raw_server(http(200, body)) as server:
        async with VoucherifyClient("i", "t", base_url=server.url, clock=clock) as client:
            job = client.orders.import_job("aa_1")
            if isinstance(outcome, int):
                assert (await job).done_count == outcome
            else:
                with pytest.raises(outcome) as caught:
                    await job
                assert caught.value.job_id == "aa_1"
                assert caught.value.snapshot.status == action["status"]


async def test_progress_and_snapshots_tell_the_way(emulator: Emulator, client: VoucherifyClient) -> None:
    emulator.pause_jobs()
    job = await client.orders.import_orders(orders(10))
    seen: list[AsyncAction] = []
    waiting = asyncio.create_task(job.wait(on_progress=seen.append))
    states: list[AsyncAction] = []
    looks: list[int] = []

    async def follow() -> None:
        async for state in job.snapshots():
            if state not in states:
                states.append(state)
            looks.append(state.progress or 0)

    following = asyncio.create_task(follow())
    await until(lambda: len(seen) >= 3 and len(looks) >= 3)
    emulator.resume_jobs()
    await asyncio.gather(waiting, following)
    for found in (seen, states):
        progress = [state.progress or 0 for state in found]
        assert progress == sorted(progress)
        assert found[0].status in {"ENQUEUED", "IN_PROGRESS"}
        assert (found[-1].status, found[-1].progress) == ("DONE", 100)
        assert found[-1].result is not None


async def test_a_job_is_taken_up_by_its_id_elsewhere(emulator: Emulator, client: VoucherifyClient) -> None:
    started = await client.orders.import_orders(orders(3))
    async with emulator.client(clock=FakeClock()) as other:
        assert (await other.orders.import_job(started.id)).done_count == 3
        export = await client.orders.create_export()
        assert (await other.orders.export_job(export.id)).id == export.id


async def test_many_tasks_wait_for_one_job_and_one_that_is_cancelled_harms_nobody(
    emulator: Emulator, client: VoucherifyClient
) -> None:
    emulator.pause_jobs()
    job = await client.orders.import_orders(orders(3))
    tasks = [asyncio.create_task(job.wait()) for _ in range(10)]
    await until(lambda: emulator.effects.requests[GET_ACTION] > 2)
    tasks[0].cancel()
    tasks[5].cancel()
    emulator.resume_jobs()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [index for index, result in enumerate(results) if isinstance(result, BaseException)] == [0, 5]
    assert len({id(result) for result in results}) > 1
    # All of them together asked as one would have.
    assert emulator.effects.requests[LIST_ACTIONS] == 0


async def test_when_nobody_waits_any_more_nobody_asks_any_more(
    emulator: Emulator, client: VoucherifyClient, clock: FakeClock
) -> None:
    emulator.pause_jobs()
    job = await client.orders.import_orders(orders(3))
    waiting = asyncio.create_task(job.wait())
    await until(lambda: emulator.effects.requests[GET_ACTION] > 2)
    waiting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await waiting
    await until(lambda: not client._session._life._tasks)
    async for _ in job.snapshots():
        break
    await until(lambda: not client._session._life._tasks)
    gc.collect()
    emulator.resume_jobs()
    assert (await job).done_count == 3


async def test_intervals_grow_to_the_longest_with_jitter(
    emulator: Emulator, client: VoucherifyClient, clock: FakeClock
) -> None:
    emulator.pause_jobs()
    job = await client.orders.import_orders(orders(3))
    waiting = asyncio.create_task(job.wait())
    await until(lambda: len(clock.sleeps) > 12)
    assert clock.sleeps[:3] == pytest.approx([0.5, 0.75, 1.125])
    assert clock.sleeps[11] == LONGEST_INTERVAL
    clock.chance = 1.0
    await until(lambda: clock.sleeps[-1] == pytest.approx(LONGEST_INTERVAL * 1.2))
    emulator.resume_jobs()
    await waiting


async def test_the_service_can_ask_for_longer_intervals(clock: FakeClock) -> None:
    going = http(200, b'{"id":"aa_1","status":"IN_PROGRESS"}', "Retry-After: 45")
    done = http(200, b'{"id":"aa_1","status":"DONE","result":{}}')
    async with raw_server(going, done) as server:
        async with VoucherifyClient("i", "t", base_url=server.url, clock=clock) as client:
            with pytest.raises(JobError, match="tells no result"):
                await client.orders.import_job("aa_1")
    assert clock.sleeps == [45]


async def test_a_pause_may_be_asked_for_by_a_date(clock: FakeClock) -> None:
    moment = datetime.datetime.fromtimestamp(clock.wall() + 30, datetime.UTC)
    date = email.utils.format_datetime(moment, usegmt=True)
    going = http(200, b'{"id":"aa_1","status":"IN_PROGRESS"}', f"Retry-After: {date}")
    done = http(200, b'{"id":"aa_1","status":"DONE","result":{"done_count":1}}')
    async with raw_server(going, done) as server:
        async with VoucherifyClient("i", "t", base_url=server.url, clock=clock) as client:
            assert (await client.orders.import_job("aa_1")).done_count == 1
    assert clock.sleeps == [30]


async def test_a_long_pause_asked_for_with_an_error_is_kept_and_costs_no_patience(
    emulator: Emulator, client: VoucherifyClient, clock: FakeClock
) -> None:
    job = await client.orders.import_orders(orders(3))
    emulator.faults.add(Fault(kind="status", status=429, headers={"Retry-After": "300"}, times=PATIENCE + 2))
    assert (await job).done_count == 3
    assert clock.sleeps.count(300) == PATIENCE + 2


async def test_patience_is_a_job_s_own(emulator: Emulator, client: VoucherifyClient) -> None:
    first, second = [await client.orders.import_orders(orders(1, str(number))) for number in range(2)]
    emulator.faults.add(Fault(kind="status", status=503, times=None))
    with pytest.raises(JobError):
        await first
    emulator.faults.clear()
    emulator.faults.add(Fault(kind="status", status=503, times=5))
    assert (await second).done_count == 1


async def test_a_pause_that_is_asked_for_holds_for_those_who_come_later(
    emulator: Emulator, client: VoucherifyClient, clock: FakeClock
) -> None:
    jobs = [await client.orders.import_orders(orders(1, str(number))) for number in range(3)]
    emulator.faults.add(Fault(kind="status", status=429, headers={"Retry-After": "300"}, times=1))
    asked = len(emulator.requests)
    first = asyncio.create_task(jobs[0].wait())
    await until(lambda: len(emulator.requests) == asked + 1 and client._imports._not_before > 0)
    began = clock.now
    await asyncio.gather(first, *(job.wait() for job in jobs[1:]))
    assert clock.now - began >= 299


async def test_waiting_again_begins_with_a_look_at_once(
    emulator: Emulator, client: VoucherifyClient, clock: FakeClock
) -> None:
    emulator.pause_jobs()
    job = await client.orders.import_orders(orders(3))
    waiting = asyncio.create_task(job.wait())
    await until(lambda: len(clock.sleeps) > 12)
    waiting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await waiting
    emulator.import_seconds = 0
    emulator.resume_jobs()
    emulator.clock.advance(10)  # type: ignore[attr-defined]
    slept = len(clock.sleeps)
    await job
    assert len(clock.sleeps) == slept


async def test_a_waiting_time_that_ran_out_is_an_error_with_the_id_and_the_last_state(
    emulator: Emulator, client: VoucherifyClient
) -> None:
    emulator.pause_jobs()
    job = await client.orders.import_orders(orders(3))
    with pytest.raises(JobTimeoutError) as caught:
        await job.wait(timeout=0.05)
    assert caught.value.job_id == job.id
    assert caught.value.snapshot is not None
    assert isinstance(caught.value, TimeoutError)
    emulator.resume_jobs()
    assert (await job.wait(timeout=None)).done_count == 3


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), "5"])
async def test_a_bad_timeout_is_refused(emulator: Emulator, client: VoucherifyClient, timeout: Any) -> None:
    job = client.orders.import_job("aa_1")
    export = client.orders.export_job("exp_1")
    for use in (
        lambda: job.wait(timeout=timeout),
        lambda: export.wait(timeout=timeout),
        lambda: export.download("x", timeout=timeout),
    ):
        with pytest.raises(ConfigurationError, match=r"^timeout"):
            await use()
    for make in (job.snapshots, export.rows):
        with pytest.raises(ConfigurationError, match=r"^timeout"):
            make(timeout=timeout)
    assert emulator.requests == []
    assert "x" not in os.listdir()


async def test_an_unknown_job_is_an_error_with_its_id(client: VoucherifyClient) -> None:
    for job in (client.orders.import_job("aa_nowhere"), client.orders.export_job("exp_nowhere")):
        with pytest.raises(JobError, match="cannot be followed") as caught:
            await job
        assert caught.value.job_id == job.id
        assert isinstance(caught.value.__cause__, NotFoundError)


async def test_a_service_that_is_away_for_a_while_is_sat_out(emulator: Emulator, client: VoucherifyClient) -> None:
    job = await client.orders.import_orders(orders(3))
    emulator.faults.add(Fault(kind="status", status=503, times=5 * (PATIENCE - 1)))
    assert (await job).done_count == 3


async def test_a_service_that_stays_away_is_told_in_the_end(emulator: Emulator, client: VoucherifyClient) -> None:
    job = await client.orders.import_orders(orders(3))
    emulator.faults.add(Fault(kind="status", status=503, times=None))
    with pytest.raises(JobError, match="503") as caught:
        await job
    assert caught.value.job_id == job.id
    assert emulator.effects.requests[GET_ACTION] == RetryPolicy().max_attempts * PATIENCE
    emulator.faults.clear()
    assert (await job).done_count == 3


async def test_a_deadline_while_the_service_is_away_names_the_trouble(emulator: Emulator) -> None:
    async with emulator.client(retry=RetryPolicy(max_attempts=1)) as client:
        job = await client.orders.import_orders(orders(3))
        emulator.faults.add(Fault(kind="status", status=503, times=None))
        with pytest.raises(JobTimeoutError) as caught:
            await job.wait(timeout=0.1)
    assert "503" in str(caught.value.__cause__)


async def test_what_will_not_pass_is_told_at_once(emulator: Emulator, client: VoucherifyClient) -> None:
    job = await client.orders.import_orders(orders(3))
    emulator.faults.add(Fault(kind="status", status=403))
    with pytest.raises(JobError) as caught:
        await job
    assert isinstance(caught.value.__cause__, PermissionDeniedError)


async def test_closing_the_client_ends_the_waiting(emulator: Emulator) -> None:
    emulator.pause_jobs()
    client = emulator.client()
    jobs = [await client.orders.import_orders(orders(1, str(number))) for number in range(3)]
    waiting = [asyncio.create_task(job.wait()) for job in jobs]
    await until(lambda: emulator.effects.requests[LIST_ACTIONS] > 0)
    await client.aclose()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(result) for result in results} == {ClientClosedError}
    with pytest.raises(ClientClosedError):
        await jobs[0]


async def test_a_mistake_in_the_poller_leaves_nobody_waiting(
    client: VoucherifyClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await client.orders.import_orders(orders(1))
    monkeypatch.setattr(client._imports, "_tell", lambda *news: 1 / 0)
    with pytest.raises(JobError) as caught:
        await job
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


async def test_a_clock_that_fails_leaves_nobody_waiting(emulator: Emulator, clock: FakeClock) -> None:
    async def fails(seconds: float) -> None:
        raise RuntimeError("no time")

    async with emulator.client(clock=clock) as client:
        job = await client.orders.import_orders(orders(1_000))
        clock.sleep = fails  # type: ignore[method-assign]
        with pytest.raises(JobError, match="no time"):
            await job.wait(timeout=10)


# --- One poller for many ------------------------------------------------------------------------------------


async def test_fifty_waiting_imports_cost_one_request_a_look_and_one_for_each_result(
    emulator: Emulator, client: VoucherifyClient, clock: FakeClock
) -> None:
    jobs = [await client.orders.import_orders(orders(2, str(number))) for number in range(50)]
    results = await asyncio.gather(*jobs)
    assert {result.done_count for result in results} == {2}
    # The last one to wait is asked for by its id, which is one request a look as well.
    looks = len(clock.sleeps) + 1
    assert emulator.effects.requests[LIST_ACTIONS] + emulator.effects.requests[GET_ACTION] <= looks + 50
    assert emulator.effects.requests[LIST_ACTIONS] > 1


async def test_fifty_waiting_exports_cost_one_request_a_look(
    emulator: Emulator, client: VoucherifyClient, clock: FakeClock
) -> None:
    jobs = [await client.orders.create_export() for _ in range(50)]
    exports = await asyncio.gather(*jobs)
    assert [export.id for export in exports] == [job.id for job in jobs]
    assert all(export.result is not None and export.result.url for export in exports)
    looks = len(clock.sleeps) + 1
    assert emulator.effects.requests[LIST_EXPORTS] + emulator.effects.requests[GET_EXPORT] <= looks


async def test_fifty_jobs_are_looked_at_no_more_often_than_one(emulator: Emulator) -> None:
    emulator.pause_jobs()
    looks = []
    for count in (1, 50):
        clock = FakeClock()
        clock.random = random.Random(1).random  # type: ignore[method-assign]
        async with emulator.client(clock=clock) as client:
            jobs = [await client.orders.create_export() for _ in range(count)]
            waiting = [asyncio.create_task(job.wait()) for job in jobs]
            await until(lambda at=clock: len(at.sleeps) > 40)  # type: ignore[misc]
            looks.append(clock.sleeps[:40])
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
    assert looks[1] == looks[0]
    assert min(looks[1][10:]) > LONGEST_INTERVAL / 2


async def test_a_job_that_comes_later_does_not_change_how_often_the_others_are_looked_at(
    emulator: Emulator, client: VoucherifyClient, clock: FakeClock
) -> None:
    emulator.pause_jobs()
    waiting = [asyncio.create_task((await client.orders.create_export()).wait())]
    await until(lambda: clock.sleeps[-1:] == [LONGEST_INTERVAL])
    waiting.append(asyncio.create_task((await client.orders.create_export()).wait()))
    begun = len(clock.sleeps)
    await until(lambda: clock.sleeps[begun:].count(LONGEST_INTERVAL) >= 5)
    # From half a second on, as for a job that is alone; and then all of them together.
    assert len(clock.sleeps) - begun <= 15
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_jobs_beyond_the_first_page_are_found_by_pages(emulator: Emulator, client: VoucherifyClient) -> None:
    emulator.import_seconds = 0
    imports = [await client.orders.import_orders(orders(1, str(number))) for number in range(120)]
    exports = [await client.orders.create_export() for _ in range(120)]
    emulator.pause_jobs()
    waiting = [asyncio.create_task(job.wait()) for job in imports]
    waiting_too = [asyncio.create_task(job.wait()) for job in exports]
    await until(
        lambda: emulator.effects.requests[LIST_ACTIONS] >= 2 and emulator.effects.requests[LIST_EXPORTS] >= 2
    )
    emulator.resume_jobs()
    assert {result.done_count for result in await asyncio.gather(*waiting)} == {1}
    assert {export.status for export in await asyncio.gather(*waiting_too)} == {"DONE"}
    assert emulator.effects.requests[GET_ACTION] <= 125


async def test_jobs_of_the_same_moment_are_not_lost_between_two_pages(clock: FakeClock) -> None:
    time = Clock(at=1_800_000_000.0)
    async with Emulator(seed=1, clock=time) as emulator, emulator.client(clock=clock) as client:
        emulator.pause_jobs()
        jobs = []
        for number in range(151):  # the newest is alone, so that both of a pair stand at the end of its page
            jobs.append(await client.orders.import_orders(orders(1, str(number))))
            time.advance(number % 2)
        waiting = [asyncio.create_task(job.wait()) for job in jobs]
        await until(lambda: len(clock.sleeps) > 5)
        assert emulator.effects.requests[LIST_ACTIONS] >= 10
        assert emulator.effects.requests[GET_ACTION] == 0
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


class Listing:
    """Where 100 jobs stand on a page, and the last two of a page on the next one again."""

    kind: JobKind = "import"

    def __init__(self, most_pages: int) -> None:
        self.most_pages = most_pages
        self.asked = 0

    async def page(self, number: int, last: AsyncAction | None) -> Found[AsyncAction]:
        self.asked += 1
        return Found({str(job): AsyncAction(id=str(job)) for job in range(98 * number, 98 * number + 100)}, {})

    async def one(self, job_id: str) -> Found[AsyncAction]:
        raise AssertionError(job_id)

    def is_final(self, snapshot: AsyncAction) -> bool:
        return False

    def is_complete(self, snapshot: AsyncAction) -> bool:
        return True


async def test_a_listing_is_read_as_far_as_it_brings_jobs_that_are_waited_for(client: VoucherifyClient) -> None:
    job_ids = {str(job) for job in range(98, 10_098)}
    endless, short = Listing(1_000), Listing(100)
    found, _, requests = await Poller(client._session, endless)._listed(job_ids)
    assert found.keys() == job_ids
    assert requests == endless.asked == 103
    found, _, requests = await Poller(client._session, short)._listed(job_ids)
    assert len(found) == 9802
    assert requests == short.asked == 100
    nobodys = Listing(1_000)
    await Poller(client._session, nobodys)._listed({"98", "99", "somewhere", "else"})
    assert nobodys.asked == 2


class BreakingListing(Listing):
    """One whose second page cannot be had."""

    error = ConnectError("away", outcome_unknown=False)

    async def page(self, number: int, last: AsyncAction | None) -> Found[AsyncAction]:
        found = await super().page(number, last)
        if number == 2:
            raise self.error
        return found


async def test_a_listing_that_breaks_off_keeps_what_it_has_brought(client: VoucherifyClient) -> None:
    listing = BreakingListing(100)
    found, _, requests = await Poller(client._session, listing)._listed({"98", "99", "200", "201"})
    assert requests == listing.asked == 2
    assert {job_id for job_id, news in found.items() if news is listing.error} == {"200", "201"}
    assert {job_id for job_id, news in found.items() if isinstance(news, AsyncAction)} == {"98", "99"}


async def test_a_job_that_a_listing_does_not_reach_is_asked_for_by_itself(
    emulator: Emulator, client: VoucherifyClient
) -> None:
    known = await client.orders.import_orders(orders(1))
    unknown = client.orders.import_job("aa_nowhere")
    good, bad = await asyncio.gather(known, unknown, return_exceptions=True)
    assert not isinstance(good, BaseException)
    assert good.done_count == 1
    assert isinstance(bad, JobError)
    assert bad.job_id == "aa_nowhere"


async def test_a_listing_that_is_refused_or_unreadable_is_done_without(
    emulator: Emulator, client: VoucherifyClient
) -> None:
    jobs = [await client.orders.import_orders(orders(1, str(number))) for number in range(3)]
    emulator.faults.add(Fault(kind="status", status=403, path="/v1/async-actions", times=None))
    assert [result.done_count for result in await asyncio.gather(*jobs)] == [1, 1, 1]


async def test_a_service_that_is_away_is_told_to_all_who_wait(emulator: Emulator, client: VoucherifyClient) -> None:
    jobs = [await client.orders.import_orders(orders(1, str(number))) for number in range(3)]
    emulator.faults.add(Fault(kind="status", status=503, times=None))
    results = await asyncio.gather(*jobs, return_exceptions=True)
    assert [result.job_id for result in results if isinstance(result, JobError)] == [job.id for job in jobs]
    assert len({id(result) for result in results}) == 3


async def test_jobs_that_come_later_are_looked_at_at_once(emulator: Emulator) -> None:
    emulator.pause_jobs()
    clock = FakeClock()
    async with emulator.client(clock=clock) as client:
        first = asyncio.create_task((await client.orders.import_orders(orders(1, "a"))).wait())
        await until(lambda: bool(clock.sleeps))
        held = asyncio.Event()

        async def sleep(seconds: float) -> None:
            await held.wait()

        clock.sleep = sleep  # type: ignore[method-assign]
        looks = emulator.effects.requests[GET_ACTION]
        await until(lambda: emulator.effects.requests[GET_ACTION] > looks or client._imports._nap is not None)
        job = await client.orders.import_orders(orders(1, "b"))
        listed = emulator.effects.requests[LIST_ACTIONS]
        second = asyncio.create_task(job.wait())
        await until(lambda: emulator.effects.requests[LIST_ACTIONS] > listed)
        for task in (first, second):
            task.cancel()
        await asyncio.gather(first, second, return_exceptions=True)


def test_a_job_can_be_awaited_on_one_loop_after_another() -> None:
    async def start() -> tuple[Emulator, ImportJob]:
        emulator = Emulator()
        await emulator.start()
        emulator.pause_jobs()
        async with emulator.client() as client:
            job = await client.orders.import_orders(orders(1))
            with pytest.raises(JobTimeoutError):
                await job.wait(timeout=0.02)
        await emulator.aclose()
        return emulator, job

    async def go_on(emulator: Emulator, job_id: str) -> int:
        emulator.resume_jobs()
        async with emulator, emulator.client() as client:
            return (await client.orders.import_job(job_id)).done_count

    emulator, job = asyncio.run(start())
    assert asyncio.run(go_on(emulator, job.id)) == 1


def test_a_job_that_was_given_up_can_be_waited_for_on_another_loop() -> None:
    async def start() -> ImportJob:
        async with Emulator() as emulator:
            emulator.pause_jobs()
            client = emulator.client()
            job = await client.orders.import_orders(orders(1))
            await give_up(job)
            return job

    async def give_up(job: ImportJob) -> None:
        with pytest.raises(JobError):
            await job.wait(timeout=0.01)

    # The client is not closed: it goes over to the next loop when its own has ended.
    job = asyncio.run(start())
    asyncio.run(give_up(job))


# --- Exports and their files --------------------------------------------------------------------------------


async def filled(client: VoucherifyClient, count: int = 30) -> None:
    await (
        await client.orders.import_orders(
            NewOrder(
                source_id=f'ö,{number}\n"x"',
                amount=number,
                status="PAID",
                metadata={"channel": "web", "tags": ["a", "b"], "note": 'say "hi",\r\nplease'},
            )
            for number in range(count)
        )
    )


async def read_all(job: ExportJob) -> list[OrderRow]:
    async with job.rows() as rows:
        return [row async for row in rows]


async def test_rows_are_streamed(client: VoucherifyClient) -> None:
    await filled(client)
    job = await client.orders.create_export(
        fields=["source_id", "amount", "status", "created_at", "customer_id", "metadata.channel", "metadata.note"],
        order="created_at",
    )
    async with job.rows() as rows:
        found = [row async for row in rows]
    assert [row.amount for row in found] == list(range(30))
    assert found[7].source_id == 'ö,7\n"x"'
    assert found[7].metadata == {"channel": "web", "note": 'say "hi",\r\nplease'}
    assert found[7].status == "PAID"
    assert found[7].created_at is not None
    assert found[7].customer_id is None
    assert isinstance(found[0], OrderRow)


async def test_the_metadata_column_is_decoded(client: VoucherifyClient) -> None:
    await filled(client, 1)
    job = await client.orders.create_export(fields=["id", "metadata"])
    async with job.rows() as rows:
        (row,) = [row async for row in rows]
    assert row.metadata == {"channel": "web", "tags": ["a", "b"], "note": 'say "hi",\r\nplease'}


async def test_rows_can_be_left_early(client: VoucherifyClient) -> None:
    await filled(client, 2000)
    job = await client.orders.create_export(fields=["id", "metadata"])
    for _ in range(3):
        async with job.rows() as rows:
            async for row in rows:
                assert row.id
                break
            rest = rows
        assert [row async for row in rest] == []
    assert (await client.orders.list(limit=1)).total == 2000


async def test_rows_want_their_context(client: VoucherifyClient) -> None:
    with pytest.raises(ConfigurationError, match="async with"):
        async for _ in client.orders.export_job("exp_1").rows():
            pass


async def test_a_failed_export_is_an_error(emulator: Emulator, client: VoucherifyClient, tmp_path: Path) -> None:
    emulator.fail_next_export()
    job = await client.orders.create_export()
    target = tmp_path / "orders.csv"
    for use in (job.wait, lambda: job.download(target), job.rows().__aenter__):
        with pytest.raises(ExportFailedError) as caught:
            await use()
        assert caught.value.job_id == job.id
        assert isinstance(caught.value.snapshot, Export)
        assert caught.value.snapshot.status == "ERROR"
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("path", ["", None, 3, b"orders.csv", "orders\0.csv"])
async def test_a_bad_argument_is_refused_before_a_look_at_the_job(
    client: VoucherifyClient, emulator: Emulator, path: Any
) -> None:
    job = await client.orders.create_export()
    with pytest.raises(ConfigurationError, match=r"^path"):
        await job.download(path)
    with pytest.raises(ConfigurationError, match=r"^on_progress: must be a function, not int"):
        await job.download("orders.csv", on_progress=3)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match=r"^on_progress: must be a function, not str"):
        await job.wait(on_progress="print")  # type: ignore[arg-type]
    assert len(emulator.requests) == 1


async def test_a_download_is_the_whole_file(client: VoucherifyClient, tmp_path: Path) -> None:
    await filled(client)
    job = await client.orders.create_export(fields=["source_id", "amount"], order="created_at")
    target = tmp_path / "orders.csv"
    progress: list[DownloadProgress] = []
    assert await job.download(str(target), on_progress=progress.append) == target
    text = target.read_bytes().decode()
    assert text.splitlines()[0] == "source_id,amount"
    assert text.count('"ö,') == 30
    assert progress[-1].done_bytes == target.stat().st_size
    assert progress[-1].total_bytes in {None, target.stat().st_size}
    await job.download(target)
    assert target.read_bytes().decode() == text
    assert os.listdir(tmp_path) == ["orders.csv"]


@pytest.mark.parametrize("kind", ["truncated", "truncated_gzip", "drop", "reset", "partial_headers"])
async def test_a_download_that_breaks_off_is_begun_again(
    emulator: Emulator, client: VoucherifyClient, tmp_path: Path, kind: Any
) -> None:
    await filled(client)
    job = await client.orders.create_export(fields=["source_id", "amount"])
    await job
    whole = await job.download(tmp_path / "whole.csv")
    emulator.faults.add(Fault(kind=kind, path="/v1/exports/*", times=2, when="after"))
    again = await job.download(tmp_path / "again.csv")
    assert again.read_bytes() == whole.read_bytes()


async def test_a_download_that_fails_leaves_what_was_there(
    emulator: Emulator, client: VoucherifyClient, tmp_path: Path
) -> None:
    await filled(client)
    job = await client.orders.create_export()
    await job
    target = tmp_path / "orders.csv"
    target.write_text("precious")
    emulator.faults.add(Fault(kind="truncated", path="/v1/exports/*", times=None))
    with pytest.raises(ConnectError) as caught:
        await job.download(target)
    assert not caught.value.outcome_unknown
    assert "token" not in str(caught.value)
    assert target.read_text() == "precious"
    assert os.listdir(tmp_path) == ["orders.csv"]
    emulator.faults.clear()
    emulator.faults.add(Fault(kind="drip", delay=5, path="/v1/exports/*"))
    slow = asyncio.create_task(job.download(target))
    await until(lambda: len(os.listdir(tmp_path)) == 2)
    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow
    assert os.listdir(tmp_path) == ["orders.csv"]
    assert (await client.orders.list(limit=1)).total == 30


async def test_a_place_that_cannot_be_written_fails_before_anything_is_sent(
    emulator: Emulator, client: VoucherifyClient, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError):
        await client.orders.export_job("exp_1").download(tmp_path / "nowhere" / "orders.csv")
    assert emulator.requests == []


async def test_rows_that_break_off_each_time_are_an_error(emulator: Emulator, client: VoucherifyClient) -> None:
    await filled(client)
    job = await client.orders.create_export()
    await job
    emulator.faults.add(Fault(kind="truncated", path="/v1/exports/*"))
    assert len(await read_all(job)) == 30
    emulator.faults.add(Fault(kind="truncated", path="/v1/exports/*", times=None))
    with pytest.raises(ConnectError):
        await read_all(job)


async def test_an_expired_token_is_renewed(emulator: Emulator, client: VoucherifyClient, tmp_path: Path) -> None:
    await filled(client)
    job = await client.orders.create_export()
    await job
    emulator.clock.advance(100_000)  # type: ignore[attr-defined]
    await job.download(tmp_path / "orders.csv")
    assert (tmp_path / "orders.csv").read_text().startswith("id,source_id,status")
    emulator.faults.add(Fault(kind="status", status=401, path="/v1/exports/*", times=1, skip=0))
    async with job.rows() as rows:
        assert len([row async for row in rows]) == 30
    emulator.faults.add(Fault(kind="status", status=401, path="/v1/exports/*", times=None))
    with pytest.raises(AuthenticationError):
        await job.download(tmp_path / "orders.csv")


def done_export(url: str | None) -> bytes:
    return http(200, msgspec.json.encode({"id": "exp_1", "status": "DONE", "result": url and {"url": url}}))


async def test_keys_go_to_the_download_only_where_they_belong(clock: FakeClock) -> None:
    file = http(200, b"id,amount\r\nord_1,7\r\n")
    async with raw_server(file) as elsewhere:
        address = f"{elsewhere.url}/v1/exports/exp_1?token=t%2F1"
        async with raw_server(done_export(address)) as server:
            async with VoucherifyClient("hush-id", "hush-token", base_url=server.url, clock=clock) as client:
                async with client.orders.export_job("exp_1").rows() as rows:
                    assert [row.amount async for row in rows] == [7]
        assert elsewhere.lines == ["GET /v1/exports/exp_1?token=t%2F1 HTTP/1.1"]
        assert b"hush" not in elsewhere.requests[0]
    async with raw_server(done_export(None), file) as server:
        server._answers[0] = done_export(f"{server.url}/v1/exports/exp_1?token=t")
        async with VoucherifyClient("hush-id", "hush-token", base_url=server.url, clock=clock) as client:
            async with client.orders.export_job("exp_1").rows() as rows:
                assert [row.id async for row in rows] == ["ord_1"]
        assert server.headers[-1]["x-app-token"] == "hush-token"


@pytest.mark.parametrize(
    "url",
    [
        "http://download.voucherify.io/x?token=hush",
        "{{internalVoucherifyURL}}",
        "ftp://h/",
        "/v1/x",
        "https://h:99999/x",
        "http://[::1",
    ],
)
async def test_a_download_without_https_is_refused(clock: FakeClock, url: str) -> None:
    async with raw_server(done_export(url)) as server:
        async with VoucherifyClient("i", "t", base_url=server.url, clock=clock) as client:
            with pytest.raises(JobError, match="is not fetched") as caught:
                await client.orders.export_job("exp_1").rows().__aenter__()
            assert "hush" not in str(caught.value)
            assert caught.value.job_id == "exp_1"


async def test_a_done_export_without_a_file_is_an_error(clock: FakeClock) -> None:
    async with raw_server(done_export(None)) as server:
        async with VoucherifyClient("i", "t", base_url=server.url, clock=clock) as client:
            with pytest.raises(JobError, match="names no file"):
                await client.orders.export_job("exp_1").rows().__aenter__()


async def test_a_redirected_download_is_refused(clock: FakeClock) -> None:
    async with raw_server(http(200, b"id\r\nord_1\r\n")) as elsewhere:
        async with raw_server(done_export(None), http(302, b"", f"Location: {elsewhere.url}/")) as server:
            server._answers[0] = done_export(f"{server.url}/x?token=t")
            async with VoucherifyClient("i", "t", base_url=server.url, clock=clock) as client:
                with pytest.raises(Exception, match="redirect"):
                    await client.orders.export_job("exp_1").rows().__aenter__()
        assert elsewhere.requests == []


async def test_a_file_that_does_not_fit_names_the_row(clock: FakeClock) -> None:
    for file, problem in (
        (b"id,amount\r\nord_1,7\r\nord_2,much\r\n", "row 2: .*amount"),
        (b"id,amount\r\nord_1\r\n", "row 1 has 1 cells"),
        (b"id\r\n\xff\r\n", "utf-8"),
        (b'id\r\n"open', "unexpected end of data"),
    ):
        async with raw_server(done_export(None), http(200, file)) as server:
            server._answers[0] = done_export(f"{server.url}/x?token=t")
            async with VoucherifyClient("i", "t", base_url=server.url, clock=clock) as client:
                with pytest.raises(DecodeError, match=problem):
                    await read_all(client.orders.export_job("exp_1"))
