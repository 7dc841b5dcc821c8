"""`export_rows` against the emulator. What was made and deleted is counted there."""

import asyncio
import datetime
from typing import Any, Literal

import anyio
import pytest

from tests.fakes import until
from voucherify_async import (
    BadRequestError,
    ConfigurationError,
    JobError,
    NewOrder,
    OrderRow,
    VoucherifyClient,
)
from voucherify_async.emulator import Emulator
from voucherify_async.emulator.faults import Fault

BEGIN = datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC)
SECOND = datetime.timedelta(seconds=1)
TEN = [0, 1.5, 1.999, 2, 2, 2.001, 3.999, 4, 7, 9]  # seconds


async def filled(client: VoucherifyClient, emulator: Emulator, seconds: list[float] = TEN) -> None:
    emulator.export_seconds = 0
    for number, offset in enumerate(seconds):
        created_at = BEGIN + datetime.timedelta(seconds=offset)
        await client.orders.create(NewOrder(source_id=f"o-{number}", amount=number, created_at=created_at))


def sent(emulator: Emulator, method: str, path: str) -> int:
    return sum(request.method == method and request.path.startswith(path) for request in emulator.requests)


def made(emulator: Emulator) -> int:
    return sent(emulator, "POST", "/v1/orders/export")


async def left(client: VoucherifyClient) -> int | None:
    return (await client.exports.list()).total


async def read(rows: Any) -> list[OrderRow]:
    async with rows as found:
        return [row async for row in found]


async def test_it_creates_waits_and_streams(client: VoucherifyClient, emulator: Emulator) -> None:
    await filled(client, emulator)
    filters = {"amount": {"conditions": {"$more_than": 3}}}
    rows = await read(
        client.orders.export_rows(fields=["amount", "created_at"], filters=filters, order="-created_at")
    )
    assert [row.amount for row in rows] == [9, 8, 7, 6, 5, 4]
    assert rows[0].created_at == BEGIN + 9 * SECOND
    assert (made(emulator), await left(client)) == (1, 1)


@pytest.mark.parametrize("width", [1, 2, 3, 4.5, 9, 100])
@pytest.mark.parametrize("order", [None, "created_at", "-created_at"])
async def test_in_windows_each_order_is_given_once_and_in_order(
    client: VoucherifyClient,
    emulator: Emulator,
    width: float,
    order: Literal["created_at", "-created_at"] | None,
) -> None:
    await filled(client, emulator)
    window = width * SECOND
    rows = await read(
        client.orders.export_rows(fields=["source_id", "amount"], order=order, window=window, delete=True)
    )
    amounts = [row.amount or 0 for row in rows]
    assert sorted(amounts) == list(range(10))
    ordered = amounts[::-1] if order == "-created_at" else amounts
    assert [TEN[amount] for amount in ordered] == sorted(TEN)
    # What was not asked for does not show.
    assert {row.created_at for row in rows} == {None}
    assert rows[0].source_id is not None
    assert made(emulator) == 9 // width + 1
    assert await left(client) == 0


async def test_in_windows_the_fields_are_the_service_s_own_without_any(
    client: VoucherifyClient, emulator: Emulator
) -> None:
    await filled(client, emulator)
    whole = await read(client.orders.export_rows())
    nothing: list[str] = []
    for fields in (None, nothing):
        assert await read(client.orders.export_rows(fields=fields, window=2 * SECOND)) == whole
    assert whole[0].id
    assert whole[0].status


async def test_in_windows_filters_hold_as_well(client: VoucherifyClient, emulator: Emulator) -> None:
    await filled(client, emulator)
    filters = {"junction": "and", "amount": {"conditions": {"$less_than": 5}}}
    rows = await read(client.orders.export_rows(fields=["amount"], filters=filters, window=2 * SECOND))
    assert [row.amount for row in rows] == [0, 1, 2, 3, 4]


async def test_a_project_without_orders(client: VoucherifyClient, emulator: Emulator) -> None:
    assert await read(client.orders.export_rows(window=SECOND, delete=True)) == []
    assert await left(client) == 0


async def test_no_more_than_one_export_is_made_ahead(client: VoucherifyClient, emulator: Emulator) -> None:
    await filled(client, emulator)
    async with client.orders.export_rows(fields=["amount"], window=2 * SECOND, delete=True) as rows:
        seen = [(row.amount, made(emulator), sent(emulator, "DELETE", "/v1/exports/")) async for row in rows]
        assert await left(client) == 0
    assert seen[0] == (0, 2, 0)
    assert seen[3] == (3, 3, 1)
    assert seen[-1] == (9, 5, 4)


async def test_an_order_that_comes_meanwhile_is_given_once_at_most(
    client: VoucherifyClient, emulator: Emulator
) -> None:
    await filled(client, emulator)
    late = [NewOrder(source_id=f"late-{ms}", created_at=BEGIN + ms * SECOND / 1000) for ms in (-5000, 8000, 20_000)]
    given = []
    async with client.orders.export_rows(window=2 * SECOND) as rows:
        async for row in rows:
            given.append(row.source_id)
            while late:
                await client.orders.create(late.pop())
    assert len(given) == len(set(given))
    assert {"late-8000", "late-20000"} < set(given)


