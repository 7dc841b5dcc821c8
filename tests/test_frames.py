"""An export as a polars frame: the same as its rows."""

import asyncio
import csv
import datetime
import io
import json
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tests.fakes import FakeClock, http, raw_server, until
from tests.test_csvrows import cells, plain_cells, read
from tests.test_exportfile import TABLE, job_of, serve
from voucherify_async import DecodeError, NewOrder, VoucherifyClient, frames
from voucherify_async.emulator import Emulator
from voucherify_async.frames import FrameBlocks

TIME = pl.Datetime("us", "UTC")


def frame_of(data: bytes, piece_bytes: int = 1 << 20) -> pl.DataFrame:
    blocks = FrameBlocks()
    for start in range(0, len(data), piece_bytes):
        blocks.feed(data[start : start + piece_bytes])
    return blocks.end(b"")


async def test_an_export_becomes_a_frame(client: VoucherifyClient, emulator: Emulator) -> None:
    orders = [
        NewOrder(source_id=f"o-{number}", amount=number, metadata={"note": "a, b" if number % 2 else "c"})
        for number in range(100)
    ]
    await (await client.orders.import_orders(orders))
    fields = ["id", "source_id", "created_at", "amount", "discount_amount", "metadata", "metadata.note"]
    job = await client.orders.create_export(fields=fields)
    frame = await job.to_polars()
    assert dict(frame.schema) == {
        "id": pl.String(),
        "source_id": pl.String(),
        "created_at": TIME,
        "amount": pl.Int64(),
        "discount_amount": pl.Int64(),
        "metadata": pl.String(),
        "metadata.note": pl.String(),
    }
    async with job.rows() as rows:
        found = [row async for row in rows]
    assert frame["amount"].to_list() == [row.amount for row in found]
    assert frame["created_at"].to_list() == [row.created_at for row in found]
    assert frame["metadata.note"].to_list() == [row.metadata["note"] for row in found]
    assert json.loads(frame["metadata"][1]) == {"note": "a, b"}


def test_columns_are_named_and_typed_as_fields() -> None:
    frame = frame_of(b"Total Amount,nobody knows,METADATA.Payment Mean,ID\r\n5,x,,007\r\n,,PayPal,\r\n")
    expected = pl.DataFrame(
        {"total_amount": [5, None], "metadata.Payment Mean": [None, "PayPal"], "id": ["007", None]},
        schema={"total_amount": pl.Int64, "metadata.Payment Mean": pl.String, "id": pl.String},
    )
    assert_frame_equal(frame, expected)


def test_a_file_without_rows_has_its_columns() -> None:
    assert dict(frame_of(b"id,amount,created_at").schema) == {
        "id": pl.String(),
        "amount": pl.Int64(),
        "created_at": TIME,
    }
    assert frame_of(b"").shape == (0, 0)


@pytest.mark.parametrize("quoted", ["", '"a""b"'])
def test_what_fits_a_row_fits_the_frame(quoted: str) -> None:
    data = (
        f"id,amount,created_at\r\n{quoted},1.0,2026-03-01T08:44:41+01:00\r\n,1e3,2026-03-01T07:44:41Z\r\n,,\r\n"
    ).encode()
    frame, rows = frame_of(data), read(data)
    assert frame.rows() == [(row.id, row.amount, row.created_at) for row in rows]


@pytest.mark.parametrize(
    "data",
    [
        b"id,amount\nord_1,1\nord_2,many\n",
        b'id,amount\n"ord_1",1\nord_2,many\n',
        b"id,created_at\nord_1,2026-03-01T07:44:41Z\nord_2,2026-03-01T07:44:41\n",
        b"id,amount\nord_1,5\nord_2,5,6\n",
        b"id,amount\nord_1,5\nord_2\n",
        b"id,amount\nord_1,5\nord_2\nord_3,5,6\n",
        b'id\n"a"b\n',
        b"id\n\xc3",
        b"id,amount\n\xc3,5\n",
        b"id;source_id\n1;2\n",
    ],
)
def test_what_does_not_fit_is_told_as_rows_tell_it(data: bytes) -> None:
    fitting = (csv.Error, msgspec.ValidationError, UnicodeDecodeError)
    with pytest.raises(fitting) as by_rows:
        read(data)
    with pytest.raises(fitting) as by_frame:
        frame_of(data)
    assert (type(by_frame.value), str(by_frame.value)) == (type(by_rows.value), str(by_rows.value))


