"""Orders: what is documented of them, and what comes of what is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.live.service import Service
from tests.live.traces import MARK
from voucherify_async import Customer, OrderChanges, OrderItem


async def test_an_order_is_created_read_changed_and_listed(service: Service) -> None:
    orders = service.client.orders.with_http_info
    given = service.order("a/b ü%2F", status="PAID", amount=2500, metadata={"channel": "web"})
    made = await service.answer("orders.create", orders.create(given))
    assert (made.source_id, made.status, made.amount) == (given.source_id, "PAID", 2500)
    assert (made.metadata or {})["channel"] == "web"
    for key in (made.id, service.key("a/b ü%2F")):
        assert (await service.answer("orders.get", orders.get(key))).id == made.id

    changed = await service.answer(
        "orders.update", orders.update(made.id, OrderChanges(status="FULFILLED", metadata={"other": 1}))
    )
    assert (changed.id, changed.status, changed.amount) == (made.id, "FULFILLED", 2500)
    service.note("metadata that is sent in an update: what stands there then", sorted(changed.metadata or {}))
    again = await service.answer(
        "orders.create", orders.create(service.order("a/b ü%2F", amount=700, metadata={"third": 2}))
    )
    assert (again.id, again.amount) == (made.id, 700)
    service.note(
        "metadata that is sent in a create over an order: what stands there then", sorted(again.metadata or {})
    )

    page = await service.answer("orders.list", orders.list(limit=1, order="-created_at"))
    # One alone, the newest: what others are there is not the same in each project.
    assert len(page.orders) == 1
    assert page.total is not None
    assert page.total >= 1


async def test_what_is_made_of_an_order_that_says_little(service: Service) -> None:
    orders = service.client.orders.with_http_info
    made = await service.answer("orders.create", orders.create(service.order("bare")))
    service.note("status without one", made.status)
    service.note("amounts without one", [made.amount, made.initial_amount, made.total_amount, made.discount_amount])
    past = datetime.now(UTC).replace(microsecond=0) - timedelta(days=400)
    moved = await service.probe(
        "created_at in a create over an order",
        "orders.create",
        orders.create(service.order("bare", created_at=past)),
    )
    if moved is not None:
        service.note("created_at in a create over an order moves it", moved.created_at == past)
    cleared = await service.probe(
        "null for metadata", "orders.update", orders.update(made.id, OrderChanges(metadata=None))
    )
    if cleared is not None:
        service.note("null for metadata leaves", cleared.metadata)


async def test_amounts_items_and_discounts(service: Service) -> None:
    orders = service.client.orders.with_http_info
    item = OrderItem(source_id="sku-1", related_object="sku", quantity=2, price=100)
    made = await service.probe(
        "an amount that is not that of the items",
        "orders.create",
        orders.create(service.order("items", amount=999, discount_amount=5000, items=[item])),
    )
    if made is not None:
        service.note(
            "its amounts, with a discount that is larger",
            [made.amount, made.initial_amount, made.discount_amount, made.total_discount_amount, made.total_amount],
        )
        service.note("amounts of an item", [[one.amount, one.subtotal_amount] for one in made.items or []])
        emptied = await service.answer("orders.update", orders.update(made.id, OrderChanges(items=[])))
        service.note("the amount when the items are taken away", [emptied.amount, len(emptied.items or [])])
    await service.probe(
        "a quantity below 0",
        "orders.create",
        orders.create(service.order("below", items=[OrderItem(source_id="sku-1", quantity=-1, price=100)])),
    )


async def test_ids_that_belong_to_others_or_to_nobody(service: Service) -> None:
    orders = service.client.orders.with_http_info
    first = await service.answer("orders.create", orders.create(service.order("first", amount=1)))
    second = await service.answer("orders.create", orders.create(service.order("second", amount=2)))
    assert first.id != second.id
    await service.probe(
        "the source id of another order",
        "orders.update",
        orders.update(second.id, OrderChanges(source_id=first.source_id)),
    )
    await service.probe(
        "a customer with an unknown id",
        "orders.create",
        orders.create(service.order("stranger", customer=Customer(id="cust_000000000000000000000000"))),
    )
    made = await service.probe(
        "a customer with a new source id",
        "orders.create",
        orders.create(service.order("customer", customer=service.customer("c"))),
    )
    if made is not None:
        assert (made.metadata or {})[MARK] == service.run_id
        service.note("a customer with a new source id is made", made.customer_id is not None)
