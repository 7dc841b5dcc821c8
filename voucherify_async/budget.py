"""The retry budget of a client: an outage is not multiplied by repeats.

A repeat costs one; one that succeeds brings back more than it cost, and a first attempt that succeeds brings a
little. So a service that fails now and then is asked again at once, while one that is down sees few repeats beside
the first attempts: those that the budget holds, and then one every other second. Who finds the budget empty waits
for its turn, and when the service is well again each repeat that succeeds lets two more go. botocore's
`RetryQuota` (retries/quota.py) is of this kind, but fails who finds it empty.
"""

from typing import Final

from voucherify_async.clock import Clock
from voucherify_async.line import Line

CAPACITY: Final = 5.0
FIRST_SUCCESS: Final = 0.1
REPEAT_SUCCESS: Final = 2.0
TRICKLE_SECONDS: Final = 2.0


class RetryBudget:
    """How many repeats a client may still send.

    Args:
        clock: the client's.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._balance = CAPACITY
        self._line = Line(clock)
        self._last_at = clock.monotonic()

    def take(self) -> bool:
        """Take one repeat out, if there is one and nobody waits for it."""
        return not self._line.length and self._take() <= 0

    async def wait(self) -> None:
        """Wait in line until one can be taken out. Cancelling the wait takes nothing."""
        await self._line.stand(self._take)

    def succeeded(self, *, repeat: bool) -> None:
        """Pay in for an attempt that was answered.

        Args:
            repeat: whether it was paid for.
        """
        if self._balance < CAPACITY:
            self._balance = min(CAPACITY, self._balance + (REPEAT_SUCCESS if repeat else FIRST_SUCCESS))
            self._line.tell()

    def _take(self) -> float:
        now = self._clock.monotonic()
        if self._balance >= 1.0:
            self._balance -= 1.0
        elif (rest := self._last_at + TRICKLE_SECONDS - now) > 0:
            return rest
        self._last_at = now
        return 0.0
