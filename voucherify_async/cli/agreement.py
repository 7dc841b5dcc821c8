"""Whether what the service has is what was sent, to the penny: pure."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple, TypeVar

from msgspec import UnsetType

from voucherify_async import NewOrder, Order, OrderRow

__all__ = ["Booking", "booked", "disagreements", "money"]

T = TypeVar("T")


class Booking(NamedTuple):
    """What has to agree of an order. The amount is in the smallest unit of the currency."""

    source_id: str | None
    amount: int | None
    status: str | None
    metadata: Mapping[str, Any]


def booked(order: NewOrder | Order | OrderRow) -> Booking:
    """What an order says, be it to be sent, stored or exported."""
    return Booking(
        _known(order.source_id), _known(order.amount), _known(order.status), _known(order.metadata) or {}
    )


def _known(value: T | None | UnsetType) -> T | None:
    return None if isinstance(value, UnsetType) else value


def disagreements(sent: Mapping[str, Booking], seen: Iterable[Booking], place: str) -> list[str]:
    """Name each order that is not as it was sent: lost, doubled, unknown, or with another content.

    Args:
        sent: by source id.
        seen: all that the place has.
        place: where that was seen, to begin each sentence with.
    """
    found: list[str] = []
    left = dict(sent)
    for booking in seen:
        name = f"{place}: order {booking.source_id}"
        expected = left.pop(booking.source_id or "", None)
        if expected is None:
            found.append(f"{name} {'is there twice' if booking.source_id in sent else 'was never sent'}")
            continue
        if booking.amount != expected.amount:
            found.append(f"{name} is worth {money(booking.amount)} instead of {money(expected.amount)}")
        if booking.status != expected.status:
            found.append(f"{name} is {booking.status} instead of {expected.status}")
        if booking.metadata != expected.metadata:
            found.append(f"{name} says {dict(booking.metadata)} instead of {dict(expected.metadata)}")
    found.extend(f"{place}: order {source_id} is missing" for source_id in left)
    return found


def money(amount: int | Fraction | None) -> str:
    """An amount in the smallest unit as one in the currency: 123456 is `1,234.56`. None is an unknown amount."""
    if amount is None:
        return "nothing known"
    exact = Decimal(amount.numerator) / amount.denominator / 100
    # Below a cent there is something only where prices were finer than that.
    return f"{exact:,.2f}" if exact == round(exact, 2) else f"{exact:,f}"
