"""Bulk runs through the same faults, and whether their reports are true, by what the server has afterwards."""

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Literal

import aiohttp
import msgspec

from benchmarks.faults.fastclock import FastClock
from benchmarks.faults.oracle import Seen, look
from benchmarks.faults.run import script
from benchmarks.faults.work import Value
from benchmarks.server import Server
from voucherify_async import BulkReport, NewOrder, OrderItem, VoucherifyClient
from voucherify_async.events import CallStarted, Event

Method = Literal["upsert_all", "import_all"]
ROUTES: Final[dict[Method, str]] = {"upsert_all": "POST /v1/orders", "import_all": "POST /v1/orders/import"}
_OPERATIONS: Final[dict[Method, str]] = {"upsert_all": "orders.create", "import_all": "orders.import_orders"}
_IMPORT_BYTES: Final = 16_000
_SHOWN: Final = 5


class BulkEntry(msgspec.Struct, frozen=True):
    """An entry of the source: every fifth is another one of the order that came four before, some are refused."""

    position: int

    @property
    def refused(self) -> bool:
        """Whether the service does not take it, at any time."""
        return self.position % 50 == 7

    @property
    def key(self) -> str:
        """The order's source id."""
        block, place = divmod(self.position, 5)
        return f"refused-{self.position}" if self.refused else f"bulk-{4 * block + place % 4}"

    @property
    def value(self) -> Value:
        """Grows with the position."""
        return Value(100 + self.position, "PAID" if self.position % 2 else "CREATED")

    @property
    def order(self) -> NewOrder:
        """As it is sent."""
        amount, status = self.value
        quantity = -1 if self.refused else 1
        items = [OrderItem(source_id="sku-1", related_object="sku", quantity=quantity, price=amount)]
        return NewOrder(source_id=self.key, status=status, amount=amount, items=items)


class BulkVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """The counts of one run.

    Attributes:
        lost: orders whose last value is not on the server, whatever the report says.
        doubled: orders on the server that are none of the source's.
        wrong: entries that are told as done, and are not there, or as failed, and are.
        untold: entries that the report passes over or counts twice.
        failed: entries that are told as failed.
        sent: requests, as the client tells of them.
        arrived: those that the server counted.
        examples: a few of the cases, in words.
    """

    lost: int
    doubled: int
    wrong: int
    untold: int
    failed: int
    sent: int
    arrived: int
    examples: list[str]

    @property
    def faultless(self) -> bool:
        """Nothing lost, nothing done twice, nothing untrue told, and every single request told of."""
        return not (self.lost or self.doubled or self.wrong or self.untold) and self.sent == self.arrived


class BulkRun(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one run."""

    method: Method
    entries: int
    seconds: float
    verdict: BulkVerdict


async def bulk_run(method: Method, server: Server, count: int, rate: float, *, speed: float = 1.0) -> BulkRun:
    """Let a run meet faults, with a checkpoint, and judge it.

    Args:
        method: of `client.orders`.
        server: fresh.
        count: entries.
        rate: of the requests that go wrong, 0 to 1.
        speed: of the client's clock.
    """
    calls = 0

    def count_call(event: Event) -> None:
        nonlocal calls
        calls += isinstance(event, CallStarted) and event.call.operation == _OPERATIONS[method]

    entries = [BulkEntry(position) for position in range(count)]
    arguments: dict[str, Any] = {"max_bytes": _IMPORT_BYTES} if method == "import_all" else {}
    async with aiohttp.ClientSession(server.url, headers=server.keys) as http:
        await _post(http, "/_emulator/jobs", {"import_seconds": 0})
        await _post(http, "/_emulator/faults", script(rate) if rate else [])
        started = time.perf_counter()
        with TemporaryDirectory() as folder:
            async with VoucherifyClient(
                server.app_id,
                server.app_token,
                base_url=server.url,
                clock=FastClock(speed),
                on_event=count_call,
            ) as client:
                source: Iterator[NewOrder] = (entry.order for entry in entries)
                report = await getattr(client.orders, method)(source, checkpoint=Path(folder, "state"), **arguments)
        seconds = time.perf_counter() - started
        async with http.delete("/_emulator/faults") as answer:
            answer.raise_for_status()
        seen = await look(http)
        async with http.get("/_emulator/effects") as answer:
            arrived = (await answer.json())["requests"].get(ROUTES[method], 0)
    first = report.read if method == "upsert_all" else calls  # what was sent for the first time
    verdict = judge_bulk(entries, report, seen, sent=first + report.retried, arrived=arrived)
    print(f"{method}: {count:,} entries in {seconds:.1f} s", file=sys.stderr)
    return BulkRun(method=method, entries=count, seconds=seconds, verdict=verdict)


async def _post(http: aiohttp.ClientSession, path: str, body: object) -> None:
    async with http.post(path, data=msgspec.json.encode(body)) as answer:
        answer.raise_for_status()


def judge_bulk(
    entries: Sequence[BulkEntry], report: BulkReport, seen: Seen, *, sent: int, arrived: int
) -> BulkVerdict:
    """Hold a report against what the server has."""
    last = {entry.key: entry for entry in entries if not entry.refused}
    lost = [key for key, entry in last.items() if seen.keyed.get(key) != entry.value]
    doubled = [key for key in seen.keyed if key not in last]
    failed = {failure.position: failure for failure in report.failed}
    wrong = []
    for entry in entries:
        failure = failed.get(entry.position)
        there = seen.keyed.get(entry.key)
        if failure is None:
            # An entry that was done is there, or a later one of its order.
            is_wrong = there is None or there.amount < entry.value.amount
        else:
            is_wrong = not failure.outcome_unknown and there == entry.value
        if is_wrong:
            wrong.append(entry)
    known = len(failed.keys() & {entry.position for entry in entries})
    untold = (
        abs(len(entries) - report.read)
        + abs(report.read - report.done - report.failed_count)
        + abs(report.failed_count - known)
    )
    examples = [
        *(f"lost: {key}, wanted {last[key].value}, there is {seen.keyed.get(key)}" for key in lost[:_SHOWN]),
        *(f"doubled: {key}" for key in doubled[:_SHOWN]),
        *(f"wrong: {entry}, told {failed.get(entry.position, 'done')}" for entry in wrong[:_SHOWN]),
    ]
    return BulkVerdict(
        lost=len(lost),
        doubled=len(doubled) + sum(seen.keyless.values()),
        wrong=len(wrong),
        untold=untold,
        failed=report.failed_count,
        sent=sent,
        arrived=arrived,
        examples=examples,
    )
