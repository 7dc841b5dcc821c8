"""Entries to test with."""

from typing import Any

from voucherify_async import NewOrder
from voucherify_async.bulk.entries import Entry


def entry(position: int, key_sum: int = 0, **fields: Any) -> Entry:
    order = NewOrder(**fields)
    return Entry(position, order, order.key, key_sum)
