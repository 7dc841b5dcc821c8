"""Downloads that break off and go on. What was asked for is counted on the server."""

import asyncio
import gzip
import os
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import FakeClock, http, raw_server
from tests.test_exportfile import TABLE, amounts, job_of, serve
from voucherify_async import (
    ApiError,
    AuthenticationError,
    ConnectError,
    DecodeError,
    DownloadProgress,
    ExportJob,
    NewOrder,
    RetryPolicy,
    Timeouts,
    VoucherifyClient,
)
from voucherify_async.emulator import Emulator
from voucherify_async.emulator.faults import Fault, FaultKind
from voucherify_async.versions import FileVersion, part_from, start_of, version_of

TAG = 'ETag: "one"'
HALF = len(TABLE) // 2


def cut(*headers: str, file: bytes = TABLE, after: int = HALF) -> bytes:
    """The whole file, which breaks off."""
    return http(200, file[:after], "Connection: close", *headers, length=len(file))


def rest(*headers: str, start: int = HALF, total: int | str = len(TABLE), file: bytes = TABLE) -> bytes:
    """The part of the file from there on."""
    return http(206, file[start:], f"Content-Range: bytes {start}-{len(file) - 1}/{total}", *headers)


async def read(job: ExportJob, way: str, folder: Path) -> list[DownloadProgress]:
    """Read the file in one of the two ways, and see that it is right."""
    told: list[DownloadProgress] = []
    if way == "rows":
        assert await amounts(job) == list(range(5000))
    else:
        target = await job.download(folder / "orders.csv", on_progress=told.append)
        assert target.read_bytes() == TABLE
    return told


ways = pytest.mark.parametrize("way", ["rows", "download"])


@ways
@pytest.mark.parametrize(
    ("said", "condition"),
    [
        ((TAG,), '"one"'),
        ((TAG, "Last-Modified: Tue, 01 Sep 2026 10:00:00 GMT"), '"one"'),
        (('ETag: W/"one"', "Last-Modified: Tue, 01 Sep 2026 10:00:00 GMT"), "Tue, 01 Sep 2026 10:00:00 GMT"),
        ((), None),
    ],
    ids=["a strong tag", "a tag and a date", "a weak tag and a date", "the length alone"],
)
async def test_a_file_that_breaks_off_goes_on_where_it_was(
    clock: FakeClock, tmp_path: Path, way: str, said: tuple[str, ...], condition: str | None
) -> None:
    async with raw_server(None) as server:
        serve(server, cut(*said), rest(*said))
        async with VoucherifyClient("i", "t", base_url=server.url, clock=clock) as client:
            told = await read(job_of(client), way, tmp_path)
        asked = [(headers.get("range"), headers.get("if-range")) for headers in server.headers[1:]]
    assert asked == [(None, None), (f"bytes={HALF}-", condition)]
    if told:
        assert [news.done_bytes for news in told] == sorted({news.done_bytes for news in told})
        assert {news.total_bytes for news in told} == {len(TABLE)}
        assert told[-1].done_bytes == len(TABLE)


@ways
@pytest.mark.parametrize(
    ("answer", "requests"),
    [
        (http(200, TABLE, TAG), 2),
        (http(416, b"", f"Content-Range: bytes */{HALF}"), 3),
        (rest(TAG, start=HALF - 1), 3),
        (rest(TAG, total=len(TABLE) + 1), 3),
        (rest('ETag: "two"'), 3),
        (http(206, TABLE[HALF:], TAG), 3),
        (http(206, TABLE[HALF:], TAG, "Content-Range: rows 1-2/3"), 3),
        (rest(TAG, "Content-Encoding: gzip"), 3),
    ],
    ids=[
        "the whole",
        "416",
        "from elsewhere",
        "of another length",
        "of another file",
        "of no place",
        "odd",
        "packed",
    ],
)
async def test_a_file_whose_rest_is_not_given_is_fetched_afresh(
    clock: FakeClock, tmp_path: Path, way: str, answer: bytes, requests: int
) -> None:
    async with raw_server(None) as server:
        serve(server, cut(TAG), answer, http(200, TABLE, TAG))
        async with VoucherifyClient("i", "t", base_url=server.url, clock=clock) as client:
            await read(job_of(client), way, tmp_path)
        asked = ["range" in headers for headers in server.headers[1:]]
    assert asked == [False, True, False][:requests]


