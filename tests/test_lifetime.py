"""One client over the life of loops, threads and processes. Warnings of anything left open would fail these."""

import asyncio
import gc
import os
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.fakes import until
from voucherify_async import (
    ClientClosedError,
    EventLoopError,
    NewOrder,
    OAuthAuth,
    VoucherifyClient,
)
from voucherify_async.emulator import Emulator


@pytest.fixture
def served() -> Iterator[Emulator]:
    """An emulator in a thread and on a loop of its own, for tests that run loops themselves."""
    ready, found = threading.Event(), list[tuple[Emulator, asyncio.AbstractEventLoop, asyncio.Event]]()

    async def serve() -> None:
        async with Emulator(seed=1) as emulator:
            ended = asyncio.Event()
            found.append((emulator, asyncio.get_running_loop(), ended))
            ready.set()
            await ended.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    ready.wait()
    emulator, loop, ended = found[0]
    yield emulator
    loop.call_soon_threadsafe(ended.set)
    thread.join()


def sockets() -> int:
    """Open sockets of this process, the emulator's ends among them."""
    gc.collect()
    found = 0
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            found += os.readlink(f"/proc/self/fd/{descriptor}").startswith("socket:")
        except OSError:
            pass  # that of the listing itself
    return found


async def use(client: VoucherifyClient) -> None:
    """Every part that keeps something of a loop: pool, limiter, token, poller."""
    await asyncio.gather(*(client.orders.create(NewOrder(source_id=f"o-{n}")) for n in range(8)))
    await (await client.orders.import_orders([NewOrder(source_id="i-1")]))


def test_a_client_serves_one_run_after_another_and_leaves_nothing_open(served: Emulator) -> None:
    client = VoucherifyClient(auth=OAuthAuth(served.app_id, served.app_token), base_url=served.url)
    asyncio.run(use(client))
    opened = client._session._life._opened
    assert opened is not None
    assert opened.http.closed  # closed on its own loop, before that ended
    asyncio.run(use(client))
    asyncio.run(client.aclose())
    assert served.effects.of("o-1").total == 2


def test_loops_that_were_left_in_the_middle_of_a_call(served: Emulator) -> None:
    client = served.client()

    async def leave() -> None:
        tasks = [asyncio.ensure_future(client.orders.list()) for _ in range(4)]
        await until(lambda: client._session._life._opened is not None)
        assert not all(task.done() for task in tasks)

    for _ in range(3):
        asyncio.run(leave())
    asyncio.run(use(client))


def test_a_client_that_is_forgotten_is_closed(served: Emulator) -> None:
    async def forget() -> None:
        client = served.client()
        await client.orders.list()
        opened = client._session._life._opened
        assert opened is not None
        http = opened.http
        del client, opened
        gc.collect()
        await until(lambda: http.closed)

    asyncio.run(forget())


def test_making_one_at_module_level_needs_no_loop_and_opens_nothing(served: Emulator) -> None:
    before = sockets()
    clients = [served.client() for _ in range(10)]
    assert sockets() == before
    asyncio.run(use(clients[0]))


def test_a_loop_of_a_second_thread_is_refused_by_name(served: Emulator) -> None:
    client = served.client()
    errors: list[BaseException] = []

    def elsewhere(work: Callable[[], Coroutine[Any, Any, object]]) -> None:
        try:
            asyncio.run(work())
        except EventLoopError as error:
            errors.append(error)

    async def main() -> None:
        job = await client.orders.import_orders([NewOrder(source_id="i-1")])
        works: list[Callable[[], Coroutine[Any, Any, object]]] = [client.orders.list, job.wait, client.aclose]
        for work in works:
            await asyncio.to_thread(elsewhere, work)
        await client.orders.list()
        await client.aclose()

    asyncio.run(main())
    assert len(errors) == 3


def test_a_closed_client_stays_closed_on_the_next_loop(served: Emulator) -> None:
    client = served.client()

    async def once() -> None:
        async with client:
            await client.orders.list()

    asyncio.run(once())
    with pytest.raises(ClientClosedError):
        asyncio.run(once())


def test_an_injected_session_that_its_user_closes(served: Emulator) -> None:
    async def main() -> None:
        session = aiohttp.ClientSession()
        client = served.client(session=session)
        await client.orders.list()
        with_token = VoucherifyClient(
            auth=OAuthAuth(served.app_id, served.app_token), base_url=served.url, session=session
        )
        await session.close()
        for closed in client, with_token:
            with pytest.raises(ClientClosedError) as caught:
                await asyncio.wait_for(closed.orders.create(NewOrder(amount=1)), 5)
            assert not caught.value.outcome_unknown  # it was not sent

    asyncio.run(main())


def test_clean_up_that_runs_when_the_loop_ends_may_still_call(served: Emulator) -> None:
    client = served.client()
    kept: list[AsyncGenerator[None, None]] = []

    async def cleans_up() -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            await client.orders.create(NewOrder(source_id="last"))

    async def main() -> None:
        await client.orders.list()
        kept.append(cleans_up())
        await anext(kept[0])

    asyncio.run(main())
    assert served.effects.of("last").created == 1
    opened = client._session._life._opened
    assert opened is not None
    assert opened.http.closed


