"""Ten thousand calls, and nothing that is left of them."""

import asyncio
import gc
import os

from tests.fakes import until
from voucherify_async import NewOrder, PoolLimits, RetryPolicy
from voucherify_async.emulator import Emulator
from voucherify_async.emulator.faults import Fault, FaultKind


def keyless() -> NewOrder:
    return NewOrder(amount=1)


def keyed() -> NewOrder:
    return NewOrder(source_id="o-1", amount=1)


def open_descriptors() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


async def test_ten_thousand_calls_leave_nothing_behind(emulator: Emulator) -> None:
    descriptors, tasks = open_descriptors(), len(asyncio.all_tasks())
    async with emulator.client() as client:
        order = await client.orders.create(keyed())

        async def work() -> None:
            for _ in range(10_000 // 32 + 1):
                await client.orders.get(order.id)

        await asyncio.gather(*(work() for _ in range(32)))
        assert emulator.effects.requests["GET", "/v1/orders/*"] >= 10_000
        # One connection for each that worked at the same time, and its other end in the emulator.
        assert open_descriptors() <= descriptors + 2 * 32
        assert len(asyncio.all_tasks()) <= tasks + 33
    # The emulator's ends of the connections notice a turn or two later.
    await until(lambda: (open_descriptors(), len(asyncio.all_tasks())) == (descriptors, tasks))


async def test_ten_thousand_cancelled_calls_leave_nothing_behind(emulator: Emulator) -> None:
    descriptors, tasks = open_descriptors(), len(asyncio.all_tasks())
    kinds: tuple[FaultKind, ...] = ("drip", "truncated", "drop", "status", "delay", "partial_headers")
    emulator.faults.mix(0.3, *(Fault(kind, delay=0.001) for kind in kinds))
    fast = RetryPolicy(base_delay=0.001, max_delay=0.002)
    async with emulator.client(pool=PoolLimits(max_connections=16), retry=fast) as client:
        await client.orders.list()
        opened = client._session._life.opened()
        for round_number in range(100):
            calls = [
                asyncio.create_task(client.orders.create(keyed() if number % 2 else keyless()))
                for number in range(100)
            ]
            for call in calls:
                for _ in range(round_number % 8):
                    await asyncio.sleep(0)
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
            assert (opened.slots.free, opened.slots.waiting) == (16, 0)
        emulator.faults.clear()
        assert 1000 < sum(emulator.effects.requests.values()) < 20_000  # cancelled at all stages
        assert client._session._budget._line.length == 0
        pages = await asyncio.gather(*(client.orders.list() for _ in range(64)))
        assert len(pages) == 64
    await until(lambda: (open_descriptors(), len(asyncio.all_tasks())) == (descriptors, tasks))
