"""The other resources: async actions and exports."""

import datetime

import pytest

from voucherify_async import ConfigurationError, NewOrder, NotFoundError, VoucherifyClient
from voucherify_async.emulator import Emulator

NAIVE = datetime.datetime(2026, 1, 1)  # noqa: DTZ001 - that is the point


async def test_actions_are_listed_the_newest_first_without_results(
    emulator: Emulator, client: VoucherifyClient
) -> None:
    jobs = [await client.orders.import_orders([NewOrder(source_id=f"o-{number}")]) for number in range(3)]
    for job in jobs:
        await job
    page = await client.async_actions.list(limit=2)
    assert [action.id for action in page.async_actions] == [jobs[2].id, jobs[1].id]
    assert page.has_more
    assert all(action.result is None for action in page.async_actions)
    action = await client.async_actions.get(jobs[0].id)
    assert (action.type, action.status) == ("ORDERS.IMPORT", "DONE")
    assert action.result is not None
    assert action.result["done_count"] == 1


async def test_the_end_date_is_sent_as_the_documents_write_it(emulator: Emulator, client: VoucherifyClient) -> None:
    zone = datetime.timezone(datetime.timedelta(hours=2))
    page = await client.async_actions.list(end_date=datetime.datetime(2020, 1, 1, 2, 0, 0, 5999, zone))
    assert page.async_actions == []
    assert emulator.requests[-1].query == (("end_date", "2020-01-01T00:00:00.005Z"),)


@pytest.mark.parametrize(
    "arguments",
    [
        {"end_date": NAIVE},
        {"end_date": "2020-01-01"},
        {"end_date": datetime.datetime(1, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=5)))},
        {"limit": 0},
        {"limit": 101},
    ],
)
async def test_bad_arguments_are_refused_before_sending(
    emulator: Emulator, client: VoucherifyClient, arguments: dict[str, object]
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        await client.async_actions.list(**arguments)  # type: ignore[arg-type]
    assert caught.value.argument in arguments
    assert emulator.requests == []


async def test_exports_are_listed_fetched_and_deleted(client: VoucherifyClient) -> None:
    jobs = [await client.orders.create_export(fields=["id"]) for _ in range(3)]
    page = await client.exports.list(limit=2, page=1, order="-created_at")
    assert [export.id for export in page.exports] == [jobs[2].id, jobs[1].id]
    assert page.total == 3
    export = await client.exports.get(jobs[0].id)
    assert (export.exported_object, export.parameters) == ("order", {"fields": ["id"]})
    assert await client.exports.delete(export.id) is None  # type: ignore[func-returns-value]
    with pytest.raises(NotFoundError) as caught:
        await client.exports.get(export.id)
    assert (caught.value.resource_type, caught.value.resource_id) == ("export", export.id)
    with pytest.raises(NotFoundError):
        await client.exports.delete(export.id)
