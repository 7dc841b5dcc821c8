"""Single calls: this client beside bare aiohttp with msgspec, against the emulator in another process.

Both do the same work: the same calls, decoded into the same structs, on pools of the same size. Rounds are
interleaved and the medians compared, because machines are noisy: the ratio is what travels, not the figure.
"""

import asyncio
import gc
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import aiohttp
import msgspec

from benchmarks.server import Server, emulator
from voucherify_async import NewOrder, Order, OrderItem, OrderPage, VoucherifyClient

CALLS_PER_ROUND = {"get": 4000, "create": 3000, "list of 100": 300}
CONCURRENCY = 64
ORDERS = 3000  # more than the URLs that yarl keeps: ids differ from call to call


class Cost(NamedTuple):
    """What one call cost on the client's side, and how many went through in a second."""

    cpu_us: float
    per_second: float


Work = Callable[[int], Awaitable[object]]


def new_order(number: int) -> NewOrder:
    """An order of three lines."""
    return NewOrder(
        source_id=f"bench-{number}",
        status="PAID",
        items=[
            OrderItem(source_id=f"sku-{line}", related_object="sku", quantity=line + 1, price=1250)
            for line in range(3)
        ],
        metadata={"channel": "web", "shop": "benchmark"},
    )


async def measured(work: Work, calls: int, concurrency: int = CONCURRENCY) -> Cost:
    """Do `calls` calls, so many at a time."""
    numbers = iter(range(calls))

    async def worker() -> None:
        for number in numbers:
            await work(number)

    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(worker() for _ in range(concurrency)))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return Cost(cpu / calls * 1e6, calls / wall)


def by_hand(session: aiohttp.ClientSession, server: Server) -> dict[str, Work]:
    """The three calls as a user of aiohttp and msgspec writes them."""
    headers = {"X-App-Id": server.app_id, "X-App-Token": server.app_token}
    order, page = msgspec.json.Decoder(Order), msgspec.json.Decoder(OrderPage)

    async def get(number: int) -> object:
        async with session.get(f"{server.url}/v1/orders/bench-{number % ORDERS}", headers=headers) as answer:
            answer.raise_for_status()
            return order.decode(await answer.read())

    async def create(number: int) -> object:
        body = msgspec.json.encode(new_order(number % ORDERS))
        typed = {**headers, "Content-Type": "application/json"}
        async with session.post(f"{server.url}/v1/orders", data=body, headers=typed) as answer:
            answer.raise_for_status()
            return order.decode(await answer.read())

    async def list_page(number: int) -> object:
        query = {"limit": "100", "page": "1"}
        async with session.get(f"{server.url}/v1/orders", params=query, headers=headers) as answer:
            answer.raise_for_status()
            return page.decode(await answer.read())

    return {"get": get, "create": create, "list of 100": list_page}


def with_client(client: VoucherifyClient) -> dict[str, Work]:
    """The same three calls with this client."""

    async def get(number: int) -> object:
        return await client.orders.get(f"bench-{number % ORDERS}")

    async def create(number: int) -> object:
        return await client.orders.create(new_order(number % ORDERS))

    async def list_page(number: int) -> object:
        return await client.orders.list(limit=100, page=1)

    return {"get": get, "create": create, "list of 100": list_page}


async def compare(server: Server, rounds: int) -> dict[str, tuple[Cost, Cost, list[float]]]:
    """Per call: the medians by hand and with the client, and the ratio of CPU time of each round."""
    connector = aiohttp.TCPConnector(limit=512)
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        VoucherifyClient(server.app_id, server.app_token, base_url=server.url) as client,
    ):
        works = {"hand": by_hand(session, server), "client": with_client(client)}
        await asyncio.gather(*(client.orders.create(new_order(number)) for number in range(ORDERS)))
        costs: dict[tuple[str, str], list[Cost]] = {}
        for _ in range(rounds):
            for call, calls in CALLS_PER_ROUND.items():
                for who, work in works.items():
                    costs.setdefault((who, call), []).append(await measured(work[call], calls))
    found = {}
    for call in CALLS_PER_ROUND:
        hand, ours = costs["hand", call], costs["client", call]
        ratios = [one.cpu_us / other.cpu_us for one, other in zip(ours, hand, strict=True)]
        found[call] = (median_of(hand), median_of(ours), ratios)
    return found


def median_of(costs: list[Cost]) -> Cost:
    """The median of each figure."""
    return Cost(
        statistics.median(cost.cpu_us for cost in costs), statistics.median(cost.per_second for cost in costs)
    )


def imports_ms(rounds: int) -> tuple[list[float], list[float]]:
    """Milliseconds that fresh interpreters take to import what is used by hand, and the client, by turns."""
    hand, ours = list[float](), list[float]()
    for _ in range(rounds):
        hand.append(import_ms("import aiohttp, msgspec"))
        ours.append(import_ms("from voucherify_async import VoucherifyClient"))
    return hand, ours


def import_ms(modules: str) -> float:
    """How long a fresh interpreter takes for these imports, in milliseconds: the quickest of three."""
    code = f"import time; t = time.perf_counter(); {modules}; print((time.perf_counter() - t) * 1000)"
    run = [sys.executable, "-E", "-c", code]  # whatever is set for Python here, such as to keep nothing compiled
    return min(float(subprocess.run(run, capture_output=True, check=True, text=True).stdout) for _ in range(3))


def run(rounds: int) -> dict[str, object]:
    """Measure, print a table, and give the figures."""
    with emulator() as server:
        found = asyncio.run(compare(server, rounds))
    print(f"| call, {CONCURRENCY} at a time | by hand | voucherify_async | CPU ratio (spread) |")
    print("|---|---|---|---|")
    for call, (hand, ours, ratios) in found.items():
        print(
            f"| {call} | {hand.cpu_us:.0f} µs CPU, {hand.per_second:,.0f}/s | {ours.cpu_us:.0f} µs CPU, "
            f"{ours.per_second:,.0f}/s | {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) |"
        )
    hand_ms, ours_ms = imports_ms(rounds)
    ratios = [one / other for one, other in zip(ours_ms, hand_ms, strict=True)]
    print(
        f"| import of the package | {statistics.median(hand_ms):.0f} ms | {statistics.median(ours_ms):.0f} ms "
        f"| {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) |",
        end="\n\n",
    )
    return {"calls": found, "import_ms": {"by hand": hand_ms, "voucherify_async": ours_ms}}
