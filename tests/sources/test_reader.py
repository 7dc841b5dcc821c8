"""Reading files, pipes and objects: `read_orders`."""

import asyncio
import bz2
import csv
import gzip
import io
import os
import threading
from collections.abc import Callable
from contextlib import aclosing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from voucherify_async import (
    BadLine,
    BulkReport,
    BulkStoppedError,
    ConfigurationError,
    NewOrder,
    OrderFailure,
    OrderReader,
    SourceError,
    VoucherifyClient,
    failure_line,
    read_orders,
)
from voucherify_async.emulator import Emulator
from voucherify_async.sources import blocks

REAL_FILE = Path(__file__).parents[3] / "shared" / "data" / "online-retail.csv.gz"
JSONL = b'{"source_id":"a"}\n{"source_id":"b"}\n'
CSV = b"source_id,item.quantity\na,1\nb,2\n"


def keys(orders: list[NewOrder]) -> str:
    return "".join(order.key or "?" for order in orders)


async def all_of(orders: OrderReader) -> str:
    return keys([order async for order in orders])


async def read(source: Any, **how: Any) -> str:
    return await all_of(read_orders(source, **how))


def is_open(path: Path) -> bool:
    return str(path) in {os.path.realpath(f"/proc/self/fd/{one}") for one in os.listdir("/proc/self/fd")}


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str, bytes], Path]:
    def write(name: str, data: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "orders.jsonl"
    os.mkfifo(path)
    return path


Write = Callable[[str, bytes], Path]


# --- What there is to read ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("orders.jsonl", JSONL),
        ("orders.ndjson", JSONL),
        ("ORDERS.JSON", JSONL),
        ("orders.csv", CSV),
        ("orders.of.may.csv", CSV),
        ("orders.jsonl.gz", gzip.compress(JSONL)),
        ("orders.csv.GZ", gzip.compress(CSV)),
        ("orders.csv", gzip.compress(CSV)),
        ("orders.csv.gz", gzip.compress(CSV[:9]) + gzip.compress(CSV[9:])),
        ("orders.csv", b"\xef\xbb\xbf" + CSV),
        ("orders.csv.gz", gzip.compress(b"\xef\xbb\xbf" + CSV)),
    ],
)
async def test_the_name_tells_the_format_and_the_first_bytes_gzip(file: Write, name: str, data: bytes) -> None:
    path = file(name, data)
    for source in (path, str(path), io.BytesIO(data)):
        how = {} if not isinstance(source, io.BytesIO) else {"format": "csv" if "csv" in name else "jsonl"}
        orders = read_orders(source, **how)  # type: ignore[arg-type]
        assert await all_of(orders) == "ab"
        assert (orders.lines, orders.orders, orders.bad_lines) == (2, 2, 0)
        assert orders.bytes_read == len(data)
        assert orders.bytes_total == (None if isinstance(source, io.BytesIO) else len(data))
    with path.open("rb") as opened:
        assert await read(opened) == "ab"
        assert not opened.closed


async def test_an_object_needs_no_more_than_read_and_what_has_no_name_is_json_lines() -> None:
    class Pieces:
        def __init__(self, data: bytes, size: int) -> None:
            self.data = io.BytesIO(data)
            self.size = size

        def read(self, size: int, /) -> bytes:
            return self.data.read(self.size)

    assert await read(Pieces(JSONL, 7)) == "ab"
    assert await read(Pieces(gzip.compress(JSONL), 1)) == "ab"


async def test_an_empty_file_of_json_lines_has_no_orders(file: Write) -> None:
    assert await read(file("orders.jsonl", b"")) == ""


