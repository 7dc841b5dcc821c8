"""`RedisRateLimiter`: all processes on one project keep to its limit together."""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Coroutine, Mapping
from types import TracebackType
from typing import Any, Final, NamedTuple, Self
from weakref import WeakSet

from multidict import CIMultiDict, CIMultiDictProxy

from voucherify_async.clock import Clock, SystemClock
from voucherify_async.integrations.redis.allotment import FAR_AHEAD, RESERVE, TEACH
from voucherify_async.integrations.redis.scripts import TRIP_SECONDS, RedisClient, checked_client, key_of
from voucherify_async.options import check_range, check_seconds
from voucherify_async.ratelimit import HeaderRateLimiter, PauseListener, refusal
from voucherify_async.window import LONGEST
from voucherify_async.wire import asked_wait, finite_number, service_time

# Seconds. The server is asked again so long after it did not answer.
AWAY: Final = 5.0
# Who waited for longer than this looks once more whether all pause by now.
_LOOK_TWICE: Final = 0.1
# A moment that somebody reserved and did not use is not used after this.
_STALE: Final = 1.0
_ASK_AGAIN: Final = 1.0
_MICRO: Final = 1_000_000
# As in `Window`: one that ends later is one of an hour.
_SURELY_AN_HOUR: Final = 300.0

_log: Final = logging.getLogger("voucherify_async")


class _Known(NamedTuple):
    """What the server said last.

    Attributes:
        limit: that it was taught; -1 if it was not, 0 if there is none.
        burst: how many may go at once after a rest.
        interval: seconds between two requests of all processes together.
    """

    limit: int = -1
    burst: int = 1
    interval: float = 0.0


