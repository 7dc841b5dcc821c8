"""How many requests some work takes, counted where they arrive. Time passes only while the client sleeps."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from benchmarks.calls import new_order
from tests.fakes import FakeClock, ServiceTime
from voucherify_async import NewOrder, OAuthAuth, VoucherifyClient
from voucherify_async.emulator import Emulator

_ORDERS: Final = 1000
_ENTRIES: Final = 5000
_AT_ONCE: Final = 50
_JOB_SECONDS: Final = 10.0


@asynccontextmanager
async def _service() -> AsyncIterator[tuple[Emulator, VoucherifyClient]]:
    clock = FakeClock()
    time = ServiceTime(clock)
    async with Emulator(seed=1, clock=time, import_seconds=_JOB_SECONDS, export_seconds=_JOB_SECONDS) as emulator:
        async with emulator.client(clock=clock) as client:
            yield emulator, client


def _requests(emulator: Emulator) -> int:
    """How many have arrived since this was asked last."""
    total = emulator.effects.requests.total()
    emulator.effects.clear()
    return total


async def count_requests() -> dict[str, float]:
    """Count the requests of each kind of work."""
    found: dict[str, float] = {}
    async with _service() as (emulator, client):
        report = await client.orders.upsert_all(new_order(number) for number in range(_ORDERS))
        assert report.done == _ORDERS
        found["upsert_all_of_1000"] = _requests(emulator)

        async with client.orders.iterate() as orders:
            assert len([order async for order in orders]) == _ORDERS
        found["iterate_of_1000"] = _requests(emulator)

        async with client.orders.export_rows(fields=["source_id"]) as rows:
            assert len([row async for row in rows]) == _ORDERS
        found["export_rows"] = _requests(emulator)

        exports = await asyncio.gather(*(client.orders.create_export() for _ in range(_AT_ONCE)))
        await asyncio.gather(*exports)
        found["50_exports_at_once"] = _requests(emulator)

        imports = await asyncio.gather(
            *(client.orders.import_orders([NewOrder(source_id=f"old-{number}")]) for number in range(_AT_ONCE))
        )
        await asyncio.gather(*imports)
        found["50_imports_at_once"] = _requests(emulator)

    async with _service() as (emulator, client):
        report = await client.orders.import_all(NewOrder(source_id=f"old-{number}") for number in range(_ENTRIES))
        assert report.done == _ENTRIES
        found["import_all_of_5000"] = _requests(emulator)

        auth = OAuthAuth(emulator.app_id, emulator.app_token)
        async with emulator.client(auth=auth) as signed:
            await asyncio.gather(*(signed.orders.list(limit=1) for _ in range(_AT_ONCE)))
        found["50_calls_with_oauth"] = _requests(emulator)
    return found
