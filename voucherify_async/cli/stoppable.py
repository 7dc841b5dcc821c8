"""A source of orders that can be asked to end."""

import asyncio
from collections.abc import AsyncIterable, Callable
from typing import Generic, Self, TypeVar

__all__ = ["StoppableSource", "Stopped"]

T = TypeVar("T")


class Stopped(Exception):  # noqa: N818 - nothing is wrong
    """It was asked to end."""


class StoppableSource(Generic[T]):
    """Gives what another source gives, until it is asked to stop; then it raises `Stopped`.

    A source that keeps one waiting, such as a pipe, is not waited for.

    Args:
        source: the other one.
        on_first: called when its first order is there, before that is given.
    """

    def __init__(self, source: AsyncIterable[T], on_first: Callable[[], object] | None = None) -> None:
        self._next = aiter(source).__anext__
        self._on_first = on_first
        self._stopped = False
        self._waiting: asyncio.Timeout | None = None

    def stop(self) -> None:
        """End at the next order, or at once if one is being waited for."""
        self._stopped = True
        if self._waiting is not None:
            self._waiting.reschedule(0)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        if self._stopped:
            raise Stopped
        scope = asyncio.timeout(None)
        try:
            async with scope:
                self._waiting = scope
                order = await self._next()
        except TimeoutError:
            if not scope.expired():
                raise
            raise Stopped from None
        finally:
            self._waiting = None
        on_first, self._on_first = self._on_first, None
        if on_first is not None:
            on_first()
        return order
