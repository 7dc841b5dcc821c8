"""What the tests of both frameworks share."""

import pytest

from voucherify_async import NewOrder
from voucherify_async.emulator import Emulator


@pytest.fixture
async def stored(emulator: Emulator) -> set[str]:
    """The source ids of orders that are there to be exported, at once."""
    source_ids = [f"web-{number}" for number in range(2000)]
    emulator.import_seconds = emulator.export_seconds = 0
    async with emulator.client() as client:
        await (await client.orders.import_orders(NewOrder(source_id=source_id) for source_id in source_ids))
    return set(source_ids)
