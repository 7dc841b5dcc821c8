"""Connections that wait for their next request: the newest is used, the old end, and never too many."""

import asyncio
import platform
import subprocess
import sys
from pathlib import Path

from tests.fakes import until
from voucherify_async import NewOrder, PoolLimits, VoucherifyClient
from voucherify_async.direct import DirectPath
from voucherify_async.emulator import Emulator
from voucherify_async.idle import IdleConnections


def direct_of(client: VoucherifyClient) -> DirectPath:
    direct = client._session._life.opened().direct
    assert direct is not None
    return direct


def idle_of(client: VoucherifyClient) -> IdleConnections:
    return direct_of(client)._idle


def acquired(client: VoucherifyClient) -> int:
    connector = client._session._life.opened().http.connector
    assert connector is not None
    return len(connector._acquired)


async def test_the_one_that_was_used_last_is_used_next(emulator: Emulator) -> None:
    async with emulator.client() as client:
        await asyncio.gather(*(client.orders.list() for _ in range(4)))
        kept = idle_of(client)._kept
        waiting = [one for one, _ in kept]
        assert len(waiting) > 1
        for _ in range(5):
            await client.orders.list()
        assert [one for one, _ in kept] == waiting


async def test_one_that_the_server_closed_is_passed_over(emulator: Emulator) -> None:
    async with emulator.client() as client:
        await asyncio.gather(*(client.orders.list() for _ in range(4)))
        kept = idle_of(client)._kept
        for one, _ in list(kept)[1:]:
            assert one.transport is not None
            one.transport.abort()
        first = kept[0][0]
        response = await client.orders.with_http_info.list()
        assert response.attempts == 1
        assert [one for one, _ in kept] == [first]


async def test_those_that_nobody_needs_are_closed_in_time(emulator: Emulator) -> None:
    async with VoucherifyClient(
        emulator.app_id, emulator.app_token, base_url=emulator.url, pool=PoolLimits(keepalive=0.05)
    ) as client:
        await asyncio.gather(*(client.orders.list() for _ in range(4)))
        idle = idle_of(client)
        assert idle._kept
        await until(lambda: not idle._kept)
        assert acquired(client) == 0
        assert idle._timer is None


async def test_one_that_is_too_old_is_not_used_though_no_timer_came_to_it(emulator: Emulator) -> None:
    async with emulator.client() as client:
        await client.orders.list()
        idle = idle_of(client)
        old, since = idle._kept.pop()
        idle._kept.append((old, since - 15.1))
        await client.orders.list()
        assert old.protocol is None
        assert len(idle._kept) == 1


async def test_a_request_by_the_session_finds_them_and_leaves_no_more_than_may_be(emulator: Emulator) -> None:
    pool = PoolLimits(max_connections=2)
    async with VoucherifyClient(emulator.app_id, emulator.app_token, base_url=emulator.url, pool=pool) as client:
        large = [NewOrder(source_id=f"o-{n}", metadata={"text": "x" * 200}) for n in range(500)]
        for _ in range(3):
            await asyncio.gather(*(client.orders.list() for _ in range(8)))
            await client.orders.import_orders(large)
            connector = client._session._life.opened().http.connector
            assert connector is not None
            pooled = sum(len(pool) for pool in connector._conns.values())
            assert 1 <= acquired(client) + pooled <= 2


async def test_a_request_by_the_session_makes_none_younger_that_it_does_not_use(emulator: Emulator) -> None:
    async with emulator.client() as client:
        await asyncio.gather(*(client.orders.list() for _ in range(4)))
        before = list(idle_of(client)._kept)
        large = [NewOrder(source_id=f"o-{n}", metadata={"text": "x" * 200}) for n in range(500)]
        await client.orders.import_orders(large)
        assert len(before) > 1
        assert list(idle_of(client)._kept) == before[:-1]


async def test_closing_leaves_none(emulator: Emulator) -> None:
    client = emulator.client()
    await client.orders.list()
    idle = idle_of(client)
    (one, _), *_ = idle._kept
    transport = one.transport
    await client.aclose()
    assert transport is not None
    assert transport.is_closing()
    assert not idle._kept
    assert idle._timer is None


FAULTS = """
import asyncio, resource
from voucherify_async import VoucherifyClient

async def main():
    async with VoucherifyClient({app_id!r}, {app_token!r}, base_url={url!r}) as client:
        for calls in (50, 500):
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            for _ in range(calls):
                await client.orders.list()
        print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / calls)

asyncio.run(main())
"""


async def test_a_call_takes_no_memory_from_the_system(emulator: Emulator, tmp_path: Path) -> None:
    """Without `keep_reads_in_the_heap` each call maps and faults in pages of its own, two at least (glibc)."""
    script = tmp_path / "faults.py"
    script.write_text(FAULTS.format(app_id=emulator.app_id, app_token=emulator.app_token, url=emulator.url))
    command = [sys.executable, str(script)]
    ran = await asyncio.to_thread(lambda: subprocess.run(command, capture_output=True, timeout=60, check=False))
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert float(ran.stdout) < (0.5 if platform.libc_ver()[0] == "glibc" else 50)