def test_a_client_of_a_generator_that_is_closed_when_the_loop_ends(served: Emulator) -> None:
    kept: list[AsyncGenerator[VoucherifyClient, None]] = []
    complaints: list[dict[str, Any]] = []

    async def lends() -> AsyncGenerator[VoucherifyClient, None]:
        async with served.client() as client:
            await client.orders.list()
            try:
                yield client
            finally:
                await client.orders.create(NewOrder(source_id="last"))

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, complaint: complaints.append(complaint))
        kept.append(lends())
        await anext(kept[0])

    asyncio.run(main())
    assert not complaints
    assert served.effects.of("last").created == 1


@pytest.mark.parametrize("turns", range(6))
def test_a_loop_that_ends_while_a_client_is_being_closed(served: Emulator, turns: int) -> None:
    client = served.client()
    closing: list[asyncio.Task[None]] = []

    async def main() -> aiohttp.ClientSession:
        await client.orders.list()
        opened = client._session._life._opened
        assert opened is not None
        closing.append(asyncio.create_task(client.aclose()))
        for _ in range(turns):
            await asyncio.sleep(0)
        return opened.http

    assert asyncio.run(main()).closed


def test_a_loop_that_ends_with_a_task_that_never_does(served: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voucherify_async.lifetime._LONGEST_CLEAN_UP", 0.0)
    client = served.client()

    async def works() -> None:
        while True:
            await client.orders.list()

    async def main() -> None:
        worker = asyncio.create_task(works())
        await until(lambda: bool(client._session._life._calls))
        await asyncio.wait_for(asyncio.get_running_loop().shutdown_asyncgens(), 5)
        with pytest.raises(ClientClosedError):
            await worker

    asyncio.run(main())


def test_a_loop_that_closes_its_generators_and_goes_on(served: Emulator) -> None:
    client = served.client()

    async def main() -> None:
        await client.orders.list()
        await asyncio.get_running_loop().shutdown_asyncgens()
        with pytest.warns(
            ResourceWarning, match="scheduled after"
        ):  # asyncio's own; there is no later moment to close
            assert (await client.orders.list()).total == 0
        await client.aclose()

    asyncio.run(main())


def test_loops_that_took_turns_close_their_sessions(served: Emulator) -> None:
    client = served.client()
    loops = [asyncio.new_event_loop() for _ in range(2)]
    sessions = []
    for loop in loops:
        loop.run_until_complete(client.orders.list())
        opened = client._session._life._opened
        assert opened is not None
        sessions.append(opened.http)
    for loop in reversed(loops):
        loop.run_until_complete(client.aclose())
    assert all(session.closed for session in sessions)
    for loop in loops:
        loop.close()


def test_loops_that_take_turns_keep_a_session_each(served: Emulator) -> None:
    client = served.client()
    loops = [asyncio.new_event_loop() for _ in range(2)]
    used = []
    for loop in loops * 3:
        loop.run_until_complete(client.orders.list())
        used.append(client._session._life._opened)
    assert used == used[:2] * 3
    assert used[0] is not used[1]
    for loop in loops:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
    assert all(opened is not None and opened.http.closed for opened in used)
    asyncio.run(use(client))
    assert client._session._life._resting == []


FORK = """
import asyncio, os, sys, warnings
warnings.simplefilter("error")
from voucherify_async import NewOrder, VoucherifyClient

client = VoucherifyClient({app_id!r}, {app_token!r}, base_url={url!r})

async def use(name):
    await asyncio.gather(*(client.orders.create(NewOrder(source_id=f"{{name}}-{{n}}")) for n in range(4)))
    return (await (await client.orders.import_orders([NewOrder(source_id=f"{{name}}-i")]))).done_count

async def parent():
    assert await use("parent") == 1
    child = os.fork()
    if child == 0:
        # The child of a fork inside a running loop has to leave it, as multiprocessing does.
        status = 1
        try:
            asyncio._set_running_loop(None)
            status = 0 if asyncio.run(use("child")) == 1 else 2
            asyncio.run(client.aclose())
        finally:
            os._exit(status)
    status = await asyncio.to_thread(os.waitpid, child, 0)
    assert status[1] == 0, status
    assert await use("parent") == 1  # its connections are as they were
    await client.aclose()

asyncio.run(parent())
"""


def test_a_fork_has_connections_of_its_own_and_leaves_the_parents_alone(served: Emulator, tmp_path: Path) -> None:
    script = tmp_path / "fork.py"
    script.write_text(FORK.format(app_id=served.app_id, app_token=served.app_token, url=served.url))
    ran = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert [served.effects.of(f"child-{n}").created for n in range(4)] == [1] * 4
    assert [served.effects.of(f"parent-{n}").total for n in range(4)] == [2] * 4
