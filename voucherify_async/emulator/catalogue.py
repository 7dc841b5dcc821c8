"""What orders refer to: customers, products and SKUs.

Guesses, where the documents are silent:

- A customer with an unknown `id` is an error (404), one with an unknown `source_id` is made, one with neither is
  made anew each time; one about whom nothing is said is none.
- Without `override: true` (with which alone a product or SKU is stored, as documented) what the order says about it
  is shown in that order, over what is stored. Unknown `product_id` and `sku_id` are shown as they came, unless
  `override` makes the thing: it gets an id of its own, which is shown then.
- The price of an item is its own, else that of its SKU, else that of its product. Those may be broken numbers and
  amounts may not (documents: number, integer): a price is rounded first, then multiplied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal

from voucherify_async.emulator.checks import no_more_than_safe
from voucherify_async.emulator.identifiers import Identifiers
from voucherify_async.emulator.problems import not_found

__all__ = ["Catalogue", "Kind"]

Kind = Literal["customer", "product", "sku"]
Mark = Callable[[str, str, Any], None]

_STORED: Final[dict[Kind, tuple[str, ...]]] = {
    "product": ("name", "metadata", "price"),
    "sku": ("sku", "metadata", "price", "product_id"),
}
_ECHOED: Final = ("quantity", "discount_quantity", "initial_quantity")


class Catalogue:
    """Customers, products and SKUs by id and by source id. Every change is told to `mark`."""

    def __init__(self, identifiers: Identifiers, mark: Mark) -> None:
        self._identifiers = identifiers
        self._mark = mark
        self._things: dict[Kind, dict[str, dict[str, Any]]] = {"customer": {}, "product": {}, "sku": {}}
        self._by_source: dict[Kind, dict[str, str]] = {"customer": {}, "product": {}, "sku": {}}
        self._changes: list[tuple[Kind, dict[str, Any], dict[str, Any] | None]] = []

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """Take back everything that was stored inside, if that ends with an exception."""
        self._changes.clear()
        try:
            yield
        except BaseException:
            for kind, thing, before in reversed(self._changes):
                self._take_back(kind, thing, before)
            raise

    def restore(self, kind: Kind, thing: dict[str, Any]) -> None:
        """Take up what was stored."""
        self._things[kind][thing["id"]] = thing
        if thing.get("source_id") is not None:
            self._by_source[kind][thing["source_id"]] = thing["id"]

    def find(self, kind: Kind, *, thing_id: str | None, source_id: str | None) -> dict[str, Any] | None:
        """By id, else by source id."""
        if thing_id is not None:
            return self._things[kind].get(thing_id)
        if source_id is not None:
            known = self._by_source[kind].get(source_id)
            return None if known is None else self._things[kind][known]
        return None

    def require_customer(self, customer_id: str) -> str:
        """The id of a customer who exists. Raises the 404."""
        if customer_id not in self._things["customer"]:
            raise not_found("customer", customer_id)
        return customer_id

    def link_customer(self, given: dict[str, Any]) -> str:
        """Make or update the customer; the id. Raises the 404."""
        if "id" in given:
            self.require_customer(given["id"])
            # The document: with an id, the source id is ignored.
            given = {name: value for name, value in given.items() if name != "source_id"}
        known = self.find("customer", thing_id=given.get("id"), source_id=given.get("source_id"))
        if known is None:
            customer = {"id": self._identifiers.object_id("cust"), **given}
        else:
            customer = {**known, **given}
            if customer == known:
                return str(known["id"])
        self._store("customer", customer)
        return str(customer["id"])

    def complete_items(self, given: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Items as orders show them, products and SKUs stored if they are to be, amounts worked out."""
        return [self._complete_item(item, f".items[{index}]") for index, item in enumerate(given)]

    def _complete_item(self, given: dict[str, Any], where: str) -> dict[str, Any]:
        product_given, sku_given = given.get("product"), given.get("sku")
        is_sku = given.get("related_object") == "sku" or sku_given is not None or "sku_id" in given
        own_source = given.get("source_id")
        sku = self._resolve("sku", sku_given, given.get("sku_id"), own_source) if is_sku else None
        product_id = given.get("product_id") or (sku or {}).get("product_id")
        product = self._resolve("product", product_given, product_id, None if is_sku else own_source)
        if sku is not None and product is not None:
            self._tie(sku, product)

        item: dict[str, Any] = {"object": "order_item"}
        if own_source is not None:
            item["source_id"] = own_source
        if "related_object" in given:
            item["related_object"] = given["related_object"]
        for name, found in (("product_id", product), ("sku_id", sku)):
            shown_id = (found or {}).get("id") or given.get(name)
            if shown_id is not None:
                item[name] = shown_id
        for name in _ECHOED:
            if name in given:
                item[name] = given[name]
        _price_item(item, given, sku, product, where)
        if product is not None:
            item["product"] = {name: value for name, value in product.items() if name != "override"}
        if sku is not None:
            item["sku"] = {name: value for name, value in sku.items() if name not in ("override", "product_id")}
        if "metadata" in given:
            item["metadata"] = given["metadata"]
        return item

    def _resolve(
        self, kind: Kind, given: dict[str, Any] | None, thing_id: str | None, source_id: str | None
    ) -> dict[str, Any] | None:
        stated = given or {}
        thing_id = stated.get("id", thing_id)
        source_id = stated.get("source_id", source_id)
        known = self.find(kind, thing_id=thing_id, source_id=source_id)
        if known is None and given is None:
            return None
        if not stated.get("override"):
            return {**(known or {}), **stated}
        if known is None:
            known = self.find(kind, thing_id=None, source_id=source_id)
        if known is None:
            prefix = "prod" if kind == "product" else "sku"
            known = {"id": self._identifiers.hex_id(prefix)}
            if source_id is not None:
                known["source_id"] = source_id
        stored = {**known, **{name: stated[name] for name in _STORED[kind] if name in stated}}
        self._store(kind, stored)
        return stored

    def _tie(self, sku: dict[str, Any], product: dict[str, Any]) -> None:
        stored = self._things["sku"].get(sku.get("id", ""))
        if stored is not None and "id" in product and stored.get("product_id") != product["id"]:
            self._store("sku", {**stored, "product_id": product["id"]})

    def _store(self, kind: Kind, thing: dict[str, Any]) -> None:
        self._changes.append((kind, thing, self._things[kind].get(thing["id"])))
        self.restore(kind, thing)
        self._mark(kind, thing["id"], thing)

    def _take_back(self, kind: Kind, thing: dict[str, Any], before: dict[str, Any] | None) -> None:
        del self._things[kind][thing["id"]]
        if thing.get("source_id") is not None:
            del self._by_source[kind][thing["source_id"]]
        if before is not None:
            self.restore(kind, before)
        self._mark(kind, thing["id"], before)


def _price_item(
    item: dict[str, Any],
    given: dict[str, Any],
    sku: dict[str, Any] | None,
    product: dict[str, Any] | None,
    where: str,
) -> None:
    """`amount` = `price` * `quantity` unless it is given; `subtotal_amount` = `amount` - `discount_amount`."""
    price = given.get("price")
    if price is None and "amount" not in given:
        price = (sku or {}).get("price", (product or {}).get("price"))
    price = None if price is None else round(price)
    amount = given.get("amount")
    if amount is None:
        amount = no_more_than_safe((price or 0) * given.get("quantity", 1), f"{where}.amount")
    discount = min(given.get("discount_amount", 0), amount)
    item["amount"] = amount
    if discount:
        item["discount_amount"] = discount
    if "initial_amount" in given:
        item["initial_amount"] = given["initial_amount"]
    if price is not None:
        item["price"] = price
    item["subtotal_amount"] = amount - discount
