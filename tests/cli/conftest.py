"""What tests of commands share: a service in a thread of its own, and the command line in this process."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from voucherify_async.cli import main
from voucherify_async.emulator import Emulator


class Ran(NamedTuple):
    """What a command did."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """What was printed, as JSON in one line."""
        assert self.out.count("\n") == 1
        return json.loads(self.out)

    @property
    def documents(self) -> list[Any]:
        """What was printed, as JSON Lines."""
        return [json.loads(line) for line in self.out.splitlines()]


Command = Callable[..., Ran]


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Emulator]:
    """An emulator, its keys in the environment, and an empty folder to work in."""
    emulator = Emulator(seed=1, import_seconds=0, export_seconds=0)
    started = threading.Event()
    ended: list[Callable[[], object]] = []

    async def serve() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        ended.append(lambda: loop.call_soon_threadsafe(stop.set))
        async with emulator:
            started.set()
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=[serve()])
    thread.start()
    assert started.wait(10)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VOUCHERIFY_BASE_URL", emulator.url)
    monkeypatch.setenv("VOUCHERIFY_APP_ID", emulator.app_id)
    monkeypatch.setenv("VOUCHERIFY_APP_TOKEN", emulator.app_token)
    monkeypatch.delenv("VOUCHERIFY_CLUSTER", raising=False)
    try:
        yield emulator
    finally:
        ended[0]()
        thread.join()


@pytest.fixture
def command(capsysbinary: pytest.CaptureFixture[bytes]) -> Command:
    """Runs a command in this process."""

    def run(*arguments: str) -> Ran:
        status = main(arguments)
        printed = capsysbinary.readouterr()
        return Ran(status, printed.out.decode(), printed.err.decode())

    return run
