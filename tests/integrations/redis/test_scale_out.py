"""The example of scaling out: worker processes of Taskiq, one of which is killed on the way."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
from redis.asyncio import Redis

from benchmarks.redisserver import RedisServer
from tests.fakes import until
from tests.snippets import ROOT, blocks_of
from voucherify_async import NewOrder
from voucherify_async.bulk.journal import Journal
from voucherify_async.emulator import Emulator

EXAMPLES = ROOT / "examples"
GUIDE = ROOT / "docs" / "guides" / "scaling-out.md"
WORKERS = 4
ENTRIES = 2
ROUTES = {"upsert_all": ("POST", "/v1/orders"), "import_all": ("POST", "/v1/orders/import")}


class Site:
    """Workers, and what they share.

    Attributes:
        processes: of the workers; each leads a group, which its worker proper is in.
    """

    def __init__(self, environ: dict[str, str], folder: Path) -> None:
        self._environ = {**os.environ, **environ}
        self._folder = folder
        self.processes: list[asyncio.subprocess.Process] = []

    async def start_worker(self) -> None:
        # By itself the command line of Taskiq starts a worker anew that was killed: a machine that is gone is not.
        code = (
            "import asyncio, sys; from taskiq.api import run_receiver_task; "
            "from scale_out.tasks import broker\n"
            "async def main():\n"
            "    broker.is_worker_process = True\n"
            "    broker.consumer_name = sys.argv[1]\n"
            "    await run_receiver_task(broker, run_startup=True, max_async_tasks=2)\n"
            "asyncio.run(main())"
        )
        name = str(len(self.processes))
        with (self._folder / f"worker-{name}.log").open("wb") as log:
            self.processes.append(
                await asyncio.create_subprocess_exec(
                    *(sys.executable, "-c", code, name), env=self._environ, cwd=EXAMPLES, stderr=log
                )
            )

    async def run(self, how: str, source: Path, parts: int) -> asyncio.subprocess.Process:
        command = [sys.executable, "-m", "scale_out", how, str(source), "--parts", str(parts)]
        return await asyncio.create_subprocess_exec(
            *command,
            env=self._environ,
            cwd=EXAMPLES,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )


@asynccontextmanager
async def site(
    emulator: Emulator, server: RedisServer, folder: Path, gone: float, workers: int = WORKERS
) -> AsyncIterator[Site]:
    place = Site(
        {
            "VOUCHERIFY_APP_ID": emulator.app_id,
            "VOUCHERIFY_APP_TOKEN": emulator.app_token,
            "VOUCHERIFY_BASE_URL": emulator.url,
            "REDIS_URL": server.url,
            "SCALE_OUT_FOLDER": str(folder),
            "SCALE_OUT_GONE_SECONDS": str(gone),
        },
        folder,
    )
    try:
        for _ in range(workers):
            await place.start_worker()
        yield place
    finally:
        for process in place.processes:
            if process.returncode is None:
                process.kill()
            await process.wait()


def write_orders(path: Path, orders: int) -> None:
    """Each order twice, far apart: the last entry says what it must be worth."""
    with path.open("wb") as file:
        for round_ in range(ENTRIES):
            for number in range(orders):
                order = NewOrder(source_id=f"web-{number}", amount=number * 10 + round_)
                file.write(msgspec.json.encode(order) + b"\n")


async def kill_one_at_work(
    place: Site, emulator: Emulator, server: RedisServer, route: tuple[str, str], after: int
) -> None:
    """When so many requests were carried out, end a worker that has a task, as a power failure does."""
    async with Redis.from_url(server.url) as redis:

        async def tasks_of(worker: int) -> list[Any]:
            found: list[Any] = await redis.xpending_range("voucherify", "taskiq", "-", "+", 10, str(worker))
            return found

        async def stop_one_at_work() -> int:
            """Stopped before it is looked at: else it may be done with its task before it is killed."""
            while True:
                for worker in range(WORKERS):
                    place.processes[worker].send_signal(signal.SIGSTOP)
                    await asyncio.to_thread(os.waitid, os.P_PID, place.processes[worker].pid, os.WSTOPPED)
                    # Twice: what it said at last may lie before the server still, beside our first question.
                    if await tasks_of(worker) and await tasks_of(worker):
                        return worker
                    place.processes[worker].send_signal(signal.SIGCONT)

        async with asyncio.timeout(60):
            while emulator.effects.handled[route] < after:
                await asyncio.sleep(0.01)
            victim = await stop_one_at_work()
        place.processes[victim].send_signal(signal.SIGKILL)
        await place.processes[victim].wait()  # others may have taken its tasks up by now


async def scale_out(
    emulator: Emulator, server: RedisServer, folder: Path, *, how: str, orders: int, parts: int, gone: float
) -> dict[str, Any]:
    """Move orders by four workers, of which one is killed, and return the report."""
    source = folder / "orders.jsonl"
    write_orders(source, orders)
    route = ROUTES[how]
    async with site(emulator, server, folder, gone) as place:
        run = await place.run(how, source, parts)
        after = orders * ENTRIES // 4 if how == "upsert_all" else 2
        await kill_one_at_work(place, emulator, server, route, after)
        output, errors = await run.communicate()
        assert run.returncode == 0, errors.decode()
        report: dict[str, Any] = msgspec.json.decode(output)
        return report


async def check(emulator: Emulator, report: dict[str, Any], orders: int, parts: int) -> None:
    assert report["parts"] == parts
    assert (report["read"], report["done"], report["failed_count"]) == (orders * ENTRIES, orders * ENTRIES, 0)
    async with emulator.client() as client, client.orders.export_rows(fields=["source_id", "amount"]) as rows:
        stored = {row.source_id: row.amount async for row in rows}
    assert stored == {f"web-{number}": number * 10 + ENTRIES - 1 for number in range(orders)}


@pytest.mark.parametrize(("how", "parts"), [("upsert_all", 12), ("import_all", 5)])
async def test_every_order_arrives_with_its_last_value_though_a_worker_is_killed(
    server: RedisServer, emulator: Emulator, tmp_path: Path, how: str, parts: int
) -> None:
    orders = 2000
    report = await scale_out(emulator, server, tmp_path, how=how, orders=orders, parts=parts, gone=1.5)
    await check(emulator, report, orders, parts)


@pytest.mark.parametrize("how", ["upsert_all", "import_all"])
async def test_a_worker_that_was_taken_for_dead_and_is_not_ends_no_run(
    server: RedisServer, emulator: Emulator, tmp_path: Path, how: Literal["upsert_all", "import_all"]
) -> None:
    write_orders(tmp_path / "orders.jsonl", 40)
    still_open = Journal(tmp_path / "run.0.state", how, lambda record: None)
    async with site(emulator, server, tmp_path, gone=2, workers=1) as place:
        run = await place.run(how, tmp_path / "orders.jsonl", 2)
        log = tmp_path / "worker-0.log"
        await until(lambda: b"in use by another run" in log.read_bytes(), lambda: asyncio.sleep(0.01))
        still_open.close()
        output, errors = await run.communicate()
        assert run.returncode == 0, errors.decode()
    await check(emulator, msgspec.json.decode(output), 40, 2)


async def test_a_source_that_cannot_be_read_ends_the_run_with_a_word(
    server: RedisServer, emulator: Emulator, tmp_path: Path
) -> None:
    (tmp_path / "orders.jsonl").write_text('{"source_id": "web-1"}\n{"source_id": 7}\n')
    async with site(emulator, server, tmp_path, gone=2, workers=1) as place:
        run = await place.run("upsert_all", tmp_path / "orders.jsonl", 2)
        _, errors = await run.communicate()
    assert run.returncode == 1
    assert b"The run run cannot go on: SourceError: " in errors
    assert b"line 2" in errors


async def test_the_guide_does_what_it_says(
    server: RedisServer, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOUCHERIFY_APP_ID", emulator.app_id)
    monkeypatch.setenv("VOUCHERIFY_APP_TOKEN", emulator.app_token)
    monkeypatch.setenv("VOUCHERIFY_BASE_URL", emulator.url)
    first, temporal = (block.code for block in blocks_of(GUIDE) if block.kind == "python")
    names: dict[str, Any] = {}
    exec(first, names)
    await names["work"](server.url)
    assert emulator.effects.of("web-1").created == 1
    assert emulator.effects.of("old-2999").imported == 1
    compile(temporal, "temporal", "exec")
