"""Real orders through the command line in one pipe: what goes in comes out, or is reported, to the penny."""

import csv
import gzip
import io
import re
import subprocess
import sys
from collections import Counter
from decimal import Decimal

import pytest

from tests.cli.conftest import Command
from tests.cli.test_retail import REAL_FILE
from voucherify_async.emulator import Emulator

COLUMNS = {
    "InvoiceNo": "source_id",
    "StockCode": "item.source_id",
    "Description": "item.product.name",
    "Quantity": "item.quantity",
    "InvoiceDate": "created_at",
    "UnitPrice": "item.price",
    "CustomerID": "customer.source_id",
}


@pytest.mark.skipif(not REAL_FILE.exists(), reason="the real file is not here")
def test_the_sums_agree_to_the_penny(service: Emulator, command: Command) -> None:
    options = [word for name, field in COLUMNS.items() for word in ("--column", f"{name}={field}")]
    options += ["--decimals", "2", "--default", "status=FULFILLED", "--default", "item.related_object=product"]
    with REAL_FILE.open("rb") as packed:
        ran = subprocess.run(
            [sys.executable, "-m", "voucherify_async", "orders", "sync", "-", "--format", "csv", *options],
            stdin=packed,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert ran.returncode == 1
    exported = command("orders", "export", "--fields", "source_id,amount")
    assert exported.status == 0
    amounts = {row["source_id"]: int(row["amount"]) for row in csv.DictReader(io.StringIO(exported.out))}

    # The same file, read without any help of the project. No cell of it goes over two lines.
    text = gzip.decompress(REAL_FILE.read_bytes()).decode()
    rows = dict(enumerate(csv.DictReader(io.StringIO(text)), 2))
    worth = {line: int(row["Quantity"]) * Decimal(row["UnitPrice"]) * 100 for line, row in rows.items()}
    reported: set[int] = set()
    for first, last in re.findall(r"^standard input: lines? (\d+)(?:-(\d+))?: ", ran.stderr, re.MULTILINE):
        reported |= set(range(int(first), int(last or first) + 1))

    assert sum(amounts.values()) + sum(worth[line] for line in reported) == sum(worth.values())
    by_invoice = Counter[str]()
    for line, row in rows.items():
        if line not in reported:
            by_invoice[row["InvoiceNo"]] += int(worth[line])
    assert amounts == by_invoice
    assert f"\nlines    {len(reported):,} in no order, told of above\n" in ran.stdout
    long = {invoice for invoice, items in Counter(row["InvoiceNo"] for row in rows.values()).items() if items > 500}
    assert len(long) == 15
    for invoice in long:
        assert re.search(
            rf"order {invoice} is left out: it has \d{{3}} items, an order has at most 500", ran.stderr
        )
