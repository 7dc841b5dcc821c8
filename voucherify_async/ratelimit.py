"""Keeping to the service's limit: one pause that all tasks of a client share.

When an answer says that the limit is used up, nobody sends until the moment that it names. Without this, every
waiting task would find out for itself, by one more refused request each.
"""

from collections.abc import Mapping
from typing import Protocol

from voucherify_async.clock import Clock
from voucherify_async.wire import asked_wait


class RateLimiter(Protocol):
    """What a client asks before it sends, and tells after each answer. Put in your own as `rate_limiter=`."""

    async def acquire(self) -> None:
        """Come back when a request may be sent. Cancelling the wait must leave others unharmed."""
        ...

    def observe(self, status: int, headers: Mapping[str, str]) -> None:
        """Learn from an answer."""
        ...


class SharedPause:
    """Sends at will until the service says stop; then all wait for the moment that it names.

    Args:
        clock: the client's.
        longest: seconds; a longer pause is not kept here. The request that is refused then raises at once and
            says how long it would be, instead of all of them waiting in silence.
    """

    def __init__(self, clock: Clock, *, longest: float) -> None:
        self._clock = clock
        self._longest = longest
        self._resume_at = 0.0

    async def acquire(self) -> None:
        """Wait until the pause is over, if there is one."""
        # Again and again: the pause may have been prolonged meanwhile.
        while (wait := self._resume_at - self._clock.monotonic()) > 0:
            await self._clock.sleep(wait)

    def observe(self, status: int, headers: Mapping[str, str]) -> None:
        """Begin or prolong the pause after a 429."""
        if status != 429 or headers.get("X-Rate-Limit-Type") == "api_calls_cycle":
            return
        wait = asked_wait(status, headers, self._clock.wall())
        if wait is not None and wait <= self._longest:
            self._resume_at = max(self._resume_at, self._clock.monotonic() + wait)
