"""Gets from one to 512 at a time, and pages of one order to 100, against the emulator in another process."""

import asyncio
from contextlib import AsyncExitStack
from typing import Final

import aiohttp
import msgspec

from benchmarks.calls import CONCURRENCY, ORDERS, Work, by_hand, measured, new_order, with_client
from benchmarks.curves.results import BY_HAND, OURS, Costs, Curve
from benchmarks.server import Server, emulator
from voucherify_async import OrderPage, VoucherifyClient

CONCURRENCIES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
PAGES: Final = (1, 10, 25, 50, 100)
_CALLS: Final = 1_000
_ORDERS_READ: Final = 20_000
_MOST_PAGES: Final = 1_500
_HAND: Final = "aiohttp and msgspec with the same structs"


async def curves(
    server: Server,
    rounds: int,
    *,
    concurrencies: tuple[int, ...] = CONCURRENCIES,
    pages: tuple[int, ...] = PAGES,
    calls: int = _CALLS,
) -> list[Curve]:
    """Both, in interleaved rounds.

    Args:
        server: an emulator without orders.
        rounds: how many.
        concurrencies: for the gets.
        pages: orders on a page.
        calls: gets of a round, or more: each of those side by side does four.
    """
    gets, orders = Costs(), Costs()
    async with AsyncExitStack() as stack:
        connector = aiohttp.TCPConnector(limit=512)
        session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        client = await stack.enter_async_context(
            VoucherifyClient(server.app_id, server.app_token, base_url=server.url)
        )
        await asyncio.gather(*(client.orders.create(new_order(number)) for number in range(ORDERS)))
        get = {OURS: with_client(client)["get"], BY_HAND: by_hand(session, server)["get"]}
        for _ in range(rounds):
            for concurrency in concurrencies:
                for who, work in get.items():
                    await measured(work, concurrency, concurrency)  # the connections are opened
                    cost = await measured(work, max(calls, 4 * concurrency), concurrency)
                    gets.add(who, concurrency, cost.cpu_us)
            for limit in pages:
                number = min(_MOST_PAGES, _ORDERS_READ // limit) * calls // _CALLS
                for who, work in _lists(client, session, server, limit).items():
                    orders.add(who, limit, (await measured(work, number, CONCURRENCY)).cpu_us / limit)
    return [
        gets.curve(work="get", size="calls at a time", cost="CPU of a call, µs", by_hand=_HAND),
        orders.curve(work="list", size="orders on a page", cost="CPU of an order, µs", by_hand=_HAND),
    ]


def _lists(client: VoucherifyClient, session: aiohttp.ClientSession, server: Server, limit: int) -> dict[str, Work]:
    decode = msgspec.json.Decoder(OrderPage).decode

    async def ours(_: int) -> object:
        return await client.orders.list(limit=limit, page=1)

    async def hand(_: int) -> object:
        query = {"limit": str(limit), "page": "1"}
        async with session.get(f"{server.url}/v1/orders", params=query, headers=server.keys) as answer:
            answer.raise_for_status()
            return decode(await answer.read())

    return {OURS: ours, BY_HAND: hand}


def run(rounds: int) -> list[Curve]:
    """Measure with a fresh emulator."""
    with emulator() as server:
        return asyncio.run(curves(server, rounds))
