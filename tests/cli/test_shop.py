"""The made-up orders: the same again from the same seed, and such that the service takes them."""

from itertools import islice

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET, json

from voucherify_async import NewOrder
from voucherify_async.cli.shop import DEALER_EVERY, shop_orders

SEEDS = st.integers(-(2**63), 2**63)


@settings(deadline=None, max_examples=25)
@given(count=st.integers(0, 60), more=st.integers(0, 30), seed=SEEDS)
def test_fewer_orders_of_a_seed_are_the_first_of_more(count: int, more: int, seed: int) -> None:
    orders = list(shop_orders(count, seed))
    assert len(orders) == count
    assert orders == list(islice(shop_orders(count + more, seed), count))


@settings(deadline=None, max_examples=25)
@given(count=st.integers(1, 60), seed=SEEDS)
def test_orders_obey_the_limits_of_the_api(count: int, seed: int) -> None:
    orders = list(shop_orders(count, seed))
    assert len({order.source_id for order in orders}) == count
    for order in orders:
        # The limits stand in the types.
        assert json.decode(json.encode(order), type=NewOrder) == order
        assert order.status in ("CREATED", "PAID", "FULFILLED", "CANCELED")
        assert 1 <= len(order.items or ()) <= 500
        amounts = [(item.price or 0) * (item.quantity or 0) for item in order.items or ()]
        assert order.amount == sum(amounts)
        assert all((item.price or 0) >= 0 and (item.quantity or 0) > 0 for item in order.items or ())


def test_another_seed_makes_others() -> None:
    assert list(shop_orders(3, 1)) != list(shop_orders(3, 2))


def test_orders_are_as_diverse_as_real_ones() -> None:
    orders = list(shop_orders(DEALER_EVERY, 1))
    items = [item for order in orders for item in order.items or ()]
    unknown = [order for order in orders if order.customer is UNSET]
    assert sum(len(order.items or ()) > 450 for order in orders) == 1
    assert {order.status for order in orders} == {"CREATED", "PAID", "FULFILLED", "CANCELED"}
    assert 0 < len(unknown) < len(orders)
    assert any(item.price == 0 for item in items)
    assert any(not item.product.name.isascii() for item in items if item.product and item.product.name)
    assert {tuple(order.metadata) for order in orders if order.metadata} == {("channel", "country")}
