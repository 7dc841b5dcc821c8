"""A service that is away for a while under a steady load: how many requests it sees, and what becomes of the calls.

Calls begin at a steady rate, whatever becomes of those before them, as they do behind a web service.
"""

import asyncio
from typing import Final, Literal, NamedTuple

from benchmarks.faults.fastclock import FastClock
from voucherify_async import NewOrder, VoucherifyError
from voucherify_async.emulator import Emulator, Fault
from voucherify_async.events import AttemptStarted, Event

OutageKind = Literal["503", "dropped connections", "refused connections"]
OUTAGES: Final[tuple[OutageKind, ...]] = ("503", "dropped connections", "refused connections")


class Outage(NamedTuple):
    """What happened.

    Attributes:
        kind: in which way the service was away.
        healthy: requests sent in a period of the same length before it.
        during: requests sent while it was away.
        first: of those, how many were the first of their call: what a client that repeats nothing would have sent.
        calls: that were made in all three periods.
        failed: of those, how many raised.
        lost: of those that did not, how many orders are not there.
    """

    kind: OutageKind
    healthy: int
    during: int
    first: int
    calls: int
    failed: int
    lost: int

    @property
    def ratio(self) -> float:
        """Load during the outage over that before it."""
        return self.during / self.healthy


async def outage(kind: OutageKind, *, per_second: float = 300, seconds: float = 5.0, speed: float = 1.0) -> Outage:
    """A period in which all is well, one in which nothing is, and another in which it is well again.

    Args:
        kind: in which way the service is away.
        per_second: calls that begin.
        seconds: of each period.
        speed: of the clock that all of this goes by.
    """
    clock = FastClock(speed)
    sent = first = 0

    def count(event: Event) -> None:
        nonlocal sent, first
        if isinstance(event, AttemptStarted):
            sent += 1
            first += event.attempt == 1

    async with Emulator(seed=1) as emulator, emulator.client(clock=clock, on_event=count) as client:
        calls: list[asyncio.Task[object]] = []
        begun = clock.monotonic()

        async def period() -> tuple[int, int]:
            sent_before, first_before, ends_at = sent, first, clock.monotonic() + seconds
            while (now := clock.monotonic()) < ends_at:
                while len(calls) < (now - begun) * per_second:
                    order = NewOrder(source_id=f"o-{len(calls)}", amount=len(calls))
                    calls.append(asyncio.create_task(client.orders.create(order)))
                await clock.sleep(0.5 / per_second)
            return sent - sent_before, first - first_before

        await client.orders.list()
        healthy, _ = await period()
        if kind == "refused connections":
            await emulator.aclose()
        else:
            emulator.faults.add(
                Fault("status", status=503, times=None) if kind == "503" else Fault("drop", times=None)
            )
        during, first_during = await period()
        emulator.faults.clear()
        await emulator.start()
        await period()
        results = await asyncio.gather(*calls, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, VoucherifyError):
                raise result
        failed = sum(isinstance(result, VoucherifyError) for result in results)
        there = sum(effects.total > 0 for effects in emulator.effects.orders.values())
    return Outage(kind, healthy, during, first_during, len(calls), failed, len(calls) - failed - there)
