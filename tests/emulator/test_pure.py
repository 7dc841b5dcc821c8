"""Properties of the parts without sockets, by Hypothesis, each against a naive way of saying the same."""

from __future__ import annotations

import csv
import io
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from voucherify_async.emulator.checks import MismatchError, check_order
from voucherify_async.emulator.clock import format_ms, parse_ms
from voucherify_async.emulator.exporting import csv_chunks
from voucherify_async.emulator.filters import OPERATORS, compile_filters
from voucherify_async.emulator.project import Project

NOW = 1_700_000_000.0
DAY = 86_400
# How fast a machine draws examples, cold or under load, says nothing about the code.
calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
words_of_metadata = st.text(max_size=8)

amounts = st.integers(0, 10**9)
items = st.fixed_dictionaries(
    {},
    optional={
        "quantity": st.integers(0, 1000),
        "price": amounts,
        "amount": amounts,
        "discount_amount": amounts,
        "source_id": st.sampled_from("abc"),
        "related_object": st.sampled_from(["product", "sku"]),
        "product": st.fixed_dictionaries({"override": st.booleans()}, optional={"price": st.floats(0, 10**6)}),
        "metadata": st.dictionaries(words_of_metadata, st.integers(), max_size=2),
    },
)
payloads = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(["CREATED", "PAID", "CANCELED", "FULFILLED", None]),
        "amount": st.none() | amounts,
        "initial_amount": amounts,
        "discount_amount": st.none() | amounts,
        "items": st.none() | st.lists(items, max_size=3),
        "metadata": st.none() | st.dictionaries(words_of_metadata, words_of_metadata, max_size=2),
        "customer": st.none() | st.fixed_dictionaries({"source_id": st.sampled_from("xyz")}),
        "created_at": st.datetimes().map(lambda moment: moment.isoformat()),
    },
)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words_of_metadata, inner, max_size=4),
    max_leaves=8,
)


class Standing:
    def now(self) -> float:
        return NOW


def project() -> Project:
    return Project(Standing(), 1, None)


def check_totals(order: dict[str, Any]) -> None:
    shown = order.get("items", [])
    for item in shown:
        assert item["subtotal_amount"] == item["amount"] - item.get("discount_amount", 0) >= 0
    if shown:
        assert order["amount"] == sum(item["amount"] for item in shown)
    items_discount = sum(item.get("discount_amount", 0) for item in shown)
    assert order.get("items_discount_amount", 0) == items_discount
    assert order.get("total_discount_amount", 0) == order.get("discount_amount", 0) + items_discount
    assert order["total_amount"] == order["amount"] - order.get("total_discount_amount", 0) >= 0
    assert 0 not in {value for name, value in order.items() if "discount" in name}
    assert all(isinstance(value, int) for name, value in order.items() if name.endswith("amount"))


@calm
@given(payloads, st.lists(payloads, max_size=3))
def test_totals_add_up_and_updates_keep_what_was_not_sent(
    first: dict[str, Any], later: list[dict[str, Any]]
) -> None:
    orders = project().orders
    record = orders.upsert(check_order(first), 1000)
    check_totals(record.data)
    for change in later:
        before = record.data
        snapshot = json.dumps(before)
        orders.update(record.id, check_order(change), 2000)
        after = record.data
        check_totals(after)
        assert json.dumps(before) == snapshot, "what a snapshot holds never changes"
        for name in ("id", "source_id", "status", "metadata", "items", "customer_id", "referrer_id"):
            if name not in change and name.removesuffix("_id") not in change:
                assert after.get(name) == before.get(name)
        if "created_at" not in change:
            assert after["created_at"] == before["created_at"]
        if change.get("status") is not None:
            assert after["status"] == change["status"]
    assert orders.page("created_at", 10, 1) == orders.page("-updated_at", 10, 1) == [record]


@calm
@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 5)), max_size=30))
def test_the_listing_is_sorted(changes: list[tuple[str, int]]) -> None:
    orders = project().orders
    times: dict[str, int] = {}
    made: dict[str, tuple[int, int]] = {}
    for key, at_ms in changes:
        orders.upsert({"source_id": key}, at_ms)
        times[key] = at_ms
        made.setdefault(key, (at_ms, len(made)))
    by_created = [record.source_id for record in orders.page("created_at", 100, 1)]
    assert by_created == sorted(made, key=lambda key: made[key])
    by_updated = [record.source_id for record in orders.page("updated_at", 100, 1)]
    assert by_updated == sorted(made, key=lambda key: (times[key], made[key][1]))
    for page in (1, 2):
        shown = [record.source_id for record in orders.page("-created_at", 3, page)]
        assert shown == by_created[::-1][(page - 1) * 3 : page * 3]


