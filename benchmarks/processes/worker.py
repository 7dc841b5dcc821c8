"""One of the processes: it calls without a pause, many at a time, until it is ended.

Its argument is what shares the limit: the address of a Redis server, or `alone`.
"""

import asyncio
import sys
from typing import Final

from redis.asyncio import Redis

from voucherify_async import HeaderRateLimiter, RateLimiter, RetryPolicy, Timeouts, VoucherifyClient
from voucherify_async.integrations.redis import RedisRateLimiter

CONCURRENCY: Final = 16


async def call_without_end(limiter: RateLimiter) -> None:
    """Call, and let the limiter say when."""
    async with VoucherifyClient.from_env(
        rate_limiter=limiter, retry=RetryPolicy(max_wait=3600), timeouts=Timeouts(total=None)
    ) as client:

        async def work() -> None:
            while True:
                await client.orders.list(limit=1)

        await asyncio.gather(*(work() for _ in range(CONCURRENCY)))


async def main(shared: str, period: float) -> None:
    """Be such a process."""
    if shared == "alone":
        await call_without_end(HeaderRateLimiter())
    else:
        async with Redis.from_url(shared) as redis, RedisRateLimiter(redis, "measured", period=period) as limiter:
            await call_without_end(limiter)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
