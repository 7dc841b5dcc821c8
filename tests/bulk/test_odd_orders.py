"""Orders that cannot be, or that name what is not there: they fail alone."""

from pathlib import Path

import pytest

from tests.bulk.test_upserts import told
from tests.fakes import FakeClock
from voucherify_async import BulkStoppedError, NewOrder, NotFoundError, OrderFailure, OrderItem, VoucherifyClient
from voucherify_async.emulator import Emulator

METHODS = ["upsert_all", "import_all"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("order", "key"),
    [
        (NewOrder(source_id="half a sign \ud83d"), "half a sign \\ud83d"),
        (NewOrder(source_id="o", metadata={"\ud83d": 1}), "o"),
        (NewOrder(source_id=7), "7"),  # type: ignore[arg-type]
        (NewOrder(id="ord_nowhere", source_id="o"), "o"),
        (NewOrder(source_id="o", referrer_id="cust_nowhere"), "o"),
    ],
)
async def test_one_fails_and_the_others_are_done(
    client: VoucherifyClient, tmp_path: Path, method: str, order: NewOrder, key: str
) -> None:
    source = [NewOrder(source_id="a"), order, NewOrder(source_id="b")]
    report = await getattr(client.orders, method)(source, checkpoint=tmp_path / "state")
    assert told(report) == (3, 2, 1, 0)
    assert (report.failed[0].key, report.failed[0].position) == (key, 1)


async def test_an_address_where_there_is_no_service_stops_the_run(emulator: Emulator, clock: FakeClock) -> None:
    async with emulator.client(base_url=f"{emulator.url}/elsewhere", clock=clock) as client:
        with pytest.raises(BulkStoppedError) as caught:
            await client.orders.upsert_all([NewOrder(source_id="a")])
    assert isinstance(caught.value.__cause__, NotFoundError)


@pytest.mark.parametrize("method", METHODS)
async def test_two_entries_of_one_order_fail_one_by_one(client: VoucherifyClient, method: str) -> None:
    refused = [OrderItem(product_id="p", quantity=-1)]
    source = [NewOrder(source_id="o", amount=number, items=refused) for number in range(3)]
    failures: list[OrderFailure] = []
    report = await getattr(client.orders, method)(source, on_failure=failures.append)
    assert told(report) == (3, 0, 3, 0)
    assert [(one.key, one.position, one.order) for one in failures] == [
        ("o", place, order) for place, order in enumerate(source)
    ]
