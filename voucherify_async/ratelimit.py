"""Keeping to the service's limit: a line that all tasks of a client stand in, first come first served."""

import asyncio
import math
from collections.abc import Callable, Mapping
from typing import Protocol

from multidict import CIMultiDict, CIMultiDictProxy

from voucherify_async.clock import Clock, SystemClock
from voucherify_async.errors import RateLimitError
from voucherify_async.window import SCOUT, Window


class RateLimiter(Protocol):
    """What a client asks before it sends, and tells after each request. Put in your own as `rate_limiter=`."""

    async def acquire(self, max_wait: float) -> None:
        """Come back when a request may be sent. Cancelling the wait must leave others unharmed.

        Args:
            max_wait: seconds that may be waited; may be `math.inf`.

        Raises:
            RateLimitError: it would take longer, which is said at once. Its `status` is 429, `attempts` 0: nothing
                was sent. `retry_after` tells how long it would be.
        """
        ...

    def observe(self, status: int | None, headers: Mapping[str, str]) -> None:
        """Told exactly once for every `acquire` that came back, also if the call was cancelled.

        Args:
            status: of the answer; None if no answer came.
            headers: of the answer; empty if no answer came.
        """
        ...


class HeaderRateLimiter:
    """Sends as many requests as the headers of the answers leave room for, and lets the others wait in line.

    While the window is known, as many go as are left of it; the others wait for its end. While it is not, at the
    beginning and after each end, one goes ahead as a scout and the others wait for its answer, though no longer
    than a second each. One costs little at each end, and finds out what cannot be known from here: that our clock
    is fast, that the service's window rolls on and frees only a part, that other processes were quicker. If
    nobody tells of a limit, all go at will. After a 429 nobody goes until the moment that it names.

    A 429 of another limit (the cycle's, of bulk calls, of webhooks) is the matter of its own call, and holds up no
    others. Nor does a pause of more than an hour: each call then hears for itself.

    With one process on the limit there is no 429, apart from answers that were lost (`Window` states the law).
    Several processes overrun it by about what the others have in flight.

    It may be made before there is an event loop, and used on one after the other: a line ends with its loop, what
    was learned of the limit stays. It is not thread-safe: share it within one event loop, not between threads.

    Args:
        spread: space requests evenly over what is left of a window, instead of sending until it is used up.
        clock: the machine's, if none is given.
        on_pause: called with the seconds to wait when all begin to wait for a pause or the end of a window, and
            again if that was prolonged by more than a second. For logs; it must not raise.
    """

    def __init__(
        self,
        *,
        spread: bool = False,
        clock: Clock | None = None,
        on_pause: Callable[[float], object] | None = None,
    ) -> None:
        self._clock = SystemClock() if clock is None else clock
        self._on_pause = on_pause
        self._told_until = -math.inf
        self._window = Window(spread=spread)
        self._line: _Line | None = None

    async def acquire(self, max_wait: float) -> None:
        """Come back when a request may be sent. Cancelling the wait leaves others unharmed.

        Args:
            max_wait: seconds that may be waited; may be `math.inf`. Weighed on arrival, by the place in line, and
                again at the head of it.

        Raises:
            RateLimitError: it would take longer; `attempts` is 0 and `retry_after` how many seconds.
        """
        line = self._line
        if line is None or line.loop is not asyncio.get_running_loop():
            line = self._begin_line()
        now = self._clock.monotonic()
        if not line.waiting and self._window.opens(now) <= now:
            self._window.sent(now)
            return
        deadline = now + max_wait
        _check_patience(self._window.opens(now, line.waiting), deadline, now)
        line.waiting += 1
        try:
            async with line.lock:
                await self._wait_at_head(line, deadline)
        finally:
            line.waiting -= 1

    def observe(self, status: int | None, headers: Mapping[str, str]) -> None:
        """Learn from an answer. Told exactly once for every `acquire` that came back.

        Args:
            status: of the answer; None if no answer came, also because the call was cancelled.
            headers: of the answer; their names match in any case, and what makes no sense is passed over.
        """
        if not isinstance(headers, CIMultiDictProxy | CIMultiDict):
            headers = CIMultiDict(headers)
        # In this order: the end of a window comes out a little late rather than early.
        wall = self._clock.wall()
        now = self._clock.monotonic()
        self._window.heard(status, headers, now=now, wall=wall)
        if self._line is not None and self._line.news is not None and self._window.opens(now) != self._line.until:
            self._line.wake_head()

    async def _wait_at_head(self, line: "_Line", deadline: float) -> None:
        # Nothing is awaited after `sent`: a request is counted in and let through, or neither.
        while (moment := self._window.opens(now := self._clock.monotonic())) > now:
            _check_patience(moment, deadline, now)
            if self._on_pause is not None and self._window.shut(now) and moment > self._told_until + SCOUT:
                self._told_until = moment
                self._on_pause(moment - now)
            await line.sleep_or_news(self._clock, moment, now)
        self._window.sent(now)

    def _begin_line(self) -> "_Line":
        if self._line is not None:
            self._window.forget_in_flight()
        self._line = _Line(asyncio.get_running_loop())
        return self._line


class _Line:
    """Those who wait, on one event loop. Only the head of the line sleeps; the others wait for its lock."""

    __slots__ = ("lock", "loop", "news", "until", "waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.lock = asyncio.Lock()  # fair, and safe to be cancelled in (Python 3.11 or newer)
        # Counted here, as the lock looks free between its release and the next one's turn.
        self.waiting = 0
        self.news: asyncio.Future[None] | None = None  # while the head sleeps
        self.until = 0.0  # and when it means to wake

    async def sleep_or_news(self, clock: Clock, until: float, now: float) -> None:
        """Sleep until a moment of the monotonic clock, or until `wake_head`."""
        self.until = until
        self.news = self.loop.create_future()
        nap = self.loop.create_task(_nap(clock, until - now))
        try:
            await asyncio.wait((nap, self.news), return_when=asyncio.FIRST_COMPLETED)
            if nap.done():
                nap.result()  # raises if the clock did
        finally:
            self.news = None
            nap.cancel()

    def wake_head(self) -> None:
        """Let the head of the line look again, if it sleeps."""
        if self.news is not None and not self.news.done():
            self.news.set_result(None)


async def _nap(clock: Clock, seconds: float) -> None:
    await clock.sleep(seconds)


def _check_patience(moment: float, deadline: float, now: float) -> None:
    if moment > deadline:
        raise RateLimitError(
            status=429,
            message="not sent: the limit leaves no room for it within the time that it may wait",
            attempts=0,
            retry_after=moment - now,
            limit_type="api_calls",
        )
