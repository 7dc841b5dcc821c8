"""Keeping to the service's limit: a line that all tasks of a client stand in, first come first served."""

import asyncio
import math
from collections.abc import Mapping
from typing import Final, Protocol
from weakref import WeakSet

from multidict import CIMultiDict, CIMultiDictProxy

from voucherify_async.clock import Clock, SystemClock
from voucherify_async.errors import RateLimitError
from voucherify_async.line import Line
from voucherify_async.window import SCOUT, Window

_OF_ANY_CASE: Final = (CIMultiDictProxy, CIMultiDict)


class RateLimiter(Protocol):
    """What a client asks before it sends, and tells after each request. Put in your own as `rate_limiter=`.

    One that also has `listen(listener)` is given a `PauseListener` by each client, to tell it of its pauses: the
    log and `on_event` have them from there.
    """

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


class PauseListener(Protocol):
    """Who is told of pauses, for logs."""

    def paused(self, seconds: float) -> None:
        """All begin to wait for a pause or the end of a window; again, if that is prolonged by over a second."""
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
    Several processes overrun it by about what the others have in flight, unless they share one: see
    `voucherify_async.integrations.redis`.

    It may be made before there is an event loop, and used on one after the other: a line ends with its loop, what
    was learned of the limit stays. It is not thread-safe: share it within one event loop, not between threads.

    Args:
        spread: space requests evenly over what is left of a window, instead of sending until it is used up.
        clock: the machine's, if none is given.
    """

    def __init__(self, *, spread: bool = False, clock: Clock | None = None) -> None:
        self._clock = SystemClock() if clock is None else clock
        self._listeners: WeakSet[PauseListener] = WeakSet()
        self._told_until = -math.inf
        self._window = Window(spread=spread)
        self._line = Line(self._clock)
        self._waits_until = 0.0  # the head of the line

    def listen(self, listener: PauseListener) -> None:
        """Tell someone, for as long as it lives, of each pause: of the clients that share it, all are told."""
        self._listeners.add(listener)

    def goes_at_once(self) -> bool:
        """Whether a request may be sent now, as if `acquire` had come back at once. Else nothing happened."""
        if self._line.begins():
            self._window.forget_in_flight()
        now = self._clock.monotonic()
        if self._line.length or self._window.opens(now) > now:
            return False
        self._window.sent(now)
        return True

    async def acquire(self, max_wait: float) -> None:
        """Come back when a request may be sent. Cancelling the wait leaves others unharmed.

        Args:
            max_wait: seconds that may be waited; may be `math.inf`. Weighed on arrival, by the place in line, and
                again at the head of it; nobody stands in line for longer.

        Raises:
            RateLimitError: it would take longer; `attempts` is 0 and `retry_after` how many seconds.
        """
        if self.goes_at_once():
            return
        line, window, now = self._line, self._window, self._clock.monotonic()
        deadline = now + max_wait
        self._check_patience(now, deadline, ahead=line.length)
        patience = asyncio.timeout(None if math.isinf(max_wait) else max_wait)
        try:
            async with patience:
                await line.stand(lambda: self._take(deadline))
        except TimeoutError:
            if not patience.expired():
                raise  # of a clock of the user's own
            now = self._clock.monotonic()
            raise refusal(window.opens(now, hopeful=True) - now) from None

    def _take(self, deadline: float) -> float:
        """Count a request in and let it through, or say how many seconds it has to wait."""
        window, now = self._window, self._clock.monotonic()
        moment = window.opens(now)
        if moment <= now:
            window.sent(now)
            return 0.0
        self._check_patience(now, deadline)
        self._waits_until = moment
        if window.shut(now) and moment > self._told_until + SCOUT:
            self._told_until = moment
            for listener in list(self._listeners):
                listener.paused(moment - now)
        return moment - now

    def _check_patience(self, now: float, deadline: float, ahead: int = 0) -> None:
        moment = self._window.opens(now, ahead, hopeful=True)
        if moment > deadline:
            raise refusal(moment - now)

    def observe(self, status: int | None, headers: Mapping[str, str]) -> None:
        """Learn from an answer. Told exactly once for every `acquire` that came back.

        Args:
            status: of the answer; None if no answer came, also because the call was cancelled.
            headers: of the answer; their names match in any case, and what makes no sense is passed over.
        """
        if not isinstance(headers, _OF_ANY_CASE):
            headers = CIMultiDict(headers)
        # In this order: the end of a window comes out a little late rather than early.
        wall = self._clock.wall()
        now = self._clock.monotonic()
        self._window.heard(status, headers, now=now, wall=wall)
        if self._line.length and self._window.opens(now) != self._waits_until:
            self._line.tell()


def refusal(seconds: float) -> RateLimitError:
    """The error of a request that was not sent: it would have to wait for so many seconds."""
    return RateLimitError(
        status=429,
        message="not sent: the limit leaves no room for it within the time that it may wait",
        attempts=0,
        retry_after=seconds,
        limit_type="api_calls",
    )