@pytest.mark.parametrize(
    ("source", "how", "problem"),
    [
        ("orders.txt", {}, "format: cannot be told by the name 'orders.txt'; say jsonl or csv"),
        ("orders", {}, "format: cannot be told by the name 'orders'; say jsonl or csv"),
        ("orders.csv", {"format": "xml"}, "format: must be one of jsonl, csv, not 'xml'"),
        (7, {}, "source: must be a path, '-', or a file opened in binary mode"),
        (io.StringIO(), {}, "source: must be a path, '-', or a file opened in binary mode"),
        ("-", {"decimals": 2}, "decimals: is for CSV, and this is read as JSON Lines"),
        ("orders.jsonl", {"columns": {}}, "columns: is for CSV, and this is read as JSON Lines"),
        ("orders.jsonl", {"defaults": {}}, "defaults: is for CSV, and this is read as JSON Lines"),
        ("orders.csv", {"columns": {"x": "y"}}, "columns['x']: there is no field 'y'"),
        ("orders.csv", {"on_bad_line": "print"}, "on_bad_line: must be a function, not str"),
    ],
)
def test_an_argument_that_does_not_fit_is_refused_before_anything_is_opened(
    source: Any, how: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_orders(source, **how)
    assert str(caught.value) == problem


async def test_a_file_that_is_not_there_is_told_when_it_is_read(tmp_path: Path) -> None:
    orders = read_orders(tmp_path / "orders.csv")
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            await anext(orders)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (gzip.compress(JSONL * 9)[:-9], r"the gzip cannot be unpacked any further: it breaks off$"),
        (gzip.compress(JSONL * 9)[:-8] + b"12345678", r"the gzip cannot be unpacked any further: .*incorrect"),
        (b"\x1f", r"line 1: the gzip cannot be unpacked any further"),
        (JSONL, r"line 1: the gzip cannot be unpacked any further: .*incorrect header"),
        (bz2.compress(JSONL), r"line 1: the gzip cannot be unpacked any further: .*incorrect header"),
        (b"", r"line 1: the gzip cannot be unpacked any further: it breaks off"),
    ],
)
async def test_a_gzip_that_breaks_off_is_not_the_end(file: Write, data: bytes, problem: str) -> None:
    orders = read_orders(file("orders.jsonl.gz", data))
    for _ in range(2):
        with pytest.raises(SourceError, match=problem) as caught:
            await all_of(orders)
        assert str(caught.value).startswith("orders.jsonl.gz, line ")


async def test_the_orders_before_a_break_are_given_but_for_one_that_may_go_on(file: Write) -> None:
    packer = gzip.GzipFile("orders.csv", "wb", fileobj=(packed := io.BytesIO()))
    packer.write(CSV)
    packer.flush()
    orders = read_orders(file("orders.csv.gz", packed.getvalue()))
    packer.close()
    assert (await anext(orders)).key == "a"
    with pytest.raises(SourceError, match=r"^orders\.csv\.gz, line 3: the gzip .* breaks off") as caught:
        await anext(orders)
    assert caught.value.line == 3


@pytest.mark.parametrize("piece", [None, "text", bytearray(b"{}")])
async def test_an_object_that_gives_no_bytes_is_named(piece: object) -> None:
    class Odd:
        def read(self, size: int, /) -> bytes:
            return piece  # type: ignore[return-value]

    with pytest.raises(SourceError, match=r"line 1: gives .* where it should give bytes"):
        await read(Odd())


# --- Bad lines ----------------------------------------------------------------------------------------------


async def test_a_bad_line_stops_the_reading_if_nobody_asked_for_it(file: Write) -> None:
    orders = read_orders(file("orders.jsonl", JSONL + b"{}\n" + JSONL))
    assert keys([await anext(orders), await anext(orders)]) == "ab"
    for _ in range(2):
        with pytest.raises(SourceError) as caught:
            await anext(orders)
        assert str(caught.value) == "orders.jsonl, line 3: has neither a source_id nor an id"
        assert (caught.value.line, caught.value.source) == (3, "orders.jsonl")
    assert (orders.orders, orders.bad_lines) == (2, 1)


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_bad_line_is_told_and_the_others_are_given(file: Write, asynchronous: bool) -> None:
    told: list[BadLine] = []

    async def tell(bad: BadLine) -> None:
        await asyncio.sleep(0)
        told.append(bad)

    orders = read_orders(
        file("orders.csv", CSV + b"c,many\nd,1\nd,-1\n"), on_bad_line=tell if asynchronous else told.append
    )
    assert await all_of(orders) == "ab"
    assert [str(bad) for bad in told] == [
        "line 4: item.quantity: is no whole number: 'many'",
        "line 6: item.quantity: is below zero: '-1'",
        "lines 5-6: order d is left out: line 6 is bad",
    ]
    assert (orders.lines, orders.orders, orders.bad_lines) == (5, 2, 3)


async def test_what_is_raised_by_who_is_told_stops_the_reading(file: Write) -> None:
    def refuse(bad: BadLine) -> None:
        raise LookupError(str(bad))

    path = file("orders.jsonl", b"{}\n" + JSONL)
    orders = read_orders(path, on_bad_line=refuse)
    for _ in range(2):
        with pytest.raises(LookupError, match="line 1: has neither"):
            await anext(orders)
    assert not is_open(path)


