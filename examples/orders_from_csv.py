"""Send the orders in a CSV file of line items: columns of other names, amounts in the currency, bad lines told."""

import asyncio
from pathlib import Path

from voucherify_async import BadLine, VoucherifyClient, read_orders

FILE = Path("invoices.csv")
LINES = """\
Invoice,Code,Description,Quantity,Price,Date,Clerk
1001,tea-1,Green tea,2,4.95,2026-03-01 09:15,Ann
1001,cup-1,Cup,1,12.00,2026-03-01 09:15,Ann
1002,tea-1,Green tea,1,4.95,2026-03-01 09:20,Bob
1003,tea-1,Green tea,-1,4.95,2026-03-01 09:30,Bob
"""


def tell(bad: BadLine) -> None:
    print(bad)


async def main() -> None:
    orders = read_orders(
        FILE,
        columns={
            "Invoice": "source_id",
            "Code": "item.source_id",
            "Description": "item.product.name",
            "Quantity": "item.quantity",
            "Price": "item.price",
            "Date": "created_at",
            "Clerk": None,
        },
        decimals=2,
        defaults={"status": "PAID", "item.related_object": "product"},
        on_bad_line=tell,
    )
    async with VoucherifyClient.from_env() as client, orders:
        report = await client.orders.upsert_all(orders)
        invoice = await client.orders.get("1001")
        print(f"{orders.lines} lines, {orders.bad_lines} bad, {report.done} orders sent")
        print(f"the first is worth {invoice.amount}")


if __name__ == "__main__":
    FILE.write_text(LINES, encoding="utf-8")
    asyncio.run(main())
