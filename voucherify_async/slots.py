"""The turns at a pool of connections: so many at a time, first come first served.

aiohttp has a queue of its own in front of its pool, and it is not used (tried with aiohttp 3.14.5, connector.py). A
newcomer takes a connection that has just come free before the one who was woken for it, and who then waits again;
and who is cancelled in the turn in which it was woken leaves those behind it asleep, though a connection is free.
"""

import asyncio
from collections import deque
from contextlib import suppress

from voucherify_async.deadlines import Deadlines


class Slots:
    """A fixed number of turns, handed from one who is done to the one who has waited longest.

    Args:
        count: how many may have one at the same time.

    Attributes:
        free: turns that nobody has. There are none while somebody waits.
        waiting: how many wait. It is counted, as thousands may give up in one moment and each is told of it.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.free = count
        self.waiting = 0
        self._line: deque[asyncio.Future[None]] = deque()
        self._patience: Deadlines[asyncio.Future[None]] | None = None

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
        loop = asyncio.get_running_loop()
        if self._patience is None:
            self._patience = Deadlines(loop, _lapse)
        turn = loop.create_future()
        self._line.append(turn)
        lane = None if longest is None else self._patience.lane(longest)
        if lane is not None:
            lane.enter(turn)
        self.waiting += 1
        try:
            await turn
        except BaseException:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.release()  # it came in the very moment of giving up
            else:
                with suppress(ValueError):  # passed over already
                    self._line.remove(turn)
            raise
        finally:
            self.waiting -= 1
            if lane is not None:
                lane.leave(turn)

    def release(self) -> None:
        """Give a turn back: to the one who has waited longest, if anybody does."""
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.free += 1

    def close(self) -> None:
        """Take the timers away of those who wait."""
        if self._patience is not None:
            self._patience.close()


def _lapse(turn: "asyncio.Future[None]") -> None:
    if not turn.done():
        turn.set_exception(TimeoutError())
