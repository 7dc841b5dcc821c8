"""Orders from files: JSON Lines and CSV, gzipped or not, from a path, a pipe or standard input.

`read_orders` gives what `client.orders.upsert_all` and `import_all` take:

    async with read_orders("orders.csv.gz", on_bad_line=print) as orders:
        report = await client.orders.upsert_all(orders)

See `read_orders` for the formats. `failure_line` writes an order that failed so that it can be fed in again.
"""

from voucherify_async.sources.found import BadLine
from voucherify_async.sources.jsonlines import failure_line
from voucherify_async.sources.reader import OrderReader, read_orders

__all__ = ["BadLine", "OrderReader", "failure_line", "read_orders"]