@calm
@given(JSON)
def test_no_payload_breaks_the_checks(payload: Any) -> None:
    with suppress(MismatchError):
        check_order(payload)


@calm
@given(st.datetimes())
def test_times_survive(moment: Any) -> None:
    at_ms = parse_ms(moment.isoformat())
    assert parse_ms(format_ms(at_ms)) == at_ms


metadata = st.dictionaries(st.sampled_from(["a", "b", 'c"', "d,e"]), JSON, max_size=3)


@calm
@given(st.lists(st.tuples(st.none() | st.text(), metadata), max_size=8))
def test_csv_comes_back(made: list[tuple[str | None, dict[str, Any]]]) -> None:
    orders: list[dict[str, Any]] = [
        {"source_id": source_id, "amount": 5, "metadata": data} for source_id, data in made
    ]
    fields = ["source_id", "amount", "metadata", "metadata.a", "discount_amount"]
    text = b"".join(csv_chunks(orders, fields)).decode()
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    assert header == fields
    assert len(rows) == len(orders)
    for order, row in zip(orders, rows, strict=True):
        shown = dict(zip(fields, row, strict=True))
        assert shown["source_id"] == (order["source_id"] or "")
        assert shown["amount"] == "5"
        assert json.loads(shown["metadata"]) == order["metadata"]
        assert shown["discount_amount"] == ""
        value = order["metadata"].get("a")
        if isinstance(value, list | dict):
            assert json.loads(shown["metadata.a"]) == value
        elif isinstance(value, str):
            assert shown["metadata.a"] == value


numbers = st.integers(-5, 5)
words = st.sampled_from(["", "a", "ab", "b", "abc"])
ORACLES: dict[str, Any] = {
    "$is": lambda value, wanted: value in wanted,
    "$in": lambda value, wanted: value in wanted,
    "$is_not": lambda value, wanted: value not in wanted,
    "$not_in": lambda value, wanted: value not in wanted,
    "$contains": lambda value, wanted: bool(value) and any(other in value for other in wanted),
    "$not_contain": lambda value, wanted: not (bool(value) and any(other in value for other in wanted)),
    "$starts_with": lambda value, wanted: bool(value) and any(value.startswith(other) for other in wanted),
    "$ends_with": lambda value, wanted: bool(value) and any(value.endswith(other) for other in wanted),
    "$has_value": lambda value, wanted: bool(value),
    "$is_unknown": lambda value, wanted: not value,
}
NUMERIC: dict[str, Any] = {
    "$more_than": lambda value, other: value > other,
    "$less_than": lambda value, other: value < other,
    "$more_than_equal": lambda value, other: value >= other,
    "$less_than_equal": lambda value, other: value <= other,
    "$after": lambda value, other: value > other,
    "$before": lambda value, other: value < other,
}


def holds(value: Any, operator: str, wanted: Any, **more: Any) -> bool:
    data = {"metadata": {"x": value} if value is not None else {}, "amount": 1, **more}
    return compile_filters({"metadata.x": {"conditions": {operator: wanted}}}, NOW)(data)


@calm
@given(st.sampled_from(sorted(ORACLES)), st.none() | words, st.lists(words, min_size=1, max_size=3))
def test_word_filters_agree_with_a_naive_oracle(operator: str, value: str | None, wanted: list[str]) -> None:
    expected = ORACLES[operator](value, wanted)
    assert holds(value, operator, wanted) == expected
    if len(wanted) == 1:
        assert holds(value, operator, wanted[0]) == expected, "a scalar is a list of one"


@calm
@given(st.sampled_from(sorted(NUMERIC)), st.none() | numbers, st.lists(numbers, min_size=1, max_size=3))
def test_number_filters_agree_with_a_naive_oracle(operator: str, value: int | None, wanted: list[int]) -> None:
    expected = value is not None and any(NUMERIC[operator](value, other) for other in wanted)
    assert holds(value, operator, wanted) == expected
    assert holds(value, operator, [str(other) for other in wanted]) == expected, "numbers may come as text"


