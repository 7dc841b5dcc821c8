"""Orders, one call each: what goes in and what comes out."""

import datetime
from typing import Any, assert_type

from voucherify_async import (
    UNSET,
    Address,
    ApiResponse,
    Customer,
    ExportJob,
    ImportJob,
    NewOrder,
    Order,
    OrderChanges,
    OrderFields,
    OrderItem,
    OrderListing,
    OrderPage,
    OrderRedemption,
    Product,
    Sku,
    StoredAddress,
    StoredCustomer,
    StoredItem,
    StoredProduct,
    StoredSku,
    UnsetType,
    VoucherifyClient,
)


async def calls(client: VoucherifyClient, new: NewOrder) -> None:
    assert_type(await client.orders.create(new), Order)
    assert_type(await client.orders.get(order_id="web-1"), Order)
    assert_type(await client.orders.update("web-1", OrderChanges(status="PAID")), Order)
    assert_type(await client.orders.list(limit=1, page=1, order="-created_at"), OrderPage)
    assert_type(await client.orders.import_orders([new]), ImportJob)
    assert_type(await client.orders.import_orders(new for _ in range(2)), ImportJob)
    assert_type(
        await client.orders.create_export(fields=["id"], filters={"junction": "and"}, order="-status"), ExportJob
    )


async def wrong_calls(client: VoucherifyClient, new: NewOrder) -> None:
    await client.orders.create({"source_id": "web-1"})  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    await client.orders.create()  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    await client.orders.get(7)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    await client.orders.update("web-1", new)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    await client.orders.list(order="amount")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    await client.orders.list(10)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    await client.orders.import_orders(new)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    await client.orders.create_export(order="source_id")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    client.orders.iterate(order="amount")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    forgotten: Order = client.orders.get("web-1")  # type: ignore[assignment] # pyright: ignore[reportAssignmentType]
    client.orders.delete("web-1")  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]
    del forgotten


async def twins(client: VoucherifyClient, new: NewOrder) -> None:
    response = await client.orders.with_http_info.get("web-1")
    assert_type(response, ApiResponse[Order])
    assert_type(response.data, Order)
    assert_type(response.status, int)
    assert_type(response.headers["X-Request-Id"], str)
    assert_type(response.body, bytes)
    assert_type(response.request_id, str | None)
    assert_type(response.attempts, int)
    assert_type(response.elapsed, float)
    assert_type(await client.orders.with_http_info.create(new), ApiResponse[Order])
    assert_type(await client.orders.with_http_info.update("web-1", OrderChanges()), ApiResponse[Order])
    assert_type((await client.orders.with_http_info.list()).data.orders, list[Order])
    assert_type((await client.orders.with_http_info.import_orders([new])).data, ImportJob)
    assert_type((await client.orders.with_http_info.create_export(fields=["id"])).data, ExportJob)
    # A twin takes what its method takes.
    await client.orders.with_http_info.get(7)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    await client.orders.with_http_info.list(limt=1)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]


async def listing(client: VoucherifyClient) -> None:
    assert_type(client.orders.iterate(), OrderListing)
    async with client.orders.iterate(order="-updated_at") as orders:
        async for order in orders:
            assert_type(order, Order)
        assert_type(orders.total, int | None)
        assert_type(orders.given, int)


def inputs(now: datetime.datetime) -> NewOrder:
    item = OrderItem(
        source_id="sku-1",
        related_object="sku",
        quantity=1,
        price=100,
        product=Product(name="Mug", price=1.5),
        sku=Sku(sku="blue", override=True),
    )
    customer = Customer(source_id="c-1", email=None, address=Address(city="Brno"), metadata={"vip": True})
    new = NewOrder(source_id="web-1", amount=100, customer=customer, items=[item], created_at=now, metadata=None)
    # Not given, given as null, or a value.
    assert_type(new.amount, int | None | UnsetType)
    if new.amount is not UNSET and new.amount is not None:
        assert_type(new.amount, int)
    # Any string is a status; pyright keeps the known ones beside it, and offers them.
    NewOrder(status="SHIPPED")
    assert_type(new.status, str | None | UnsetType)  # pyright: ignore[reportAssertTypeFailure]
    # Names and values that do not fit are found here, and not at the server.
    NewOrder(sourceid="web-1")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    NewOrder("web-1")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    NewOrder(amount="100")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    Customer(address={"city": "Brno"})  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    OrderItem(qty=1)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    new.amount = 7  # type: ignore[misc] # pyright: ignore[reportAttributeAccessIssue]
    return new


def outputs(order: Order) -> OrderChanges:
    assert_type(order.id, str)
    assert_type(order.amount, int | None)
    assert_type(order.status, str | None)
    assert_type(order.created_at, datetime.datetime | None)
    assert_type(order.metadata, dict[str, Any] | None)
    assert_type(order.items, list[StoredItem] | None)
    assert_type(order.customer, StoredCustomer | None)
    assert_type(order.redemptions, dict[str, OrderRedemption] | None)
    for item in order.items or ():
        assert_type(item.product, StoredProduct | None)
        assert_type(item.sku, StoredSku | None)
    if order.customer is not None:
        assert_type(order.customer.address, StoredAddress | None)
    # What is stored can be sent again.
    return OrderChanges(items=list(order.items or []), customer=order.customer)


def either(order: NewOrder | OrderChanges) -> OrderFields:
    return order
