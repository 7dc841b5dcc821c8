"""The file of an export on its way: pieces, compression, disks."""

import asyncio
import gzip
import os
import resource
import shutil
import threading
from itertools import pairwise
from pathlib import Path

import aiohttp
import msgspec
import pytest

from tests.fakes import FakeClock, RawServer, http, raw_server, until
from voucherify_async import (
    ClientClosedError,
    ConfigurationError,
    ConnectError,
    DecodeError,
    DownloadProgress,
    ExportJob,
    NewOrder,
    RequestTimeoutError,
    RetryPolicy,
    Timeouts,
    VoucherifyClient,
)
from voucherify_async.emulator import Emulator
from voucherify_async.emulator.faults import Fault
from voucherify_async.models.jobs import ExportFile

TABLE = b"source_id,amount\r\n" + b"".join(b"o-%d,%d\r\n" % (number, number) for number in range(5000))
PACKED = gzip.compress(TABLE)
GZIP = "Content-Encoding: gzip"


def serve(server: RawServer, *files: bytes | None) -> None:
    """Let a server name an export that is done, and then give these files for it."""
    body = {"id": "exp_1", "status": "DONE", "result": {"url": f"{server.url}/x?token=t"}}
    server._answers = [http(200, msgspec.json.encode(body)), *files]


def job_of(client: VoucherifyClient) -> ExportJob:
    return client.orders.export_job("exp_1")


async def amounts(job: ExportJob) -> list[int | None]:
    async with job.rows() as rows:
        return [row.amount async for row in rows]


MEMBERS = gzip.compress(TABLE[:20_000]) + gzip.compress(TABLE[20_000:]) + bytes(7)


@pytest.mark.parametrize(
    "file",
    [
        http(200, TABLE),
        http(200, PACKED, GZIP),
        http(200, PACKED, "Content-Encoding: x-gzip"),
        http(200, MEMBERS, GZIP),
        http(200, TABLE, "Content-Encoding: identity"),
        http(200, TABLE, "Content-Encoding: "),
    ],
    ids=["plain", "gzip", "x-gzip", "several members", "identity", "nothing said"],
)
async def test_a_file_arrives_whole_however_it_is_sent(clock: FakeClock, tmp_path: Path, file: bytes) -> None:
    async with raw_server(None) as server:
        serve(server, file)
        async with VoucherifyClient("i", "t", base_url=server.url, clock=clock) as client:
            target = await job_of(client).download(tmp_path / "orders.csv")
            assert target.read_bytes() == TABLE
            assert server.headers[-1]["accept-encoding"] == "identity"
            serve(server, file)
            assert await amounts(job_of(client)) == list(range(5000))
        # The connection was given back each time.
        assert server.connections == 1


