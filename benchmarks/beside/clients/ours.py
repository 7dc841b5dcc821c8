"""This client, as it comes."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from benchmarks.beside.answers import KEYS
from voucherify_async import NewOrder, Order, OrderItem, OrderPage, VoucherifyClient

IMPORT = "from voucherify_async import VoucherifyClient"


def new_order(number: int) -> NewOrder:
    """What is sent."""
    return NewOrder(
        source_id=f"bench-{number % KEYS}",
        status="PAID",
        items=[
            OrderItem(source_id=f"sku-{line}", related_object="sku", quantity=line + 1, price=1250)
            for line in range(3)
        ],
        metadata={"channel": "web", "shop": "benchmark"},
    )


@asynccontextmanager
async def open_calls(url: str) -> AsyncIterator[dict[str, Callable[[int], Awaitable[object]]]]:
    """The three calls."""
    async with VoucherifyClient("id", "token", base_url=url) as client:
        orders = client.orders

        async def get(number: int) -> object:
            return await orders.get(f"bench-{number % KEYS}")

        async def create(number: int) -> object:
            return await orders.create(new_order(number))

        async def list_page(number: int) -> object:
            return await orders.list(limit=100, page=1 + number % 100)

        yield {"get": get, "create": create, "list": list_page}


def codecs() -> dict[str, Callable[..., object]]:
    """Decoding and encoding alone."""
    import msgspec  # noqa: PLC0415 - what is imported counts

    return {
        "order": msgspec.json.Decoder(Order).decode,
        "page": msgspec.json.Decoder(OrderPage).decode,
        "body": lambda number: msgspec.json.encode(new_order(number)),
    }
