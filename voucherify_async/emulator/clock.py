"""The time of the emulator: the real one, one that is shifted, or one that stands still."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import lru_cache

__all__ = ["Clock", "format_ms", "parse_ms", "parse_seconds"]

_EARLIEST_MS = -62_135_596_800_000  # 0001-01-01, the first moment a datetime can show
_LATEST_MS = 253_402_300_799_999  # 9999-12-31, the last one
# A year less: what begins within these can run on and still be written.
_EARLIEST, _LATEST = -62_135_596_800.0, 253_370_764_800.0


class Clock:
    """A clock that can be set and advanced.

    Without arguments it shows the real time. `set()`, or `at=` here, makes it stand still at that moment (Unix
    seconds) until it is advanced or set again; `run()` lets it go on from where it stands. It shows the years 1 to
    9998: anything beyond is a ValueError, and changes nothing.
    """

    __slots__ = ("_frozen_at", "_offset")

    def __init__(self, at: float | None = None) -> None:
        self._offset = 0.0
        self._frozen_at = None if at is None else _within(at)

    @property
    def frozen(self) -> bool:
        """Whether it stands still."""
        return self._frozen_at is not None

    def now(self) -> float:
        """The Unix time in seconds."""
        return time.time() + self._offset if self._frozen_at is None else self._frozen_at

    def advance(self, seconds: float) -> None:
        """Jump ahead, or back with a negative number; a running clock runs on."""
        _within(self.now() + seconds)
        if self._frozen_at is None:
            self._offset += seconds
        else:
            self._frozen_at += seconds

    def set(self, at: float) -> None:
        """Stand still at this Unix time in seconds."""
        self._frozen_at = _within(at)

    def run(self) -> None:
        """Go on at the speed of the real time, from the moment shown now."""
        if self._frozen_at is not None:
            self._offset = self._frozen_at - time.time()
            self._frozen_at = None

    @property
    def standing(self) -> tuple[float, float | None]:
        """How far it is ahead of the real time, and where it stands still, as a database keeps it."""
        return self._offset, self._frozen_at

    def take_up(self, standing: tuple[float, float | None]) -> None:
        """Go on as it was kept."""
        self._offset, self._frozen_at = standing

    def reset(self) -> None:
        """Show the real time again."""
        self._offset = 0.0
        self._frozen_at = None


def _within(at: float) -> float:
    if not _EARLIEST <= at <= _LATEST:
        raise ValueError(f"The clock shows the years 1 to 9998, not {at} seconds")
    return at


def format_ms(at_ms: int) -> str:
    """Unix milliseconds as the service writes times: `2022-09-09T07:44:41.594Z`."""
    seconds, ms = divmod(at_ms, 1000)
    return f"{_to_the_second(seconds)}.{ms:03d}Z"


@lru_cache(maxsize=1024)
def _to_the_second(seconds: int) -> str:
    """Kept, since an order is written with two times, and the next one within the same second."""
    # Not strftime, which does not pad years below 1000 on every platform.
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat(timespec="seconds")


def parse_ms(text: str) -> int:
    """ISO 8601 to Unix milliseconds; a time without a zone is UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    at_ms = round(moment.timestamp() * 1000)
    if not _EARLIEST_MS <= at_ms <= _LATEST_MS:
        raise ValueError(text)
    return at_ms


def parse_seconds(at: float | str) -> float:
    """Unix seconds, as a number or in ISO 8601. Raises ValueError."""
    if not isinstance(at, str):
        return float(at)
    try:
        return parse_ms(at) / 1000
    except ValueError:
        raise ValueError(f"A time is a number of Unix seconds or ISO 8601, not {at!r}") from None