async def test_failures_can_be_fed_in_again(file: Write) -> None:
    order = NewOrder(source_id="a", status=None)
    path = file("failed.jsonl", failure_line(order, "no", line=7) + failure_line(order, "no", line=8))
    assert [one async for one in read_orders(path)] == [order, order]


# --- Without holding anything up ----------------------------------------------------------------------------


async def test_memory_is_bounded_and_blocks_are_whole(file: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 100)
    sizes = []
    feed = blocks.Blocks.next

    async def watched(self: blocks.Blocks) -> bytes:
        block = await feed(self)
        sizes.append(len(block))
        return block

    monkeypatch.setattr(blocks.Blocks, "next", watched)
    data = JSONL * 100
    for path in (file("orders.jsonl", data), file("orders.jsonl.gz", gzip.compress(data))):
        sizes.clear()
        assert await read(path) == "ab" * 100
        assert sum(sizes) == len(data)
        assert max(sizes) <= 100


async def test_a_slow_pipe_gives_each_line_at_once_and_holds_up_nobody(pipe: Path) -> None:
    orders = read_orders(pipe)
    first = asyncio.ensure_future(anext(orders))
    await asyncio.sleep(0)  # it waits for somebody to write; we go on
    with pipe.open("wb", buffering=0) as writing:
        for piece, key in [(b'{"source_id":"a"}\n{"sour', "a"), (b'ce_id":"b"}\n', "b")]:
            writing.write(piece)
            order = await (first if key == "a" else anext(orders))
            assert order.key == key
    with pytest.raises(StopAsyncIteration):
        await anext(orders)
    assert orders.bytes_total is None


async def test_who_is_cancelled_loses_nothing(pipe: Path) -> None:
    orders = read_orders(pipe)
    for _ in range(3):
        waiting = asyncio.ensure_future(anext(orders))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    with pipe.open("wb") as writing:
        writing.write(JSONL)
    assert await all_of(orders) == "ab"


async def test_two_cannot_read_at_the_same_time(pipe: Path) -> None:
    orders = read_orders(pipe)
    waiting = asyncio.ensure_future(anext(orders))
    await asyncio.sleep(0)
    with pytest.raises(ConfigurationError, match="orders: are being read by another task already"):
        await anext(orders)
    with pipe.open("wb") as writing:
        writing.write(JSONL)
    assert (await waiting).key == "a"
    assert (await anext(orders)).key == "b"
    await orders.aclose()


async def closed(orders: OrderReader) -> None:
    await orders.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(orders)


async def test_a_reader_that_is_left_early_closes_its_file(file: Write) -> None:
    path = file("orders.jsonl", JSONL * 10_000)
    async with read_orders(path) as orders:
        assert (await anext(orders)).key == "a"
        assert is_open(path)
    assert not is_open(path)
    await closed(orders)
    async with aclosing(read_orders(path)) as orders:
        waiting = asyncio.ensure_future(anext(orders))
        await asyncio.sleep(0)
        waiting.cancel()
    assert not is_open(path)
    await closed(orders)
    await closed(read_orders(path))


async def test_closing_does_not_wait_for_a_pipe_and_wakes_who_does(pipe: Path) -> None:
    orders = read_orders(pipe)
    waiting = asyncio.ensure_future(anext(orders))
    await asyncio.sleep(0)
    await orders.aclose()
    with pytest.raises(StopAsyncIteration):
        await waiting
    # The thread that waits for a writer ends with it, and closes the file.
    pipe.open("wb").close()
    for thread in threading.enumerate():
        if thread.name == "voucherify-source":
            thread.join()
    assert not is_open(pipe)


# --- Together with the rest ---------------------------------------------------------------------------------


async def test_what_is_read_can_be_sent(file: Write, emulator: Emulator, client: VoucherifyClient) -> None:
    path = file(
        "orders.csv",
        b"Invoice,StockCode,item.quantity,UnitPrice,created_at\n"
        b"i-1,s-1,2,12.95,2026-03-01 07:44\ni-1,s-2,1,0.05,\ni-2,s-1,1,1.00,\n",
    )
    how: dict[str, Any] = {
        "columns": {"Invoice": "source_id", "StockCode": "item.source_id", "UnitPrice": "item.price"},
        "decimals": 2,
        "defaults": {"item.related_object": "product", "status": "PAID"},
    }
    async with read_orders(path, **how) as orders:
        async for order in orders:
            await client.orders.create(order)
    stored = await client.orders.get("i-1")
    assert (stored.status, stored.amount) == ("PAID", 2 * 1295 + 5)
    assert stored.items
    assert [item.amount for item in stored.items] == [2590, 5]
    assert (await client.orders.list()).total == 2


