"""Ways of reading an export's rows: this client's, and what one would write without it."""

import csv
import importlib
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiohttp
import msgspec

from benchmarks.bulk.rowfile import FIELDS
from voucherify_async import OrderRow, VoucherifyClient

BLOCK_BYTES = 1024 * 1024


async def by_rows(url: str, rows: int) -> int:
    """This client, row by row."""
    count = 0
    async with (
        VoucherifyClient("id", "token", base_url=url) as client,
        client.orders.export_job(f"exp_{rows}").rows() as found,
    ):
        async for _ in found:
            count += 1
    return count


async def by_to_polars(url: str, rows: int) -> int:
    """This client, into a frame."""
    async with VoucherifyClient("id", "token", base_url=url) as client:
        return (await client.orders.export_job(f"exp_{rows}").to_polars()).height


@asynccontextmanager
async def _file(url: str, rows: int) -> AsyncIterator[aiohttp.StreamReader]:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/{rows}.csv") as answer:
        answer.raise_for_status()
        yield answer.content


async def _blocks(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Blocks of whole lines, which are whole rows in this file, the header in front of each."""
    header, rest = await content.readline(), b""
    async for piece in content.iter_chunked(BLOCK_BYTES):
        rest += piece
        if len(rest) >= BLOCK_BYTES:
            end = rest.rfind(b"\n") + 1
            yield header + rest[:end]
            rest = rest[end:]
    if rest:
        yield header + rest


async def by_download(url: str, rows: int) -> int:
    """Nothing but the bytes."""
    async with _file(url, rows) as content:
        while await content.readany():
            pass
    return rows


def _struct(fields: dict[str, Any]) -> OrderRow:
    known = {name: cell for name, cell in fields.items() if cell}
    if "metadata" in known:
        known["metadata"] = msgspec.json.decode(known["metadata"])
    return msgspec.convert(known, OrderRow, strict=False)


async def by_dict_reader(url: str, rows: int) -> int:
    """What a user writes: `csv.DictReader`, and `msgspec.convert` for each row."""
    count = 0
    async with _file(url, rows) as content:
        async for block in _blocks(content):
            for fields in csv.DictReader(io.StringIO(block.decode(), newline="")):
                _struct(fields)
                count += 1
    return count


async def by_reader(url: str, rows: int) -> int:
    """The same with `csv.reader`, which is faster."""
    count = 0
    async with _file(url, rows) as content:
        async for block in _blocks(content):
            table = csv.reader(io.StringIO(block.decode(), newline=""))
            names = next(table)
            for cells in table:
                _struct(dict(zip(names, cells, strict=True)))
                count += 1
    return count


def _polars() -> Any:
    return importlib.import_module("polars")


async def by_polars_rows(url: str, rows: int) -> int:
    """Polars cuts blocks into strings, and `msgspec.convert` makes structs of all of a block's rows."""
    pl, count = _polars(), 0
    async with _file(url, rows) as content:
        async for block in _blocks(content):
            found = pl.read_csv(block, infer_schema=False).to_dicts()
            for fields in found:
                fields["metadata"] = msgspec.json.decode(fields["metadata"] or "{}")
            count += len(msgspec.convert(found, list[OrderRow], strict=False))
    return count


def _typed(pl: Any, body: bytes) -> Any:
    times = {"created_at": pl.Datetime("us", "UTC"), "updated_at": pl.Datetime("us", "UTC")}
    return pl.read_csv(body, schema_overrides=times | {name: pl.Int64 for name in FIELDS if "amount" in name})


async def by_polars_blocks(url: str, rows: int) -> int:
    """Polars, a block at a time, typed."""
    pl, count = _polars(), 0
    async with _file(url, rows) as content:
        async for block in _blocks(content):
            count += _typed(pl, block).height
    return count


async def by_polars_whole(url: str, rows: int) -> int:
    """Polars, the whole body at once, typed."""
    async with _file(url, rows) as content:
        return int(_typed(_polars(), await content.read()).height)


async def by_pyarrow_blocks(url: str, rows: int) -> int:
    """Pyarrow, a block at a time, typed."""
    reader, count = importlib.import_module("pyarrow.csv"), 0
    async with _file(url, rows) as content:
        async for block in _blocks(content):
            count += reader.read_csv(io.BytesIO(block)).num_rows
    return count


class Contestant(NamedTuple):
    """A way of reading the rows.

    Attributes:
        read: gives back how many there were.
        comes_to: what it makes of them.
        needs: a module that is not this client's.
    """

    read: Callable[[str, int], Awaitable[int]]
    comes_to: str
    needs: str | None = None


OURS = "this client, `rows()`"
CONTESTANTS = {
    OURS: Contestant(by_rows, "structs"),
    "`csv.DictReader`, convert": Contestant(by_dict_reader, "structs"),
    "`csv.reader`, convert": Contestant(by_reader, "structs"),
    "polars blocks, convert": Contestant(by_polars_rows, "structs", "polars"),
    "this client, `to_polars()`": Contestant(by_to_polars, "columns, kept", "polars"),
    "polars, whole body": Contestant(by_polars_whole, "columns, kept", "polars"),
    "polars blocks": Contestant(by_polars_blocks, "columns", "polars"),
    "pyarrow blocks": Contestant(by_pyarrow_blocks, "columns", "pyarrow"),
    "the download alone": Contestant(by_download, "nothing"),
}
