"""How fast something goes, and how long it will still take: pure."""

from collections import deque
from typing import Final

__all__ = ["Pace", "duration"]

WINDOW_SECONDS: Final = 20.0
SAMPLE_SECONDS: Final = 0.5


class Pace:
    """The pace of the last twenty seconds or so.

    Args:
        now: when it begins, in seconds on any clock.
    """

    def __init__(self, now: float) -> None:
        self._samples = deque([(now, 0)])
        self._last = (now, 0)
        self._told: float | None = None

    def reached(self, now: float, done: int, per_second: float | None = None) -> None:
        """So much is done by now; less than before, if it was begun again. Who knows the pace better says so."""
        self._told = per_second
        if done < self._last[1]:
            self._samples.clear()
            self._samples.append((now, done))
        self._last = (now, done)
        if now - self._samples[-1][0] >= SAMPLE_SECONDS:
            self._samples.append(self._last)
        while len(self._samples) > 2 and now - self._samples[1][0] >= WINDOW_SECONDS:
            self._samples.popleft()

    def per_second(self, now: float) -> float | None:
        """How much a second; None if it is too early to say."""
        if self._told is not None:
            return self._told
        began, done = self._samples[0]
        if now - began < SAMPLE_SECONDS:
            return None
        return (self._last[1] - done) / (now - began)

    def seconds_left(self, now: float, total: int | None) -> float | None:
        """How long it will still take; None if nobody knows."""
        rate = self.per_second(now)
        if total is None or not rate:
            return None
        return max(0, total - self._last[1]) / rate


def duration(seconds: float) -> str:
    """A length of time as people read it: `0:07`, `12:34`, `1:02:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
