"""What the workers do. Any of them may be killed at any time: what it had is taken up by another one."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Literal
from zlib import crc32

import msgspec
from redis.asyncio import Redis
from taskiq_redis import RedisStreamBroker

from voucherify_async import BulkReport, BulkStoppedError, ConfigurationError, VoucherifyClient, read_orders
from voucherify_async.integrations.redis import RedisLease, RedisRateLimiter

How = Literal["upsert_all", "import_all"]

PROJECT = "shop"
REDIS_URL = os.environ.get("REDIS_URL", "redis://localhost")
# All workers see it: parts of the source, and checkpoints.
FOLDER = Path(os.environ.get("SCALE_OUT_FOLDER", "."))
# Seconds after which a task of a worker that is gone is another one's, and so is its part.
GONE = float(os.environ.get("SCALE_OUT_GONE_SECONDS", "30"))

log = logging.getLogger(__name__)
broker = RedisStreamBroker(
    REDIS_URL,
    queue_name="voucherify",
    consumer_id="0",  # also what was asked for before the first worker came
    xread_count=1,  # none is kept back by a worker that has enough to do
    idle_timeout=round(GONE * 1000),
    unacknowledged_batch_size=1,
    # The lock under which workers look for such tasks; its holder may be the one that is killed.
    unacknowledged_lock_timeout=GONE,
)


class Run(msgspec.Struct, frozen=True):
    """One move of one file.

    Attributes:
        name: of the run, the same when it is started again.
        how: `upsert_all` or `import_all`.
        source: the file, which all workers see.
        parts: into how many it is cut.
    """

    name: str
    how: How
    source: str
    parts: int

    @property
    def reports(self) -> str:
        """The key under which the parts' reports are gathered."""
        return f"scale-out:{self.name}:reports"

    @property
    def problem(self) -> str:
        """The key that says why the run cannot go on, if it cannot."""
        return f"scale-out:{self.name}:problem"

    def file(self, part: int) -> Path:
        """A part of the source."""
        return FOLDER / f"{self.name}.{part}.jsonl"


@asynccontextmanager
async def connected(run: Run) -> AsyncIterator[Redis]:
    """A connection, by which is told what no second try would mend."""
    async with Redis.from_url(REDIS_URL) as redis:
        try:
            yield redis
        except Exception as error:
            await redis.set(run.problem, f"{type(error).__name__}: {error}")
            raise


def lease_of(redis: Redis, run: Run, what: str) -> RedisLease:
    """For one worker at a time: a task that takes long is handed out again though its worker lives."""
    return RedisLease(redis, PROJECT, of=f"{run.name}.{what}", holds=GONE)


@broker.task
async def split(run: dict[str, object]) -> None:
    """Cut the source so that all entries of one order are in one part, in their sequence; hand out the parts."""
    plan = msgspec.convert(run, Run)
    done = FOLDER / f"{plan.name}.split"
    async with connected(plan) as redis, lease_of(redis, plan, "split"):
        if not done.exists():
            with ExitStack() as files:
                parts = [files.enter_context(plan.file(part).open("wb")) for part in range(plan.parts)]
                async with read_orders(plan.source) as orders:
                    async for order in orders:
                        place = crc32(str(order.key).encode()) % plan.parts
                        parts[place].write(msgspec.json.encode(order) + b"\n")
            done.touch()
    for part in range(plan.parts):
        await move.kiq(run, part)


@broker.task
async def move(run: dict[str, object], part: int) -> None:
    """Move one part, and leave its report. Taken up again, it goes on where the killed one was."""
    plan = msgspec.convert(run, Run)
    async with (
        connected(plan) as redis,
        RedisRateLimiter(redis, PROJECT) as limiter,
        VoucherifyClient.from_env(rate_limiter=limiter) as client,
    ):
        while not await redis.hexists(plan.reports, str(part)):
            try:
                async with lease_of(redis, plan, f"part-{part}") as lease:
                    if not await redis.hexists(plan.reports, str(part)):
                        report = await move_part(client, plan, part, redis, lease)
                        await redis.hset(plan.reports, str(part), msgspec.json.encode(report))
            except (BulkStoppedError, ConfigurationError) as error:
                # The service is away, or the lease was lost: nothing is lost. Or one that was taken for dead lives,
                # and has the checkpoint open until it finds out.
                if isinstance(error, ConfigurationError) and not isinstance(error.__cause__, BlockingIOError):
                    raise
                log.warning("part %d stopped, and goes on in a while: %s", part, error)
                await asyncio.sleep(5)


async def move_part(client: VoucherifyClient, plan: Run, part: int, redis: Redis, lease: RedisLease) -> BulkReport:
    """Read a part and send it, with a checkpoint. What is raised by `on_progress` stops it."""
    orders, checkpoint = read_orders(plan.file(part)), FOLDER / f"{plan.name}.{part}.state"
    if plan.how == "upsert_all":
        return await client.orders.upsert_all(orders, checkpoint=checkpoint, on_progress=lambda _: lease.check())
    # The checkpoint hands the ids of jobs on: an import that a killed worker has sent is awaited, not sent again.
    return await client.orders.import_all(
        orders,
        checkpoint=checkpoint,
        on_progress=lambda _: lease.check(),
        turn=RedisLease(redis, PROJECT, holds=GONE),
    )


@broker.task
async def look_around() -> None:
    """Nothing. A worker looks for the tasks of those that are gone only after it was given one of its own."""
