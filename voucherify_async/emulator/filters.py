"""The filters of an export: from the request's object to a function over an order's data.

The operators are the properties of `FiltersCondition` in `orders.json`. Guesses, where the documents are silent:

- `junction` (without one: and) joins all conditions, those of one field too.
- The schema lists `$after` and `$before` alone for times, and forbids no other operator: they take all of them.
- A condition with several values holds when one of them fits; a negative one (`$is_not`, `$not_in`,
  `$not_contain`) when none does. A list in the metadata fits when one of its elements does.
- An order that has no such value fails every comparison and passes every negative condition. A discount that is not
  shown is such a missing value.
- Numbers compare as numbers, also when the filter has them as text (in JSON's spelling); times as times; text with
  text as text, but for `$after` and `$before`, which are about times and numbers alone. `true` and `false` have
  these words for their text.
- "n days ago" means the calendar day (UTC) for `$is_days_ago`, and n * 24 hours for `$more_than_ago`,
  `$less_than_ago` and their future twins.
- null is no value of a condition, and neither is an array within its array; `true` and `false` are, since metadata
  can be either.
- The condition words that the service's error message lists beside those of the schema (`$today`, `$is_month` ...)
  are refused as not supported here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, Final

from voucherify_async.emulator.checks import MAX_DEPTH, too_deep
from voucherify_async.emulator.clock import parse_ms
from voucherify_async.emulator.problems import invalid_payload

__all__ = ["FIELDS", "OPERATORS", "Predicate", "check_filters", "compile_filters"]

Predicate = Callable[[dict[str, Any]], bool]
Test = Callable[[Any], bool]

FIELDS: Final = frozenset(
    (
        "id",
        "source_id",
        "created_at",
        "updated_at",
        "status",
        "amount",
        "initial_amount",
        "discount_amount",
        "items_discount_amount",
        "total_discount_amount",
        "total_amount",
        "customer_id",
        "referrer_id",
        "items",
        "metadata",
    )
)
_DAY: Final = 86_400.0
_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
# All that the service's error message lists, in its order.
_LISTED: Final = (
    "$in, $not_in, $in_location, $not_in_location, $is, $is_days_ago, $is_days_in_future, $is_not, "
    "$has_value, $is_unknown, $contains, $not_contain, $starts_with, $ends_with, $more_than, $less_than, "
    "$more_than_ago, $less_than_ago, $more_than_future, $less_than_future, $more_than_equal, "
    "$less_than_equal, $after, $before, $count, $count_less, $count_more, $today, $tomorrow, $yesterday, "
    "$this_week, $last_week, $next_week, $this_month, $last_month, $next_month, $this_year, $next_year, "
    "$last_year, $is_day_of_month, $is_day, $is_month, $is_year, $today_md, $tomorrow_md, $yesterday_md, "
    "$this_week_md, $last_week_md, $next_week_md, $this_month_md, $last_month_md, $next_month_md, "
    "$is_days_ago_md, $is_more_days_ago_md, $is_less_days_ago_md, $is_days_in_future_md, "
    "$is_more_days_in_future_md, $is_less_days_in_future_md, $is_years_ago, $active, $failed, $in_progress, "
    "$expired, $before_start, $enabled, $disabled, $redeemed, $redeemable"
)
_KNOWN: Final = frozenset(_LISTED.split(", "))


class Wanted:
    """A value of a condition, read once in all the ways in which an order's value may be."""

    __slots__ = ("moment", "number", "plain", "text")

    def __init__(self, plain: Any) -> None:
        self.plain = plain
        self.number = _number(plain)
        self.moment = _seconds(plain)
        self.text = _text(plain)


Condition = Callable[[list[Wanted], float], Test]


