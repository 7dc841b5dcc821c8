"""The orders that are moved: small ones, as shops have them."""

from collections.abc import Iterator

from voucherify_async import NewOrder, OrderItem


def orders(count: int, *, distinct: int | None = None, prefix: str = "order") -> Iterator[NewOrder]:
    """Orders of one to three lines, made as they are asked for.

    Args:
        count: how many.
        distinct: how many different ones; the rest are later states of some of them. All, if it is not given.
        prefix: of their source ids.
    """
    for number in range(count):
        key = number if distinct is None else number % distinct
        yield NewOrder(
            source_id=f"{prefix}-{key}",
            status="PAID" if number == key else "FULFILLED",
            items=[
                OrderItem(
                    source_id=f"sku-{(7 * key + line) % 500}",
                    related_object="sku",
                    quantity=line + 1,
                    price=500 + key % 5000,
                )
                for line in range(1 + key % 3)
            ],
            metadata={"channel": "web" if key % 4 else "shop", "cart": key},
        )