@ways
async def test_a_packed_file_is_fetched_afresh(clock: FakeClock, tmp_path: Path, way: str) -> None:
    packed = gzip.compress(TABLE)
    said = (TAG, "Content-Encoding: gzip")
    async with raw_server(None) as server:
        serve(server, cut(*said, file=packed, after=len(packed) // 2), http(200, packed, *said))
        async with VoucherifyClient("i", "t", base_url=server.url, clock=clock) as client:
            await read(job_of(client), way, tmp_path)
        assert ["range" in headers for headers in server.headers[1:]] == [False, False]


CHANGED = TABLE.replace(b"o-7,7\r\n", b"o-7,8\r\n")
CHUNKED = "Transfer-Encoding: chunked"


def chunked(data: bytes, *headers: str, whole: bool = True) -> bytes:
    """An answer whose length is not said."""
    lines = ["HTTP/1.1 200 OK", CHUNKED, *headers, *([] if whole else ["Connection: close"])]
    head = "\r\n".join(lines).encode() + b"\r\n\r\n"
    return head + b"%x\r\n%s\r\n" % (len(data), data) + (b"0\r\n\r\n" if whole else b"")


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        (cut(TAG), http(200, CHANGED, 'ETag: "two"'), False),
        (cut(TAG), http(200, TABLE), False),
        (chunked(TABLE[:HALF], whole=False), chunked(TABLE), True),
        (chunked(TABLE[:HALF], whole=False), chunked(CHANGED), False),
        (chunked(TABLE[:HALF], whole=False), chunked(TABLE[:1000]), False),
        (cut("Accept-Ranges: none"), http(200, CHANGED), False),
        (cut("Accept-Ranges: none"), http(200, TABLE + b"o,1\r\n"), False),
    ],
    ids=["another tag", "no tag", "the same", "another cell", "shorter", "the same length", "another length"],
)
async def test_rows_do_not_go_on_in_another_file(
    clock: FakeClock, tmp_path: Path, first: bytes, second: bytes, same: bool
) -> None:
    async with raw_server(None) as server:
        async with VoucherifyClient("i", "t", base_url=server.url, clock=clock) as client:
            serve(server, first, second)
            if same:
                await read(job_of(client), "rows", tmp_path)
            else:
                with pytest.raises(DecodeError, match="has changed") as caught:
                    await amounts(job_of(client))
                assert caught.value.job_id == "exp_1"
            # A file on the disk is simply the newer one.
            serve(server, first, second, second)
            target = await job_of(client).download(tmp_path / "orders.csv")
            assert target.read_bytes() in second or b"chunked" in second


async def test_a_file_that_breaks_off_again_while_it_is_skipped_goes_on_where_it_was(
    clock: FakeClock, tmp_path: Path
) -> None:
    async with raw_server(None) as server:
        serve(server, cut(TAG), cut(TAG, after=1000), rest(TAG))
        async with VoucherifyClient("i", "t", base_url=server.url, clock=clock) as client:
            await read(job_of(client), "rows", tmp_path)
        assert [headers.get("range") for headers in server.headers[1:]] == [None, *[f"bytes={HALF}-"] * 2]


class Dozing(FakeClock):
    """It sleeps on until somebody wakes it."""

    def __init__(self) -> None:
        super().__init__()
        self.asleep = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.asleep.set()
        await asyncio.Event().wait()


async def test_a_step_that_is_cancelled_while_it_waits_loses_nothing() -> None:
    clock = Dozing()
    async with raw_server(None) as server:
        serve(server, cut(TAG), rest(TAG))
        async with VoucherifyClient("i", "t", base_url=server.url, clock=clock) as client:
            found = []
            async with job_of(client).rows() as rows:
                step = asyncio.ensure_future(rows.__anext__())
                woken = asyncio.ensure_future(clock.asleep.wait())
                while not woken.done():
                    await asyncio.wait([step, woken], return_when=asyncio.FIRST_COMPLETED)
                    if step.done():
                        found.append((await step).amount)
                        step = asyncio.ensure_future(rows.__anext__())
                step.cancel()
                found += [row.amount async for row in rows]
    assert found == list(range(5000))


