"""A real server, and connections of both clients to it."""

from collections.abc import AsyncIterator, Iterator

import pytest
import redis.asyncio
import valkey.asyncio

from benchmarks.redisserver import RedisServer, redis_server
from voucherify_async.clock import SystemClock
from voucherify_async.integrations.redis import RedisClient


class MovableClock(SystemClock):
    """The machine's clock, which can be put forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


@pytest.fixture(scope="session")
def lasting_server() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
def server(lasting_server: RedisServer) -> RedisServer:
    """The server, empty; a test may kill it."""
    lasting_server.kill()
    lasting_server.start()
    return lasting_server


@pytest.fixture(params=["redis", "valkey"])
async def redis_client(server: RedisServer, request: pytest.FixtureRequest) -> AsyncIterator[RedisClient]:
    if request.param == "redis":
        async with redis.asyncio.Redis.from_url(server.url) as client:
            yield client
    else:
        async with valkey.asyncio.Valkey.from_url(server.url.replace("redis:", "valkey:")) as other:
            yield other


@pytest.fixture
async def shared(server: RedisServer) -> AsyncIterator[RedisClient]:
    """A connection where it does not matter which client it is."""
    async with redis.asyncio.Redis.from_url(server.url) as client:
        yield client


@pytest.fixture
def movable() -> MovableClock:
    return MovableClock()
