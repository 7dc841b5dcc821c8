"""The turns at a pool of connections: so many at a time, first come first served.

aiohttp has a queue of its own in front of its pool, and it is not used (tried with aiohttp 3.14.5, connector.py). A
newcomer takes a connection that has just come free before the one who was woken for it, and who then waits again;
and who is cancelled in the turn in which it was woken leaves those behind it asleep, though a connection is free.
"""

import asyncio
from collections import deque
from contextlib import suppress


class Slots:
    """A fixed number of turns, handed from one who is done to the one who has waited longest.

    Args:
        count: how many may have one at the same time.

    Attributes:
        free: turns that nobody has. There are none while somebody waits.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.free = count
        self._line: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return sum(not turn.done() for turn in self._line)

    def take(self) -> bool:
        """Take a turn if one is free."""
        if self.free:
            self.free -= 1
            return True
        return False

    async def wait(self, longest: float | None) -> None:
        """Wait for a turn, which is then taken.

        Args:
            longest: seconds; None for no limit.

        Raises:
            TimeoutError: there was none in that time.
        """
        turn = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        try:
            async with asyncio.timeout(longest):
                await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                self.release()  # it came in the very moment of giving up
            else:
                with suppress(ValueError):  # passed over already
                    self._line.remove(turn)
            raise

    def release(self) -> None:
        """Give a turn back: to the one who has waited longest, if anybody does."""
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.free += 1