@pytest.mark.parametrize("run", ["upsert_all", "import_all"])
async def test_a_run_that_a_bad_line_stopped_goes_on_when_it_is_mended(
    file: Write, emulator: Emulator, client: VoucherifyClient, tmp_path: Path, run: str
) -> None:
    lines = [b'{"source_id":"o-%d","amount":%d}\n' % (number, number) for number in range(30)]
    path = file("orders.jsonl", b"".join([*lines[:20], b"{}\n", *lines[20:]]))
    run_all = getattr(client.orders, run)
    with pytest.raises(BulkStoppedError, match=r"orders\.jsonl, line 21: has neither") as caught:
        await run_all(read_orders(path), checkpoint=tmp_path / "state")
    assert isinstance(caught.value.__cause__, SourceError)
    assert not is_open(path)
    path.write_bytes(b"".join([*lines[:20], *lines[20:]]))
    report: BulkReport = await run_all(read_orders(path), checkpoint=tmp_path / "state")
    assert (report.read, report.done, report.failed_count) == (30, 30, 0)
    assert (await client.orders.list()).total == 30
    assert (await client.orders.get("o-29")).amount == 29


async def test_failures_of_a_run_are_the_source_of_the_next(
    file: Write, emulator: Emulator, client: VoucherifyClient
) -> None:
    path = file("orders.jsonl", JSONL + b'{"source_id":"c","status":"SOLD"}\n')
    lines: list[bytes] = []

    def note(failure: OrderFailure) -> None:
        assert failure.order is not None
        lines.append(failure_line(failure.order, failure.reason, position=failure.position))

    report = await client.orders.upsert_all(read_orders(path), on_failure=note)
    assert (report.done, report.failed_count) == (2, 1)
    again = file("failed.jsonl", b"".join(lines).replace(b'"SOLD"', b'"PAID"', 1))
    report = await client.orders.upsert_all(read_orders(again))
    assert (report.done, report.failed_count) == (1, 0)
    assert (await client.orders.get("c")).status == "PAID"


COLUMNS: dict[str, str | None] = {
    "InvoiceNo": "source_id",
    "StockCode": "item.source_id",
    "Description": "item.product.name",
    "Quantity": "item.quantity",
    "InvoiceDate": "created_at",
    "UnitPrice": "item.price",
    "CustomerID": "customer.source_id",
}


@pytest.mark.skipif(not REAL_FILE.exists(), reason="the real file is not here")
async def test_the_real_file_agrees_to_the_penny() -> None:
    """What the orders are worth and what the reported lines are worth is what the file is worth."""
    bad: list[BadLine] = []
    orders = read_orders(
        REAL_FILE,
        columns=COLUMNS,
        decimals=2,
        defaults={"item.related_object": "product", "status": "PAID"},
        on_bad_line=bad.append,
    )
    worth_given = items = 0
    async for order in orders:
        for item in order.items or ():
            assert isinstance(item.quantity, int)
            assert isinstance(item.price, int)
            worth_given += item.quantity * item.price
            items += 1

    with gzip.open(REAL_FILE, "rt", encoding="utf-8", newline="") as text:
        table = list(csv.DictReader(text))
    worth = [int(row["Quantity"]) * Decimal(row["UnitPrice"]) * 100 for row in table]
    reported = {line for one in bad for line in range(one.number, one.last_number + 1)}
    assert worth_given + sum(worth[line - 2] for line in reported) == sum(worth) == Decimal(85306509)
    assert orders.lines == len(table) == 50_999 == items + len(reported)
    assert orders.bad_lines == len(reported)

    rows_of: dict[str, int] = {}
    for row in table:
        rows_of[row["InvoiceNo"]] = rows_of.get(row["InvoiceNo"], 0) + 1
    long = {key for key, count in rows_of.items() if count > 500}
    assert len(long) == 15
    assert {one.key for one in bad if "an order has at most 500" in one.reason} == long
    assert orders.orders == len(rows_of) - len({one.key for one in bad})