@pytest.mark.parametrize("window", [None, 2 * SECOND])
@pytest.mark.parametrize("way", ["break", "error", "cancel", "anyio cancel"])
async def test_leaving_early_deletes_what_was_made(
    client: VoucherifyClient, emulator: Emulator, way: str, window: datetime.timedelta | None
) -> None:
    await filled(client, emulator)
    begun = asyncio.Event()

    async def work() -> None:
        async with client.orders.export_rows(window=window, delete=True) as rows:
            async for _ in rows:
                if way == "break":
                    break
                if way == "error":
                    raise ZeroDivisionError
                begun.set()
                await asyncio.Event().wait()

    if way == "break":
        await work()
    elif way == "error":
        with pytest.raises(ZeroDivisionError):
            await work()
    elif way == "cancel":
        task = asyncio.create_task(work())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    else:
        async with anyio.create_task_group() as group:
            group.start_soon(work)
            await begun.wait()
            group.cancel_scope.cancel()
    assert await left(client) == 0
    assert made(emulator) == (1 if window is None else 2)


async def test_being_cancelled_while_waiting_deletes_what_was_made(
    client: VoucherifyClient, emulator: Emulator
) -> None:
    await filled(client, emulator)
    emulator.export_seconds = 1_000_000
    task = asyncio.create_task(read(client.orders.export_rows(delete=True)))
    await until(lambda: sent(emulator, "GET", "/v1/exports") > 0, lambda: asyncio.sleep(0.001))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await left(client) == 0


async def test_without_being_asked_to_nothing_is_deleted(client: VoucherifyClient, emulator: Emulator) -> None:
    await filled(client, emulator)
    await read(client.orders.export_rows(window=5 * SECOND))
    assert (await left(client), sent(emulator, "DELETE", "/")) == (2, 0)


@pytest.mark.parametrize("status", [404, 500])
async def test_a_deletion_that_fails_hides_nothing(
    client: VoucherifyClient, emulator: Emulator, status: int
) -> None:
    await filled(client, emulator)
    emulator.faults.add(Fault(kind="status", status=status, method="DELETE", times=None))
    assert len(await read(client.orders.export_rows(delete=True))) == 10
    with pytest.raises(ZeroDivisionError):
        async with client.orders.export_rows(delete=True):
            raise ZeroDivisionError


async def test_a_cancelled_step_loses_nothing(client: VoucherifyClient, emulator: Emulator) -> None:
    await filled(client, emulator)
    given: list[int | None] = []
    async with client.orders.export_rows(fields=["amount"], window=2 * SECOND, delete=True) as rows:
        turns = 0
        while True:
            step = asyncio.ensure_future(rows.__anext__())
            for _ in range(turns % 40):
                await asyncio.sleep(0)
            turns += 1
            step.cancel()
            try:
                given.append((await step).amount)
            except asyncio.CancelledError:
                continue
            except StopAsyncIteration:
                break
            turns += 17
    assert given == list(range(10))


async def test_a_failure_between_windows_ends_the_rows(client: VoucherifyClient, emulator: Emulator) -> None:
    await filled(client, emulator)
    async with client.orders.export_rows(fields=["amount"], window=2 * SECOND, delete=True) as rows:
        assert [(await rows.__anext__()).amount for _ in range(3)] == [0, 1, 2]
        emulator.faults.add(Fault(kind="status", status=400, path="/v1/exports*", method="GET", times=None))
        with pytest.raises(JobError, match="400"):
            await rows.__anext__()
        emulator.faults.clear()
        with pytest.raises(StopAsyncIteration):
            await rows.__anext__()
    assert await left(client) == 0


async def test_an_export_that_cannot_be_made_takes_no_rows_of_the_one_before(
    client: VoucherifyClient, emulator: Emulator
) -> None:
    await filled(client, emulator)
    emulator.faults.add(Fault(kind="status", status=400, path="/v1/orders/export", times=None, skip=2))
    seen: list[int | None] = []

    async def read_all() -> None:
        async with client.orders.export_rows(fields=["amount"], window=2 * SECOND, delete=True) as rows:
            async for row in rows:
                seen.append(row.amount)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(BadRequestError):
        await read_all()
    assert seen == list(range(7))  # of two windows
    assert await left(client) == 0


async def test_what_does_not_fit_is_refused_before_anything_is_sent(
    client: VoucherifyClient, emulator: Emulator
) -> None:
    wrong: list[dict[str, Any]] = [
        {"fields": "id"},
        {"filters": {"amount": float("nan")}},
        {"order": "amount"},
        {"order": "status", "window": SECOND},
        {"window": 5},
        {"timeout": 0},
        {"delete": "yes"},
    ]
    for arguments in wrong:
        with pytest.raises(ConfigurationError) as caught:
            client.orders.export_rows(**arguments)
        assert next(iter(arguments)) in str(caught.value)
    assert emulator.requests == []


async def test_it_is_used_once_and_in_a_context(client: VoucherifyClient) -> None:
    rows = client.orders.export_rows()
    with pytest.raises(ConfigurationError, match="async with"):
        await rows.__anext__()
    await read(rows)
    with pytest.raises(ConfigurationError, match="read once"):
        await rows.__aenter__()
    with pytest.raises(StopAsyncIteration):
        await rows.__anext__()
