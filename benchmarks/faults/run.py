"""One client's run: the faults, the work, and then the look at the server."""

import random
import sys
from typing import Final

import aiohttp
import msgspec

from benchmarks.faults.oracle import Verdict, judge, look
from benchmarks.faults.work import Client, Outcome, Task
from benchmarks.server import Server
from voucherify_async.emulator import Fault, Faults

_LONG_AGO: Final = 1_000_000_000
KINDS: Final = (
    Fault("drop", when="before"),
    Fault("drop", when="after"),
    Fault("reset", when="before"),
    Fault("reset", when="after"),
    Fault("partial_headers"),
    Fault("truncated"),
    Fault("truncated_gzip"),
    Fault("broken_json"),
    Fault("drip", delay=0.2),
    Fault("status", status=500, when="before"),
    Fault("status", status=500, when="after"),
    Fault("status", status=502, headers={"Content-Type": "text/html"}, body="<h1>502 Bad Gateway</h1>"),
    Fault("status", status=429, headers={"Retry-After": "0"}),
    Fault("status", status=429, headers={"Retry-After": "Sun, 09 Sep 2001 01:46:40 GMT"}),
    Fault("status", status=429, headers={"X-Rate-Limit-Retry": str(_LONG_AGO)}),
)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How much is done, and through how many faults.

    Attributes:
        orders: created with a key, and as many again without one.
        updates: of those with a key, the first ones.
        concurrency: calls at the same time.
        rate: of the requests that go wrong, 0 to 1.
    """

    orders: int = 20_000
    updates: int = 2_000
    concurrency: int = 128
    rate: float = 0.2

    def parts(self) -> list[tuple[str, list[Task]]]:
        """What is done one after another."""
        return [
            ("creates with a key", [Task("create", number) for number in range(self.orders)]),
            ("updates", [Task("update", number) for number in range(self.updates)]),
            ("creates without a key", [Task("keyless", number) for number in range(self.orders)]),
        ]


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one client's run."""

    client: str
    calls: int
    seconds: float
    verdict: Verdict

    @property
    def requests_per_call(self) -> float:
        """As the server counted them."""
        return sum(self.verdict.arrived.values()) / self.calls


def script(rate: float) -> list[Fault]:
    """All kinds, evenly: this part of all requests goes wrong."""
    faults = Faults(random.Random())
    faults.mix(rate, *KINDS)
    return faults.pending


async def run(name: str, client: Client, server: Server, plan: Plan) -> Run:
    """Let a client do the work against a fresh emulator, and judge it."""
    told: list[tuple[Task, Outcome]] = []
    seconds = 0.0
    async with aiohttp.ClientSession(server.url, headers=server.keys) as http:
        faults = msgspec.json.encode(script(plan.rate) if plan.rate else [])
        async with http.post("/_emulator/faults", data=faults) as answer:
            answer.raise_for_status()
        for what, tasks in plan.parts():
            report = await client(server, tasks, plan.concurrency)
            told += zip(tasks, report.outcomes, strict=True)
            seconds += report.seconds
            print(f"{name}: {len(tasks):,} {what} in {report.seconds:.1f} s", file=sys.stderr)
        async with http.delete("/_emulator/faults") as answer:
            answer.raise_for_status()
        seen = await look(http)
    return Run(client=name, calls=len(told), seconds=seconds, verdict=judge(told, seen))
