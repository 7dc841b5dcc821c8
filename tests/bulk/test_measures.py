"""What `make bench PART=bulk` measures with: it moves what it says it moves; and what holds on any machine."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from benchmarks.bulk import tasks
from benchmarks.bulk.crowded import crowded
from benchmarks.bulk.orders import orders
from benchmarks.bulk.process import Taken, run_alone
from benchmarks.server import Server
from voucherify_async.emulator import Emulator


def server_of(emulator: Emulator) -> Server:
    return Server(emulator.url, emulator.app_id, emulator.app_token)


def test_the_orders_of_a_run_repeat_some_keys_with_other_values() -> None:
    made = list(orders(100, distinct=90))
    assert len({order.source_id for order in made}) == 90
    assert len({repr(order) for order in made}) == 100


@pytest.mark.parametrize(
    ("task", "options"),
    [
        (tasks.by_hand, {"distinct": 450}),
        (tasks.upsert_all, {"distinct": 450}),
        (tasks.upsert_all, {"distinct": 450, "checkpoint": True}),
        (tasks.import_all, {}),
    ],
)
async def test_every_task_moves_all_orders(
    emulator: Emulator,
    task: Callable[..., Awaitable[Taken]],
    options: dict[str, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tasks, "WARM_UP", 10)
    emulator.import_seconds = 0
    taken = await task(server_of(emulator), count=500, **options)
    assert taken.orders == 500
    counted = {key: effects.total for key, effects in emulator.effects.orders.items() if key.startswith("order-")}
    assert len(counted) == options.get("distinct", 500)
    assert sum(counted.values()) == 500


async def test_memory_does_not_grow_with_the_number_of_orders(emulator: Emulator) -> None:
    emulator.import_seconds = 0
    few, many = [
        await asyncio.to_thread(run_alone, "import_all", server=server_of(emulator), count=count)
        for count in (4_000, 30_000)
    ]
    assert many.orders == 30_000
    assert many.peak_mib <= few.peak_mib + 4


async def test_a_crowded_service_refuses_what_it_has_no_room_for() -> None:
    with crowded(0.01, 4) as server:
        taken = await tasks.upsert_for(server, seconds=0.3, concurrency=16)
    assert taken.orders > 20
    assert taken.told["again"] > 0


async def test_a_limit_is_kept_to_and_used() -> None:
    taken = await tasks.upsert_within_limit(per_minute=100, minutes=2, speed=120, spread=False, concurrency=None)
    assert 100 <= taken.orders <= 300
    assert taken.told["again"] <= 10
