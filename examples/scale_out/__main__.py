"""Hand a file to the workers, wait for all of it, and print one report."""

import argparse
import asyncio
from typing import get_args

import msgspec
from redis.asyncio import Redis

from voucherify_async import BulkReport

from .tasks import REDIS_URL, How, Run, broker, look_around, split


class Total(msgspec.Struct):
    """The parts' reports in one: each order of the source is in exactly one of them."""

    parts: int = 0
    read: int = 0
    done: int = 0
    failed_count: int = 0
    retried: int = 0
    failed: list[tuple[str | None, str]] = []

    def add(self, report: BulkReport) -> None:
        """Count a part in."""
        self.parts += 1
        self.read += report.read
        self.done += report.done
        self.failed_count += report.failed_count
        self.retried += report.retried
        self.failed += [(failure.key, failure.reason) for failure in report.failed]


async def hand_out(run: Run) -> Total:
    """Start the run, or go on waiting for it."""
    await broker.startup()
    async with Redis.from_url(REDIS_URL, decode_responses=True) as redis:
        await split.kiq(msgspec.to_builtins(run))
        while await redis.hlen(run.reports) < run.parts:
            if problem := await redis.getdel(run.problem):
                raise SystemExit(f"The run {run.name} cannot go on: {problem!s}")
            await look_around.kiq()
            await asyncio.sleep(1)
        total = Total()
        for report in await redis.hvals(run.reports):
            total.add(msgspec.json.decode(report, type=BulkReport))
    await broker.shutdown()
    return total


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m scale_out", description=__doc__)
    parser.add_argument("how", choices=get_args(How))
    parser.add_argument("source", help="a file of orders that all workers see")
    parser.add_argument("--name", default="run", help="of the run; the same name goes on with it")
    parser.add_argument("--parts", type=int, default=32, help="(default: %(default)s)")
    args = parser.parse_args()
    total = asyncio.run(hand_out(Run(args.name, args.how, args.source, args.parts)))
    print(msgspec.json.encode(total).decode())


if __name__ == "__main__":
    main()
