"""What the server answers, always the same, and what is sent. Foreign interpreters import it: it needs nothing."""

import json
from typing import Any

PAGE = 100
# More than the URLs that yarl keeps: ids differ from call to call.
KEYS = 3000


def order(number: int) -> dict[str, Any]:
    """An order of three lines as the service gives it back, 1.3 kB, in the order of the documents' examples."""
    return {
        "id": f"ord_0d4eb1{number:011d}",
        "source_id": f"bench-{number}",
        "created_at": "2026-03-04T07:44:41.123Z",
        "updated_at": "2026-03-05T09:12:05.594Z",
        "status": "PAID",
        "amount": 7500,
        "initial_amount": 7500,
        "items_discount_amount": 300,
        "total_discount_amount": 300,
        "total_amount": 7200,
        "items": [
            {
                "object": "order_item",
                "source_id": f"sku-{line}",
                "related_object": "sku",
                "product_id": f"prod_0d4eb3{line:011d}",
                "sku_id": f"sku_0d4eb2{line:011d}",
                "quantity": 2,
                "amount": 2500,
                "discount_amount": 100,
                "price": 1250,
                "subtotal_amount": 2400,
                "applied_discount_amount": 100,
            }
            for line in range(3)
        ],
        "metadata": {"channel": "web", "shop": "benchmark"},
        "customer": {"id": "cust_0d4eb400000000001", "object": "customer"},
        "customer_id": "cust_0d4eb400000000001",
        "object": "order",
        "redemptions": {},
    }


def new_order(number: int) -> dict[str, Any]:
    """What is sent to create one."""
    return {
        "source_id": f"bench-{number % KEYS}",
        "status": "PAID",
        "items": [
            {"source_id": f"sku-{line}", "related_object": "sku", "quantity": line + 1, "price": 1250}
            for line in range(3)
        ],
        "metadata": {"channel": "web", "shop": "benchmark"},
    }


def _encoded(answer: object) -> bytes:
    return json.dumps(answer, separators=(",", ":")).encode()


ONE = _encoded(order(1))
LIST = _encoded(
    {"object": "list", "data_ref": "orders", "orders": [order(number) for number in range(PAGE)], "total": PAGE}
)
