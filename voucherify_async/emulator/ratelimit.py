"""The rate limit: a fixed window of a minute or an hour, and the headers that every answer carries.

Guesses, where the documents are silent: the window begins with the first request after the last one ended;
`X-Rate-Limit-Retry` is always the end of the window (Unix seconds, rounded up); refused requests do not count; only
requests with valid credentials do. Without a limit a million a minute is reported and nothing is refused.
"""

from __future__ import annotations

import math
import re
from typing import Final

from voucherify_async.emulator.problems import ServiceError

__all__ = ["RateLimit"]

_PERIODS: Final = {"second": 1, "minute": 60, "hour": 3600}
_UNLIMITED: Final = 1_000_000


class RateLimit:
    """A budget of requests per window.

    `rule` is such as `2000/minute` or `100/hour`, or `200/6 seconds` for tests in a hurry; None for no limit.
    """

    def __init__(self, rule: str | None = None) -> None:
        self.rule = rule
        self._refuses = rule is not None
        self.limit, self._period = (_UNLIMITED, 60) if rule is None else _parse(rule)
        # The start, not the end: adding a period to it and taking it away again need not give the same time.
        self._starts_at = -math.inf
        self._used = 0

    def take(self, now: float) -> None:
        """Count a request. Raises the 429 when the budget of the window is used up."""
        self._roll(now)
        if self._refuses and self._used >= self.limit:
            raise ServiceError(
                429,
                "too_many_requests",
                "Too many requests",
                f"The limit of {self.limit} requests is used up",
                headers={
                    "Retry-After": str(max(1, math.ceil(self._ends_at - now))),
                    "X-Rate-Limit-Type": "api_calls",
                },
            )
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

    def _roll(self, now: float) -> None:
        # Also when the clock was set back to before the window: else nothing would go for a long time.
        if not self._starts_at <= now < self._ends_at:
            self._starts_at = now
            self._used = 0


def _parse(rule: str) -> tuple[int, int]:
    match = re.fullmatch(r"\s*(\d+)\s*/\s*(\d*)\s*(second|minute|hour)s?\s*", rule)
    if match is None or int(match[1]) < 1 or match[2] == "0":
        raise ValueError(f"A rate limit is such as 2000/minute or 100/hour, not {rule!r}")
    return int(match[1]), int(match[2] or 1) * _PERIODS[match[3]]
