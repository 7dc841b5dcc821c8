"""Ten imports to 10,000 that are waited for at once: what each costs at a look, in requests and in CPU time.

Time is handed in: the looks follow each other at once. The imports stand still while it is measured.
"""

import asyncio
import json
import time
from typing import Any, Final
from urllib.request import Request, urlopen

import aiohttp
import msgspec

from benchmarks.curves.results import BY_HAND, OURS, Costs, Curve, curves_of
from benchmarks.server import Server, emulator
from voucherify_async import AsyncAction, NewOrder, VoucherifyClient
from voucherify_async.events import Event, Polled

JOBS: Final = (10, 100, 1_000, 10_000)
LOOKS: Final = 3
_AT_ONCE: Final = 64


class Hurried:
    """A clock on which whoever sleeps has slept at once."""

    def __init__(self) -> None:
        self._now = 0.0

    def monotonic(self) -> float:
        """Seconds since it was made."""
        return self._now

    def wall(self) -> float:
        """Unix seconds."""
        return time.time() + self._now

    def random(self) -> float:
        """A number from 0 to 1, always the same."""
        return 0.5

    async def sleep(self, seconds: float) -> None:
        """Let so many seconds have passed."""
        self._now += seconds
        await asyncio.sleep(0)


class Looks:
    """Notes the looks that a client tells of, and the CPU time at each."""

    def __init__(self) -> None:
        self.requests: list[int] = []
        self.cpu: list[float] = []
        self.enough = asyncio.Event()

    def __call__(self, event: Event) -> None:
        """Note it, if it is one."""
        if isinstance(event, Polled):
            self.requests.append(event.requests)
            self.cpu.append(time.process_time())
            if len(self.requests) > LOOKS:
                self.enough.set()

    def cost(self, jobs: int) -> tuple[float, float]:
        """Requests and CPU microseconds for each job and look; the first one, with all that begins, is left out."""
        each = jobs * LOOKS
        return sum(self.requests[1 : LOOKS + 1]) / each, (self.cpu[LOOKS] - self.cpu[0]) / each * 1e6


async def make(server: Server, count: int) -> list[str]:
    """Imports that stand still, one after the other as any client's."""
    _set_jobs(server, import_seconds=0, paused=True)
    async with VoucherifyClient(server.app_id, server.app_token, base_url=server.url) as client:
        return [
            (await client.orders.import_orders([NewOrder(source_id=f"order-{number}", amount=1)])).id
            for number in range(count)
        ]


async def with_client(server: Server, job_ids: list[str]) -> tuple[float, float]:
    """Wait for all with one client, let them go on after some looks, and wait for their results."""
    looks = Looks()
    async with VoucherifyClient(
        server.app_id, server.app_token, base_url=server.url, clock=Hurried(), on_event=looks
    ) as client:
        waiting = [asyncio.create_task(client.orders.import_job(job_id).wait()) for job_id in job_ids]
        await looks.enough.wait()
        _set_jobs(server, paused=False)
        results = await asyncio.gather(*waiting)
    if (done := sum(result.done_count for result in results)) != len(job_ids):
        raise RuntimeError(f"{done} orders were imported, not {len(job_ids)}")
    return looks.cost(len(job_ids))


async def by_hand(server: Server, job_ids: list[str]) -> tuple[float, float]:
    """Ask for each of them at each look."""
    decode = msgspec.json.Decoder(AsyncAction).decode
    sent = 0
    async with aiohttp.ClientSession() as session:

        async def look(waiting: list[str]) -> None:
            nonlocal sent
            while waiting:
                url = f"{server.url}/v1/async-actions/{waiting.pop()}"
                async with session.get(url, headers=server.keys) as answer:
                    answer.raise_for_status()
                    decode(await answer.read())
                    sent += 1

        async def look_at_all() -> None:
            waiting = list(job_ids)
            await asyncio.gather(*(look(waiting) for _ in range(_AT_ONCE)))

        await look_at_all()
        sent, began = 0, time.process_time()
        for _ in range(LOOKS):
            await look_at_all()
        cpu = time.process_time() - began
    each = len(job_ids) * LOOKS
    return sent / each, cpu / each * 1e6


def run(rounds: int, jobs: tuple[int, ...] = JOBS) -> list[Curve]:
    """Measure, with a fresh emulator for each number of jobs."""
    requests, cpu = Costs(), Costs()
    for count in jobs:
        # Of many jobs, each look is a long one by itself.
        for _ in range(rounds if count <= JOBS[-2] else 1):
            with emulator() as server:
                job_ids = asyncio.run(make(server, count))
                # By hand first: then the others end them.
                for who, do in ((BY_HAND, by_hand), (OURS, with_client)):
                    found = asyncio.run(do(server, job_ids))
                    requests.add(who, count, found[0])
                    cpu.add(who, count, found[1])
    return curves_of(
        {"requests for a job at a look": requests, "CPU for a job at a look, µs": cpu},
        work="waiting for imports",
        size="jobs waited for",
        by_hand="aiohttp and a request for each job",
    )


def _set_jobs(server: Server, **settings: Any) -> None:
    with urlopen(Request(f"{server.url}/_emulator/jobs", data=json.dumps(settings).encode())):
        pass
