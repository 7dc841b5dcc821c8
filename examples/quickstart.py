"""Create an order, read it, change it, list the latest ones.

Needs VOUCHERIFY_APP_ID and VOUCHERIFY_APP_TOKEN, and for the emulator VOUCHERIFY_BASE_URL.
"""

import asyncio

from voucherify_async import Customer, NewOrder, OrderChanges, OrderItem, VoucherifyClient


async def main() -> None:
    async with VoucherifyClient.from_env() as client:
        order = await client.orders.create(
            NewOrder(
                source_id="web-1001",
                status="CREATED",
                customer=Customer(source_id="c-1", name="Zoë Łukasik"),
                items=[OrderItem(source_id="sku-1", related_object="sku", quantity=2, price=1250)],
                metadata={"channel": "web"},
            )
        )
        print(f"created {order.id}: {order.total_amount} pence")

        order = await client.orders.get("web-1001")
        order = await client.orders.update(order.id, OrderChanges(status="PAID"))
        print(f"{order.source_id} is {order.status}")

        page = await client.orders.list(limit=10, order="-created_at")
        print(f"{page.total} orders, the latest: {', '.join(order.source_id or order.id for order in page.orders)}")


if __name__ == "__main__":
    asyncio.run(main())
