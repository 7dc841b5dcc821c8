"""Runs that are killed with SIGKILL again and again, and started again until they end; the server is the oracle."""

import asyncio
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.bulk.killable import News, RunPlan, entries
from voucherify_async import BulkReport, ConfigurationError, NewOrder, VoucherifyClient
from voucherify_async.emulator import Emulator, Fault

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="runs are forked")

KILLS = 30
IMPORT = ("POST", "/v1/orders/import")
ROOT = Path(__file__).parents[2]
# What is told so often is a good moment: it comes at all times of a run.
MOMENTS = ("AttemptStarted", "AttemptEnded", "JobSeen", "Polled", "failed")


class Runs:
    """The runs of one process after another, all with one checkpoint.

    Attributes:
        plan: of the runs.
        report: of the one that ended, if one has.
    """

    def __init__(self, process: asyncio.subprocess.Process, plan: RunPlan) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._in, self._out = process.stdin, process.stdout
        self.plan = plan
        self.pid = 0
        self.report: BulkReport | None = None

    async def start(self, **changes: Any) -> None:
        plan = msgspec.structs.replace(self.plan, **changes)
        self._in.write(msgspec.json.encode(plan) + b"\n")
        self.pid = (await self.hear("started")).about

    async def hear(self, *kinds: str) -> News:
        """The next news of one of these kinds, or of the end."""
        while True:
            news = msgspec.json.decode(await self._out.readline(), type=News)
            if news.kind == "report":
                self.report = msgspec.convert(news.about, BulkReport)
            if news.kind in (*kinds, "ended"):
                return news

    async def kill(self) -> None:
        """Kill the run, which may have killed itself just now."""
        os.kill(self.pid, signal.SIGKILL)
        assert await self.end() == signal.SIGKILL

    async def end(self) -> int:
        """Wait for the end, and return the exit status or the signal."""
        status: int = (await self.hear()).about
        return status

    @property
    def last_record(self) -> str:
        """The kind of the last record of the checkpoint, nothing if there is none."""
        try:
            lines = Path(self.plan.arguments["checkpoint"]).read_bytes().splitlines()
        except FileNotFoundError:
            return ""
        return str(msgspec.json.decode(lines[-1])[0]) if lines else ""


@asynccontextmanager
async def runs(emulator: Emulator, folder: Path, method: str, count: int, **arguments: Any) -> AsyncIterator[Runs]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-m", "tests.bulk.killable"),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    plan = RunPlan(
        url=emulator.url,
        app_id=emulator.app_id,
        app_token=emulator.app_token,
        method=method,
        arguments={"checkpoint": str(folder / "state"), **arguments},
        entries=count,
        failures=str(folder / "failures"),
    )
    killable = Runs(process, plan)
    try:
        yield killable
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # a run that a failed test left behind, too
        await process.communicate()


async def killed_until_it_ends(runs: Runs, chance: random.Random, *, longest: int) -> list[str]:
    """Kill runs at random moments, and then let one end.

    Args:
        longest: how many news a run may live to see.

    Returns:
        Of each that was killed, the kind of the last record of its checkpoint.
    """
    last: list[str] = []
    while len(last) < KILLS and runs.report is None:
        await runs.start(dies_at_failure=chance.choice((None, None, None, 1, 3)))
        for _ in range(chance.randint(0, longest)):
            if (await runs.hear(*MOMENTS)).kind == "ended":  # by itself, when it had told of a failure
                break
        else:
            await runs.kill()
        last.append(runs.last_record)
    assert runs.report is None, "it was not killed often enough"
    await runs.start()
    assert await runs.end() == 0
    return last


def arrived(emulator: Emulator, route: tuple[str, str]) -> list[bytes]:
    """The bodies of what arrived there, in sequence. Of a request whose sender was killed, there may be none."""
    return [one.body for one in emulator.requests if (one.method, one.path) == route and one.body]


