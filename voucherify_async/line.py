"""A waiting line: first come first served, and only who stands at its head looks whether it may go.

One look and one timer serve all who wait, and whoever is cancelled leaves the others in their order.
"""

import asyncio
from collections.abc import Callable

from voucherify_async.clock import Clock


class Line:
    """Those who wait for one thing.

    It belongs to the event loop of those who stand in it; on another one (a second `asyncio.run`, a fork) a new
    line begins. It is not safe for threads.

    Args:
        clock: the client's.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._queue: _Queue | None = None

    @property
    def length(self) -> int:
        """How many stand in it."""
        return 0 if self._queue is None else self._queue.length

    def begins(self) -> bool:
        """Whether it begins just now on this event loop, which it then does."""
        loop = asyncio.get_running_loop()
        if self._queue is not None and self._queue.loop is loop:
            return False
        self._queue = _Queue(loop)
        return True

    async def stand(self, take: Callable[[], float]) -> None:
        """Wait in line until `take` has taken what is waited for.

        Args:
            take: takes it and returns 0, or takes nothing and returns the seconds after which to look again; or
                raises, which ends the waiting. Only the head of the line calls it: when it gets there, when that
                time is over, and when there is news.
        """
        self.begins()
        assert self._queue is not None  # noqa: S101 - it has begun
        queue = self._queue
        queue.length += 1
        try:
            # asyncio's lock is first come first served, and passes on what a cancelled waiter was woken for.
            async with queue.lock:
                while (seconds := take()) > 0:
                    await self._nap(queue, seconds)
        finally:
            queue.length -= 1

    def tell(self) -> None:
        """Say that there is news: the head looks again."""
        if self._queue is not None and self._queue.nap is not None:
            self._queue.nap.cancel()

    async def _nap(self, queue: "_Queue", seconds: float) -> None:
        nap = queue.nap = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait([nap])
            if not nap.cancelled():
                nap.result()  # a clock of the user's own may fail
        finally:
            queue.nap = None
            if not nap.done():
                nap.cancel()
                await asyncio.wait([nap])


class _Queue:
    __slots__ = ("length", "lock", "loop", "nap")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.lock = asyncio.Lock()
        # Counted here: between its release and the next one's turn the lock looks free.
        self.length = 0
        self.nap: asyncio.Future[None] | None = None  # while the head sleeps
