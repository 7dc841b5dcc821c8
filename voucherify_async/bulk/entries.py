"""The source of a run, entry by entry: checked, numbered, and with a sum of all keys up to each."""

import asyncio
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
    Sized,
)
from typing import Final
from zlib import crc32

from voucherify_async.errors import ConfigurationError
from voucherify_async.models.orders import NewOrder

_KEYLESS: Final = "has neither source_id nor id: it could not be told apart from another, nor sent again safely"
# A plain iterable that never waits must let other tasks run now and then.
_TURN_EVERY: Final = 64


class Entry:
    """An order of the source.

    Attributes:
        position: the first one is 0.
        key_sum: of the keys of all entries up to this one; it tells one source from another.
    """

    __slots__ = ("blockers", "followers", "key", "key_sum", "order", "position")

    def __init__(self, position: int, order: NewOrder, key: str | None, key_sum: int) -> None:
        self.position = position
        self.order = order
        self.key = key
        self.key_sum = key_sum
        # Of its lane: how many entries it waits for, and who waits for it.
        self.blockers = 0
        self.followers: list[Entry] | None = None

    @property
    def names(self) -> set[str]:
        """What the order is known by."""
        return {name for name in (self.order.source_id, self.order.id) if name and isinstance(name, str)}


class Entries:
    """Reads a source once, no faster than it is asked to.

    Args:
        source: an iterable or async iterable of orders. One that can be gone through without being used up is
            checked as a whole, before anything is sent.
        keyless: whether orders without a key are taken.

    Attributes:
        total: how many there are, None if the source does not say.
        read: how many were taken.

    Raises:
        ConfigurationError: it is no such source, or an entry of it is no order or has no key.
    """

    def __init__(self, source: Iterable[NewOrder] | AsyncIterable[NewOrder], *, keyless: bool) -> None:
        if isinstance(source, (str, bytes, Mapping)) or not isinstance(source, (Iterable, AsyncIterable)):
            raise ConfigurationError("source", f"must be an iterable of NewOrder, not {type(source).__name__}")
        self._keyless = keyless
        self._iterator: Iterator[NewOrder] | AsyncIterator[NewOrder]
        if isinstance(source, AsyncIterable):
            self._iterator = aiter(source)
        else:
            if isinstance(source, Sequence):
                for position, order in enumerate(source):
                    self._check(position, order)
            self._iterator = iter(source)
        self.total = len(source) if isinstance(source, Sized) else None
        self.read = 0
        self._sum = 0

    async def next(self) -> Entry | None:
        """The next entry, None at the end.

        Raises:
            ConfigurationError: it is no order, or has no key.
            Exception: what the source raises.
        """
        position = self.read
        if isinstance(self._iterator, AsyncIterator):
            try:
                order = await anext(self._iterator)
            except StopAsyncIteration:
                return None
        else:
            if not position % _TURN_EVERY:
                await asyncio.sleep(0)
            try:
                order = next(self._iterator)
            except StopIteration:
                return None
        key = self._check(position, order)
        self._sum = crc32(b"\0" if key is None else key.encode() + b"\n", self._sum)
        self.read += 1
        return Entry(position, order, key, self._sum)

    def _check(self, position: int, order: NewOrder) -> str | None:
        if not isinstance(order, NewOrder):
            raise ConfigurationError(f"source[{position}]", f"must be NewOrder, not {type(order).__name__}")
        key = order.key
        if key is None and not self._keyless:
            raise ConfigurationError(f"source[{position}]", _KEYLESS)
        # As it can be shown and written down, whatever it is: that it does not fit is found later.
        return None if key is None else str(key).encode("utf-8", "backslashreplace").decode()

    async def close(self) -> None:
        """Close a generator, or a reader of a file, that is not at its end."""
        if isinstance(self._iterator, AsyncIterator):
            aclose = getattr(self._iterator, "aclose", None)
            if aclose is not None:
                await aclose()
        elif isinstance(self._iterator, Generator):
            self._iterator.close()
