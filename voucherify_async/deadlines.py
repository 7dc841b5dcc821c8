"""Deadlines of many at the cost of one timer: those that may take equally long are due in the order of beginning.

A timer for each call, as `asyncio.timeout` sets one, costs a tenth of the whole call, and hardly one ever rings.
"""

import asyncio
from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

T = TypeVar("T", bound=Hashable)

# So many different numbers of seconds are kept before those are forgotten for which nobody waits.
_MANY: Final = 64


class Lane(Generic[T]):
    """Those that may take equally long. The timer is that of the oldest one, and is set anew only when it rings.

    Args:
        loop: that is running.
        seconds: how long each may take.
        expire: what is done to one that took longer; it must not raise.
    """

    __slots__ = ("_due", "_expire", "_loop", "_seconds", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, expire: Callable[[T], None]) -> None:
        self._loop = loop
        self._seconds = seconds
        self._expire = expire
        self._due: dict[T, float] = {}  # the order is that of the moments
        self._timer: asyncio.TimerHandle | None = None

    @property
    def idle(self) -> bool:
        """Whether no timer is set."""
        return self._timer is None

    def enter(self, one: T) -> None:
        """Begin to count one's time."""
        due = self._loop.time() + self._seconds
        self._due[one] = due
        if self._timer is None:
            self._timer = self._loop.call_at(due, self._ring)

    def leave(self, one: T) -> None:
        """It is done, or has expired."""
        self._due.pop(one, None)

    def close(self) -> None:
        """Take the timer away; nobody is waited for any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._due.clear()

    def _ring(self) -> None:
        self._timer = None
        now, over = self._loop.time(), []
        for one, due in self._due.items():
            if due > now:
                self._timer = self._loop.call_at(due, self._ring)
                break
            over.append(one)
        for one in over:
            del self._due[one]
            self._expire(one)


class Deadlines(Generic[T]):
    """The lanes of one event loop for one kind of waiting.

    Args:
        loop: that is running.
        expire: see `Lane`.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, expire: Callable[[T], None]) -> None:
        self._loop = loop
        self._expire = expire
        self._lanes: dict[float, Lane[T]] = {}

    def lane(self, seconds: float) -> Lane[T]:
        """Where those stand that may take so long. It is entered at once: one that is idle may be forgotten."""
        lane = self._lanes.get(seconds)
        if lane is None:
            if len(self._lanes) >= _MANY:
                self._lanes = {length: lane for length, lane in self._lanes.items() if not lane.idle}
            lane = self._lanes[seconds] = Lane(self._loop, seconds, self._expire)
        return lane

    def close(self) -> None:
        """Take all timers away."""
        for lane in self._lanes.values():
            lane.close()
