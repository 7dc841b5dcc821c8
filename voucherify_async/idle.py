"""Connections that wait for their next request, at hand without a way through aiohttp's pool and back."""

import asyncio
from collections import deque

from aiohttp.connector import Connection


class IdleConnections:
    """Those of one origin. The one that was used last is taken first, so that those too many grow old.

    Args:
        loop: that is running.
        longest: seconds for which one is kept.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, longest: float) -> None:
        self._loop = loop
        self._longest = longest
        self._kept: deque[tuple[Connection, float]] = deque()  # the oldest first
        self._timer: asyncio.TimerHandle | None = None

    def take(self) -> Connection | None:
        """One that can be used; None if there is none."""
        while self._kept:
            connection, since = self._kept.pop()
            protocol = connection.protocol
            # Bytes that came while it was kept would be taken for the beginning of the next answer.
            if (
                protocol is not None
                and protocol.is_connected()
                and not protocol.should_close
                and self._loop.time() - since <= self._longest
            ):
                return connection
            connection.close()
        return None

    def keep(self, connection: Connection) -> None:
        """Keep one on which nothing is left."""
        self._kept.append((connection, self._loop.time()))
        if self._timer is None:
            self._timer = self._loop.call_later(self._longest, self._end_old)

    def give_back(self) -> None:
        """Give one to aiohttp's pool, if there is one; there, its time begins anew."""
        if (connection := self.take()) is not None:
            connection.release()

    def close(self) -> None:
        """Give all to aiohttp's pool, which waits until they are closed when it is closed itself."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._kept:
            self._kept.pop()[0].release()

    def _end_old(self) -> None:
        self._timer = None
        now = self._loop.time()
        while self._kept and now - self._kept[0][1] >= self._longest:
            self._kept.popleft()[0].close()
        if self._kept:
            self._timer = self._loop.call_at(self._kept[0][1] + self._longest, self._end_old)
