"""The part `typical` of `python -m benchmarks`: each job with each client, and a fresh emulator that counts.

Client and emulator go by a clock that runs faster, so that a wait of a minute is one of seconds. What they compute
is not faster: it counts as much more, for both alike.
"""

import asyncio
import sys
from typing import Final

from benchmarks.faults.fastclock import FastClock
from benchmarks.peers import UnavailableError
from benchmarks.typical.contestants import CONTESTANTS, Contestant
from benchmarks.typical.results import Counted, Job, Typical
from benchmarks.typical.table import tables
from voucherify_async.emulator import Emulator

JOBS: Final = (
    Job(name="import of 100,000 orders", work="import", count=100_000, service_seconds=5.0, speed=10.0),
    Job(name="50 exports awaited at once", work="exports", count=50, service_seconds=30.0, speed=10.0),
    # With 2,000 requests a window, it has to be long enough for them in real time.
    Job(name="sync of 10,000 orders", work="sync", count=10_000, rate_limit="2000/minute", speed=10.0),
)


async def count(job: Job, do: Contestant) -> Counted:
    """Do a job, and look at the server afterwards."""
    clock = FastClock(job.speed)
    async with Emulator(seed=1, clock=clock, rate_limit=job.rate_limit) as emulator:
        emulator.import_seconds = emulator.export_seconds = job.service_seconds
        took = await do(job, emulator, clock)
        arrived, handled = emulator.effects.requests, emulator.effects.handled
        orders = emulator.effects.orders
    there = took.awaited if job.work == "exports" else len(orders)
    return Counted(
        requests={f"{method} {route}": number for (method, route), number in arrived.items()},
        refused=arrived.total() - handled.total(),
        seconds=took.seconds,
        lost=job.count - there,
        doubled=sum(effects.total > 1 for effects in orders.values()),
    )


def measure(jobs: tuple[Job, ...] = JOBS) -> Typical:
    """Count all jobs."""
    typical = Typical(list(jobs), {job.name: {} for job in jobs})
    for who, do in CONTESTANTS.items():
        for job in jobs:
            try:
                counted = asyncio.run(count(job, do))
            except UnavailableError as error:
                typical.missing[who] = str(error)
                break
            typical.counted[job.name][who] = counted
            print(f"typical: {job.name}, {who}: {counted.requests}", file=sys.stderr)
    return typical


def run() -> Typical:
    """Count, print tables, and give the figures."""
    typical = measure()
    print(tables(typical), flush=True)
    return typical
