"""How an order comes about from what is given and what was there: a pure function.

Guesses, where the documents are silent:

- `status` is CREATED when none is given, or when it is cleared with `null`.
- With items, the amount is the sum of theirs, whatever else is given; when the items are cleared, the amount stays.
- A discount is never shown larger than what it is taken from, yet kept as it was given, for when the amount grows
  again.

`updated_at` is null until the first change, as in the example of `EVENTS.CUSTOMER.ORDER.CREATED` in
`events-customer.json`; `initial_amount` is shown where it was given, and in no example of an order otherwise.
"""

from __future__ import annotations

from typing import Any, Final

from voucherify_async.emulator.checks import no_more_than_safe
from voucherify_async.emulator.clock import format_ms

__all__ = ["compose", "stated_amounts"]

_STATED: Final = ("initial_amount", "discount_amount")


def stated_amounts(given: dict[str, Any], was: dict[str, int]) -> dict[str, int]:
    """The amounts that were given, now or before, as they were given; `null` takes one away."""
    amounts = {name: given.get(name, was.get(name)) for name in _STATED}
    return {name: amount for name, amount in amounts.items() if amount is not None}


def compose(
    order_id: str,
    given: dict[str, Any],
    was: dict[str, Any],
    *,
    stated: dict[str, int],
    items: list[dict[str, Any]] | None,
    customer_id: str | None,
    referrer_id: str | None,
    created_ms: int,
    updated_ms: int | None,
) -> dict[str, Any]:
    """The order as it is answered; `was` is empty for a new one.

    `items` is None when the payload has none: those that were there stay. `stated` is from `stated_amounts`.
    """
    shown_items: list[dict[str, Any]] | None = was.get("items") if items is None else items
    if shown_items:
        amount = no_more_than_safe(sum([item["amount"] for item in shown_items]), ".amount")
        items_discount = sum([item.get("discount_amount", 0) for item in shown_items])
    else:
        amount = _stays(given, was, "amount", 0)
        items_discount = 0
    discount = min(stated.get("discount_amount", 0), amount - items_discount)

    order: dict[str, Any] = {
        "id": order_id,
        "source_id": given["source_id"] if "source_id" in given else was.get("source_id"),
        "created_at": format_ms(created_ms),
        "updated_at": None if updated_ms is None else format_ms(updated_ms),
        "status": _stays(given, was, "status", "CREATED"),
        "amount": amount,
    }
    if "initial_amount" in stated:
        order["initial_amount"] = stated["initial_amount"]
    if discount:
        order["discount_amount"] = discount
    if items_discount:
        order["items_discount_amount"] = items_discount
    if discount or items_discount:
        order["total_discount_amount"] = discount + items_discount
    order["total_amount"] = amount - discount - items_discount
    if shown_items:
        order["items"] = shown_items
    order["metadata"] = _stays(given, was, "metadata", {})
    if customer_id is not None:
        order["customer"] = {"id": customer_id, "object": "customer"}
    if referrer_id is not None:
        order["referrer"] = {"id": referrer_id, "object": "customer"}
    order["customer_id"] = customer_id
    order["referrer_id"] = referrer_id
    order["object"] = "order"
    return order


def _stays(given: dict[str, Any], was: dict[str, Any], name: str, without: Any) -> Any:
    """What is given; without when it is cleared; what was there when nothing is said."""
    value = given[name] if name in given else was.get(name)
    return without if value is None else value
