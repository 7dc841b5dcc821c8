"""Where the demo's orders come from."""

import gzip
import io
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Final

from voucherify_async import NewOrder
from voucherify_async.cli.agreement import booked, money
from voucherify_async.cli.retail import History, RetailFileError, history, read_lines
from voucherify_async.cli.shop import shop_orders

__all__ = ["Source", "account_of", "from_file", "made_up"]

_GZIP_MAGIC: Final = b"\x1f\x8b"


@dataclass(frozen=True)
class Source:
    """Orders to play with.

    Attributes:
        title: what they are.
        orders: each with a source id of its own.
        notes: what there is to say about them, a line each.
        problems: what is wrong with them; nothing, if all is well.
    """

    title: str
    orders: Sequence[NewOrder]
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def made_up(count: int, seed: int) -> Source:
    """So many orders of our own making."""
    return Source(f"{count:,} made-up orders (seed {seed})", list(shop_orders(count, seed)))


def from_file(path: Path) -> Source:
    """The orders in a CSV file of line items, gzipped or not.

    Raises:
        RetailFileError: the file is not like that.
        OSError: it cannot be read.
    """
    data = path.read_bytes()
    try:
        if data.startswith(_GZIP_MAGIC):
            data = gzip.decompress(data)
        text = data.decode("utf-8-sig")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise RetailFileError(f"cannot be decoded: {error}") from None
    found = history(read_lines(io.StringIO(text, newline="")))
    if not found.orders:
        raise RetailFileError("there is no order in it")
    return account_of(found, path.name)


def account_of(found: History, name: str) -> Source:
    """Say what became of the lines, and check that nothing was lost on the way."""
    problems = []
    bookings = [booked(order) for order in found.orders]
    for source_id, times in Counter(booking.source_id for booking in bookings).items():
        if times > 1:
            problems.append(f"{name}: {times} orders would be called {source_id}")
    canceled = sum(booking.amount or 0 for booking in bookings if booking.status == "CANCELED")
    fulfilled = sum(booking.amount or 0 for booking in bookings) - canceled
    left_out = sum(one.line.worth for one in found.left_out)
    if found.worth != fulfilled - canceled + left_out:
        problems.append(
            f"{name}: its lines are worth {money(found.worth)}, "
            f"but what became of them {money(fulfilled - canceled + left_out)}"
        )
    notes = [
        f"{found.line_count:,} lines, worth {money(found.worth)} "
        f"= orders {money(fulfilled)} - cancellations {money(canceled)} + left out {money(left_out)}"
    ]
    if found.split:
        splits = ", ".join(f"{invoice} ({parts})" for invoice, parts in found.split.items())
        notes.append(f"Invoices of more than 500 lines, sent as several orders: {splits}")
    for reason, some in groupby(sorted(found.left_out, key=lambda one: one.reason), key=lambda one: one.reason):
        lines = [one.line for one in some]
        listed = ", ".join(f"{line.invoice}" + (f" ({money(line.worth)})" if line.worth else "") for line in lines)
        notes.append(f"What could not be an order: {len(lines):,} lines ({reason}), of the invoices {listed}")
    return Source(f"{len(found.orders):,} orders of {name}", found.orders, notes, problems)
