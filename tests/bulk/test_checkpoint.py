"""A checkpoint in bad condition: what the caller is told, what the server has, and that going on is right."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import FakeClock, until
from voucherify_async import (
    BulkProgress,
    BulkReport,
    BulkStoppedError,
    ConfigurationError,
    NewOrder,
    OrderFailure,
    OrderItem,
    VoucherifyClient,
)
from voucherify_async.emulator import Emulator, Fault

METHODS: dict[str, dict[str, Any]] = {"upsert_all": {"concurrency": 4}, "import_all": {"max_bytes": 300}}
ROUTES = {"upsert_all": ("POST", "/v1/orders"), "import_all": ("POST", "/v1/orders/import")}
OTHER = {"upsert_all": "import_all", "import_all": "upsert_all"}
COUNT = 24

pytestmark = pytest.mark.parametrize("method", METHODS)


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(seed=1, import_seconds=0) as emulator:
        yield emulator


def entries(count: int = COUNT, key: str = "o") -> list[NewOrder]:
    refused = [OrderItem(product_id="p", quantity=-1)]
    return [
        NewOrder(source_id=f"refused-{number}", items=refused)
        if number % 15 == 7
        else NewOrder(source_id=f"{key}-{number}", amount=number)
        for number in range(count)
    ]


async def stopped(client: VoucherifyClient, method: str, path: Path, at: int = 16) -> BulkReport:
    """Leave a real checkpoint: the source breaks off."""

    def source() -> Iterator[NewOrder]:
        yield from entries()[:at]
        raise LookupError

    with pytest.raises(BulkStoppedError) as caught:
        await getattr(client.orders, method)(source(), checkpoint=path, **METHODS[method])
    return caught.value.report


def check_end(emulator: Emulator, report: BulkReport, count: int = COUNT) -> None:
    wanted = {order.source_id: order.amount for order in entries(count) if not order.items}
    assert (report.read, report.done, report.failed_count) == (count, len(wanted), count - len(wanted))
    assert len({one.position for one in report.failed}) == report.failed_count == len(report.failed)
    assert {one["source_id"]: one["amount"] for one in emulator._project.orders.snapshot()} == wanted


# --- A file that is torn, or is another --------------------------------------------------------------------------


async def test_one_that_is_torn_anywhere_goes_on(clock: FakeClock, tmp_path: Path, method: str) -> None:
    path = tmp_path / "state"
    async with Emulator(import_seconds=0) as emulator, emulator.client(clock=clock) as client:
        await stopped(client, method, path, at=9)
        whole = path.read_bytes()
        ends = [place for place, byte in enumerate(whole) if byte == ord("\n")]
        source, skipped = entries(12), []
        fit = [order.source_id for order in source if not order.items]
        for size in range(len(whole) + 1):
            emulator.reset()
            path.write_bytes(whole[:size])
            report = await getattr(client.orders, method)(source, checkpoint=path, **METHODS[method])
            assert (report.read, report.done, report.failed_count) == (12, 11, 1)
            assert not path.exists()
            # What is not in the file any more was done again, and nothing else was.
            done = [key for key in fit if emulator.effects.of(str(key)).total]
            assert 12 - report.skipped - 1 <= len(done) == len(emulator.effects.orders) <= 12 - report.skipped
            skipped.append(report.skipped)
        assert skipped == sorted(skipped)
        if method == "upsert_all":  # one record for each
            assert skipped == [max(0, sum(end < size for end in ends) - 1) for size in range(len(whole) + 1)]


@pytest.mark.parametrize(
    "junk",
    [
        b"\0" * 4096,
        b"\0" * 100 + b"\n",
        b"[" * 100_000 + b"\n",
        b'["failed",16,0,0,{"key":"\xff","reason":"","position":16}]\n',
        b'["done",-1]\n["done",16,0,0]\n',
        b'{"a": 1}\n',
    ],
)
async def test_junk_behind_the_records_is_passed_over(
    client: VoucherifyClient, emulator: Emulator, tmp_path: Path, method: str, junk: bytes
) -> None:
    path = tmp_path / "state"
    before = await stopped(client, method, path)
    path.write_bytes(path.read_bytes() + junk)
    report = await getattr(client.orders, method)(entries(), checkpoint=path, **METHODS[method])
    check_end(emulator, report)
    assert report.skipped == before.done + before.failed_count


@pytest.mark.parametrize("content", [b"id,source_id\n", b"\0" * 10, b"\xff\n", b"[" * 100_000 + b"\n"])
async def test_a_file_that_is_none_is_refused_and_kept(
    client: VoucherifyClient, emulator: Emulator, tmp_path: Path, method: str, content: bytes
) -> None:
    path = tmp_path / "state"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="no checkpoint that this version can read") as caught:
        await getattr(client.orders, method)(entries(), checkpoint=path)
    assert caught.value.argument == "checkpoint"
    assert path.read_bytes() == content
    assert not emulator.requests


async def test_one_of_the_other_kind_of_run_is_refused_and_kept(
    client: VoucherifyClient, emulator: Emulator, tmp_path: Path, method: str
) -> None:
    path = tmp_path / "state"
    await stopped(client, OTHER[method], path)
    kept, arrived = path.read_bytes(), len(emulator.requests)
    with pytest.raises(ConfigurationError, match=f"is one of {OTHER[method]}"):
        await getattr(client.orders, method)(entries(), checkpoint=path)
    assert path.read_bytes() == kept
    assert len(emulator.requests) == arrived
    check_end(
        emulator, await getattr(client.orders, OTHER[method])(entries(), checkpoint=path, **METHODS[OTHER[method]])
    )


# --- Another source ----------------------------------------------------------------------------------------------

OTHERS = {
    "other orders": entries(key="another"),
    "one order missing at the beginning": entries()[1:],
    "one order missing": [*entries()[:3], *entries()[4:]],
    "two orders the other way round": [entries()[1], entries()[0], *entries()[2:]],
    "shortened": entries()[:7],
    "nothing": [],
}


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("under_way", [False, True])
async def test_that_of_another_source_is_refused_before_anything_is_sent(
    client: VoucherifyClient, emulator: Emulator, tmp_path: Path, method: str, other: str, under_way: bool
) -> None:
    path = tmp_path / "state"
    if under_way:  # the first entry is not settled, but some behind it are, or an import is not ended
        await cancelled(client, emulator, method, path)
    else:
        await stopped(client, method, path)
    kept, arrived = path.read_bytes(), len(emulator.requests)
    for source in (OTHERS[other], iter(OTHERS[other])):
        with pytest.raises(ConfigurationError, match="belongs to another source") as caught:
            await getattr(client.orders, method)(source, checkpoint=path, **METHODS[method])
        assert caught.value.argument == "checkpoint"
    assert len(emulator.requests) == arrived
    assert path.read_bytes() == kept
    report = await getattr(client.orders, method)(entries(), checkpoint=path, **METHODS[method])
    check_end(emulator, report)


async def cancelled(client: VoucherifyClient, emulator: Emulator, method: str, path: Path) -> None:
    """Leave a checkpoint of a run that had its first entries under way."""
    failures: list[OrderFailure] = []
    if method == "upsert_all":
        emulator.faults.add(Fault("delay", delay=3600, times=1))
    else:
        emulator.import_seconds = 3600
    run = asyncio.create_task(
        getattr(client.orders, method)(
            entries(),
            checkpoint=path,
            on_failure=failures.append,
            **{**METHODS[method], "max_bytes": 10_000} if method == "import_all" else METHODS[method],
        )
    )
    await until(lambda: bool(failures) or emulator.effects.requests["GET", "/v1/async-actions/*"] > 0)
    run.cancel()
    await asyncio.wait([run])
    emulator.import_seconds = 0
    emulator.clock.advance(3600)  # type: ignore[attr-defined]


async def test_that_of_a_source_that_has_grown_goes_on(
    client: VoucherifyClient, emulator: Emulator, tmp_path: Path, method: str
) -> None:
    path = tmp_path / "state"
    before = await stopped(client, method, path)
    report = await getattr(client.orders, method)(entries(60), checkpoint=path, **METHODS[method])
    check_end(emulator, report, 60)
    assert report.skipped == before.done + before.failed_count
    assert not path.exists()


# --- The end ----------------------------------------------------------------------------------------------------


async def test_what_stops_a_run_at_its_very_end_leaves_a_checkpoint(
    client: VoucherifyClient, emulator: Emulator, tmp_path: Path, method: str
) -> None:
    path = tmp_path / "state"

    def raises(progress: BulkProgress) -> None:
        if progress.done + progress.failed_count == COUNT:
            raise LookupError

    with pytest.raises(BulkStoppedError):
        await getattr(client.orders, method)(entries(), checkpoint=path, on_progress=raises, **METHODS[method])
    sent = emulator.effects.requests[ROUTES[method]]
    report = await getattr(client.orders, method)(entries(), checkpoint=path, **METHODS[method])
    assert emulator.effects.requests[ROUTES[method]] == sent
    assert report.skipped == COUNT
    check_end(emulator, report)
    assert not path.exists()
