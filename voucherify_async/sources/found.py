"""What is found in a source: orders, and lines that are none."""

from typing import TypeAlias

from msgspec import Struct

from voucherify_async.models.orders import MAX_ITEMS, NewOrder

NO_KEY = "has neither a source_id nor an id"


class BadLine(Struct, frozen=True, kw_only=True):
    """A line that is in no order that was given, or the lines of an order that was left out.

    Each line of a source is in one order or in one of these, and in no more than one.

    Attributes:
        number: of the line, from 1; of the first, if they are several, or if a row of CSV goes over several.
        last_number: of the last line; mostly the same.
        count: for how many lines it stands, a row of CSV being one. More than 1 only for an order that was left
            out: its lines from `number` to `last_number`, less those that are reported by themselves.
        reason: what is wrong.
        key: of the order, `source_id` or else `id`, where it could be read.
    """

    number: int
    last_number: int
    reason: str
    count: int = 1
    key: str | None = None

    def __str__(self) -> str:
        place = f"line {self.number}"
        if self.last_number != self.number:
            place = f"lines {self.number}-{self.last_number}"
        return f"{place}: {self.reason}"


Found: TypeAlias = NewOrder | BadLine


def too_many_items(count: int) -> str:
    """The reason why an order of so many items is none."""
    return f"has {count} items, an order has at most {MAX_ITEMS}"