def check(emulator: Emulator, runs: Runs, killed: int) -> None:
    """What came of it all, whichever method it was."""
    source = list(entries(runs.plan.entries))
    bad = {place: one for place, one in enumerate(source) if one.key and not one.key.startswith("o-")}
    last = {one.source_id: one.amount for place, one in enumerate(source) if place not in bad}
    # The report of the last run is of all of them.
    report = runs.report
    assert report is not None
    assert (report.read, report.done) == (len(source), len(source) - len(bad))
    assert report.failed_count == len(bad)
    assert sorted((one.position, one.key) for one in report.failed) == [(place, bad[place].key) for place in bad]
    assert not Path(runs.plan.arguments["checkpoint"]).exists()
    # Each order that failed was told, once more by a run that was killed behind it at most; and as it came.
    failures = [msgspec.json.decode(line) for line in Path(runs.plan.failures).read_bytes().splitlines()]
    assert {one["position"]: one["order"] for one in failures} == {
        place: msgspec.to_builtins(order) for place, order in bad.items()
    }
    assert max(Counter(one["position"] for one in failures).values()) <= 1 + killed
    assert len(failures) > len(bad)  # it came to that
    # Every order is there with its last value.
    snapshot = emulator._project.orders.snapshot()
    assert {order["source_id"]: order["amount"] for order in snapshot} == last


async def test_upsert_all_survives_kills(emulator: Emulator, tmp_path: Path) -> None:
    chance, at_once, count = random.Random(4), 8, 1200
    emulator.faults.mix(0.5, Fault("delay", delay=0.003), Fault("delay", delay=0.003, when="after"))
    async with runs(emulator, tmp_path, "upsert_all", count, concurrency=at_once) as killable:
        killed = len(await killed_until_it_ends(killable, chance, longest=110))
    check(emulator, killable, killed)
    # No more was repeated than what was under way.
    sent = count - sum(str(one.key).startswith("unfit") for one in entries(count))
    assert 0 < emulator.effects.requests["POST", "/v1/orders"] - sent <= killed * at_once
    # No entry came behind a later one of its order, whichever run sent it.
    came: dict[Any, list[Any]] = {}
    for body in arrived(emulator, ("POST", "/v1/orders")):
        order = msgspec.json.decode(body, type=NewOrder)
        came.setdefault(order.source_id, []).append(order.amount)
    assert all(amounts == sorted(amounts) for amounts in came.values())


async def test_import_all_survives_kills(emulator: Emulator, tmp_path: Path) -> None:
    chance, count = random.Random(5), 1800
    emulator.import_seconds = 0.01
    emulator.faults.add(Fault("delay", delay=0.005, when="after", method="POST", times=None))
    async with runs(emulator, tmp_path, "import_all", count, max_bytes=1000) as killable:
        last = await killed_until_it_ends(killable, chance, longest=35)
    check(emulator, killable, len(last))
    bodies = arrived(emulator, IMPORT)
    # It came to all of that: killed while an import went on, and in between.
    assert min(Counter(last)[kind] for kind in ("accepted", "settled")) > 2
    # One comes once more, right behind itself, if the run was killed before it had noted that it was accepted.
    assert 0 < len(bodies) - len(set(bodies)) <= len(last) - last.count("accepted")
    firsts = [msgspec.json.decode(body, type=list[NewOrder])[0].amount for body in bodies]
    assert firsts == sorted(firsts)  # type: ignore[type-var]


async def test_an_import_that_is_waited_for_is_not_sent_again(emulator: Emulator, tmp_path: Path) -> None:
    emulator.pause_jobs()
    async with runs(emulator, tmp_path, "import_all", 60) as killable:
        for _ in range(5):
            await killable.start()
            await killable.hear("Polled")
            await killable.kill()
        emulator.resume_jobs()
        await killable.start()
        assert await killable.end() == 0
    assert emulator.effects.requests[IMPORT] == 1
    assert killable.report is not None
    assert killable.report.done + killable.report.failed_count == 60


@pytest.mark.parametrize("method", ["upsert_all", "import_all"])
async def test_a_checkpoint_is_in_use_until_its_run_is_killed(
    emulator: Emulator, client: VoucherifyClient, tmp_path: Path, method: str
) -> None:
    emulator.faults.add(Fault("delay", delay=3600, method="POST", times=8))
    async with runs(emulator, tmp_path, method, 60) as killable:
        await killable.start()
        await killable.hear("AttemptStarted")
        with pytest.raises(ConfigurationError, match="in use by another run") as caught:
            await getattr(client.orders, method)(entries(60), **killable.plan.arguments)
        assert caught.value.argument == "checkpoint"
        await killable.kill()
        emulator.faults.clear()
        report = await getattr(client.orders, method)(entries(60), **killable.plan.arguments)
    assert report.done + report.failed_count == report.read == 60
