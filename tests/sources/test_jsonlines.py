"""JSON Lines: what is read, what is refused, and what is written of a failure."""

import decimal
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from tests.sources.orders import read, structs
from tests.sources.test_lines import CUTS
from voucherify_async import (
    ConfigurationError,
    NewOrder,
    OrderItem,
    Product,
    SourceError,
    StoredItem,
    StoredProduct,
    failure_line,
)
from voucherify_async.sources import lines
from voucherify_async.sources.found import BadLine
from voucherify_async.sources.jsonlines import JsonLines, StrictOrder


def orders_and_problems(*text: str | bytes, allow_keyless: bool = False) -> tuple[list[NewOrder], list[str]]:
    data = b"\n".join(line.encode() if isinstance(line, str) else line for line in text)
    orders, bad = read(JsonLines(allow_keyless=allow_keyless), data, [])
    return orders, [str(one) for one in bad]


def problem(line: str | bytes) -> str:
    orders, (one,) = orders_and_problems(line)
    assert orders == []
    return one


def test_a_line_is_an_order_as_the_api_takes_it() -> None:
    (order,), problems = orders_and_problems(
        '{"source_id":"a","status":null,"items":[{"quantity":2,"product":{"price":1.5}}],"metadata":{"x":[null]}}'
    )
    assert problems == []
    assert type(order) is NewOrder
    assert order == NewOrder(
        source_id="a",
        status=None,
        items=[OrderItem(quantity=2, product=Product(price=1.5))],
        metadata={"x": [None]},
    )
    assert (order.status, order.amount) == (None, UNSET)


def test_blank_lines_are_passed_over_and_counted_as_lines_of_the_file() -> None:
    parser = JsonLines()
    orders, bad = read(parser, b'\xef\xbb\xbf{"id":"a"}\r\n\r\n  \n{"id":"b"}\n{}\n', [])
    assert [order.key for order in orders] == ["a", "b"]
    assert [one.number for one in bad] == [5]
    assert parser.lines == 3


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"source_id":"a","ammount":1}', "line 1: Object contains unknown field `ammount`"),
        ('{"id":"a","items":[{},{"qty":1}]}', "line 1: items[1]: Object contains unknown field `qty`"),
        ('{"id":"a","items":[{"product":{"x":1}}]}', "line 1: items[0].product: Object contains unknown field `x`"),
        ('{"id":"a","items":[{"sku":{"x":1}}]}', "line 1: items[0].sku: Object contains unknown field `x`"),
        ('{"id":"a","customer":{"x":1}}', "line 1: customer: Object contains unknown field `x`"),
        ('{"id":"a","referrer":{"x":1}}', "line 1: referrer: Object contains unknown field `x`"),
        (
            '{"id":"a","customer":{"address":{"x":1}}}',
            "line 1: customer.address: Object contains unknown field `x`",
        ),
        ('{"id":"a","items":[{"_failure":1}]}', "line 1: items[0]: Object contains unknown field `_failure`"),
        ('{"amount":1}', "line 1: has neither a source_id nor an id"),
        ('{"source_id":null,"id":null}', "line 1: has neither a source_id nor an id"),
        ('{"source_id":""}', "line 1: source_id: Expected `str` of length >= 1"),
        ('{"id":"a","amount":"1"}', "line 1: amount: Expected `int | null`, got `str`"),
        (
            '{"id":"a","created_at":"2026-03-01T07:44:41"}',
            "line 1: created_at: Expected `datetime` with a timezone",
        ),
        ("7", "line 1: Expected `object`, got `int`"),
        ("nope", "line 1: JSON is malformed"),
        ('{"id":"a"', "line 1: Input data was truncated"),
        ('{"id":"a"} {"id":"b"}', "line 1: JSON is malformed: trailing characters"),
        (b'{"id":"\xff"}', "line 1: is not UTF-8"),
        (b'{"id":"a","metadata":{"x":' + b"[" * 9999, "line 1: is nested too deep"),
        (b'{"id":"a","metadata":{"x":1e999}}', "line 1: "),
    ],
)
def test_what_does_not_fit_is_named_with_its_path(line: str | bytes, expected: str) -> None:
    assert problem(line).startswith(expected)


def test_a_bad_line_tells_the_order_if_it_can() -> None:
    for line, key in [
        (b'{"source_id":"a","id":"b","x":1}', "a"),
        (b'{"source_id":null,"id":"b","x":1}', "b"),
        (b'{"source_id":7,"x":1}', None),
        (b"7", None),
    ]:
        _, (bad,) = read(JsonLines(), line, [])
        assert bad.key == key


@pytest.mark.parametrize(("count", "good"), [(500, True), (501, False), (731, False)])
def test_an_order_has_at_most_500_items(count: int, good: bool) -> None:
    line = json.dumps({"id": "a", "items": [{}] * count})
    orders, problems = orders_and_problems(line)
    assert len(orders) == good
    assert problems == ([] if good else [f"line 1: has {count} items, an order has at most 500"])


