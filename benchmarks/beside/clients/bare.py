"""aiohttp and msgspec, as a user writes it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import msgspec

from benchmarks.beside.answers import KEYS, new_order
from benchmarks.beside.clients.structs import Order, Page

IMPORT = "import aiohttp, msgspec"


@asynccontextmanager
async def open_calls(url: str) -> AsyncIterator[dict[str, Callable[[int], Awaitable[object]]]]:
    """The three calls."""
    headers = {"X-App-Id": "id", "X-App-Token": "token"}
    order, page = msgspec.json.Decoder(Order), msgspec.json.Decoder(Page)
    async with aiohttp.ClientSession() as session:

        async def get(number: int) -> object:
            async with session.get(f"{url}/v1/orders/bench-{number % KEYS}", headers=headers) as answer:
                answer.raise_for_status()
                return order.decode(await answer.read())

        async def create(number: int) -> object:
            body = msgspec.json.encode(new_order(number))
            typed = {**headers, "Content-Type": "application/json"}
            async with session.post(f"{url}/v1/orders", data=body, headers=typed) as answer:
                answer.raise_for_status()
                return order.decode(await answer.read())

        async def list_page(number: int) -> object:
            query = {"limit": "100", "page": str(1 + number % 100)}
            async with session.get(f"{url}/v1/orders", params=query, headers=headers) as answer:
                answer.raise_for_status()
                return page.decode(await answer.read())

        yield {"get": get, "create": create, "list": list_page}


def codecs() -> dict[str, Callable[..., object]]:
    """Decoding and encoding alone."""
    return {
        "order": msgspec.json.Decoder(Order).decode,
        "page": msgspec.json.Decoder(Page).decode,
        "body": lambda number: msgspec.json.encode(new_order(number)),
    }
