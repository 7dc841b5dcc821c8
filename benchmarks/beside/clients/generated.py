# mypy: ignore-errors
# pyright: basic, reportMissingImports=false
"""What openapi-generator makes for asyncio of Voucherify's own document."""

import json
from contextlib import asynccontextmanager

import generated_client

from benchmarks.beside.answers import KEYS, new_order

IMPORT = "import generated_client"


def model_of(number):
    """What is sent."""
    return generated_client.OrdersCreateRequestBody.from_dict(new_order(number))


@asynccontextmanager
async def open_calls(url):
    """The three calls."""
    keys = {"X-App-Id": "id", "X-App-Token": "token"}
    async with generated_client.ApiClient(generated_client.Configuration(host=url, api_key=keys)) as client:
        orders = generated_client.OrdersApi(client)

        async def get(number):
            return await orders.get_order(f"bench-{number % KEYS}")

        async def create(number):
            return await orders.create_order(model_of(number))

        async def list_page(number):
            return await orders.list_orders(limit=100, page=1 + number % 100)

        yield {"get": get, "create": create, "list": list_page}


def codecs():
    """Decoding and encoding alone."""

    def body(number):
        # As the client's own `sanitize_for_serialization` does, which needs a loop.
        return json.dumps(model_of(number).to_dict())

    return {
        "order": generated_client.OrdersGetResponseBody.from_json,
        "page": generated_client.OrdersListResponseBody.from_json,
        "body": body,
    }
