"""Payload validation, from the schemas of `orders.json`, with errors in the service's style.

What passes comes back normalised: only known properties (unknown ones are ignored), whole floats as integers,
times as Unix milliseconds.

Guesses, where the documents are silent:

- `null` clears a property of an order; inside of items, customers and products it means "not given".
- Quantities, amounts and prices below 0 are refused; `initial_quantity` must be 1 at least (which is documented).
- Integers stay within what a JavaScript number holds exactly, since the service is written for those; so do prices,
  and the amounts that are worked out from them.
- `source_id` and `id` must not be empty; metadata is nested 64 levels at most.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any, Final

from voucherify_async.emulator.clock import parse_ms
from voucherify_async.emulator.problems import invalid_payload

__all__ = [
    "MAX_DEPTH",
    "MAX_IMPORT",
    "MAX_ITEMS",
    "MismatchError",
    "check_import",
    "check_order",
    "no_more_than_safe",
    "order_from",
    "too_deep",
]

MAX_ITEMS: Final = 500
MAX_IMPORT: Final = 2000
# A guess; what can be read at the edge of the recursion limit could not be written any more, one call deeper.
MAX_DEPTH: Final = 64
STATUSES: Final = ("CREATED", "PAID", "CANCELED", "FULFILLED")
_SAFE_INTEGER: Final = 2**53 - 1

Checker = Callable[[Any], Any]


class MismatchError(Exception):
    """A value that does not fit; the path to it grows while the exception rises."""

    def __init__(self, complaint: str) -> None:
        super().__init__(complaint)
        self.complaint = complaint
        self.path = ""

    def under(self, step: str) -> MismatchError:
        """The same, seen from one level up."""
        self.path = step + self.path
        return self

    @property
    def details(self) -> str:
        """Such as `Property .items[0].quantity should be integer`."""
        return f"Property {self.path or '.'} {self.complaint}"


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise MismatchError("should be string")
    return value


def _key(value: Any) -> str:
    text = _string(value)
    if not text:
        raise MismatchError("should NOT be shorter than 1 characters")
    return text


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise MismatchError("should be boolean")
    return value


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise MismatchError("should be object")
    return value


def too_deep(value: Any, levels: int = MAX_DEPTH) -> bool:
    """Whether a JSON value is nested beyond what is sure to be written again."""
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return False
    return levels == 0 or any(too_deep(inner, levels - 1) for inner in value if isinstance(inner, dict | list))


def _metadata(value: Any) -> dict[str, Any]:
    metadata = _object(value)
    if too_deep(metadata):
        raise MismatchError(f"should NOT be nested more than {MAX_DEPTH} levels")
    return metadata


def _price(value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MismatchError("should be number")
    if value < 0:
        raise MismatchError("cannot be lower than 0")
    if value > _SAFE_INTEGER:
        raise MismatchError(f"should be <= {_SAFE_INTEGER}")
    return value


def _integer(value: Any) -> int:
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int:
        raise MismatchError("should be integer")
    if not -_SAFE_INTEGER <= value <= _SAFE_INTEGER:
        raise MismatchError(f"should be <= {_SAFE_INTEGER}" if value > 0 else f"should be >= -{_SAFE_INTEGER}")
    return value


def _at_least(lowest: int) -> Checker:
    def check(value: Any) -> int:
        number = _integer(value)
        if number < lowest:
            raise MismatchError(f"cannot be lower than {lowest}")
        return number

    return check


def _one_of(*allowed: str) -> Checker:
    complaint = f"should be equal to one of the allowed values [ {', '.join(allowed)} ]"

    def check(value: Any) -> str:
        text = _string(value)
        if text not in allowed:
            raise MismatchError(complaint)
        return text

    return check


def _moment(value: Any) -> int:
    try:
        return parse_ms(_string(value))
    except (ValueError, OverflowError):
        raise MismatchError("cannot be recognized as a ISO-8601 compliant date") from None


def _date(value: Any) -> str:
    try:
        # Python reads other ways of writing a date than YYYY-MM-DD, too.
        if date.fromisoformat(text := _string(value)).isoformat() == text:
            return text
    except ValueError:
        pass
    raise MismatchError("cannot be recognized as a ISO-8601 compliant date")


def _properties(checkers: dict[str, Checker], *, keep_null: bool = False) -> Checker:
    find = checkers.get

    def check(value: Any) -> dict[str, Any]:
        given: dict[str, Any] = {}
        for name, inner in _object(value).items():
            checker = find(name)
            if checker is None:
                continue
            if inner is None:
                if keep_null:
                    given[name] = None
                continue
            try:
                given[name] = checker(inner)
            except MismatchError as mismatch:
                raise mismatch.under(f".{name}") from None
        return given

    return check


_count = _at_least(0)

_PRODUCT: Final = _properties(
    {
        "id": _key,
        "source_id": _key,
        "override": _boolean,
        "name": _string,
        "metadata": _metadata,
        "price": _price,
    }
)
_SKU: Final = _properties(
    {
        "id": _key,
        "source_id": _key,
        "override": _boolean,
        "sku": _string,
        "price": _price,
        "metadata": _metadata,
    }
)
_ITEM: Final = _properties(
    {
        "sku_id": _key,
        "product_id": _key,
        "related_object": _one_of("product", "sku"),
        "source_id": _key,
        "quantity": _count,
        "discount_quantity": _count,
        "initial_quantity": _at_least(1),
        "amount": _count,
        "discount_amount": _count,
        "initial_amount": _count,
        "price": _count,
        "product": _PRODUCT,
        "sku": _SKU,
        "metadata": _metadata,
    }
)
_CUSTOMER: Final = _properties(
    {
        "id": _key,
        "source_id": _key,
        "name": _string,
        "description": _string,
        "email": _string,
        "phone": _string,
        "birthday": _date,
        "birthdate": _date,
        "address": _properties(
            dict.fromkeys(("city", "state", "line_1", "line_2", "country", "postal_code"), _string)
        ),
        "metadata": _metadata,
    }
)


def _items(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise MismatchError("should be array")
    if len(value) > MAX_ITEMS:
        raise MismatchError(f"should NOT have more than {MAX_ITEMS} items")
    checked = []
    for index, item in enumerate(value):
        try:
            checked.append(_ITEM(item))
        except MismatchError as mismatch:
            raise mismatch.under(f"[{index}]") from None
    return checked


_ORDER: Final = _properties(
    {
        "id": _key,
        "source_id": _key,
        "status": _one_of(*STATUSES),
        "amount": _count,
        "initial_amount": _count,
        "discount_amount": _count,
        "items": _items,
        "metadata": _metadata,
        "created_at": _moment,
        "referrer_id": _key,
        "customer": _CUSTOMER,
        "referrer": _CUSTOMER,
    },
    keep_null=True,
)


def check_order(payload: Any) -> dict[str, Any]:
    """One order of a create, an update or an import. Raises MismatchError."""
    given: dict[str, Any] = _ORDER(payload)
    return given


def no_more_than_safe(amount: int, where: str) -> int:
    """An amount that was worked out. Raises the 400 when it is larger than any that may be given."""
    if amount > _SAFE_INTEGER:
        raise invalid_payload(f"Property {where} should be <= {_SAFE_INTEGER}")
    return amount


def order_from(payload: Any) -> dict[str, Any]:
    """The same for a request of its own. Raises the 400."""
    try:
        return check_order(payload)
    except MismatchError as mismatch:
        raise invalid_payload(mismatch.details) from None


def check_import(payload: Any) -> list[Any]:
    """The array of an import. What is wrong with a single order is found when its turn comes."""
    if not isinstance(payload, list):
        raise invalid_payload("Property . should be array")
    if not payload:
        raise invalid_payload("Property . should NOT have fewer than 1 items")
    if len(payload) > MAX_IMPORT:
        raise invalid_payload(f"Property . should NOT have more than {MAX_IMPORT} items")
    if too_deep(payload, 2 * MAX_DEPTH):
        # Not left to the order's turn: rows wait in the database, and what is nested so deep cannot be written.
        raise invalid_payload(f"Property . should NOT be nested more than {2 * MAX_DEPTH} levels")
    return payload