async def test_progress_begins_again_with_the_file(clock: FakeClock, tmp_path: Path) -> None:
    async with raw_server(None) as server:
        serve(server, cut(TAG), http(200, TABLE, TAG))
        async with VoucherifyClient("i", "t", base_url=server.url, clock=clock) as client:
            told = await read(job_of(client), "download", tmp_path)
    places = [news.done_bytes for news in told]
    # What arrived before does not count any more: nothing is counted twice.
    assert HALF in places
    assert max(places) == places[-1] == len(TABLE)


async def filled(client: VoucherifyClient, count: int) -> ExportJob:
    for start in range(0, count, 2000):
        orders = [NewOrder(source_id=f"o-{number}", amount=number) for number in range(start, start + 2000)]
        await (await client.orders.import_orders(orders))
    job = await client.orders.create_export(fields=["id", "source_id", "created_at", "amount"])
    await job
    return job


@ways
async def test_over_a_bad_line_a_file_arrives_by_halves(
    emulator: Emulator, client: VoucherifyClient, tmp_path: Path, way: str
) -> None:
    emulator.import_seconds = emulator.export_seconds = 0
    job = await filled(client, 4000)
    whole = (await job.download(tmp_path / "whole.csv")).read_bytes()
    emulator.download_ranges = True
    emulator.faults.add(Fault(kind="truncated", path="/v1/exports/*", times=4))
    asked = len(emulator.requests)
    if way == "rows":
        async with job.rows() as rows:
            assert [row.amount async for row in rows] == list(range(4000))
    else:
        assert (await job.download(tmp_path / "again.csv")).read_bytes() == whole
    starts = [int(request.headers.get("range", "bytes=0-")[6:-1]) for request in emulator.requests[asked:]]
    left = [len(whole) - start for start in starts]
    assert len(left) == 5  # more than the policy's attempts: each brought something
    assert all(abs(after - before / 2) <= 1 for before, after in pairwise(left))


@pytest.mark.parametrize("ranges", [False, True])
async def test_whatever_goes_wrong_on_the_way_the_file_is_right(
    emulator: Emulator, clock: FakeClock, tmp_path: Path, ranges: bool
) -> None:
    kinds: list[FaultKind] = [
        "drop",
        "reset",
        "partial_headers",
        "truncated",
        "truncated",
        "truncated_gzip",
        "status",
    ]
    emulator.import_seconds = emulator.export_seconds = 0
    async with emulator.client(clock=clock, retry=RetryPolicy(max_attempts=30)) as client:
        job = await filled(client, 2000)
        whole = (await job.download(tmp_path / "whole.csv")).read_bytes()
        emulator.download_ranges = ranges
        emulator.faults.mix(0.6, *(Fault(kind=kind, status=503, path="/v1/exports/*") for kind in kinds))
        for _ in range(10):
            assert (await job.download(tmp_path / "again.csv")).read_bytes() == whole
            async with job.rows() as rows:
                assert [row.amount async for row in rows] == list(range(2000))
    statuses = [request.status for request in emulator.requests if request.method == "GET"]
    assert (206 in statuses) == ranges
    assert sorted(os.listdir(tmp_path)) == ["again.csv", "whole.csv"]


@ways
async def test_a_file_that_stalls_goes_on_where_it_was(
    emulator: Emulator, clock: FakeClock, tmp_path: Path, way: str
) -> None:
    emulator.import_seconds = emulator.export_seconds = 0
    emulator.download_ranges = True
    async with emulator.client(clock=clock) as client:
        job_id = (await filled(client, 2000)).id
    async with emulator.client(clock=clock, timeouts=Timeouts(read=0.2)) as client:
        job = client.orders.export_job(job_id)
        await job
        emulator.faults.add(Fault(kind="drip", path="/v1/exports/*", delay=10.0, times=2))
        if way == "rows":
            async with job.rows() as rows:
                assert [row.amount async for row in rows] == list(range(2000))
        else:
            await job.download(tmp_path / "orders.csv")
            assert (tmp_path / "orders.csv").read_bytes().count(b"\r\n") == 2001
    assert sum("token" in dict(request.query) for request in emulator.requests) == 3


