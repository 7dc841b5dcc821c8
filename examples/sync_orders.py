"""Keep many orders up to date at the same time, with a bound on how many are under way."""

import asyncio
from collections.abc import Iterable

from voucherify_async import ApiError, NewOrder, TransportError, VoucherifyClient


async def sync(client: VoucherifyClient, orders: Iterable[NewOrder], at_once: int = 32) -> list[str]:
    """Send every order; give back the keys of those that failed."""
    waiting = iter(orders)
    failed: list[str] = []

    async def worker() -> None:
        for order in waiting:
            try:
                # An order with a source_id is created or updated: sending it again is safe, and done if need be.
                await client.orders.create(order)
            except (ApiError, TransportError) as error:
                print(f"{order.key}: {error}")
                failed.append(order.key or "?")

    await asyncio.gather(*(worker() for _ in range(at_once)))
    return failed


async def main() -> None:
    orders = (NewOrder(source_id=f"live-{number}", status="PAID", amount=number) for number in range(500))
    async with VoucherifyClient.from_env() as client:
        failed = await sync(client, orders)
        page = await client.orders.list(limit=1)
        print(f"{page.total} orders stored, {len(failed)} failed")


if __name__ == "__main__":
    asyncio.run(main())
