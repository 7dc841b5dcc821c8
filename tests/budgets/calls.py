"""What a call costs, with everything on: retries and limiter armed, a deadline, typed answers, nobody listening."""

import asyncio
import statistics
from itertools import count
from typing import Final

from benchmarks.calls import new_order
from tests.budgets.memory import in_flight, left_behind
from tests.budgets.server import AnsweringSelector, Server
from tests.budgets.tally import Tally, Work
from voucherify_async import OrderChanges, VoucherifyClient

Counts = dict[str, dict[str, float]]

_WARM_UP: Final = 20
_CALLS: Final = 9
_WHAT: Final = ("own_frames", "own_c_calls", "frames", "system_calls", "loop_turns", "timers", "tasks")


def count_calls() -> Counts:
    """Count what calls do and hold; by what is counted, and by call."""
    server, tally = Server(), Tally()

    def answer() -> None:
        tally.paused = True
        server.answer()
        tally.paused = False

    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(AnsweringSelector(answer))) as runner:
        counts = runner.run(_counted(server, tally))
    server.close()
    return counts


async def _counted(server: Server, tally: Tally) -> Counts:
    async with VoucherifyClient("app-id", "app-token", base_url=server.url) as client:
        numbers, order, changes = count(), new_order(1), OrderChanges(status="PAID")
        works: dict[str, Work] = {
            "get": lambda: client.orders.get(f"bench-{next(numbers)}"),
            "create": lambda: client.orders.create(order),
            "update": lambda: client.orders.update(f"bench-{next(numbers)}", changes),
            "list": lambda: client.orders.list(limit=100, page=1),
        }
        counts: Counts = {what: {} for what in (*_WHAT, "own_instructions")}
        for name, work in works.items():
            for _ in range(_WARM_UP):
                await work()
            done = [await tally.calls(work) for _ in range(_CALLS)]
            steps = [await tally.instructions(work) for _ in range(_CALLS)]
            for what in _WHAT:
                counts[what][name] = statistics.median(one[what] for one in done)
            counts["own_instructions"][name] = statistics.median(steps)
        # In this order: the server has few connections to look at while many calls are made.
        left = await left_behind(works["get"])
        return {**counts, "in_flight": await in_flight(works["get"], server), "left_behind": left}
