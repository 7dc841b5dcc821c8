"""A large export in windows of `created_at`: pure.

Whether `$after` and `$before` include the moment that they name is nowhere said, nor how finely the service
compares times. So each window asks for a little more than it holds, and of what comes it keeps what is its own: an
order belongs to the one window in which its `created_at` is.
"""

import datetime
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import msgspec

from voucherify_async.errors import ConfigurationError
from voucherify_async.models.orders import OrderRow

MAX_WINDOWS: Final = 1000
# Wider than the millisecond in which the service tells times, in case that it compares seconds.
_MARGIN: Final = datetime.timedelta(seconds=1)
_DEFAULT_FIELDS: Final = ("id", "source_id", "status")


class Window(msgspec.Struct, frozen=True):
    """From a moment on, and before another one; None is without end.

    The first one and the last one are open, so that an order that comes meanwhile falls into one as well.
    """

    start: datetime.datetime | None
    end: datetime.datetime | None

    def own(self, rows: list[OrderRow]) -> list[OrderRow]:
        """Those that belong to this window."""
        start, end = self.start, self.end
        return [
            row
            for row in rows
            if (at := row.created_at) is None or ((start is None or start <= at) and (end is None or at < end))
        ]

    def filters(self, filters: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """The filters for an export that has all of this window, and maybe a little more."""
        conditions: dict[str, list[str]] = {}
        if self.start is not None:
            conditions["$after"] = [_iso(self.start - _MARGIN)]
        if self.end is not None:
            conditions["$before"] = [_iso(self.end + _MARGIN)]
        if not conditions:
            return None if filters is None else dict(filters)
        return {**(filters or {}), "junction": "and", "created_at": {"conditions": conditions}}


def check_window(
    window: datetime.timedelta | None, filters: Mapping[str, Any] | None, order: str | None
) -> datetime.timedelta | None:
    """Refuse what cannot be done in windows."""
    if window is None:
        return None
    if not isinstance(window, datetime.timedelta):
        raise ConfigurationError("window", f"must be a timedelta, not {type(window).__name__}")
    if window < datetime.timedelta(seconds=1):
        raise ConfigurationError("window", f"must be a second at least, not {window}")
    if order not in (None, "created_at", "-created_at"):
        raise ConfigurationError("order", f"must be created_at or -created_at with windows, not {order}")
    if filters is not None and "created_at" in filters:
        raise ConfigurationError("filters", "cannot have created_at with windows: these filter by it")
    if filters is not None and filters.get("junction", "and") != "and":
        raise ConfigurationError("filters", "must have the junction and with windows: these filter as well")
    return window


def windows_of(
    first: datetime.datetime, last: datetime.datetime, width: datetime.timedelta, *, newest_first: bool
) -> list[Window]:
    """The windows in which all orders are.

    Args:
        first, last: when the first and the last order were created.
        width: of a window.
        newest_first: which one comes first.

    Raises:
        ConfigurationError: there would be more than 1,000.
    """
    first = first.astimezone(datetime.UTC).replace(microsecond=0)
    last = max(first, last.astimezone(datetime.UTC))
    count = (last - first) // width + 1
    if count > MAX_WINDOWS:
        days = (last - first).days
        raise ConfigurationError("window", f"must be wider: {days} days make {count} exports, 1,000 are the most")
    edges = [None, *(first + number * width for number in range(1, count)), None]
    found = [Window(start, end) for start, end in pairwise(edges)]
    return found[::-1] if newest_first else found


def fields_with_created_at(fields: Sequence[str] | None) -> tuple[Sequence[str] | None, bool]:
    """The fields to ask for, so that rows have their `created_at`; and whether the user did not ask for it."""
    names = list(fields or _DEFAULT_FIELDS)
    return (names, False) if "created_at" in names else ([*names, "created_at"], True)


def without_created_at(rows: list[OrderRow]) -> list[OrderRow]:
    """Rows as the user asked for them. They are nobody else's yet, so they can be changed."""
    for row in rows:
        msgspec.structs.force_setattr(row, "created_at", None)
    return rows


def _iso(moment: datetime.datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
