"""Time and randomness, so that they can be handed in."""

import asyncio
import random
import time
from typing import Protocol


class Clock(Protocol):
    """What the client asks of time and chance. Tests hand in one of their own, and wait for nothing."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never goes back."""
        ...

    def wall(self) -> float:
        """Unix seconds, to compare with moments that the service names."""
        ...

    def random(self) -> float:
        """A number from 0 to 1, for jitter."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait so many seconds."""
        ...


class SystemClock:
    """The machine's clock. What it is asked for at each step of a call goes to Python's own functions directly."""

    monotonic = staticmethod(time.monotonic)
    wall = staticmethod(time.time)
    random = staticmethod(random.random)

    async def sleep(self, seconds: float) -> None:
        """Wait so many seconds."""
        await asyncio.sleep(seconds)
