"""What several processes on one project share through Redis or Valkey: the rate limit, and whose turn an import is.

```python
from redis.asyncio import Redis  # or: from valkey.asyncio import Valkey
from voucherify_async.integrations.redis import RedisLease, RedisRateLimiter

async with Redis.from_url("redis://localhost") as redis, RedisRateLimiter(redis, "shop") as limiter:
    async with VoucherifyClient.from_env(rate_limiter=limiter) as client:
        await client.orders.import_all(history, turn=RedisLease(redis, "shop"))
```

The connection object is yours: it is used and never closed, and any client will do that has redis-py's
`execute_command`. Servers from Redis 5 on, Valkey, and clusters of them: all keys of a project are in one slot.
"""

from voucherify_async.integrations.redis.lease import LeaseLostError, LeaseTimeoutError, RedisLease
from voucherify_async.integrations.redis.limiter import RedisRateLimiter
from voucherify_async.integrations.redis.scripts import RedisClient

__all__ = ["LeaseLostError", "LeaseTimeoutError", "RedisClient", "RedisLease", "RedisRateLimiter"]
