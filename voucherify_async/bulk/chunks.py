"""A source cut into requests of bounded size: each as large as it may be."""

from collections.abc import Awaitable, Callable

import msgspec

from voucherify_async.bulk.entries import Entry
from voucherify_async.errors import ConfigurationError
from voucherify_async.inputs import checked_json
from voucherify_async.models.orders import NewOrder

_check_new: Callable[[bytes], object] = msgspec.json.Decoder(NewOrder).decode


class Part:
    """An entry and its JSON, or why it has none.

    Attributes:
        size: in bytes, also of an order that is not sent: until its chunk is settled it is in memory.
    """

    __slots__ = ("entry", "json", "problem", "size")

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.json = b""
        self.problem: Exception | None = None
        try:
            self.json = checked_json("order", entry.order, _check_new)
        except ConfigurationError as error:
            # Its traceback, and what it came from, would keep the JSON that did not fit.
            self.problem = error.with_traceback(None)
            error.__context__ = None
        self.size = len(self.json) if self.problem is None else _size_of(entry.order)


def _size_of(order: NewOrder) -> int:
    try:
        return len(msgspec.json.encode(order))
    except Exception:  # whatever it is that stands in it
        return 0


class Chunk:
    """Entries that stand one behind another in the source, some of which may not be fit to be sent.

    Args:
        parts: at least one.
    """

    def __init__(self, parts: list[Part]) -> None:
        self.parts = parts

    @property
    def end(self) -> int:
        """The position behind the last entry."""
        return self.parts[-1].entry.position + 1

    @property
    def key_sum(self) -> int:
        """Of all keys up to the last entry's."""
        return self.parts[-1].entry.key_sum

    @property
    def sendable(self) -> list[Part]:
        """The parts that can be sent."""
        return [part for part in self.parts if part.problem is None]

    @property
    def keyed(self) -> bool:
        """Whether all that is sent may be sent twice."""
        return all(part.entry.key is not None for part in self.sendable)

    def body(self) -> bytes:
        """The JSON of the request."""
        return b"[" + b",".join(part.json for part in self.sendable) + b"]"

    def halves(self) -> "tuple[Chunk, Chunk]":
        """Two chunks of which each sends about half, if this one sends two or more."""
        sendable = self.sendable
        middle = self.parts.index(sendable[len(sendable) // 2])
        return Chunk(self.parts[:middle]), Chunk(self.parts[middle:])


class Chunker:
    """Cuts what it reads.

    Args:
        next_entry: gives the next entry that is not settled yet, None at the end.
        most_orders: in a chunk.
        most_bytes: of its JSON; an order that is larger goes alone.
    """

    def __init__(
        self, next_entry: Callable[[], Awaitable[Entry | None]], *, most_orders: int, most_bytes: int
    ) -> None:
        self._next_entry = next_entry
        self._most_orders = most_orders
        self._most_bytes = most_bytes
        self._left: Part | None = None

    async def next(self, until: int | None = None) -> Chunk | None:
        """The next chunk, None at the end.

        Args:
            until: the position at which it ends, whatever its size: an earlier run cut it there.
        """
        parts: list[Part] = []
        size = 1  # two brackets, and one comma fewer than orders
        while len(parts) < self._most_orders or until is not None:
            part, self._left = self._left, None
            if part is None:
                entry = await self._next_entry()
                if entry is None:
                    break
                part = Part(entry)
            grown = size + part.size + 1
            if until is None and parts and grown > self._most_bytes:
                self._left = part
                break
            parts.append(part)
            size = grown
            if part.entry.position + 1 == until:
                break
        return Chunk(parts) if parts else None
