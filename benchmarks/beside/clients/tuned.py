"""aiohttp and msgspec, with every public setting that makes them faster: no limit, no timeout, URLs as they are."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import msgspec
from yarl import URL

from benchmarks.beside.answers import KEYS, new_order
from benchmarks.beside.clients.structs import Customer, Item, Order

IMPORT = "import aiohttp, msgspec"


class LightItem(Item, gc=False):
    """Not looked at by the garbage collector."""


class LightCustomer(Customer, gc=False):
    """Not looked at by the garbage collector."""


class LightOrder(Order, gc=False):
    """Not looked at by the garbage collector."""

    items: list[LightItem] | None = None  # type: ignore[assignment]
    customer: LightCustomer | None = None  # pyright: ignore[reportIncompatibleVariableOverride]


class LightPage(msgspec.Struct, gc=False):
    """Not looked at by the garbage collector."""

    orders: list[LightOrder]
    total: int | None = None


@asynccontextmanager
async def open_calls(url: str) -> AsyncIterator[dict[str, Callable[[int], Awaitable[object]]]]:
    """The three calls."""
    headers = {"X-App-Id": "id", "X-App-Token": "token"}
    typed = {"Content-Type": "application/json"}
    order, page = msgspec.json.Decoder(LightOrder), msgspec.json.Decoder(LightPage)
    base = URL(url)
    orders = base / "v1/orders"
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=headers,
        auto_decompress=False,
    ) as session:

        async def get(number: int) -> object:
            path = base.with_path(f"/v1/orders/bench-{number % KEYS}", encoded=True)
            answer = await session.get(path)
            body = await answer.read()
            if answer.status != 200:
                answer.raise_for_status()
            return order.decode(body)

        async def create(number: int) -> object:
            answer = await session.post(orders, data=msgspec.json.encode(new_order(number)), headers=typed)
            body = await answer.read()
            if answer.status != 200:
                answer.raise_for_status()
            return order.decode(body)

        async def list_page(number: int) -> object:
            answer = await session.get(URL(f"{url}/v1/orders?limit=100&page={1 + number % 100}", encoded=True))
            body = await answer.read()
            if answer.status != 200:
                answer.raise_for_status()
            return page.decode(body)

        yield {"get": get, "create": create, "list": list_page}


def codecs() -> dict[str, Callable[..., object]]:
    """Decoding and encoding alone."""
    return {
        "order": msgspec.json.Decoder(LightOrder).decode,
        "page": msgspec.json.Decoder(LightPage).decode,
        "body": lambda number: msgspec.json.encode(new_order(number)),
    }
