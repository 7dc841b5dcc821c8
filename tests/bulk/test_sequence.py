"""Entries of one order never arrive in the wrong sequence, whatever goes wrong and however long answers take."""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from tests.fakes import FakeClock
from voucherify_async import BulkReport, BulkStoppedError, NewOrder, RetryPolicy
from voucherify_async.emulator import Emulator, Fault

ORDERS = 3
# By which of its names each entry calls its order.
NAMES = st.sampled_from(["source_id", "id", "both"])
ENTRIES = st.lists(st.tuples(st.integers(0, ORDERS - 1), NAMES), min_size=1, max_size=40)
KINDS = (
    Fault("delay", delay=0.002),
    Fault("delay", delay=0.001, when="after"),
    Fault("drop", when="before"),
    Fault("drop", when="after"),
    Fault("reset", when="after"),
    Fault("status", status=500, when="before"),
    Fault("status", status=500, when="after"),
    Fault("status", status=429, headers={"Retry-After": "0"}),
    Fault("truncated"),
)
FAULTS = st.lists(st.sampled_from(KINDS), min_size=1, unique_by=lambda fault: (fault.kind, fault.when, fault.delay))


class Seen(NamedTuple):
    """What came of a run.

    Attributes:
        report: None if it was stopped.
        arrived: the entries, each as often as it came, in sequence.
        there: the amount of each order afterwards.
    """

    report: BulkReport | None
    arrived: list[NewOrder]
    there: list[int | None]


async def run(
    entries: Sequence[tuple[int, str]], concurrency: int | None, faults: list[Fault], rate: float, attempts: int
) -> Seen:
    """Upsert the entries, whose amounts are their numbers from 1 on, and look at the server."""
    async with (
        Emulator(seed=1) as emulator,
        emulator.client(clock=FakeClock(), retry=RetryPolicy(max_attempts=attempts)) as client,
    ):
        orders = [await client.orders.create(NewOrder(source_id=f"o-{one}", amount=0)) for one in range(ORDERS)]
        source = []
        for number, (one, called) in enumerate(entries, start=1):
            source_id = UNSET if called == "id" else f"o-{one}"
            order_id = UNSET if called == "source_id" else orders[one].id
            source.append(NewOrder(source_id=source_id, id=order_id, amount=number))
        emulator.faults.mix(rate, *faults)
        try:
            report = await client.orders.upsert_all(source, concurrency=concurrency)
        except BulkStoppedError:
            report = None
        emulator.faults.clear()
        bodies = [request.body for request in emulator.requests if request.method == "POST" and request.body]
        arrived = [msgspec.json.decode(body, type=NewOrder) for body in bodies[ORDERS:]]
        return Seen(report, arrived, [(await client.orders.get(order.id)).amount for order in orders])


@settings(max_examples=150)
@given(ENTRIES, st.none() | st.integers(1, 16), FAULTS, st.sampled_from([0.0, 0.3, 0.7]), st.sampled_from([2, 10]))
def test_entries_that_share_a_name_arrive_in_sequence(
    entries: list[tuple[int, str]], concurrency: int | None, faults: list[Fault], rate: float, attempts: int
) -> None:
    seen = asyncio.run(run(entries, concurrency, faults, rate, attempts))
    numbers: dict[object, list[Any]] = {}
    for order in seen.arrived:
        for name in (order.source_id, order.id):
            if name:
                numbers.setdefault(name, []).append(order.amount)
    # An entry may come again, but not behind a later one.
    for came in numbers.values():
        assert came == sorted(came)
    if seen.report is None:
        return
    assert {order.amount for order in seen.arrived} == set(range(1, len(entries) + 1))
    if not seen.report.failed_count:
        for one in range(ORDERS):
            called = [(number, name) for number, (order, name) in enumerate(entries, start=1) if order == one]
            # Where one entry says `source_id` and another `id`, nobody can tell that they are of one order.
            if {"source_id", "id"} - {name for _, name in called}:
                assert seen.there[one] == max((number for number, _ in called), default=0)
