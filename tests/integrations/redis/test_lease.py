"""The lease: one holder at a time, in the order of arrival, and another one when it dies; on a real server."""

import asyncio
import signal
import sys
import time
from types import TracebackType
from typing import Any, Self

import pytest
from redis.asyncio import Redis

from benchmarks.redisserver import RedisServer
from voucherify_async import BulkStoppedError, ConfigurationError, NewOrder
from voucherify_async.emulator import Emulator
from voucherify_async.integrations.redis import LeaseLostError, LeaseTimeoutError, RedisClient, RedisLease

IMPORT = ("POST", "/v1/orders/import")
HOLDER = """
import asyncio, sys
from redis.asyncio import Redis
from voucherify_async.integrations.redis import RedisLease

async def main():
    async with Redis.from_url(sys.argv[1]) as redis, RedisLease(redis, "shop", holds=0.6):
        print("held", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


def orders(count: int) -> list[NewOrder]:
    return [NewOrder(source_id=f"o-{number}", amount=number) for number in range(count)]


async def until_waiting(client: RedisClient, count: int) -> None:
    async with asyncio.timeout(10):
        while await client.execute_command("ZCARD", "voucherify:{shop}:import:line") != count:
            await asyncio.sleep(0)


async def test_one_at_a_time_and_who_came_first_has_it_first(redis_client: RedisClient) -> None:
    held: list[int] = []
    inside = 0

    async def hold(number: int) -> None:
        nonlocal inside
        async with RedisLease(redis_client, "shop") as lease:
            inside += 1
            assert inside == 1
            assert lease.held
            held.append(number)
            await asyncio.sleep(0)
            inside -= 1
        assert not lease.held

    async with RedisLease(redis_client, "shop"):
        tasks = []
        for number in range(4):
            tasks.append(asyncio.create_task(hold(number)))
            await until_waiting(redis_client, number + 1)
    # Who has left it comes behind those who wait: a run does not keep the turn from import to import.
    await until_waiting(redis_client, 3)
    tasks.append(asyncio.create_task(hold(4)))
    await asyncio.gather(*tasks)
    assert held == [0, 1, 2, 3, 4]


async def test_leases_of_other_things_and_projects_are_others(shared: RedisClient) -> None:
    async with (
        RedisLease(shared, "shop", timeout=1),
        RedisLease(shared, "shop", of="part-7", timeout=1),
        RedisLease(shared, "outlet", timeout=1),
    ):
        pass


async def test_when_its_holder_is_killed_the_next_one_has_it(server: RedisServer, shared: RedisClient) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOLDER, server.url), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"held\n"
    lease = RedisLease(shared, "shop", timeout=1.2)
    with pytest.raises(LeaseTimeoutError):  # renewed as it is, it holds for twice its time
        await lease.__aenter__()
    process.send_signal(signal.SIGKILL)
    await process.wait()
    before = time.monotonic()
    async with lease:
        assert time.monotonic() - before < 1.2


async def test_a_place_in_the_line_of_one_that_died_is_passed_over(
    shared: RedisClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voucherify_async.integrations.redis.lease._MISSED_AFTER", 0.5)
    await shared.execute_command("ZADD", "voucherify:{shop}:import:line", 1, "dead")
    await shared.execute_command("ZADD", "voucherify:{shop}:import:seen", 1, "dead")
    async with RedisLease(shared, "shop", timeout=2):
        pass


async def test_who_gives_up_waiting_leaves_the_line(redis_client: RedisClient) -> None:
    async with RedisLease(redis_client, "shop"):
        waiting = asyncio.create_task(RedisLease(redis_client, "shop").__aenter__())
        await until_waiting(redis_client, 1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await until_waiting(redis_client, 0)
        with pytest.raises(LeaseTimeoutError, match=r"within 0\.3 seconds"):
            await RedisLease(redis_client, "shop", timeout=0.3).__aenter__()
        await until_waiting(redis_client, 0)


async def test_a_cancelled_holder_leaves_it(shared: RedisClient) -> None:
    async def hold() -> None:
        async with RedisLease(shared, "shop"):
            await asyncio.sleep(60)

    holder = asyncio.create_task(hold())
    async with asyncio.timeout(10):
        while not await shared.execute_command("EXISTS", "voucherify:{shop}:import"):
            await asyncio.sleep(0)
    holder.cancel()
    with pytest.raises(asyncio.CancelledError):
        await holder
    async with RedisLease(shared, "shop", timeout=1):
        pass


async def test_tasks_may_share_an_object(shared: RedisClient) -> None:
    lease = RedisLease(shared, "shop")
    inside = most = 0

    async def hold() -> None:
        nonlocal inside, most
        async with lease:
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(hold() for _ in range(5)))
    assert most == 1


async def test_a_lease_that_was_lost_is_told_of(shared: RedisClient, caplog: pytest.LogCaptureFixture) -> None:
    async with RedisLease(shared, "shop", holds=0.3) as lease:
        lease.check()
        await shared.execute_command("SET", "voucherify:{shop}:import", "another")
        async with asyncio.timeout(10):
            while lease.held:
                await asyncio.sleep(0.01)
        with pytest.raises(LeaseLostError, match="run out"):
            lease.check()
    assert "ran out while it was held" in caplog.text
    assert await shared.execute_command("GET", "voucherify:{shop}:import") == b"another"


async def test_it_runs_out_without_the_server_and_a_short_outage_is_outlived(
    server: RedisServer, redis_client: RedisClient
) -> None:
    async with RedisLease(redis_client, "shop", holds=1.2) as lease:
        server.hang()
        await asyncio.sleep(0.6)
        server.wake()
        await asyncio.sleep(1)
        lease.check()
        server.kill()
        async with asyncio.timeout(10):
            while lease.held:
                await asyncio.sleep(0.01)
    with pytest.raises(LeaseTimeoutError):
        await RedisLease(redis_client, "shop", timeout=0.5).__aenter__()
    again = RedisLease(redis_client, "shop")
    waiting = asyncio.create_task(again.__aenter__())
    await asyncio.sleep(0)
    server.start()
    await waiting
    assert again.held
    await again.__aexit__(None, None, None)


# --- Imports ------------------------------------------------------------------------------------------------


class Noted:
    """A turn that notes how many imports had arrived at the service when it began and ended."""

    def __init__(self, emulator: Emulator, lease: RedisLease) -> None:
        self._emulator = emulator
        self._lease = lease
        self.imports: list[int] = []

    async def __aenter__(self) -> Self:
        await self._lease.__aenter__()
        self.imports.append(self._emulator.effects.requests[IMPORT])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.imports.append(self._emulator.effects.requests[IMPORT])
        await self._lease.__aexit__(kind, error, trace)


async def test_runs_that_share_a_turn_import_one_at_a_time(shared: RedisClient, emulator: Emulator) -> None:
    emulator.import_seconds = 0.02
    turns = [Noted(emulator, RedisLease(shared, "shop")) for _ in range(2)]
    async with emulator.client() as client:
        # So few bytes make two imports of each.
        reports = await asyncio.gather(
            *(
                client.orders.import_all(orders(6), max_bytes=100, turn=turn) for turn in turns
            )  # in two imports each
        )
    assert [report.done for report in reports] == [6, 6]
    for turn in turns:
        begins, ends = turn.imports[::2], turn.imports[1::2]
        assert [end - begin for begin, end in zip(begins, ends, strict=True)] == [1] * 2
    assert emulator.effects.handled[IMPORT] == 4


async def test_a_turn_that_does_not_come_stops_the_run(shared: RedisClient, emulator: Emulator) -> None:
    async with RedisLease(shared, "shop"), emulator.client() as client:
        with pytest.raises(BulkStoppedError) as caught:
            await client.orders.import_all(orders(3), turn=RedisLease(shared, "shop", timeout=0.3))
    assert isinstance(caught.value.__cause__, LeaseTimeoutError)
    assert caught.value.report.done == 0
    assert emulator.effects.requests[IMPORT] == 0


async def test_an_import_that_is_made_once_more_waits_for_a_new_turn(emulator: Emulator) -> None:
    entered = 0

    class Counted(asyncio.Lock):
        async def __aenter__(self) -> None:
            nonlocal entered
            entered += 1
            await super().__aenter__()

    emulator.fail_next_import("lost")
    async with emulator.client() as client:
        report = await client.orders.import_all(orders(3), turn=Counted())
    assert report.done == 3
    assert entered == 2


async def test_a_turn_must_be_one(emulator: Emulator) -> None:
    async with emulator.client() as client:
        with pytest.raises(ConfigurationError, match=r"^turn: must be an async context manager, not int"):
            await client.orders.import_all(orders(1), turn=1)  # type: ignore[arg-type] # pyright: ignore


@pytest.mark.parametrize(
    ("argument", "options"),
    [("holds", {"holds": 0}), ("timeout", {"timeout": -1}), ("of", {"of": "a b"}), ("project", {"project": None})],
)
def test_bad_arguments_are_named(argument: str, options: dict[str, Any]) -> None:
    arguments: dict[str, Any] = {"project": "shop", **options}
    with pytest.raises(ConfigurationError) as caught:
        RedisLease(Redis(), **arguments)
    assert caught.value.argument == argument