class RedisRateLimiter:
    """Sends requests at the pace of the project's limit, which all processes keep together.

    The limit is learned from the headers, by whichever process hears first, and so are pauses after a 429: they
    hold for all. Requests go one by one at even distances, from all processes in turn; after a rest a few go
    together (`burst`). So no window of the service's holds more requests than its limit, and up to 98.5 % of it is
    used. If others use up the limit, who are not asked here, all pause until the end that the headers name.

    A request costs a trip to the server, two if it has to wait for more than a tenth of a second. First come first
    served within a process; cancelling a wait leaves others unharmed. A process that dies takes at most its next
    turns with it, some hundredths of a second's worth.

    While the server does not answer, each process goes by what it hears by itself, as with `HeaderRateLimiter`:
    several overrun the limit a little then, and heed the service's 429. That is logged as a warning, and
    the server is asked again every five seconds.

    What is learned is told to the others by a task of one trip: `async with` (or `aclose()`) around the client
    waits for it, so that the connection can be closed. It may be used on one event loop after the other if the
    connection object may. It is not thread-safe.

    Args:
        redis: a connection object for asyncio, which stays yours.
        project: the name of the project, the same in all processes; it is seen in names of keys. The application's
            id will do, its token must not stand here.
        limit: requests per period, to leave a part of the service's limit to others. If it is not given, or is
            more than that, it is what the headers tell.
        period: seconds; if it is not given, a minute, or an hour where the headers name an end that is so far away.
        burst: how many may go together after a rest, up to half of the limit; a hundredth of it if not given. What
            is given to it is taken from the pace: 20 of 100 a minute leaves 80 a minute for work that goes on.
        clock: the machine's, if none is given. Moments are the server's in any case.

    Raises:
        ConfigurationError: an argument does not fit.
    """

    def __init__(
        self,
        redis: RedisClient,
        project: str,
        *,
        limit: int | None = None,
        period: float | None = None,
        burst: int | None = None,
        clock: Clock | None = None,
    ) -> None:
        check_range("limit", limit, 1, 10**9)
        check_range("burst", burst, 1, 10**9)
        check_seconds("period", period)
        self._redis = checked_client(redis)
        self._keys = [key_of("project", project, "limit")]
        self._own = (limit or 0, round((period or 0) * _MICRO), burst or 0)
        self._clock: Clock = SystemClock() if clock is None else clock
        self._alone = HeaderRateLimiter(clock=clock)
        self._listeners: WeakSet[PauseListener] = WeakSet()
        self._known = _Known()
        self._paused_until = -math.inf
        self._told_until = -math.inf
        self._away_until = -math.inf
        self._is_away = False
        self._here: _Here | None = None

    def listen(self, listener: PauseListener) -> None:
        """Tell someone, for as long as it lives, of each pause of all processes."""
        self._listeners.add(listener)
        self._alone.listen(listener)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Wait until the others are told what was learned here, a trip at most; before `redis` is closed."""
        if self._here is not None:
            await self._here.all_told()

    async def acquire(self, max_wait: float) -> None:
        """Come back when a request may be sent. Cancelling the wait leaves others unharmed.

        Args:
            max_wait: seconds that may be waited; may be `math.inf`. Weighed on arrival by the place in line, and
                at the head of it by what the other processes have reserved; nobody stands in line for longer than
                that and a trip to the server.

        Raises:
            RateLimitError: it would take longer; `attempts` is 0 and `retry_after` how many seconds.
        """
        here = self._on_this_loop()
        now = self._clock.monotonic()
        deadline = now + max_wait
        at_best = max(self._paused_until, here.reserved_until if here.waiting else now)
        self._check_patience(at_best + here.waiting * self._known.interval, deadline)
        here.waiting += 1
        patience = asyncio.timeout(None if math.isinf(max_wait) else max_wait + TRIP_SECONDS)
        try:
            # asyncio's lock is first come first served, and passes on what a cancelled waiter was woken for.
            async with patience, here.line:
                await self._take_turn(here, deadline)
        except TimeoutError:
            if not patience.expired():
                raise  # of a clock of the user's own
            now = self._clock.monotonic()
            at_best = max(now, self._paused_until, here.reserved_until) + self._known.interval
            raise refusal(at_best - now) from None
        finally:
            here.waiting -= 1

    async def _take_turn(self, here: "_Here", deadline: float) -> None:
        """At the head of the line: wait for a moment at which a request may go."""
        while True:
            await self._outlast_pause(deadline)
            moment = here.spare()
            if moment is None:
                moment = await self._reserve(here, deadline)
            if moment is None:
                await self._alone.acquire(deadline - self._clock.monotonic())
                return
            wait = moment - self._clock.monotonic()
            if wait <= 0:
                return
            try:
                self._check_patience(moment, deadline)
                await self._clock.sleep(wait)
            except BaseException:
                here.moments.appendleft(moment)  # the next one's in line
                raise
            if wait > _LOOK_TWICE:
                await self._ask(0, deadline)  # others may have heard of a pause meanwhile
            if self._paused_until <= self._clock.monotonic():
                return
            here.moments.clear()

    async def _outlast_pause(self, deadline: float) -> None:
        while (moment := self._paused_until) > (now := self._clock.monotonic()):
            self._check_patience(moment, deadline)
            if moment > self._told_until + _ASK_AGAIN:
                self._told_until = moment
                for listener in list(self._listeners):
                    listener.paused(moment - now)
            await self._clock.sleep(moment - now)

    async def _reserve(self, here: "_Here", deadline: float) -> float | None:
        """Get moments for those who wait here, and return the first; None without a server."""
        while True:
            reply = await self._ask(here.waiting, deadline)
            if reply is None:
                return None
            going, first, interval = reply
            now = self._clock.monotonic()
            if going:
                moments = [max(now, now + first + place * interval) for place in range(going)]
                here.reserved_until = moments[-1]
                here.moments.extend(moments[1:])
                return moments[0]
            # Without an interval nobody knows the limit yet, and a scout is under way that may open it at once.
            self._check_patience(now + first if interval else now, deadline)
            # It is so far away that it was not reserved: whoever asks first then has it.
            wait = first - FAR_AHEAD / 2 if first > FAR_AHEAD else first
            await self._clock.sleep(wait + min(_ASK_AGAIN, interval) * self._clock.random())
            await self._outlast_pause(deadline)

    async def _ask(self, wanted: int, deadline: float) -> tuple[int, float, float] | None:
        """One trip: how many go, when the first one goes, and the time between two; None without a server."""
        now = self._clock.monotonic()
        if now < self._away_until:
            return None
        patience = min(deadline - now, LONGEST)
        try:
            going, first, interval, pause, limit, burst = await RESERVE.run(
                self._redis, self._keys, wanted, max(0, round(patience * _MICRO)), *self._own
            )
        except Exception as error:
            self._went_away(error)
            return None
        if self._is_away:
            self._is_away = False
            _log.info("Redis answers again: the rate limit is shared")
        self._known = _Known(limit, burst, interval / _MICRO)
        if pause:
            self._paused_until = max(self._paused_until, self._clock.monotonic() + pause / _MICRO)
        return going, first / _MICRO, interval / _MICRO

    def _went_away(self, error: Exception) -> None:
        self._away_until = self._clock.monotonic() + AWAY
        if not self._is_away:
            self._is_away = True
            _log.warning(
                "Redis does not answer (%s: %s): this process keeps to the rate limit by itself until it does",
                type(error).__name__,
                error,
            )

    def _check_patience(self, moment: float, deadline: float) -> None:
        if moment > deadline:
            raise refusal(moment - self._clock.monotonic())

    # --- What the headers teach -----------------------------------------------------------------------------

    def observe(self, status: int | None, headers: Mapping[str, str]) -> None:
        """Learn from an answer, for all processes. Told exactly once for every `acquire` that came back.

        Args:
            status: of the answer; None if no answer came, also because the call was cancelled.
            headers: of the answer; their names match in any case, and what makes no sense is passed over.
        """
        if not isinstance(headers, (CIMultiDict, CIMultiDictProxy)):
            headers = CIMultiDict(headers)
        self._alone.observe(status, headers)
        if status is None or (status == 429 and (headers.get("X-Rate-Limit-Type") or "api_calls") != "api_calls"):
            return  # the other limits' numbers are not this one's
        limit = finite_number(headers.get("X-Rate-Limit-Limit"))
        remaining = finite_number(headers.get("X-Rate-Limit-Remaining"))
        news = -1
        if remaining is not None and limit is not None and limit >= 1:
            news = int(limit)
        elif status < 429 and self._known.limit < 0:
            news = 0  # nobody tells of a limit: all go at will
        short = status == 429 or (remaining is not None and remaining < self._known.burst)
        if (news >= 0 and news != self._known.limit) or short:
            self._learn(news, status, headers, remaining)

    def _learn(self, limit: int, status: int, headers: Mapping[str, str], remaining: float | None) -> None:
        wall = self._clock.wall()
        stamp = finite_number(headers.get("X-Rate-Limit-Retry"))
        to_end = 0.0 if stamp is None else stamp - service_time(headers, wall)
        if not 0 < to_end <= LONGEST:
            to_end = 0.0
        pause = 0.0
        if status == 429:
            asked = asked_wait(status, headers, wall)
            pause = asked if asked is not None and asked <= LONGEST else 0.0
        elif remaining is not None and remaining < self._known.burst:
            pause = to_end  # in which what is in flight, from other processes too, uses up the rest
        now = self._clock.monotonic()
        prolongs = pause > 0 and now + pause > self._paused_until + _LOOK_TWICE
        if limit == self._known.limit and not prolongs:
            return
        if prolongs:
            self._paused_until = now + pause
        if limit >= 0:
            self._known = self._known._replace(limit=limit)
        period = 3600 if to_end > _SURELY_AN_HOUR else 60
        self._on_this_loop().tell(self._teach(limit, period * _MICRO, round(pause * _MICRO)))

    async def _teach(self, limit: int, period: int, pause: int) -> None:
        if self._clock.monotonic() < self._away_until:
            return
        try:
            await TEACH.run(self._redis, self._keys, limit, period, pause)
        except Exception as error:
            self._went_away(error)

    def _on_this_loop(self) -> "_Here":
        loop = asyncio.get_running_loop()
        if self._here is None or self._here.loop is not loop:
            self._here = _Here(loop, self._clock)
        return self._here


class _Here:
    """The line of those who wait in this process, which belongs to its event loop.

    Attributes:
        waiting: how many stand in it.
        moments: reserved, and not used yet; by the monotonic clock.
        reserved_until: the last of those that were reserved.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Clock) -> None:
        self.loop = loop
        self.line = asyncio.Lock()
        self.waiting = 0
        self.moments: deque[float] = deque()
        self.reserved_until = -math.inf
        self._clock = clock
        self._telling: set[asyncio.Task[None]] = set()

    def spare(self) -> float | None:
        """A moment that is reserved already."""
        now = self._clock.monotonic()
        while self.moments:
            moment = self.moments.popleft()
            if moment > now - _STALE:
                return moment
        return None

    def tell(self, news: Coroutine[Any, Any, None]) -> None:
        """Tell the other processes, which takes a trip and does not hold up the answer."""
        task = self.loop.create_task(news)
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def all_told(self) -> None:
        """Wait until that is done."""
        if self._telling:
            await asyncio.wait(self._telling)