def test_rows_are_counted_over_blocks() -> None:
    blocks = FrameBlocks()
    blocks.feed(b"id,amount\n" + b"a,1\n" * 100)
    blocks.feed(b'"a",1\n' * 100)
    with pytest.raises(msgspec.ValidationError, match=r"row 202: Expected `int.* at `\$.amount`"):
        blocks.feed(b"a,1\nb,x\n")


def test_a_row_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "MAX_ROW_BYTES", 1000)
    blocks = FrameBlocks()
    blocks.feed(b'id\n"')
    with pytest.raises(csv.Error, match="row 1 is longer than 1000 bytes"):
        blocks.feed(b"x" * 1001)


@given(
    table=st.lists(
        st.tuples(
            st.one_of(plain_cells, plain_cells, cells),
            st.one_of(st.just(""), st.integers(-(10**12), 10**12).map(str)),
            st.one_of(
                st.just(""), st.datetimes(timezones=st.just(datetime.UTC)).map(lambda at: at.isoformat()[:-6] + "Z")
            ),
            st.one_of(plain_cells, plain_cells, cells),
        ),
        max_size=8,
    ),
    piece_bytes=st.integers(1, 200),
    line_end=st.sampled_from(["\r\n", "\n"]),
)
def test_a_frame_is_what_its_rows_are(
    table: list[tuple[str, str, str, str]], piece_bytes: int, line_end: str
) -> None:
    file = io.StringIO(newline="")
    alone = any("\r" in cell for row in table for cell in row)  # unquoted by Python's writer, see test_csvrows.py
    writer = csv.writer(file, lineterminator=line_end, quoting=csv.QUOTE_ALL if alone else csv.QUOTE_MINIMAL)
    writer.writerow(["source_id", "amount", "created_at", "metadata.note"])
    writer.writerows(table)
    data = file.getvalue().encode()
    frame = frame_of(data, piece_bytes)
    expected = [(row.source_id, row.amount, row.created_at, row.metadata["note"]) for row in read(data)]
    assert frame.rows() == expected
    assert len(expected) == len(table)


@pytest.mark.parametrize("begin", ["x\x01", "x^", "x\u0680"])
def test_rows_that_begin_like_something_packed_are_read_as_they_are(begin: str) -> None:
    data = f"source_id,amount\n{begin}1,5\n{begin}2,6\n".encode()
    assert frame_of(data, len(data)).rows() == [(f"{begin}1", 5), (f"{begin}2", 6)]


async def test_a_frame_goes_on_where_it_broke_off(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "_BLOCK_BYTES", 10_000)
    async with raw_server(None) as server:
        half = len(TABLE) // 2
        part = f"Content-Range: bytes {half}-{len(TABLE) - 1}/{len(TABLE)}"
        serve(
            server, http(200, TABLE[:half], "Connection: close", length=len(TABLE)), http(206, TABLE[half:], part)
        )
        async with VoucherifyClient("i", "t", base_url=server.url, clock=clock) as client:
            frame = await job_of(client).to_polars()
            assert frame["amount"].to_list() == list(range(5000))
            serve(server, http(200, b"id,amount\na,x\n"))
            with pytest.raises(DecodeError, match="row 1") as caught:
                await job_of(client).to_polars()
            assert (caught.value.job_id, caught.value.json_path) == ("exp_1", "$.amount")


def test_without_polars_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "polars.py").write_text("raise ImportError('none here')")
    code = """
import asyncio
from voucherify_async import VoucherifyClient
async def main():
    async with VoucherifyClient("i", "t") as client:
        await client.orders.export_job("exp_1").to_polars()
asyncio.run(main())
"""
    run = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert "ImportError: to_polars() needs polars: pip install 'voucherify-async[polars]'" in run.stderr


async def test_cancelling_waits_for_the_block_under_way(
    client: VoucherifyClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, free, ended = threading.Event(), threading.Event(), threading.Event()
    really = FrameBlocks.end

    def slow(blocks: FrameBlocks, block: bytes) -> pl.DataFrame:
        begun.set()
        free.wait(10)
        frame = really(blocks, block)
        ended.set()
        return frame

    monkeypatch.setattr(FrameBlocks, "end", slow)
    reading = asyncio.create_task((await client.orders.create_export()).to_polars())
    await until(begun.is_set, lambda: asyncio.sleep(0.001))
    reading.cancel()
    await asyncio.sleep(0)
    free.set()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert ended.is_set()
