"""Runs in processes that can be killed: `python -m tests.bulk.killable`.

Reads a line of JSON (`RunPlan`) for each run, forks, and does the run in the child: thirty runs cost no thirty
imports. The child tells on stdout, a line of JSON (`News`) each, which process it is, what its client goes through,
each failure, and its report; the parent tells when the child has ended.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from benchmarks.faults.fastclock import FastClock
from voucherify_async import BulkReport, NewOrder, OrderFailure, OrderItem, VoucherifyClient
from voucherify_async.events import Event

_SPEED: Final = 50.0  # of the clock by which imports are looked at
_encode: Final = msgspec.json.Encoder().encode


class RunPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is to do.

    Attributes:
        method: `upsert_all` or `import_all`.
        arguments: of the method, besides the functions.
        entries: how many.
        failures: the file that `on_failure` appends to.
        dies_at_failure: the run kills itself when it has appended so many failures.
    """

    url: str
    app_id: str
    app_token: str
    method: str
    arguments: dict[str, Any]
    entries: int
    failures: str
    dies_at_failure: int | None = None


class News(msgspec.Struct, frozen=True):
    """What a run tells: of which kind, and what about it."""

    kind: str
    about: Any = None


def entries(count: int) -> Iterator[NewOrder]:
    """The source: most orders two or three times, each time with another value; some do not fit or are refused."""
    for position in range(count):
        if position % 23 == 7:  # refused by the service
            items = [OrderItem(product_id="p", quantity=-1)]
            yield NewOrder(source_id=f"refused-{position}", amount=position, items=items)
        elif position % 41 == 11:  # not fit to be sent
            items = [OrderItem(product_id="p", quantity=1)] * 501
            yield NewOrder(source_id=f"unfit-{position}", items=items)
        else:
            number = position // 5 * 2 + position % 2  # a b a b a, and then c d c d c
            yield NewOrder(source_id=f"o-{number}", amount=position)


def _tell(kind: str, about: object = None) -> None:
    # One write of a short line arrives whole, whoever else writes and whenever the writer dies.
    os.write(1, _encode(News(kind, about)) + b"\n")


async def _run(plan: RunPlan) -> None:
    failed = 0

    def on_failure(failure: OrderFailure) -> None:
        nonlocal failed
        with Path(plan.failures).open("ab") as file:
            file.write(_encode(failure) + b"\n")
        failed += 1
        _tell("failed")
        if failed == plan.dies_at_failure:
            os.kill(os.getpid(), signal.SIGKILL)

    def on_event(event: Event) -> None:
        _tell(type(event).__name__)

    async with VoucherifyClient(
        plan.app_id, plan.app_token, base_url=plan.url, clock=FastClock(_SPEED), on_event=on_event
    ) as client:
        method = getattr(client.orders, plan.method)
        report: BulkReport = await method(entries(plan.entries), on_failure=on_failure, **plan.arguments)
    _tell("report", report)


def _main() -> None:
    child = 0
    for line in sys.stdin:
        if child:
            os.waitpid(child, 0)
        child = os.fork()
        if not child:
            _tell("started", os.getpid())
            asyncio.run(_run(msgspec.json.decode(line, type=RunPlan)))
            os._exit(0)
        # Not buried yet: until the next line comes, its number belongs to no other process.
        ended = os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        _tell("ended", None if ended is None else ended.si_status)


if __name__ == "__main__":
    _main()
