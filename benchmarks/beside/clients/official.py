# mypy: ignore-errors
# pyright: basic, reportMissingImports=false
"""Voucherify's own SDK, which blocks: it is called from threads."""

import json
from contextlib import contextmanager

import voucherify

from benchmarks.beside.answers import KEYS, new_order

IMPORT = "import voucherify"
THREADS = 32


def model_of(number):
    """What is sent."""
    return voucherify.OrdersCreateRequestBody.from_dict(new_order(number))


@contextmanager
def open_calls_in_threads(url):
    """The three calls."""
    configuration = voucherify.Configuration(host=url, api_key={"X-App-Id": "id", "X-App-Token": "token"})
    # Without it, ten connections are kept and the rest are opened anew for each call.
    configuration.connection_pool_maxsize = THREADS
    with voucherify.ApiClient(configuration) as client:
        orders = voucherify.OrdersApi(client)
        yield {
            "get": lambda number: orders.get_order(f"bench-{number % KEYS}"),
            "create": lambda number: orders.create_order(model_of(number)),
            "list": lambda number: orders.list_orders(limit=100, page=1 + number % 100),
        }


def codecs():
    """Decoding and encoding alone."""
    sanitized = voucherify.ApiClient(voucherify.Configuration()).sanitize_for_serialization
    return {
        "order": voucherify.OrdersGetResponseBody.from_json,
        "page": voucherify.OrdersListResponseBody.from_json,
        "body": lambda number: json.dumps(sanitized(model_of(number))),
    }
