"""Go through every order of a project, however many there are: month by month, leaving nothing at the service."""

import asyncio
from datetime import timedelta

from voucherify_async import VoucherifyClient


async def main() -> None:
    count = revenue = 0
    async with (
        VoucherifyClient.from_env() as client,
        client.orders.export_rows(
            fields=["status", "total_amount"], order="created_at", window=timedelta(days=30), delete=True
        ) as rows,
    ):
        async for row in rows:
            count += 1
            if row.status in ("PAID", "FULFILLED"):
                revenue += row.total_amount or 0
    print(f"{count} orders, revenue: {revenue / 100:.2f}")


if __name__ == "__main__":
    asyncio.run(main())
