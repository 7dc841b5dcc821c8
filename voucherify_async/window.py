"""What is known of the service's limit, and when the next request may go: pure rules, no waiting done here."""

import math
from collections.abc import Mapping
from typing import Final

from voucherify_async.wire import asked_wait, finite_number, service_time

# Seconds. The periods are a minute and an hour; rounding a moment up to whole seconds adds one at most.
LONGEST: Final = 3601.0
# How long a scout's answer is waited for, and how long a word without an end holds.
SCOUT: Final = 1.0
# Spacing: a request that goes so late, as timers are, does not put off those behind it.
LATE: Final = 0.05
_MINUTE: Final = 60.0
_HOUR: Final = 3600.0
# A window that ends later than this is one of an hour. Not 60: clocks may disagree a little.
_SURELY_AN_HOUR: Final = 300.0


class Window:
    """The limit as the answers tell of it. Each request is told when it is `sent` and when it is `heard` of.

    It knows the window or does not, or sends at will because nobody tells of a limit. While it knows it, as many
    may go as the lowest `remaining` of the newest window, less those in flight. While it does not, one at a time
    goes as a scout: the next once the scout was heard of, or after a second.

    The law, for one process alone on a limit that stays the same, with clocks that agree: a window refuses no more
    requests than reached it and were never heard of (`status` None). Without such there is no 429. The one
    exception is the beginning: until the first answer tells the limit, scouts go once a second, and may be more.

    Why it holds. Take the answer that said the lowest `remaining`. What the window handled later was not heard of,
    else that would have been lower: it is in flight, or was given up. So when `remaining - in_flight` is 1 or more,
    there is room for all in flight and one more. And whatever is known, there are never more in flight than
    the limit; so those that reach a window of which nothing is known yet fit into it as well. What was given up
    is not counted: that would cost an hour's budget when the network fails for a moment, against a few refusals.

    Args:
        spread: space requests evenly over what is left of a window.
    """

    __slots__ = (
        *("_at_will", "_end", "_firm", "_in_flight", "_limit", "_lowest"),
        *("_next_at", "_next_scout", "_paused_until", "_period", "_skew", "_spread", "_stamp"),
    )

    def __init__(self, *, spread: bool = False) -> None:
        self._spread = spread
        self._in_flight = 0
        self._at_will = False
        # The newest window: the service's name for its end (Unix seconds), what is left, and the end by our clock.
        # By the monotonic one: setting the other must not make a window last.
        self._stamp = -math.inf
        self._lowest = 0
        self._end = -math.inf
        self._firm = False  # whether the service told the end, or it is but a second's trust
        self._limit = math.inf  # not known yet
        self._period = _MINUTE
        self._skew = 0.0  # the service's clock over ours
        self._next_at = -math.inf  # spread: not before
        self._next_scout = -math.inf  # the next scout: not before
        self._paused_until = -math.inf

    def opens(self, now: float, ahead: int = 0, *, hopeful: bool = False) -> float:
        """When the next request may go: not later than `now` if at once. A guess if others stand ahead of it.

        Args:
            now: seconds of the monotonic clock, as is what comes back.
            ahead: how many wait to go before it.
            hopeful: take it that a scout is heard of at once, and opens the window.
        """
        moment = max(now, self._paused_until)
        if now < self._end:
            room = self._lowest - self._in_flight
            if ahead < room:
                if not self._spread:
                    return moment
                return max(moment, self._next_at + ahead * (self._end - self._next_at) / room)
            moment = max(moment, self._end)
            ahead -= max(0, room)
        elif self._at_will:
            return moment
        elif self._in_flight >= self._limit:
            # Nothing but an answer, or its loss, makes room: look again then, or in a while.
            return moment if hopeful else max(moment, now + SCOUT)
        elif not hopeful:
            moment = max(moment, self._next_scout)
        return moment + self._period * (ahead // self._limit)

    def shut(self, now: float) -> bool:
        """Whether nothing goes because of a pause or a window that is used up, rather than a scout or spacing."""
        used_up = self._firm and now < self._end and self._lowest - self._in_flight < 1
        return used_up or now < self._paused_until

    def sent(self, now: float) -> None:
        """Count a request in, which `opens` has let through."""
        if now >= self._end:
            self._next_scout = now + SCOUT
        elif self._spread:
            apart = (self._end - now) / (self._lowest - self._in_flight)
            self._next_at = max(self._next_at, now - LATE) + apart
        self._in_flight += 1

    def heard(self, status: int | None, headers: Mapping[str, str], *, now: float, wall: float) -> None:
        """Count a request out, and learn from its answer.

        Args:
            status: of the answer, None if there was none.
            headers: of the answer; their names match in any case.
            now: seconds of the monotonic clock.
            wall: Unix seconds.
        """
        # Less than none: one that was counted before `forget_in_flight`.
        self._in_flight = max(0, self._in_flight - 1)
        if status is None or (status == 429 and (headers.get("X-Rate-Limit-Type") or "api_calls") != "api_calls"):
            self._heard_nothing(now)  # the other limits' numbers are not this one's
            return
        remaining = finite_number(headers.get("X-Rate-Limit-Remaining"))
        if remaining is not None:
            limit = finite_number(headers.get("X-Rate-Limit-Limit"))
            if limit is not None and limit >= 1:
                self._limit = limit
            stamp = finite_number(headers.get("X-Rate-Limit-Retry"))
            if now >= self._end:
                self._skew = service_time(headers, wall) - wall  # once a window: reading a date takes its time
            if not self._learn(max(0, int(remaining)), stamp, now, wall + self._skew):
                return
        elif status == 429:
            self._at_will = False
            self._end = -math.inf
        elif status >= 500:
            self._heard_nothing(now)  # perhaps a proxy's
        elif now >= self._end:
            self._at_will = True
        if status == 429:
            wait = asked_wait(status, headers, wall)
            if wait is not None and wait <= LONGEST:
                self._paused_until = max(self._paused_until, now + wait)

    def forget_in_flight(self) -> None:
        """Nothing more will be heard of what is in flight: its event loop has ended, or stayed behind in a fork."""
        self._in_flight = 0

    def _heard_nothing(self, now: float) -> None:
        self._next_scout = min(self._next_scout, now)

    def _learn(self, remaining: int, stamp: float | None, now: float, wall: float) -> bool:
        """Take in what an answer says of its window. False if that is an earlier one than the newest."""
        if stamp is None or stamp - wall > LONGEST:
            stamp = wall
        # A second more or less is the same window: a service that adds what is left to the time of day says both.
        if stamp < self._stamp - 1:
            return False
        self._at_will = False
        known = now < self._end
        if stamp > self._stamp + 1 or (stamp > self._stamp and not known):
            self._stamp, self._lowest = stamp, remaining
            self._next_at = now
            known = False
        else:
            self._lowest = min(self._lowest, remaining)
        if stamp > wall:
            if not known:  # else left as it is: each reading of the two clocks differs a little
                self._end = now + (stamp - wall)
            self._firm = True
            if stamp - wall > _SURELY_AN_HOUR:
                self._period = _HOUR
        elif self._lowest > 0:
            # The moment is past: our clock is fast, or the service says when the next request may go, which is now.
            # What is left is true all the same. None left without an end is as good as nothing known.
            self._end = now + SCOUT
            self._firm = False
        return True