async def test_attempts_that_bring_next_to_nothing_count(clock: FakeClock, tmp_path: Path) -> None:
    async with raw_server(None) as server:
        pieces = [cut(TAG, after=10)]
        for start in range(10, 100, 10):
            part = f"Content-Range: bytes {start}-{len(TABLE) - 1}/{len(TABLE)}"
            answer = http(206, TABLE[start : start + 10], part, TAG, "Connection: close", length=len(TABLE) - start)
            pieces.append(answer)
        serve(server, *pieces)
        retry = RetryPolicy(max_attempts=4)
        async with VoucherifyClient("i", "t", base_url=server.url, clock=clock, retry=retry) as client:
            with pytest.raises(ConnectError) as caught:
                await job_of(client).download(tmp_path / "orders.csv")
        assert caught.value.attempts == len(server.requests) - 1 == 4
    assert os.listdir(tmp_path) == []


@ways
@pytest.mark.parametrize("status", [401, 403])
async def test_a_token_that_expires_on_the_way_is_renewed(
    clock: FakeClock, tmp_path: Path, way: str, status: int
) -> None:
    async with raw_server(None) as server:
        fresh = http(200, b'{"id":"exp_1","status":"DONE","result":{"url":"%s/y?token=u"}}' % server.url.encode())
        serve(server, cut(TAG), http(status), fresh, cut(TAG), rest(TAG))
        async with VoucherifyClient("i", "t", base_url=server.url, clock=clock) as client:
            await read(job_of(client), way, tmp_path)
        assert [line.split()[1] for line in server.lines] == [
            "/v1/exports/exp_1",
            *["/x?token=t"] * 2,
            "/v1/exports/exp_1",
            *["/y?token=u"] * 2,
        ]


@ways
async def test_a_file_that_is_gone_when_it_is_asked_for_again(clock: FakeClock, tmp_path: Path, way: str) -> None:
    async with raw_server(None) as server:
        serve(server, cut(TAG), http(404, b"{}"))
        async with VoucherifyClient("i", "t", base_url=server.url, clock=clock) as client:
            with pytest.raises(ApiError) as caught:
                await read(job_of(client), way, tmp_path)
            assert (caught.value.status, caught.value.job_id) == (404, "exp_1")
            # The connection was given back, and the client goes on.
            server._answers[:] = [http(401)]
            with pytest.raises(AuthenticationError):
                await client.orders.get("x")
    assert os.listdir(tmp_path) == []


async def test_a_part_that_was_not_asked_for_is_no_file(clock: FakeClock, tmp_path: Path) -> None:
    async with raw_server(None) as server:
        serve(server, rest(TAG))
        async with VoucherifyClient("i", "t", base_url=server.url, clock=clock) as client:
            with pytest.raises(ApiError) as caught:
                await job_of(client).download(tmp_path / "orders.csv")
    assert caught.value.status == 206
    assert os.listdir(tmp_path) == []


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40), st.integers(0, 10), st.booleans())
def test_any_headers_can_be_read(place: str, tag: str, date: str, start: int, packed: bool) -> None:
    headers = {"Content-Range": place, "ETag": tag, "Last-Modified": date}
    version = version_of(headers, 5, packed=packed)
    start_of(headers)
    asked = part_from(start, version)
    assert ("Range" in asked) == (start > 0 and not packed)
    assert "W/" not in asked.get("If-Range", "")[:2] or date.strip().startswith("W/")


def test_versions_that_say_nothing_are_not_asked_for_parts() -> None:
    assert part_from(5, FileVersion(None, None, packed=False)) == {}
    assert version_of({"Content-Range": "bytes 5-9/*"}, 5, packed=False).length_bytes is None
