"""The limits: fixed windows of a minute, an hour or a cycle, and the headers that every answer carries.

The guide "Limits" names the kinds. Each is hit by itself and says so in `X-Rate-Limit-Type`; that bulk calls do not
count for the cycle stood in an earlier edition of that guide.

Guesses, where the documents are silent: an import is the only bulk call there is here, and an API call besides; the
window begins with the first request after the last one ended; the three standing headers are about API calls,
whatever limit refused, and `X-Rate-Limit-Retry` is always the end of their window (Unix seconds, rounded up);
refused requests do not count; only requests with valid credentials do. Without a limit of API calls a million a
minute is reported and nothing is refused.
"""

from __future__ import annotations

import math
import re
from typing import Any, Final, Literal

from voucherify_async.emulator.problems import ServiceError

__all__ = ["Limits", "RateLimit"]

LimitType = Literal["api_calls", "bulk_api_calls", "api_calls_cycle"]
_PERIODS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
_UNLIMITED: Final = 1_000_000


class RateLimit:
    """A budget of requests per window.

    `rule` is such as `2000/minute`, `100/hour` or `100000/30 days`, or `200/6 seconds` for tests in a hurry; None
    for no limit.
    """

    def __init__(self, rule: str | None = None, limit_type: LimitType = "api_calls") -> None:
        self._type = limit_type
        self.begin(rule)

    def begin(self, rule: str | None) -> None:
        """Begin a new window, by this rule from now on. Raises ValueError, and goes on by the old one then."""
        self.limit, self._period = (_UNLIMITED, 60) if rule is None else _parse(rule)
        self.rule = rule
        self._refuses = rule is not None
        # The start, not the end: adding a period to it and taking it away again need not give the same time.
        self._starts_at = -math.inf
        self._used = 0

    def check(self, now: float) -> None:
        """Raise the 429 when the budget of the window is used up."""
        self._roll(now)
        if self._refuses and self._used >= self.limit:
            raise ServiceError(
                429,
                None,
                # As the guide "API overview" and `customers.json` have it.
                "Too many requests hit the API too quickly.",
                headers={
                    "Retry-After": str(max(1, math.ceil(self._ends_at - now))),
                    "X-Rate-Limit-Type": self._type,
                },
            )

    def count(self) -> None:
        """Take one off the budget."""
        self._used += 1

    def headers(self, now: float) -> dict[str, str]:
        """What every answer says."""
        self._roll(now)
        return {
            "X-Rate-Limit-Limit": str(self.limit),
            "X-Rate-Limit-Remaining": str(max(0, self.limit - self._used)),
            "X-Rate-Limit-Retry": str(math.ceil(self._ends_at)),
        }

    @property
    def _ends_at(self) -> float:
        return self._starts_at + self._period

    @property
    def standing(self) -> dict[str, Any] | None:
        """How far the window is used up, as a database keeps it; nothing, if nothing is refused."""
        if not self._refuses or not self._used:
            return None
        return {"rule": self.rule, "starts_at": self._starts_at, "used": self._used}

    def take_up(self, standing: dict[str, Any] | None) -> None:
        """Go on with a window that was kept; one of another rule is over."""
        if standing is not None and standing["rule"] == self.rule:
            self._starts_at, self._used = standing["starts_at"], standing["used"]

    def _roll(self, now: float) -> None:
        # Also when the clock was set back to before the window: else nothing would go for a long time.
        if not self._starts_at <= now < self._ends_at:
            self._starts_at = now
            self._used = 0


class Limits:
    """Those of a project, each with a window of its own."""

    def __init__(self) -> None:
        self.api_calls = RateLimit()
        self.bulk_calls = RateLimit(limit_type="bulk_api_calls")
        self.cycle = RateLimit(limit_type="api_calls_cycle")

    def take(self, now: float, *, bulk: bool) -> None:
        """Count a request. Raises the 429 of the first limit that is used up, and counts nothing then."""
        other = self.bulk_calls if bulk else self.cycle
        self.api_calls.check(now)
        other.check(now)
        self.api_calls.count()
        other.count()

    @property
    def standing(self) -> list[dict[str, Any] | None]:
        """How far each window is used up, as a database keeps it."""
        return [self.api_calls.standing, self.bulk_calls.standing, self.cycle.standing]

    def take_up(self, standing: list[dict[str, Any] | None]) -> None:
        """Go on with the windows that were kept."""
        for limit, kept in zip((self.api_calls, self.bulk_calls, self.cycle), standing, strict=True):
            limit.take_up(kept)


def _parse(rule: str) -> tuple[int, int]:
    # So few digits that the end of a window is a number that can be added to a time.
    match = re.fullmatch(r"\s*(\d{1,12})\s*/\s*(\d{0,6})\s*(second|minute|hour|day)s?\s*", rule)
    if match is None or int(match[1]) < 1 or int(match[2] or 1) < 1:
        raise ValueError(f"A rate limit is such as 2000/minute or 100/hour, not {rule!r}")
    return int(match[1]), int(match[2] or 1) * _PERIODS[match[3]]
