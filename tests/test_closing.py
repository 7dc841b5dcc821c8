"""Closing a client: whatever waits ends, nothing is left, and nothing is sent any more."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp
import pytest

from tests.fakes import FakeClock, until
from voucherify_async import (
    BearerAuth,
    ClientClosedError,
    EventLoopError,
    NewOrder,
    OAuthAuth,
    PoolLimits,
    RetryPolicy,
    VoucherifyClient,
)
from voucherify_async.emulator import Emulator
from voucherify_async.emulator.faults import Fault

pytestmark = pytest.mark.usefixtures("way")


class StuckClock(FakeClock):
    """A clock whose sleepers sleep until they are cancelled."""

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        await asyncio.Event().wait()


class Open:
    """A limiter that lets everything pass."""

    async def acquire(self, max_wait: float) -> None:
        pass

    def observe(self, status: int | None, headers: object) -> None:
        pass


class Full:
    """A limiter that lets nothing pass."""

    waiting = 0

    async def acquire(self, max_wait: float) -> None:
        Full.waiting += 1
        await asyncio.Event().wait()

    def observe(self, status: int | None, headers: object) -> None:
        raise AssertionError


async def closed_while_waiting(client: VoucherifyClient, waits: Callable[[], bool], calls: int = 3) -> list[object]:
    """What calls get whose client is closed while they wait."""
    under_way = [asyncio.create_task(client.orders.create(NewOrder(amount=1))) for _ in range(calls)]
    await until(waits)
    await client.aclose()
    return await asyncio.gather(*under_way, return_exceptions=True)


async def test_calls_that_wait_for_a_connection_end(emulator: Emulator) -> None:
    emulator.faults.add(Fault(kind="delay", delay=5, times=None))
    client = emulator.client(pool=PoolLimits(max_connections=1), rate_limiter=Open())
    results = await closed_while_waiting(client, lambda: len(emulator.requests) == 1)
    assert {type(result) for result in results} == {ClientClosedError}
    # The first one was sent, and may be done; the others were not.
    assert [getattr(result, "outcome_unknown", None) for result in results] == [True, False, False]
    assert len(emulator.requests) == 1


@pytest.mark.parametrize("injected", [False, True])
async def test_calls_that_wait_to_be_repeated_end_and_are_not_sent(emulator: Emulator, injected: bool) -> None:
    emulator.faults.add(Fault(kind="status", status=429, headers={"Retry-After": "30"}, times=None))
    clock = StuckClock()
    async with aiohttp.ClientSession() as session:
        client = emulator.client(clock=clock, session=session if injected else None)
        results = await closed_while_waiting(client, lambda: len(clock.sleeps) == 3)
    assert {type(result) for result in results} == {ClientClosedError}
    assert len(emulator.requests) <= 3


async def test_calls_that_wait_for_the_limiter_end(emulator: Emulator) -> None:
    Full.waiting = 0
    results = await closed_while_waiting(emulator.client(rate_limiter=Full()), lambda: Full.waiting == 3)
    assert {type(result) for result in results} == {ClientClosedError}


async def test_calls_that_wait_for_a_token_end(emulator: Emulator) -> None:
    emulator.faults.add(Fault(kind="delay", delay=5, times=None))
    client = VoucherifyClient(auth=OAuthAuth(emulator.app_id, emulator.app_token), base_url=emulator.url)
    results = await closed_while_waiting(client, lambda: len(emulator.requests) == 1)
    assert {type(result) for result in results} == {ClientClosedError}


async def test_a_call_that_its_user_cancels_is_cancelled(emulator: Emulator) -> None:
    emulator.faults.add(Fault(kind="delay", delay=5, times=None))
    client = emulator.client(rate_limiter=Open())
    under_way = [asyncio.create_task(client.orders.list()) for _ in range(2)]
    await until(lambda: len(emulator.requests) == 2)
    under_way[0].cancel()
    await client.aclose()
    results = await asyncio.gather(*under_way, return_exceptions=True)
    assert [type(result) for result in results] == [asyncio.CancelledError, ClientClosedError]


async def test_a_task_group_learns_of_a_call_that_was_ended(emulator: Emulator) -> None:
    emulator.faults.add(Fault(kind="delay", delay=5, times=None))
    client = emulator.client(pool=PoolLimits(max_connections=1))

    async def close_soon() -> None:
        await until(lambda: bool(emulator.requests))
        await client.aclose()

    async def work() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(client.orders.create(NewOrder(amount=1)))
            group.create_task(close_soon())

    with pytest.raises(ExceptionGroup) as caught:
        await work()
    assert caught.group_contains(ClientClosedError)


async def test_cancelling_who_closes_does_not_leave_half_of_it_undone(emulator: Emulator) -> None:
    emulator.pause_jobs()
    client = emulator.client()
    job = await client.orders.import_orders([NewOrder(source_id="o-1")])
    waiting = asyncio.create_task(job.wait())
    await until(lambda: len(emulator.requests) > 1)
    opened = client._session._life._opened
    assert opened is not None
    closing = asyncio.create_task(client.aclose())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    await client.aclose()
    assert opened.http.closed
    assert client._session._life._tasks == set()
    with pytest.raises(ClientClosedError):
        await waiting


async def test_a_client_whose_first_call_is_a_job_leaves_nothing_behind(emulator: Emulator) -> None:
    emulator.pause_jobs()
    async with emulator.client() as other:
        job_id = (await other.orders.import_orders([NewOrder(source_id="o-1")])).id
    tasks = len(asyncio.all_tasks())
    client = emulator.client()
    waiting = asyncio.create_task(client.orders.import_job(job_id).wait())
    seen = len(emulator.requests)
    await until(lambda: len(emulator.requests) > seen and client._imports._nap is not None)
    await client.aclose()
    with pytest.raises(ClientClosedError) as caught:
        await waiting
    assert caught.value.job_id == job_id
    await until(lambda: len(asyncio.all_tasks()) == tasks)


async def test_many_may_close_at_the_same_time(emulator: Emulator) -> None:
    client = emulator.client()
    await client.orders.list()
    await asyncio.gather(*(client.aclose() for _ in range(5)))
    with pytest.raises(ClientClosedError):
        await client.orders.list()


async def test_closing_on_a_wrong_loop_leaves_the_client_open(emulator: Emulator) -> None:
    async with emulator.client(retry=RetryPolicy(max_attempts=1)) as client:
        await client.orders.list()

        def elsewhere() -> None:
            with pytest.raises(EventLoopError):
                asyncio.run(client.aclose())

        await asyncio.to_thread(elsewhere)
        job = await client.orders.import_orders([NewOrder(source_id="o-1")])
        assert (await job).done_count == 1


def test_a_session_of_another_loop_is_refused_by_name() -> None:
    async def make() -> aiohttp.ClientSession:
        session = aiohttp.ClientSession()
        await session.close()
        return session

    session = asyncio.run(make())

    async def use() -> None:
        async with VoucherifyClient("i", "t", base_url="http://127.0.0.1:9", session=session) as client:
            with pytest.raises(EventLoopError, match="session that was given"):
                await client.orders.list()

    asyncio.run(use())


async def test_cancelling_at_every_turn_leaves_everything_in_order(emulator: Emulator) -> None:
    """A call, a job and an OAuth renewal are each cancelled after every number of turns of the loop."""
    auth = OAuthAuth(emulator.app_id, emulator.app_token)
    async with VoucherifyClient(
        auth=auth, base_url=emulator.url, clock=FakeClock(), pool=PoolLimits(max_connections=2)
    ) as client:
        job = await client.orders.import_orders([NewOrder(source_id="o-1")])
        works: list[Callable[[], Coroutine[Any, Any, object]]] = [
            lambda: client.orders.create(NewOrder(source_id="o-2")),
            lambda: client.orders.import_job(job.id).wait(),
        ]
        for work in works:
            for turns in range(60):
                auth._signed = None if turns % 2 else auth._signed
                task = asyncio.create_task(work())
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        assert len(await asyncio.gather(*(client.orders.list() for _ in range(8)))) == 8
        assert (await client.orders.import_job(job.id)).done_count == 1
        await until(lambda: not client._session._life._tasks)
        assert client._session._life._calls == set()
        opened = client._session._life._opened
        assert opened is not None
        assert opened.slots.free == opened.slots.count
        if opened.direct is not None:
            opened.direct.close()
        assert opened.http.connector is not None
        assert opened.http.connector._acquired == set()


async def test_a_call_made_while_cleaning_up_learns_of_the_closing_too(emulator: Emulator) -> None:
    emulator.faults.add(Fault(kind="delay", delay=5, times=None))
    client = emulator.client()
    outcomes: list[BaseException] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            try:
                await client.orders.list()
            except BaseException as error:
                outcomes.append(error)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    await until(lambda: bool(emulator.requests))
    await client.aclose()
    await asyncio.gather(task, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ClientClosedError]


async def test_a_closing_that_is_swallowed_on_the_way_leaves_no_cancelling_behind(emulator: Emulator) -> None:
    asked = asyncio.Event()

    async def stubborn() -> str:
        try:
            asked.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass
        return "token"

    client = VoucherifyClient(auth=BearerAuth(stubborn), base_url=emulator.url)
    left: list[int] = []

    async def work() -> None:
        task = asyncio.current_task()
        assert task is not None
        with pytest.raises(ClientClosedError):
            await client.orders.list()
        left.append(task.cancelling())

    task = asyncio.create_task(work())
    await asked.wait()
    await client.aclose()
    await task
    assert left == [0]


async def test_waiting_on_a_closed_client_names_the_job(emulator: Emulator) -> None:
    client = emulator.client()
    await client.aclose()
    with pytest.raises(ClientClosedError) as caught:
        await client.orders.import_job("aa_1")
    assert caught.value.job_id == "aa_1"


async def test_nobody_waits_nobody_sleeps(emulator: Emulator) -> None:
    """A long pause that was asked for does not outlive those who wait."""
    clock = StuckClock()
    async with emulator.client(clock=clock) as client:
        emulator.pause_jobs()
        job = await client.orders.import_orders([NewOrder(source_id="o-1")])
        waiting = asyncio.create_task(job.wait())
        await until(lambda: bool(clock.sleeps))
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await until(lambda: not client._session._life._tasks)