@calm
@given(st.sampled_from(["and", "or", None]), numbers, numbers, numbers)
def test_junctions(junction: str | None, amount: int, low: int, high: int) -> None:
    filters: dict[str, Any] = {
        "amount": {"conditions": {"$more_than": low, "$less_than": [high]}},
        "status": {"conditions": {"$is": "PAID"}},
    }
    if junction is not None:
        filters["junction"] = junction
    tests = [amount > low, amount < high, False]
    expected = any(tests) if junction == "or" else all(tests)
    data = {"amount": amount, "status": "CREATED", "metadata": {}}
    assert compile_filters(filters, NOW)(data) == expected


def at(seconds: float) -> str:
    return format_ms(round((NOW + seconds) * 1000))


@pytest.mark.parametrize(
    ("value", "operator", "wanted", "expected"),
    [
        ("2022-01-02", "$after", "2022-01-01T00:00:00Z", True),
        ("2022-01-02", "$before", ["2022-01-02T00:00:00+01:00"], False),
        ("2022-01-01", "$is", "2022-01-01T00:00:00.000Z", True),
        ("some", "$after", "2022-01-01", False),
        (5, "$after", "2022-01-01", False),
        (True, "$more_than", 0, False),
        (True, "$is", True, True),
        (True, "$is", 1, False),
        (True, "$is", "true", True),
        (False, "$is", "false", True),
        (5, "$is", "5", True),
        (5, "$is", "five", False),
        (5, "$is", None, False),
        (None, "$is", None, False),
        (None, "$is_not", None, True),
        ("b", "$more_than", "a", True),
        ("b", "$less_than_equal", ["a"], False),
        ("b", "$less_than_equal", ["b"], True),
        ("10", "$more_than", "9", True),
        ("b", "$more_than", 5, False),
        (200, "$is", "2_00", False),
        (200, "$more_than", "1_00", False),
        (200, "$more_than", " 100", False),
        (200, "$is", "2e2", True),
        (True, "$contains", "tru", True),
        (False, "$starts_with", False, True),
        ("None", "$contains", None, False),
        (5, "$more_than", 10**400, False),
        (10**400, "$more_than", 1.5, True),
        (at(-2 * DAY), "$more_than_ago", 10**400, False),
        (at(-2 * DAY), "$less_than_ago", [10**400], True),
        (at(-2 * DAY), "$is_days_in_future", -(10**400), False),
        (5, "$contains", "5", True),
        ([1, 2], "$is", 2, True),
        ([1, 2], "$not_in", [2], False),
        ({"a": 1}, "$contains", "a", False),
        ({"a": 1}, "$more_than", 0, False),
        (at(-2 * DAY), "$is_days_ago", 2, True),
        (at(-2 * DAY), "$is_days_ago", [1], False),
        (at(3 * DAY), "$is_days_in_future", 3, True),
        (at(-3 * DAY), "$more_than_ago", 2, True),
        (at(-1 * DAY), "$more_than_ago", 2, False),
        (at(-1 * DAY), "$less_than_ago", 2, True),
        (at(+1 * DAY), "$less_than_ago", 2, False),
        (at(3 * DAY), "$more_than_future", 2, True),
        (at(1 * DAY), "$less_than_future", 2, True),
        (at(-1 * DAY), "$less_than_future", 2, False),
        ("soon", "$is_days_ago", 2, False),
        (None, "$is_days_ago", 2, False),
        (at(0), "$is_days_ago", "two", False),
        ([1, 2, 3], "$count", 3, True),
        ([1, 2, 3], "$count_less", [3], False),
        ([1, 2, 3], "$count_more", "2", True),
        ({"a": 1}, "$count", 1, True),
        ("word", "$count", 1, True),
        (None, "$count", 0, True),
        ([1], "$count", {}, False),
        ("x", "$has_value", False, False),
        (None, "$has_value", "false", True),
        ("x", "$is_unknown", [False], True),
        ([], "$has_value", True, False),
    ],
)
def test_conditions_one_by_one(value: Any, operator: str, wanted: Any, *, expected: bool) -> None:
    assert holds(value, operator, wanted) == expected


@calm
@given(st.sampled_from(sorted(OPERATORS)), JSON, JSON)
def test_no_value_breaks_a_filter(operator: str, value: Any, wanted: Any) -> None:
    assert holds(value, operator, wanted) in (True, False)
