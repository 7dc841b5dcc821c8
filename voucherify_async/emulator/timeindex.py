"""The order of a listing, kept while orders come and change: no request sorts or copies all of them."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from typing import Final, Generic, Protocol, TypeVar

__all__ = ["FULL", "TimeIndex"]

# Entries in a block. To insert into one list of a million moves 4 MB on the average; into a block, some kilobytes.
FULL: Final = 1024


class Numbered(Protocol):
    """What can be in the index: it has a number of its own."""

    sequence: int


Record = TypeVar("Record", bound=Numbered)


class TimeIndex(Generic[Record]):
    """Records in order of a time, ties in the order in which they came.

    A sorted list in blocks, none of them empty. Blocks are split, never joined: those at the old end of the update
    times run empty by themselves.
    """

    def __init__(self) -> None:
        self._blocks: list[list[tuple[int, int, Record]]] = []

    def fill(self, records: Iterable[tuple[int, Record]]) -> None:
        """Take many at once, each with its time."""
        entries = sorted((at_ms, record.sequence, record) for at_ms, record in records)
        self._blocks = [entries[start : start + FULL] for start in range(0, len(entries), FULL)]

    def add(self, at_ms: int, record: Record) -> None:
        """Put a record where it belongs; at the end, most of the time."""
        entry = (at_ms, record.sequence, record)
        place = self._place(entry)
        if place < len(self._blocks):
            block = self._blocks[place]
            insort(block, entry)
            if len(block) > FULL:
                self._blocks[place : place + 1] = [block[: FULL // 2], block[FULL // 2 :]]
        elif self._blocks and len(self._blocks[-1]) < FULL:
            self._blocks[-1].append(entry)
        else:
            self._blocks.append([entry])

    def remove(self, at_ms: int, record: Record) -> None:
        """Take a record out."""
        entry = (at_ms, record.sequence, record)
        place = self._place(entry)
        block = self._blocks[place]
        index = bisect_left(block, entry)
        if block[index] != entry:  # pragma: no cover - a mistake of the caller's
            raise AssertionError(entry)
        del block[index]
        if not block:
            del self._blocks[place]

    def page(self, start: int, count: int, *, descending: bool) -> list[Record]:
        """A slice of the listing."""
        found: list[Record] = []
        for block in reversed(self._blocks) if descending else self._blocks:
            if start >= len(block):
                start -= len(block)
                continue
            missing = count - len(found)
            if descending:
                end = len(block) - start
                entries = block[max(0, end - missing) : end]
                entries.reverse()
            else:
                entries = block[start : start + missing]
            found += [entry[2] for entry in entries]
            if len(found) == count:
                break
            start = 0
        return found

    def _place(self, entry: tuple[int, int, Record]) -> int:
        """Of the block that has this entry, or is to have it; beyond the last one for an entry behind all."""
        return bisect_left(self._blocks, entry, key=_last)


def _last(block: list[tuple[int, int, Record]]) -> tuple[int, int, Record]:
    return block[-1]
