"""Export orders: keep the file, or read its rows while it arrives."""

import asyncio
import sys
from pathlib import Path

from voucherify_async import VoucherifyClient


async def main(target: Path) -> None:
    async with VoucherifyClient.from_env() as client:
        job = await client.orders.create_export(
            fields=["source_id", "status", "total_amount", "metadata.channel"],
            filters={"junction": "and", "status": {"conditions": {"$in": ["PAID", "FULFILLED"]}}},
            order="-created_at",
        )
        await job.download(target)
        print(f"{target.name} is there")

        revenue = 0
        async with job.rows() as rows:
            async for row in rows:
                revenue += row.total_amount or 0
        print(f"revenue: {revenue / 100:.2f}")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1] if len(sys.argv) > 1 else "orders.csv")))
