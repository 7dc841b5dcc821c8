"""`RedisLease`: one holder at a time among all processes, and another one when it dies."""

import asyncio
import logging
import math
import uuid
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from voucherify_async.clock import Clock, SystemClock
from voucherify_async.errors import VoucherifyError
from voucherify_async.integrations.redis.scripts import RedisClient, Script, checked_client, key_of
from voucherify_async.options import check_seconds

# Seconds between two looks whether it is one's turn, and how long one who was not seen again keeps its place.
_LOOK_EVERY: Final = 0.2
_MISSED_AFTER: Final = 5.0

_log: Final = logging.getLogger("voucherify_async")

# KEYS: the holder; those who wait by the moment at which they came, and by the one at which they were last seen.
# ARGV: who asks; how long the lease holds and a place in line is kept, milliseconds. Gives 1 to the new holder.
_TAKE: Final = Script("""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local who, holds, kept = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call('ZADD', KEYS[2], 'NX', time[1] * 1000000 + time[2], who)
redis.call('ZADD', KEYS[3], now, who)
for _, missed in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now - kept)) do
    redis.call('ZREM', KEYS[2], missed)
    redis.call('ZREM', KEYS[3], missed)
end
redis.call('PEXPIRE', KEYS[2], kept)
redis.call('PEXPIRE', KEYS[3], kept)
local holder = redis.call('GET', KEYS[1])
-- One whose answer was lost on the way back asks again, and has it already.
if holder ~= who and (holder or redis.call('ZRANGE', KEYS[2], 0, 0)[1] ~= who) then
    return {0}
end
redis.call('SET', KEYS[1], who, 'PX', holds)
redis.call('ZREM', KEYS[2], who)
redis.call('ZREM', KEYS[3], who)
return {1}
""")
_RENEW: Final = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
    return {0}
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {1}
""")
_LEAVE: Final = Script("""
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
if redis.call('GET', KEYS[1]) == ARGV[1] then
    redis.call('DEL', KEYS[1])
end
return {}
""")


class LeaseTimeoutError(VoucherifyError, TimeoutError):
    """The lease was not to be had in time: others held it, or Redis did not answer."""


class LeaseLostError(VoucherifyError):
    """The lease ran out while it was held, because it could not be renewed: another may hold it now."""


class RedisLease:
    """Held by one task at a time, of all processes that name the same project and thing.

    The service runs one import at a time per project and queues the others, which then wait for each other within
    their own timeouts. With `client.orders.import_all(..., turn=RedisLease(redis, "shop"))` several workers take
    turns instead, import by import; or by hand:

    ```python
    async with RedisLease(redis, "shop") as lease:
        job = await client.orders.import_orders(orders)
        await job.wait()
        lease.check()  # before anything that must not be done beside another holder
    ```

    Who came first has it first. It is renewed while it is held, and if its holder dies, or cannot renew it, it runs
    out and the next one has it. Redis is one server here, and no quorum of several: after a failover two may
    hold it for once. So it keeps order, and what must not be done twice is done so that it may be.

    While Redis does not answer nobody gets it, and its holder keeps it until it runs out. An object may be entered
    again and again, and by several tasks, of which one at a time then waits for the others to come. It belongs to
    the event loop that it is first used on.

    Args:
        redis: a connection object for asyncio, which stays yours.
        project: the name of the project; seen in names of keys, so not its token.
        of: what the lease is of; `import` if not given.
        holds: seconds after which it runs out if it is not renewed, which is done three times as often.
        timeout: seconds to wait for it; no limit if not given.
        clock: the machine's, if none is given.

    Raises:
        ConfigurationError: an argument does not fit.
    """

    def __init__(
        self,
        redis: RedisClient,
        project: str,
        *,
        of: str = "import",
        holds: float = 30.0,
        timeout: float | None = None,
        clock: Clock | None = None,
    ) -> None:
        check_seconds("holds", holds)
        check_seconds("timeout", timeout)
        self._redis = checked_client(redis)
        key = key_of("of", project, of)
        self._keys = [key, f"{key}:line", f"{key}:seen"]
        self._holds = holds
        self._timeout = timeout
        self._clock: Clock = SystemClock() if clock is None else clock
        self._mine = asyncio.Lock()  # among the tasks that share this object
        self._who = ""
        self._until = -math.inf
        self._renewing: asyncio.Task[None] | None = None

    @property
    def held(self) -> bool:
        """Whether it is held: taken, not left, and not run out as far as is known here."""
        return self._clock.monotonic() < self._until

    def check(self) -> None:
        """Make sure that it is held still.

        Raises:
            LeaseLostError: it is not.
        """
        if not self.held:
            raise LeaseLostError("the lease has run out: it could not be renewed in time, and another may hold it")

    async def __aenter__(self) -> Self:
        """Wait until it is held.

        Raises:
            LeaseTimeoutError: it was not to be had within `timeout`.
        """
        timeout = asyncio.timeout(self._timeout)
        try:
            async with timeout:
                await self._mine.acquire()
                try:
                    await self._take()
                except BaseException:
                    self._mine.release()
                    raise
        except TimeoutError:
            if not timeout.expired():
                raise
            raise LeaseTimeoutError(f"the lease was not to be had within {self._timeout:g} seconds") from None
        self._renewing = asyncio.create_task(self._renew())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave it to the next one. Nothing is raised: if that fails it runs out."""
        renewing, self._renewing = self._renewing, None
        lost, self._until = not self.held, -math.inf
        if lost:
            _log.warning("The lease %s ran out while it was held", self._keys[0])
        try:
            if renewing is not None:
                renewing.cancel()
            await self._leave()
        finally:
            self._mine.release()

    async def _take(self) -> None:
        self._who = uuid.uuid4().hex
        holds, kept = round(self._holds * 1000), round(_MISSED_AFTER * 1000)
        told = False
        try:
            while True:
                asked_at = self._clock.monotonic()
                try:
                    (taken,) = await _TAKE.run(self._redis, self._keys, self._who, holds, kept)
                except Exception as error:  # an outage is waited out: `timeout` says for how long
                    if not told:
                        _log.warning("Redis does not answer (%s: %s): waiting", type(error).__name__, error)
                    taken, told = 0, True
                if taken:
                    self._until = asked_at + self._holds
                    return
                await self._clock.sleep(_LOOK_EVERY)
        except BaseException:
            await self._leave()
            raise

    async def _renew(self) -> None:
        while self.held:
            await self._clock.sleep(self._holds / 3)
            asked_at = self._clock.monotonic()
            # What fails is tried again until the time is over.
            with suppress(Exception):
                (renewed,) = await _RENEW.run(self._redis, self._keys, self._who, round(self._holds * 1000))
                self._until = asked_at + self._holds if renewed else -math.inf

    async def _leave(self) -> None:
        """Leave the line, or the lease: in a task of its own, so that a cancelled one does it too."""
        leaving = asyncio.create_task(_LEAVE.run(self._redis, self._keys, self._who))
        # If it fails, the place and the lease run out by themselves.
        leaving.add_done_callback(lambda trip: trip.cancelled() or trip.exception())
        await asyncio.wait([leaving])
