"""Time that runs faster than the real one, for a client and an emulator together: a minute's limit in seconds."""

import asyncio
import random
import time


class FastClock:
    """A clock for `VoucherifyClient(clock=...)` and for `Emulator(clock=...)`.

    Args:
        speed: how many of its seconds pass in a real one.
    """

    def __init__(self, speed: float) -> None:
        self.speed = speed
        self._began, self._began_wall = time.monotonic(), time.time()

    def monotonic(self) -> float:
        """Seconds since it was made."""
        return (time.monotonic() - self._began) * self.speed

    def wall(self) -> float:
        """Unix seconds."""
        return self._began_wall + self.monotonic()

    def now(self) -> float:
        """The same, as the emulator asks for it."""
        return self.wall()

    def random(self) -> float:
        """A number from 0 to 1."""
        return random.random()

    async def sleep(self, seconds: float) -> None:
        """Wait so many of its seconds."""
        await asyncio.sleep(seconds / self.speed)