@pytest.mark.parametrize("text", ['[{"id":"a"}]', "\n [\n", "[\n  {\n"])
def test_a_json_array_is_named_at_once(text: str) -> None:
    with pytest.raises(SourceError, match=r"^line \d: begins a JSON array; an order a line is read$"):
        orders_and_problems(text)
    assert orders_and_problems('{"id":"a"}', "[]")[1] == ["line 2: Expected `object`, got `array`"]


def test_orders_without_a_key_are_read_if_they_are_asked_for() -> None:
    assert orders_and_problems("{}", allow_keyless=True) == ([NewOrder()], [])


def test_of_a_name_that_stands_twice_the_last_counts() -> None:
    (order,), _ = orders_and_problems('{"id":"a","amount":1,"amount":2}')
    assert order.amount == 2


def test_a_line_that_is_too_long_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 20)
    _, problems = orders_and_problems(b"x" * 21)
    assert len(problems) == 1
    assert "is longer than" in problems[0]


def strict_parts(info: Any) -> list[Any]:
    match info:
        case msgspec.inspect.StructType():
            return [info, *(part for field in info.fields for part in strict_parts(field.type))]
        case msgspec.inspect.UnionType():
            return [part for one in info.types for part in strict_parts(one)]
        case msgspec.inspect.ListType():
            return strict_parts(info.item_type)
    return []


def test_no_part_of_an_order_was_forgotten_to_be_strict() -> None:
    ours = strict_parts(msgspec.inspect.type_info(StrictOrder))
    theirs = strict_parts(msgspec.inspect.type_info(NewOrder))
    assert len(ours) == len(theirs) == 8
    for one, other in zip(ours, theirs, strict=True):
        assert one.forbid_unknown_fields
        assert {field.name for field in one.fields} - {"failure"} == {field.name for field in other.fields}


ORDERS = structs(NewOrder, in_csv=False)
JUNK = (b"", b" \r", b"{", b"{}", b'{"x":1}', b"7", b"\xff\xff", b'{"id":7}', b'{"id":"a","_x":{}}')


@given(st.lists(ORDERS.map(msgspec.json.encode) | st.sampled_from(JUNK)), CUTS)
def test_every_line_is_an_order_that_is_given_or_is_reported(text: list[bytes], cuts: list[int]) -> None:
    parser = JsonLines()
    orders, bad = read(parser, b"\n".join(text), cuts)
    expected = []
    for line in text:
        try:
            order = msgspec.json.decode(line, type=NewOrder)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
        if order.key and line not in JUNK:
            expected.append(order)
    assert orders == expected
    assert [type(order) for order in orders] == [NewOrder] * len(orders)
    filled = [number for number, line in enumerate(text, start=1) if line.strip()]
    assert parser.lines == len(filled) == len(orders) + len(bad)
    assert {one.number for one in bad} <= set(filled)
    assert all(one.last_number == one.number and one.count == 1 and one.reason for one in bad)


# --- Failure lines ------------------------------------------------------------------------------------------


@given(ORDERS, st.text(), st.dictionaries(st.sampled_from(["line", "position"]), st.integers()))
def test_a_failure_can_be_fed_in_again(order: NewOrder, reason: str, more: dict[str, int]) -> None:
    line = failure_line(order, reason, **more)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert json.loads(line)["_failure"] == {"reason": reason, **more}
    assert read(JsonLines(allow_keyless=True), line + line, []) == ([order, order], [])


def test_the_failure_of_an_empty_order_is_json() -> None:
    assert failure_line(NewOrder(), "no") == b'{"_failure":{"reason":"no"}}\n'


def test_what_the_service_added_to_the_parts_is_left_out() -> None:
    order = NewOrder(
        id="a", items=[StoredItem(object="order_item", quantity=1, product=StoredProduct(name="Tea"), amount=2)]
    )
    (again,), bad = read(JsonLines(), failure_line(order, "no"), [])
    assert bad == []
    assert again == NewOrder(id="a", items=[OrderItem(quantity=1, product=Product(name="Tea"), amount=2)])


def test_an_order_that_is_none_is_written_as_it_is() -> None:
    line = failure_line(NewOrder(id="a", items=[OrderItem()] * 501), "too many")
    assert len(json.loads(line)["items"]) == 501


def test_what_json_does_not_know_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"^order\.metadata\['x'\]"):
        failure_line(NewOrder(id="a", metadata={"x": decimal.Decimal(1)}), "no")
    with pytest.raises(ConfigurationError, match=r"^more"):
        failure_line(NewOrder(id="a"), "no", error=ValueError("x"))


def test_a_bad_line_says_where_it_is() -> None:
    assert str(BadLine(number=7, last_number=7, reason="is bad")) == "line 7: is bad"
    assert str(BadLine(number=7, last_number=9, reason="is bad")) == "lines 7-9: is bad"