def _each(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _known(value: Any) -> bool:
    return value is not None and value not in ("", [])


def _number(value: Any) -> int | float | None:
    if isinstance(value, str):
        return float(value) if _NUMBER.fullmatch(value) else None
    return None if isinstance(value, bool) or not isinstance(value, int | float) else value


def _seconds(value: Any) -> float | None:
    try:
        return parse_ms(value) / 1000 if isinstance(value, str) else None
    except (ValueError, OverflowError):
        return None


def _text(value: Any) -> str | None:
    """A value as text, in JSON's spelling; None for what is not there, and for objects and lists."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else None


def _same(value: Any, wanted: Wanted) -> bool:
    if value is None:
        return False
    if value == wanted.plain and isinstance(value, bool) == isinstance(wanted.plain, bool):
        return True
    if isinstance(value, bool):
        return isinstance(wanted.plain, str) and wanted.plain == _text(value)
    if isinstance(value, int | float):
        return isinstance(wanted.plain, str) and wanted.number == value
    return wanted.moment is not None and _seconds(value) == wanted.moment


def _compare(value: Any, wanted: Wanted, *, as_text: bool) -> int | None:
    """-1, 0, 1, or None where there is nothing to compare."""
    if not _known(value):
        return None
    left: Any
    right: Any
    for left, right in ((_number(value), wanted.number), (_seconds(value), wanted.moment)):
        if left is not None and right is not None:
            return int(left > right) - int(left < right)
    left, right = value, wanted.plain
    if as_text and isinstance(left, str) and isinstance(right, str):
        return int(left > right) - int(left < right)
    return None


def _some(test: Callable[[Any, Wanted], bool]) -> Condition:
    def compiled(wanted: list[Wanted], _now: float) -> Test:
        return lambda value: any(test(one, other) for one in _each(value) for other in wanted)

    return compiled


def _none(test: Callable[[Any, Wanted], bool]) -> Condition:
    def compiled(wanted: list[Wanted], now: float) -> Test:
        some = _some(test)(wanted, now)
        return lambda value: not some(value)

    return compiled


def _ordered(accept: Callable[[int], bool], *, as_text: bool = True) -> Condition:
    def test(value: Any, wanted: Wanted) -> bool:
        order = _compare(value, wanted, as_text=as_text)
        return order is not None and accept(order)

    return _some(test)


def _spelled(accept: Callable[[str, str], bool]) -> Callable[[Any, Wanted], bool]:
    def test(value: Any, wanted: Wanted) -> bool:
        text = _text(value)
        return bool(text) and wanted.text is not None and accept(str(text), wanted.text)

    return test


def _counted(accept: Callable[[float, float], bool]) -> Condition:
    def compiled(wanted: list[Wanted], _now: float) -> Test:
        limits = [other.number for other in wanted if other.number is not None]

        def test(value: Any) -> bool:
            count = len(value) if isinstance(value, list | dict) else int(_known(value))
            return any(accept(count, limit) for limit in limits)

        return test

    return compiled


def _aged(accept: Callable[[float, float, float], bool]) -> Condition:
    """By (moment, now, seconds)."""

    def compiled(wanted: list[Wanted], now: float) -> Test:
        ages = [_days(other.number) for other in wanted if other.number is not None]

        def test(value: Any) -> bool:
            moment = _seconds(value)
            return moment is not None and any(accept(moment, now, age) for age in ages)

        return test

    return compiled


def _days(number: float) -> float:
    """So many days in seconds; more than there can be is endless."""
    try:
        return number * _DAY
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def _presence(*, wanted_state: bool) -> Condition:
    def compiled(wanted: list[Wanted], _now: float) -> Test:
        asked = all(other.text != "false" for other in wanted)
        return lambda value: (_known(value) == wanted_state) == asked

    return compiled


_contains = _spelled(lambda value, wanted: wanted in value)

OPERATORS: Final[dict[str, Condition]] = {
    "$in": _some(_same),
    "$not_in": _none(_same),
    "$is": _some(_same),
    "$is_days_ago": _aged(lambda at, now, age: at // _DAY == (now - age) // _DAY),
    "$is_days_in_future": _aged(lambda at, now, age: at // _DAY == (now + age) // _DAY),
    "$is_not": _none(_same),
    "$has_value": _presence(wanted_state=True),
    "$is_unknown": _presence(wanted_state=False),
    "$contains": _some(_contains),
    "$not_contain": _none(_contains),
    "$starts_with": _some(_spelled(str.startswith)),
    "$ends_with": _some(_spelled(str.endswith)),
    "$more_than": _ordered(lambda order: order > 0),
    "$less_than": _ordered(lambda order: order < 0),
    "$more_than_ago": _aged(lambda at, now, age: at < now - age),
    "$less_than_ago": _aged(lambda at, now, age: now - age < at <= now),
    "$more_than_future": _aged(lambda at, now, age: at > now + age),
    "$less_than_future": _aged(lambda at, now, age: now <= at < now + age),
    "$more_than_equal": _ordered(lambda order: order >= 0),
    "$less_than_equal": _ordered(lambda order: order <= 0),
    "$after": _ordered(lambda order: order > 0, as_text=False),
    "$before": _ordered(lambda order: order < 0, as_text=False),
    "$count": _counted(lambda count, limit: count == limit),
    "$count_less": _counted(lambda count, limit: count < limit),
    "$count_more": _counted(lambda count, limit: count > limit),
}

_FORMAT_DETAILS: Final = (
    "Property .parameters.filters should match either `filters[${field}][conditions][${condition}][${index}]` or "
    "`filters[${field}][conditions][${condition}]` format and condition must be one of: " + _LISTED
)


def check_filters(filters: Any) -> dict[str, Any]:
    """The filters as they came, if the service would take them. Raises the 400."""
    if not isinstance(filters, dict):
        raise invalid_payload("Property .parameters.filters should be object")
    if too_deep(filters):
        raise invalid_payload(f"Property .parameters.filters should NOT be nested more than {MAX_DEPTH} levels")
    for field, stated in filters.items():
        if field == "junction":
            if stated not in ("and", "or"):
                raise invalid_payload(
                    "Property .parameters.filters.junction should be equal to one of the allowed values [ and, or ]"
                )
            continue
        if field not in FIELDS and not (field.startswith("metadata.") and field != "metadata."):
            raise invalid_payload(
                f"Property .parameters.filters.{field} is not an attribute of an order. "
                f"Allowed: {', '.join(sorted(FIELDS))}, metadata.X"
            )
        conditions = stated.get("conditions") if isinstance(stated, dict) else None
        if not isinstance(conditions, dict):
            raise invalid_payload(_FORMAT_DETAILS)
        for operator, wanted in conditions.items():
            if operator in OPERATORS:
                if any(value is None or isinstance(value, list) for value in _each(wanted)):
                    place = f"Property .parameters.filters.{field}.conditions.{operator}"
                    raise invalid_payload(f"{place} should be a value or an array of values")
                continue
            if operator in _KNOWN:
                raise invalid_payload(
                    f"Property .parameters.filters.{field}: {operator} is not supported by the emulator"
                )
            raise invalid_payload(_FORMAT_DETAILS)
    return filters


def compile_filters(filters: dict[str, Any] | None, now: float) -> Predicate:
    """A function that says whether an order belongs to the export."""
    tests: list[tuple[str | None, str, Test]] = []
    for field, stated in (filters or {}).items():
        if field == "junction":
            continue
        key = field.removeprefix("metadata.") if field.startswith("metadata.") else None
        for operator, wanted in stated["conditions"].items():
            test = OPERATORS[operator]([Wanted(value) for value in _each(wanted)], now)
            tests.append((key, field, test))
    if not tests:
        return lambda _data: True
    join = any if (filters or {}).get("junction") == "or" else all

    def holds(data: dict[str, Any]) -> bool:
        return join(
            test(data.get(field) if key is None else data["metadata"].get(key)) for key, field, test in tests
        )

    return holds
