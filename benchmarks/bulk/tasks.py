"""`python -m benchmarks.bulk.tasks TASK`: what is measured. Arguments are JSON on stdin, figures JSON on stdout."""

import asyncio
import json
import math
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any, Final

import aiohttp
import msgspec

from benchmarks.bulk.orders import orders
from benchmarks.bulk.process import Taken
from benchmarks.faults.fastclock import FastClock
from benchmarks.server import Server
from voucherify_async import (
    BulkProgress,
    HeaderRateLimiter,
    NewOrder,
    RetryPolicy,
    Timeouts,
    VoucherifyClient,
)

WARM_UP: Final = 2_000
BY_HAND: Final = 64
_CHUNK: Final = 1_000


class Stored(msgspec.Struct):
    """What has to be known of an answer."""

    id: str


def client_of(server: Server) -> VoucherifyClient:
    """A client as it comes."""
    return VoucherifyClient(server.app_id, server.app_token, base_url=server.url)


class Course:
    """How a run went, as `on_progress` tells: how many calls were under way, and how many orders done."""

    def __init__(self) -> None:
        self._seen: list[tuple[float, int, int]] = []

    def __call__(self, progress: BulkProgress) -> None:
        """Note it."""
        self._seen.append((progress.seconds, progress.concurrency, progress.done))

    def second_half(self, end: float = math.inf) -> dict[str, float]:
        """The usual number of calls, and the orders per second, when a run that has to find out has found out.

        Args:
            end: seconds, if not the last that was told: those that are left over then may take their time.
        """
        seen = [one for one in self._seen if one[0] <= end]
        late = [one for one in seen if one[0] >= seen[-1][0] / 2]
        (begin, _, before), (until, _, done) = late[0], late[-1]
        return {
            "level": median(concurrency for _, concurrency, _ in late),
            "per_second": (done - before) / (until - begin) if until > begin else 0.0,
        }


async def import_all(server: Server, *, count: int) -> Taken:
    """Import so many orders."""
    async with client_of(server) as client:
        await client.orders.import_all(orders(2 * WARM_UP, prefix="warm"))
        with Taken.measured(server.pid) as taken:
            report = await client.orders.import_all(orders(count))
        taken.orders = report.done
    return taken


async def upsert_all(server: Server, *, count: int, distinct: int, checkpoint: bool = False) -> Taken:
    """Upsert so many orders, at the concurrency that is found."""
    course = Course()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sync.state" if checkpoint else None
        async with client_of(server) as client:
            await client.orders.upsert_all(orders(WARM_UP, prefix="warm"), concurrency=BY_HAND)
            with Taken.measured(server.pid) as taken:
                report = await client.orders.upsert_all(
                    orders(count, distinct=distinct), checkpoint=path, on_progress=course
                )
            taken.orders = report.done
    taken.told |= course.second_half()
    return taken


async def by_hand(server: Server, *, count: int, distinct: int) -> Taken:
    """The same as a user of aiohttp and msgspec writes it; entries of one order may overtake each other."""
    decode = msgspec.json.Decoder(Stored).decode
    room = asyncio.Semaphore(BY_HAND)
    headers = {**server.keys, "Content-Type": "application/json"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=512)) as session:

        async def upsert(order: NewOrder) -> Stored:
            async with room:
                body = msgspec.json.encode(order)
                async with session.post(f"{server.url}/v1/orders", data=body, headers=headers) as answer:
                    answer.raise_for_status()
                    return decode(await answer.read())

        async def upsert_each(source: Iterator[NewOrder]) -> int:
            done = 0
            while chunk := list(islice(source, _CHUNK)):
                done += len(await asyncio.gather(*map(upsert, chunk)))
            return done

        await upsert_each(orders(WARM_UP, prefix="warm"))
        with Taken.measured(server.pid) as taken:
            taken.orders = await upsert_each(orders(count, distinct=distinct))
    return taken


async def upsert_for(server: Server, *, seconds: float, concurrency: int | None) -> Taken:
    """Upsert as many orders as can be within a time."""
    course = Course()

    def until(end: float) -> Iterator[NewOrder]:
        for order in orders(10**9, distinct=50_000):
            if time.perf_counter() >= end:
                return
            yield order

    async with client_of(server) as client:
        with Taken.measured(server.pid) as taken:
            source = until(time.perf_counter() + seconds)
            report = await client.orders.upsert_all(source, concurrency=concurrency, on_progress=course)
        taken.orders = report.done
    taken.told |= course.second_half(end=seconds) | {"again": report.retried}
    return taken


async def upsert_within_limit(
    *, per_minute: int, minutes: int, speed: float, spread: bool, concurrency: int | None
) -> Taken:
    """Upsert for some minutes, by a clock that runs faster, with a service that has a limit."""
    from voucherify_async.emulator import Emulator  # noqa: PLC0415 - the other tasks measure the client's memory

    clock, course = FastClock(speed), Course()
    async with (
        Emulator(seed=1, clock=clock, rate_limit=f"{per_minute}/minute") as emulator,
        emulator.client(
            clock=clock,
            rate_limiter=HeaderRateLimiter(spread=spread, clock=clock),
            retry=RetryPolicy(max_wait=3600),
            timeouts=Timeouts(total=None),
        ) as client,
    ):
        with Taken.measured() as taken:
            run = asyncio.create_task(
                client.orders.upsert_all(orders(10**9), concurrency=concurrency, on_progress=course)
            )
            await clock.sleep(60 * minutes)
            place = ("POST", "/v1/orders")
            taken.orders = emulator.effects.handled[place]
            refused = emulator.effects.requests[place] - taken.orders
        taken.seconds *= speed
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
    taken.told |= course.second_half() | {"again": refused}
    return taken


TASKS: Final[dict[str, Callable[..., Awaitable[Taken]]]] = {
    task.__name__: task for task in (import_all, upsert_all, by_hand, upsert_for, upsert_within_limit)
}


def main() -> None:
    """Do the task that is asked for."""
    arguments: dict[str, Any] = json.load(sys.stdin)
    if "server" in arguments:
        arguments["server"] = Server(*arguments["server"])

    async def work() -> Taken:
        return await TASKS[sys.argv[1]](**arguments)

    sys.stdout.buffer.write(msgspec.json.encode(asyncio.run(work())))


if __name__ == "__main__":
    main()
