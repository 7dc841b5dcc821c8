"""The fault run in short, and whether its counting would notice what it is there to notice."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

import pytest

from benchmarks.faults.clients import naive_retry, voucherify_async
from benchmarks.faults.oracle import Seen, judge
from benchmarks.faults.run import KINDS, Plan, Run, run, script
from benchmarks.faults.work import Client, Kind, Outcome, Report, Task, Value
from benchmarks.server import Server
from voucherify_async.emulator import Emulator, Faults

POST, PUT = "POST /v1/orders", "PUT /v1/orders/*"


async def run_of(client: Client, emulator: Emulator, plan: Plan) -> Run:
    return await run("test", client, Server(emulator.url, emulator.app_id, emulator.app_token), plan)


async def test_nothing_is_lost_and_nothing_done_twice(emulator: Emulator) -> None:
    plan = Plan(orders=1000, updates=200, concurrency=64)
    verdict = (await run_of(voucherify_async, emulator, plan)).verdict
    assert (verdict.lost, verdict.doubled, verdict.wrong, verdict.beyond) == (0, 0, 0, 0), verdict.examples
    assert verdict.sent == verdict.arrived
    # It was put to the test: requests were repeated, and some creates without a key were not.
    assert verdict.arrived[POST] > 2100
    assert verdict.arrived[PUT] > 200
    assert 50 < verdict.told["unknown"] < 300


async def test_a_client_that_repeats_whatever_fails_is_found_out(emulator: Emulator) -> None:
    plan = Plan(orders=400, updates=50, concurrency=64, rate=0.8)
    verdict = (await run_of(naive_retry, emulator, plan)).verdict
    assert verdict.doubled > 10
    assert verdict.wrong > 0
    assert verdict.lost > 0
    assert emulator.faults.pending == []


async def test_a_client_that_does_nothing_and_calls_it_done_is_found_out(emulator: Emulator) -> None:
    async def liar(server: Server, tasks: Sequence[Task], concurrency: int) -> Report:
        return Report([Outcome("done", 1) for _ in tasks], 0.0)

    verdict = (await run_of(liar, emulator, Plan(orders=10, updates=5))).verdict
    assert (verdict.lost, verdict.wrong, verdict.beyond, verdict.faultless) == (10, 25, 10, False)
    assert (verdict.sent, verdict.arrived) == ({POST: 20, PUT: 5}, {POST: 0, PUT: 0})


@pytest.mark.parametrize("rate", [0.2, 1.0])
def test_all_kinds_of_faults_come_equally_often(rate: float) -> None:
    faults, kinds, requests = Faults(random.Random(1)), script(rate), 30_000
    faults.add(*kinds)
    taken = [faults.take("POST", "/v1/orders") for _ in range(requests)]
    seen = Counter(kinds.index(fault) for fault in taken if fault is not None)
    each = requests * rate / len(KINDS)
    assert sum(seen.values()) == pytest.approx(requests * rate, rel=0.05)
    assert list(seen.values()) == pytest.approx([each] * len(KINDS), rel=0.2)


PAID, CREATED = Task("create", 1).value, Task("create", 2).value
UPDATED = Task("update", 1).value
DONE, FAILED, UNKNOWN = Outcome("done", 1), Outcome("failed", 1), Outcome("unknown", 1)


@pytest.mark.parametrize(
    ("told", "keyed", "keyless", "counts"),
    [
        # Created with a key: there, not there, another value there.
        ([("create", DONE)], PAID, 0, (0, 0, 0)),
        ([("create", FAILED)], PAID, 0, (0, 0, 1)),
        ([("create", UNKNOWN)], PAID, 0, (0, 0, 0)),
        ([("create", DONE)], None, 0, (1, 0, 1)),
        ([("create", FAILED)], None, 0, (1, 0, 0)),
        ([("create", UNKNOWN)], None, 0, (1, 0, 0)),
        ([("create", DONE)], CREATED, 0, (1, 0, 1)),
        # And then updated.
        ([("create", DONE), ("update", DONE)], UPDATED, 0, (0, 0, 0)),
        ([("create", DONE), ("update", DONE)], PAID, 0, (1, 0, 1)),
        ([("create", DONE), ("update", FAILED)], PAID, 0, (1, 0, 0)),
        ([("create", FAILED), ("update", FAILED)], UPDATED, 0, (0, 0, 2)),
        ([("create", FAILED), ("update", FAILED)], None, 0, (1, 0, 0)),
        # Created without a key.
        ([("keyless", DONE)], None, 1, (0, 0, 0)),
        ([("keyless", DONE)], None, 2, (0, 1, 0)),
        ([("keyless", DONE)], None, 0, (0, 0, 1)),
        ([("keyless", FAILED)], None, 1, (0, 0, 1)),
        ([("keyless", FAILED)], None, 2, (0, 1, 1)),
        ([("keyless", UNKNOWN)], None, 1, (0, 0, 0)),
        ([("keyless", UNKNOWN)], None, 0, (0, 0, 0)),
    ],
)
def test_the_judge(
    told: list[tuple[Kind, Outcome]], keyed: Value | None, keyless: int, counts: tuple[int, int, int]
) -> None:
    stored = {} if keyed is None else {Task("create", 1).key: keyed}
    seen = Seen(stored, Counter({1: keyless}), {}, {}, {})
    verdict = judge([(Task(kind, 1), outcome) for kind, outcome in told], seen)
    assert (verdict.lost, verdict.doubled, verdict.wrong) == counts


@pytest.mark.parametrize(
    ("outcomes", "effects", "arrived", "beyond"),
    [
        ([Outcome("done", 3)], 0, 3, 1),
        ([Outcome("done", 3)], 1, 3, 0),
        ([Outcome("done", 3)], 3, 3, 0),
        ([Outcome("done", 3)], 4, 3, 1),
        ([Outcome("done", 3)], 1, 2, 1),
        ([Outcome("done", 3)], 1, 4, 1),
        ([Outcome("done", 1), Outcome("done", 2)], 1, 3, 1),
        ([Outcome("done", 1), Outcome("unknown", 2)], 3, 3, 0),
        ([Outcome("done", None)], 9, 9, 0),
    ],
)
def test_the_bounds_of_effects(outcomes: list[Outcome], effects: int, arrived: int, beyond: int) -> None:
    kinds: list[Kind] = ["create", "update"]
    told = [(Task(kind, 1), outcome) for kind, outcome in zip(kinds, outcomes, strict=False)]
    seen = Seen({}, Counter(), {Task("create", 1).key: effects}, {}, {Task("create", 1).key: arrived})
    assert judge(told, seen).beyond == beyond