@pytest.mark.parametrize(
    "file",
    [
        http(200, PACKED[: len(PACKED) // 2], GZIP),
        http(200, PACKED[:-1], GZIP),
        http(200, MEMBERS[:-20], GZIP),
        http(200, PACKED + b"rubbish", GZIP),
        http(200, TABLE, GZIP),
        http(200, TABLE, "Content-Encoding: br"),
        http(200, TABLE[:1000], length=len(TABLE)),
    ],
    ids=[
        "half",
        "all but the end",
        "half a member",
        "more than the end",
        "not compressed",
        "another compression",
        "shorter than said",
    ],
)
async def test_a_file_that_is_not_whole_is_no_file(clock: FakeClock, tmp_path: Path, file: bytes) -> None:
    target = tmp_path / "orders.csv"
    target.write_text("precious")
    async with raw_server(None) as server:
        serve(server, *[file, None] * 5)
        retry = RetryPolicy(max_attempts=1)
        async with VoucherifyClient(
            "i", "t", base_url=server.url, clock=clock, retry=retry, timeouts=Timeouts(read=0.05)
        ) as client:
            with pytest.raises((ConnectError, RequestTimeoutError, DecodeError)) as caught:
                await job_of(client).download(target)
            assert caught.value.job_id == "exp_1"
            assert not caught.value.outcome_unknown  # type: ignore[attr-defined]
            serve(server, *[file, None] * 5)
            with pytest.raises((ConnectError, RequestTimeoutError, DecodeError)):
                await amounts(job_of(client))
    assert target.read_text() == "precious"
    assert os.listdir(tmp_path) == ["orders.csv"]


async def test_a_file_that_packs_well_is_unpacked_in_pieces(clock: FakeClock, tmp_path: Path) -> None:
    large = b"x" * 20_000_000
    pieces: list[DownloadProgress] = []
    async with raw_server(None) as server:
        serve(server, http(200, gzip.compress(large), GZIP))
        async with VoucherifyClient("i", "t", base_url=server.url, clock=clock) as client:
            await job_of(client).download(tmp_path / "large", on_progress=pieces.append)
    assert (tmp_path / "large").stat().st_size == len(large)
    steps = [after.done_bytes - before.done_bytes for before, after in pairwise(pieces)]
    assert max(steps) <= 1024 * 1024
    assert {piece.total_bytes for piece in pieces} == {None}


async def test_repeats_of_a_download_are_as_many_as_the_policy_says(
    emulator: Emulator, clock: FakeClock, tmp_path: Path
) -> None:
    async with emulator.client(clock=clock, retry=RetryPolicy(max_attempts=3)) as client:
        job = await client.orders.create_export()
        await job
        for kind in ("drop", "truncated"):
            emulator.faults.add(Fault(kind=kind, path="/v1/exports/*", times=None))
            asked = len(emulator.requests)
            with pytest.raises(ConnectError) as caught:
                await job.download(tmp_path / "orders.csv")
            assert len(emulator.requests) - asked == caught.value.attempts == 3
            emulator.faults.clear()


async def test_progress_may_be_told_to_an_async_function(client: VoucherifyClient, tmp_path: Path) -> None:
    told: list[object] = []

    async def note(news: object) -> None:
        await asyncio.sleep(0)
        told.append(news)

    imported = await client.orders.import_orders([NewOrder(source_id="o-1")])
    await imported.wait(on_progress=note)
    exported = await client.orders.create_export()
    await exported.wait(on_progress=note)
    await exported.download(tmp_path / "orders.csv", on_progress=note)
    assert {type(news).__name__ for news in told} == {"AsyncAction", "Export", "DownloadProgress"}


async def test_a_user_s_mistake_while_told_of_progress_leaves_no_part_behind(
    client: VoucherifyClient, tmp_path: Path
) -> None:
    job = await client.orders.create_export()
    with pytest.raises(ZeroDivisionError):
        await job.download(tmp_path / "orders.csv", on_progress=lambda news: 1 // 0)
    assert os.listdir(tmp_path) == []


async def test_a_file_is_on_the_disk_before_it_is_in_its_place(
    client: VoucherifyClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "orders.csv"
    synced: list[tuple[bool, bool]] = []
    really = os.fsync

    def note(descriptor: int) -> None:
        synced.append((os.path.isdir(f"/proc/self/fd/{descriptor}"), target.exists()))
        really(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    await (await client.orders.create_export()).download(target)
    # The file before the rename, the folder after it.
    assert synced == [(False, False), (True, True)]


async def test_cancelling_while_the_disk_is_busy_waits_for_it(
    client: VoucherifyClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy, free = threading.Event(), threading.Event()
    really = os.fsync

    def slow(descriptor: int) -> None:
        busy.set()
        free.wait(10)
        really(descriptor)

    monkeypatch.setattr(os, "fsync", slow)
    download = asyncio.create_task((await client.orders.create_export()).download(tmp_path / "orders.csv"))
    await until(busy.is_set, lambda: asyncio.sleep(0.001))
    download.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    assert not download.done()
    free.set()
    with pytest.raises(asyncio.CancelledError):
        await download
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".part")]


async def test_a_full_disk_leaves_the_target_as_it_was(clock: FakeClock, tmp_path: Path) -> None:
    target = tmp_path / "orders.csv"
    target.write_text("precious")
    large = b"id\n" + b"x" * 3_000_000
    async with raw_server(None) as server:
        serve(server, http(200, large))
        async with VoucherifyClient("i", "t", base_url=server.url, clock=clock) as client:
            before = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, before[1]))  # the kernel takes no more
            try:
                with pytest.raises(OSError, match="too large"):
                    await job_of(client).download(target)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, before)
            assert os.listdir(tmp_path) == ["orders.csv"]
            assert target.read_text() == "precious"
            # The connection is not kept with half a file in it, and the next one arrives.
            serve(server, http(200, TABLE))
            assert (await job_of(client).download(target)).read_bytes() == TABLE


def read_only_folder(tmp_path: Path) -> Path:
    """One in which nothing can be made, whoever one is: to the superuser, modes mean nothing."""
    if os.geteuid() == 0:
        return Path("/sys")
    tmp_path.chmod(0o500)
    return tmp_path


@pytest.mark.skipif(not Path("/sys/kernel").exists(), reason="no folder that is read-only to all")
async def test_a_read_only_folder_is_found_before_anything_is_sent(
    client: VoucherifyClient, emulator: Emulator, tmp_path: Path
) -> None:
    folder = read_only_folder(tmp_path)
    before = os.listdir(folder)
    with pytest.raises(OSError, match=r"\.part"):
        await client.orders.export_job("exp_1").download(folder / "orders.csv")
    assert os.listdir(folder) == before
    assert emulator.requests == []


async def test_a_folder_that_goes_away_meanwhile(client: VoucherifyClient, tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    job = await client.orders.create_export()
    with pytest.raises(FileNotFoundError):
        await job.download(folder / "orders.csv", on_progress=lambda _: shutil.rmtree(folder))


async def test_rows_can_be_read_again_but_not_twice_at_once(client: VoucherifyClient) -> None:
    await (await client.orders.import_orders([NewOrder(source_id="o-1", amount=1)]))
    rows = (await client.orders.create_export(fields=["amount"])).rows()
    for _ in range(2):
        async with rows:
            assert [row.amount async for row in rows] == [1]
    async with rows:
        with pytest.raises(ConfigurationError, match="being read"):
            await rows.__aenter__()


async def test_rows_end_after_a_row_that_does_not_fit(clock: FakeClock) -> None:
    async with raw_server(None) as server:
        serve(server, http(200, b"amount\n1\n2\nmany\n4\n"))
        async with VoucherifyClient("i", "t", base_url=server.url, clock=clock) as client:
            async with job_of(client).rows() as rows:
                # The good ones come first, though all came in one piece.
                assert [(await rows.__anext__()).amount for _ in range(2)] == [1, 2]
                with pytest.raises(DecodeError, match="row 3") as caught:
                    await rows.__anext__()
                assert (caught.value.job_id, caught.value.json_path) == ("exp_1", "$.amount")
                with pytest.raises(StopAsyncIteration):
                    await rows.__anext__()


@pytest.mark.parametrize("injected", [False, True])
async def test_a_file_that_is_arriving_ends_with_its_client(
    clock: FakeClock, tmp_path: Path, injected: bool
) -> None:
    begun = http(200, b"amount\n1\n", length=1000)
    async with raw_server(None) as server, aiohttp.ClientSession() as session:
        for read in ("rows", "download"):
            serve(server, begun)
            client = VoucherifyClient(
                "i", "t", base_url=server.url, clock=clock, session=session if injected else None
            )
            job = job_of(client)
            seen = len(server.requests)
            reading = asyncio.create_task(amounts(job) if read == "rows" else job.download(tmp_path / "x"))
            await until(lambda seen=seen: len(server.requests) == seen + 2)  # type: ignore[misc]
            for _ in range(10):
                await asyncio.sleep(0)
            await client.aclose()
            with pytest.raises(ClientClosedError) as caught:
                await reading
            assert caught.value.job_id == "exp_1"
    assert os.listdir(tmp_path) == []


async def test_odd_places_are_refused_or_taken(
    client: VoucherifyClient, emulator: Emulator, tmp_path: Path
) -> None:
    for folder in (tmp_path, Path("/")):
        with pytest.raises(IsADirectoryError):
            await client.orders.export_job("exp_1").download(folder)
    assert emulator.requests == []
    job = await client.orders.create_export()
    long = tmp_path / ("x" * 250)
    assert await job.download(long) == long
    assert long.exists()


@pytest.mark.parametrize("body", [b'{"async_action_id":""}', b'{"id":""}', b"{}"])
async def test_an_accepted_job_without_an_id_does_not_fit(clock: FakeClock, body: bytes) -> None:
    async with raw_server(http(200, body)) as server:
        async with VoucherifyClient("i", "t", base_url=server.url, clock=clock) as client:
            for start in (client.orders.import_orders([NewOrder(source_id="o-1")]), client.orders.create_export()):
                with pytest.raises(DecodeError) as caught:
                    await start
                assert caught.value.outcome_unknown


async def test_two_who_read_one_file_at_once_are_not_cancelled_later() -> None:
    more = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n")
        await more.wait()
        writer.write(b"abc")
        writer.close()

    async with await asyncio.start_server(drip, "127.0.0.1", 0) as listener:
        url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        client = VoucherifyClient("i", "t", base_url=url)
        download = await client._session.download(ExportFile(url=f"{url}/x"), client._options)
        ended = asyncio.Event()

        async def read() -> str:
            assert await download.chunk() == b"abc"
            await ended.wait()  # within no call of the client any more
            return "done"

        first = asyncio.create_task(read())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="another coroutine"):
            await download.chunk()
        more.set()
        await until(download._answer.content.at_eof)
        download.close()
        await client.aclose()
        ended.set()
        assert await first == "done"


async def test_a_pipe_is_not_replaced_by_a_file(
    client: VoucherifyClient, emulator: Emulator, tmp_path: Path
) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for place in (pipe, link):
        with pytest.raises(OSError, match="It is a pipe or a device"):
            await client.orders.export_job("exp_1").download(place)
    assert pipe.is_fifo()
    assert link.is_symlink()
    assert emulator.requests == []


@pytest.mark.parametrize("there", [True, False])
async def test_a_link_stays_one(client: VoucherifyClient, tmp_path: Path, *, there: bool) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    file, link = folder / "orders.csv", tmp_path / "latest.csv"
    if there:
        file.write_text("old")
    link.symlink_to(file)
    assert await (await client.orders.create_export()).download(link) == link
    assert link.is_symlink()
    assert file.read_text().startswith("id,")
    assert os.listdir(folder) == ["orders.csv"]
