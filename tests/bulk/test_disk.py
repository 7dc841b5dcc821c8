"""A disk that fails the checkpoint: what the caller is told, what the server has, and that going on is right."""

import errno
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.bulk.test_checkpoint import COUNT, METHODS, ROUTES, check_end, entries
from voucherify_async import BulkStoppedError, NewOrder, OrderFailure, VoucherifyClient
from voucherify_async.emulator import Emulator

resource = pytest.importorskip("resource", reason="Windows has no limits of this kind")
pytestmark = pytest.mark.parametrize("method", METHODS)


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(seed=1, import_seconds=0) as emulator:
        yield emulator


@contextmanager
def disk() -> Iterator["Disk"]:
    """A disk that can be full: no file of this process can grow beyond a size."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        yield Disk(before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class Disk:
    def __init__(self, hard: int) -> None:
        self._hard = hard

    def is_full_at(self, size: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, self._hard))


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Nothing can be made or removed in a folder. The superuser steps down meanwhile: nothing is locked for him."""
    user = os.geteuid()
    folder.chmod(0o500)
    try:
        if user == 0:
            os.seteuid(65534)
        yield
    finally:
        os.seteuid(user)
        folder.chmod(0o700)


@pytest.mark.parametrize("room", [0, 1, 11, 60])
async def test_one_that_fills_up_stops_the_run(
    client: VoucherifyClient, emulator: Emulator, tmp_path: Path, method: str, room: int
) -> None:
    path = tmp_path / "state"
    failures: list[OrderFailure] = []
    with disk() as full:

        def source() -> Iterator[NewOrder]:
            for number, order in enumerate(entries()):
                if number == 10:
                    full.is_full_at(path.stat().st_size + room)
                yield order

        with pytest.raises(BulkStoppedError) as caught:
            await getattr(client.orders, method)(
                source(), checkpoint=path, on_failure=failures.append, **METHODS[method]
            )
    cause = caught.value.__cause__
    assert isinstance(cause, OSError)
    assert cause.errno in (errno.EFBIG, errno.ENOSPC)
    told = caught.value.report
    there, arrived = len(emulator.effects.orders), emulator.effects.requests[ROUTES[method]]
    assert told.failed_count == len(told.failed) == len(failures)
    if method == "upsert_all":
        assert told.done == there  # all that was under way was ended, and is counted though it is not noted
        assert arrived == there + told.failed_count
    else:
        assert told.done <= there
    # There is room again.
    report = await getattr(client.orders, method)(
        entries(), checkpoint=path, on_failure=failures.append, **METHODS[method]
    )
    check_end(emulator, report)
    assert report.skipped <= told.done + told.failed_count
    assert not path.exists()
    if method == "upsert_all":
        again = emulator.effects.requests[ROUTES[method]] - COUNT
        assert again == told.done + told.failed_count - report.skipped <= METHODS[method]["concurrency"]
    else:
        bodies = [one.body for one in emulator.requests if (one.method, one.path) == ROUTES[method]]
        assert len(bodies) - len(set(bodies)) <= 1


async def test_one_that_is_full_from_the_beginning_lets_nothing_be_sent(
    client: VoucherifyClient, emulator: Emulator, tmp_path: Path, method: str
) -> None:
    path = tmp_path / "state"
    for room in (0, 10):
        with disk() as full:
            full.is_full_at(room)
            with pytest.raises(OSError, match=r"large|space"):
                await getattr(client.orders, method)(entries(), checkpoint=path)
        assert not emulator.requests
        assert path.stat().st_size == room
    check_end(emulator, await getattr(client.orders, method)(entries(), checkpoint=path))


@pytest.mark.parametrize(
    ("place", "error"),
    [(".", IsADirectoryError), ("nowhere/state", FileNotFoundError), ("file/state", NotADirectoryError)],
)
async def test_a_place_that_cannot_be(
    client: VoucherifyClient, emulator: Emulator, tmp_path: Path, method: str, place: str, error: type[OSError]
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(error) as caught:
        await getattr(client.orders, method)(entries(), checkpoint=tmp_path / place)
    assert caught.value.filename == str(tmp_path / place)
    assert not emulator.requests
    assert os.listdir(tmp_path) == ["file"]


async def test_a_folder_that_may_not_be_written_to(
    client: VoucherifyClient, emulator: Emulator, tmp_path: Path, method: str
) -> None:
    with locked(tmp_path), pytest.raises(PermissionError):
        await getattr(client.orders, method)(entries(), checkpoint=tmp_path / "state")
    assert not emulator.requests
    assert not os.listdir(tmp_path)


async def test_a_checkpoint_that_cannot_be_removed(
    client: VoucherifyClient, emulator: Emulator, tmp_path: Path, method: str
) -> None:
    path = tmp_path / "state"

    def source() -> Iterator[NewOrder]:
        yield from entries()
        folder.__enter__()

    folder = locked(tmp_path)
    try:
        with pytest.raises(BulkStoppedError) as caught:
            await getattr(client.orders, method)(source(), checkpoint=path, **METHODS[method])
    finally:
        folder.__exit__(None, None, None)
    assert isinstance(caught.value.__cause__, PermissionError)
    check_end(emulator, caught.value.report)
    # All is noted: nothing is sent again.
    arrived = len(emulator.requests)
    report = await getattr(client.orders, method)(entries(), checkpoint=path, **METHODS[method])
    check_end(emulator, report)
    assert (report.skipped, len(emulator.requests)) == (COUNT, arrived)
    assert not path.exists()
