"""A limit of so many requests a minute: how much of it the client uses, and how often it is refused."""

import asyncio
from typing import NamedTuple

from benchmarks.faults.fastclock import FastClock
from voucherify_async import HeaderRateLimiter, RetryPolicy, Timeouts
from voucherify_async.emulator import Emulator


class Use(NamedTuple):
    """What happened.

    Attributes:
        spread: whether the client was asked to spread its requests.
        allowed: requests in the time that it took.
        done: requests that were carried out.
        refused: answers of 429.
    """

    spread: bool
    allowed: float
    done: int
    refused: int

    @property
    def share(self) -> float:
        """Of what is allowed, how much was used."""
        return self.done / self.allowed

    @property
    def refused_share(self) -> float:
        """Of all answers, how many were 429."""
        return self.refused / (self.done + self.refused)


async def use_of_limit(
    *, spread: bool, per_minute: int = 2000, periods: int = 10, concurrency: int = 64, speed: float = 8.0
) -> Use:
    """Call without a pause through so many minutes, and count.

    Args:
        spread: space the requests evenly.
        per_minute: the limit.
        periods: minutes.
        concurrency: calls at the same time.
        speed: of the clock of client and emulator.
    """
    clock = FastClock(speed)
    async with Emulator(seed=1, clock=clock, rate_limit=f"{per_minute}/minute") as emulator:
        limiter = HeaderRateLimiter(spread=spread, clock=clock)
        patient = RetryPolicy(max_wait=3600)
        async with emulator.client(
            clock=clock, rate_limiter=limiter, retry=patient, timeouts=Timeouts(total=None)
        ) as client:

            async def work() -> None:
                while True:
                    await client.orders.list(limit=1)

            workers = [asyncio.create_task(work()) for _ in range(concurrency)]
            await clock.sleep(periods * 60)
            route = ("GET", "/v1/orders")
            done = emulator.effects.handled[route]
            refused = emulator.effects.requests[route] - done
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
    return Use(spread, per_minute * periods, done, refused)
