"""`python -m benchmarks --parts processes`: eight processes on one limit, counted by the emulator."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from benchmarks.peers import ROOT
from benchmarks.redisserver import redis_server
from voucherify_async.emulator import Emulator

PROCESSES: Final = 8
_ROUTE: Final = ("GET", "/v1/orders")


class Window(NamedTuple):
    """What happened in one period.

    Attributes:
        done: requests that were carried out.
        refused: answers of 429.
    """

    done: int
    refused: int


class Use(NamedTuple):
    """What happened in all.

    Attributes:
        shared: whether the processes had one limiter.
        limit: requests per period.
        windows: one after another, from the first request on.
    """

    shared: bool
    limit: int
    windows: list[Window]

    @property
    def shares(self) -> list[float]:
        """How much of the limit was used in each period."""
        return [window.done / self.limit for window in self.windows]

    @property
    def share(self) -> float:
        """How much of it in all."""
        return sum(self.shares) / len(self.windows)

    @property
    def refused_share(self) -> float:
        """Of all answers, how many were 429."""
        refused = sum(window.refused for window in self.windows)
        return refused / (refused + sum(window.done for window in self.windows))


@asynccontextmanager
async def _workers(emulator: Emulator, shared: str, period: int) -> AsyncIterator[None]:
    keys = {"VOUCHERIFY_APP_ID": emulator.app_id, "VOUCHERIFY_APP_TOKEN": emulator.app_token}
    environ = {**os.environ, **keys, "VOUCHERIFY_BASE_URL": emulator.url}
    command = [sys.executable, "-m", "benchmarks.processes.worker", shared, str(period)]
    processes = [await asyncio.create_subprocess_exec(*command, env=environ, cwd=ROOT) for _ in range(PROCESSES)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
        await asyncio.gather(*(process.wait() for process in processes))


async def use_of_limit(*, shared: str | None, limit: int, period: int, periods: int) -> Use:
    """Let eight processes call without a pause through so many periods, and count.

    Args:
        shared: the address of a Redis server; None if each goes by itself.
        limit: requests per period.
        period: seconds.
        periods: how many, from the first request on.
    """
    loop = asyncio.get_running_loop()
    windows: list[Window] = []
    async with Emulator(seed=1, rate_limit=f"{limit}/{period} seconds") as emulator:
        effects = emulator.effects
        async with _workers(emulator, shared or "alone", period):
            while not effects.requests[_ROUTE]:  # noqa: ASYNC110 - the server counts, and calls nobody
                await asyncio.sleep(0.001)
            began, before, all_before = loop.time(), 0, 0
            for number in range(periods):
                await asyncio.sleep(began + (number + 1) * period - loop.time())
                done, all_now = effects.handled[_ROUTE], effects.requests[_ROUTE]
                windows.append(Window(done - before, (all_now - done) - (all_before - before)))
                before, all_before = done, all_now
    return Use(shared is not None, limit, windows)


def run(periods: int, *, limit: int = 2000, period: int = 60) -> list[Use]:
    """Measure both, and print them."""
    print(f"\n{PROCESSES} processes, {limit} requests per {period} s, {periods} periods\n")
    print("| limiter | of the limit | by period | 429 of all answers |")
    print("|---|---|---|---|")
    found = []
    with redis_server() as redis:
        for shared in (redis.url, None):
            use = asyncio.run(use_of_limit(shared=shared, limit=limit, period=period, periods=periods))
            name = "`RedisRateLimiter`" if use.shared else "`HeaderRateLimiter` in each"
            least, most = min(use.shares), max(use.shares)
            print(f"| {name} | {use.share:.1%} | {least:.1%} to {most:.1%} | {use.refused_share:.2%} |", flush=True)
            found.append(use)
    return found
