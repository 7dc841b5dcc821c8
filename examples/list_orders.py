"""List all orders, the latest first, while others go on changing them."""

import asyncio

from voucherify_async import ListingCapError, VoucherifyClient


async def main() -> None:
    paid = 0
    async with VoucherifyClient.from_env() as client:
        async with client.orders.iterate(order="-created_at") as orders:
            try:
                async for order in orders:
                    if order.status == "PAID":
                        paid += order.total_amount or 0
            except ListingCapError as error:
                print(f"the latest {error.reached}; an export reaches them all")
        print(f"{orders.given} of {orders.total} orders")
        print(f"paid: {paid / 100:.2f}")


if __name__ == "__main__":
    asyncio.run(main())
