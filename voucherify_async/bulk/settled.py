"""Which entries of a source are settled, and whether a source is the one that a checkpoint tells of: pure.

Entries are settled in any order, but never far from each other: all up to a mark, and some beyond it.
"""

from typing import Final

from voucherify_async.bulk.entries import Entry
from voucherify_async.errors import ConfigurationError

ANOTHER_SOURCE: Final = "belongs to another source: the keys of its orders are not those of this one"


class Settled:
    """The entries that are settled.

    Attributes:
        mark: all entries before this position are.
    """

    def __init__(self) -> None:
        self.mark = 0
        self._mark_sum = 0
        self._beyond: dict[int, int] = {}  # by position, the sum of the keys up to it

    @property
    def end(self) -> int:
        """The position behind the last entry that is settled."""
        return max(self._beyond, default=self.mark - 1) + 1

    def add(self, position: int, key_sum: int) -> None:
        """An entry is settled."""
        self._beyond[position] = key_sum
        while self.mark in self._beyond:
            self._mark_sum = self._beyond.pop(self.mark)
            self.mark += 1

    def reach(self, end: int, key_sum: int) -> None:
        """All entries before this position are settled."""
        self.mark, self._mark_sum = end, key_sum

    def has(self, entry: Entry) -> bool:
        """Whether an entry is settled already.

        Raises:
            ConfigurationError: it was another one that was settled in its place.
        """
        if entry.position >= self.mark:
            known = self._beyond.get(entry.position)
        else:
            known = self._mark_sum if entry.position == self.mark - 1 else entry.key_sum
        if known is not None and known != entry.key_sum:
            raise ConfigurationError("checkpoint", ANOTHER_SOURCE)
        return known is not None

    def check_end(self, read: int) -> None:
        """At the end of the source: whether all that was settled was there.

        Raises:
            ConfigurationError: the source has fewer entries.
        """
        if read < self.mark or any(position >= read for position in self._beyond):
            raise ConfigurationError("checkpoint", f"{ANOTHER_SOURCE}, which ends sooner")
