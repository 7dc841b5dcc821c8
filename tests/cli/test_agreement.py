"""The comparison of what was sent with what is there."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voucherify_async import NewOrder, Order, OrderRow
from voucherify_async.cli.agreement import Booking, booked, disagreements, money

A = Booking("a", 100, "PAID", {"country": "España"})
B = Booking("b", 0, "CREATED", {})
SENT = {"a": A, "b": B}


@pytest.mark.parametrize(
    ("seen", "found"),
    [
        ([B, A], []),
        ([A], ["there: order b is missing"]),
        ([A, B, A], ["there: order a is there twice"]),
        ([A, B, A._replace(source_id="c")], ["there: order c was never sent"]),
        ([A, B, A._replace(source_id=None)], ["there: order None was never sent"]),
        ([A._replace(amount=101), B], ["there: order a is worth 1.01 instead of 1.00"]),
        ([A, B._replace(amount=None)], ["there: order b is worth nothing known instead of 0.00"]),
        ([A._replace(status="CREATED"), B], ["there: order a is CREATED instead of PAID"]),
        ([A, B._replace(metadata={"x": 1})], ["there: order b says {'x': 1} instead of {}"]),
    ],
)
def test_each_disagreement_is_named(seen: list[Booking], found: list[str]) -> None:
    assert disagreements(SENT, seen, "there") == found


@given(st.dictionaries(st.text(), st.integers(0, 10**9)), st.data())
def test_whichever_order_is_lost_it_is_noticed(amounts: dict[str, int], data: st.DataObject) -> None:
    sent = {name: Booking(name, amount, "PAID", {}) for name, amount in amounts.items()}
    assert disagreements(sent, sent.values(), "there") == []
    if sent:
        lost = data.draw(st.sampled_from(sorted(sent)))
        left = [booking for booking in sent.values() if booking.source_id != lost]
        assert disagreements(sent, left, "there") == [f"there: order {lost} is missing"]


def test_what_is_sent_stored_and_exported_is_booked_alike() -> None:
    fields: dict[str, Any] = {"source_id": "a", "amount": 5, "status": "PAID", "metadata": {"x": 1}}
    expected = Booking("a", 5, "PAID", {"x": 1})
    assert (
        booked(NewOrder(**fields)) == booked(Order(id="ord_1", **fields)) == booked(OrderRow(**fields)) == expected
    )
    assert booked(NewOrder()) == booked(Order(id="ord_1")) == Booking(None, None, None, {})


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (0, "0.00"),
        (5, "0.05"),
        (-5, "-0.05"),
        (123456789, "1,234,567.89"),
        (Fraction(1, 10), "0.001"),
        (Fraction(-25, 2), "-0.125"),
        (Fraction(300), "3.00"),
        (None, "nothing known"),
    ],
)
def test_money(amount: int | Fraction | None, shown: str) -> None:
    assert money(amount) == shown
