"""Runs over many orders, and the files that they come from."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO, TextIO, assert_type

from voucherify_async import (
    AsyncAction,
    BadLine,
    BulkProgress,
    BulkReport,
    NewOrder,
    Order,
    OrderFailure,
    OrderReader,
    OrderRow,
    VoucherifyClient,
    failure_line,
    read_orders,
)


def some() -> Iterator[NewOrder]:
    yield NewOrder(source_id="web-1")


async def some_in_time() -> AsyncIterator[NewOrder]:
    yield NewOrder(source_id="web-1")


def told(progress: BulkProgress) -> None:
    assert_type((progress.read, progress.done, progress.failed_count), tuple[int, int, int])
    assert_type(progress.total, int | None)
    assert_type(progress.per_second, float)
    assert_type(progress.job, AsyncAction | None)


async def failed(failure: OrderFailure) -> None:
    assert_type(failure.key, str | None)
    assert_type(failure.reason, str)
    assert_type(failure.position, int | None)
    assert_type(failure.outcome_unknown, bool)
    assert_type(failure.order, NewOrder | None)


async def runs(client: VoucherifyClient, stored: list[Order]) -> None:
    report = await client.orders.upsert_all(
        some(), concurrency=64, checkpoint="sync.state", on_progress=told, on_failure=failed
    )
    assert_type(report, BulkReport)
    assert_type(report.failed, list[OrderFailure])
    assert_type(report.seconds, float)
    report = await client.orders.import_all(
        some_in_time(),
        checkpoint=Path("import.state"),
        on_progress=told,
        on_failure=failed,
        allow_keyless=True,
        max_bytes=1_000_000,
        timeout=None,
    )
    assert_type(report, BulkReport)
    await client.orders.upsert_all([NewOrder()])
    await client.orders.import_all((NewOrder(),))
    await client.orders.upsert_all(stored)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    await client.orders.upsert_all(some)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    await client.orders.upsert_all(some(), on_failure=told)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    await client.orders.import_all(some(), concurrency=2)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]


async def rows(client: VoucherifyClient) -> None:
    async with client.orders.export_rows(
        fields=("id", "amount"),
        filters={},
        order="created_at",
        window=timedelta(days=30),
        delete=True,
        timeout=None,
    ) as exported:
        async for row in exported:
            assert_type(row, OrderRow)
    client.orders.export_rows(window=30)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    client.orders.export_rows(fields="id", order="id")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


def bad(line: BadLine) -> None:
    assert_type((line.number, line.last_number, line.count), tuple[int, int, int])
    assert_type(line.reason, str)
    assert_type(line.key, str | None)


async def files(client: VoucherifyClient, text: TextIO, data: BinaryIO) -> None:
    async with read_orders(
        "orders.csv",
        columns={"No": "source_id", "Colour": None},
        decimals=2,
        defaults={"status": "PAID"},
        allow_keyless=True,
    ) as orders:
        assert_type(orders, OrderReader)
        async for order in orders:
            assert_type(order, NewOrder)
        assert_type((orders.lines, orders.bytes_read), tuple[int, int])
        assert_type(orders.bytes_total, int | None)
    reader = read_orders(data, format="jsonl", on_bad_line=bad)
    assert_type(await client.orders.upsert_all(reader), BulkReport)
    await reader.aclose()
    assert_type(failure_line(NewOrder(), "no", line=7), bytes)
    read_orders(text)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    read_orders(data, format="xml")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    read_orders(data, on_bad_line=failed)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    failure_line("web-1", "no")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
