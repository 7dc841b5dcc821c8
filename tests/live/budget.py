"""How many requests a live run may send: a sandbox project has 100 an hour, and others may be using it too."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

from voucherify_async import HeaderRateLimiter

__all__ = ["ALLOWED_AN_HOUR", "MOST_REQUESTS", "Budget", "BudgetSpentError"]

MOST_REQUESTS: Final = 80
ALLOWED_AN_HOUR: Final = 100
# The longest that one request waits for a limit: a period of a minute, and a little.
_PATIENCE_SECONDS: Final = 75.0


class BudgetSpentError(Exception):
    """The run has sent what it may send."""


class Budget:
    """The limiter of all clients of a live run: it goes by the headers, and counts.

    `needed_afterwards` says how many requests the clean-up would need now; they are kept for it until `open_up`.
    """

    def __init__(self, needed_afterwards: Callable[[], int], most: int = MOST_REQUESTS) -> None:
        self.sent = 0
        self._most = most
        self._needed_afterwards = needed_afterwards
        self._limiter = HeaderRateLimiter()
        self._limiter.listen(self)
        self._remaining: int | None = None
        self._resets_at = 0.0
        self._tell: Callable[[float], None] | None = None

    async def acquire(self, max_wait: float) -> None:
        """Come back when a request may be sent. Raises BudgetSpentError, and RateLimitError as the limiter does."""
        if self.sent + self._needed_afterwards() >= self._most:
            raise BudgetSpentError(f"the budget is spent: {self.sent} requests were sent")
        await self._limiter.acquire(max_wait)
        self.sent += 1

    def observe(self, status: int | None, headers: Mapping[str, str]) -> None:
        """Learn from an answer."""
        self._limiter.observe(status, headers)
        remaining, resets_at = (headers.get(f"X-Rate-Limit-{name}", "") for name in ("Remaining", "Retry"))
        if remaining.isdecimal():
            self._remaining = int(remaining)
        if resets_at.isdecimal():
            self._resets_at = float(resets_at)

    def paused(self, seconds: float) -> None:
        """Told by the limiter that it has to wait."""
        if self._tell is not None:
            self._tell(seconds)

    def open_up(self, tell: Callable[[float], None]) -> None:
        """Let the clean-up have what was kept for it, and the rest of an hour for what it has to repeat.

        `tell` hears of the seconds that it has to wait.
        """
        self._tell = tell
        self._needed_afterwards = lambda: 0
        self._most = ALLOWED_AN_HOUR

    def shortage(self) -> str | None:
        """What to say if too little of the period is left for a run, and its end is too far to wait for."""
        wait = self._resets_at - time.time()
        if self._remaining is None or self._remaining >= self._most - self.sent or wait <= _PATIENCE_SECONDS:
            return None
        at = time.strftime("%H:%M:%S", time.localtime(self._resets_at))
        return (
            f"{self._remaining} requests are left of the project's limit, and a run may need {self._most}; "
            f"there are more at {at}, in {wait / 60:.0f} minutes"
        )
