"""`import_all` against the emulator; what arrived and what is there is asked of the server."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bulk.entries import entry
from tests.bulk.test_upserts import TOO_MANY, some, stored, told
from tests.fakes import FakeClock, ServiceTime, http, raw_server, until
from voucherify_async import (
    BulkProgress,
    BulkStoppedError,
    ConfigurationError,
    ImportFailure,
    ImportResult,
    JobTimeoutError,
    NewOrder,
    OrderFailure,
    OrderItem,
    RetryPolicy,
    ServerError,
    VoucherifyClient,
)
from voucherify_async.bulk import reports
from voucherify_async.bulk.chunks import Chunk, Part
from voucherify_async.bulk.imports import failures_of
from voucherify_async.emulator import Emulator, Fault

IMPORT = ("POST", "/v1/orders/import")
GET_ACTION = ("GET", "/v1/async-actions/*")


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(seed=1, import_seconds=0) as emulator:
        yield emulator


def requests(emulator: Emulator) -> list[list[NewOrder]]:
    """The orders of each import that arrived."""
    return [
        msgspec.json.decode(request.body or b"", type=list[NewOrder])
        for request in emulator.requests
        if (request.method, request.path) == IMPORT
    ]


# --- What is done ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [list, iter])
async def test_it_is_cut_by_2000_orders(client: VoucherifyClient, emulator: Emulator, shape: Any) -> None:
    report = await client.orders.import_all(shape(some(4100)))
    assert told(report) == (4100, 4100, 0, 0)
    sent = requests(emulator)
    assert [len(orders) for orders in sent] == [2000, 2000, 100]
    assert [order.source_id for orders in sent for order in orders] == [f"o-{number}" for number in range(4100)]
    assert (await client.orders.list(limit=1)).total == 4100


async def test_it_is_cut_by_bytes(client: VoucherifyClient, emulator: Emulator) -> None:
    report = await client.orders.import_all(some(100), max_bytes=1000)
    assert told(report) == (100, 100, 0, 0)
    bodies = [request.body or b"" for request in emulator.requests if request.path == "/v1/orders/import"]
    assert all(len(body) <= 1000 for body in bodies)
    assert min(len(body) for body in bodies[:-1]) > 950


@pytest.mark.parametrize(("seconds", "looks"), [(5, 1), (60, 6)])
async def test_an_import_is_not_asked_for_while_it_is_known_to_be_under_way(
    clock: FakeClock, seconds: float, looks: int
) -> None:
    async with Emulator(seed=1, import_seconds=seconds, clock=ServiceTime(clock)) as emulator:
        async with emulator.client(clock=clock) as client:
            await client.orders.import_all(some(20), max_bytes=1000)
            alone, begun = emulator.effects.requests[GET_ACTION], clock.now
            await client.orders.import_all(some(200), max_bytes=1000)
            imports = emulator.effects.requests[IMPORT] - 1
            asked = emulator.effects.requests[GET_ACTION] - alone
    assert imports > 6
    # The first one of a run is looked at as any import is. The last one is smaller, and takes as long all the same.
    assert asked <= 2 * alone + looks * (imports - 2)
    assert clock.now - begun <= imports * seconds + 20
    assert max(clock.sleeps) <= 12  # progress is told on the way all the same


async def test_an_import_that_takes_longer_than_the_one_before_is_waited_for(clock: FakeClock) -> None:
    async with Emulator(seed=1, import_seconds=1, clock=ServiceTime(clock)) as emulator:
        slower = iter([30.0, 2.0, 0.0])

        def show(progress: BulkProgress) -> None:
            if progress.job is not None and progress.job.status == "DONE":
                emulator.import_seconds = next(slower, 0.0)

        async with emulator.client(clock=clock) as client:
            report = await client.orders.import_all(some(60), max_bytes=1000, on_progress=show)
    assert told(report) == (60, 60, 0, 0)


async def test_an_import_that_is_quicker_than_the_one_before_does_not_run_out_of_time(emulator: Emulator) -> None:
    emulator.import_seconds = 0.3
    orders = [NewOrder(source_id="large", metadata={"text": "x" * 900}), *some(20)]

    def show(progress: BulkProgress) -> None:
        if progress.job is not None and progress.job.status == "DONE":
            emulator.import_seconds = 0.0

    async with emulator.client() as client:  # one order took 0.3 s, so twenty are expected to take six
        report = await client.orders.import_all(orders, max_bytes=1000, timeout=2, on_progress=show)
    assert told(report) == (21, 21, 0, 0)


async def test_each_is_awaited_before_the_next(client: VoucherifyClient, emulator: Emulator) -> None:
    emulator.import_seconds = 0.01
    await client.orders.import_all(some(50), max_bytes=500)
    kinds = [request.path.rpartition("/")[0] for request in emulator.requests]
    # After each import comes at least one look at its job, and the last one saw its end.
    assert {after for before, after in pairwise(kinds) if before == "/v1/orders"} == {"/v1/async-actions"}


async def test_nothing_is_sent_for_nothing(client: VoucherifyClient, emulator: Emulator) -> None:
    assert told(await client.orders.import_all([])) == (0, 0, 0, 0)
    unfit = [NewOrder(source_id="unfit", items=TOO_MANY)]
    assert told(await client.orders.import_all(unfit)) == (1, 0, 1, 0)
    assert not emulator.requests


async def test_at_most_two_requests_worth_of_orders_is_read_ahead(
    client: VoucherifyClient, emulator: Emulator
) -> None:
    emulator.import_seconds = 3600
    read = 0

    def source() -> Iterator[NewOrder]:
        nonlocal read
        for order in some(10_000):
            read += 1
            yield order

    run = asyncio.create_task(client.orders.import_all(source()))
    await until(lambda: read >= 4000)
    for _ in range(1000):
        await asyncio.sleep(0)
    assert read == 4000
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run


# --- What fails -----------------------------------------------------------------------------------------------


async def test_failures_are_gathered_with_their_keys(client: VoucherifyClient) -> None:
    refused = NewOrder(source_id="refused", items=[OrderItem(product_id="p", quantity=-1)])
    unfit = NewOrder(source_id="unfit", items=TOO_MANY)
    failures: list[OrderFailure] = []
    report = await client.orders.import_all([*some(3), refused, unfit], on_failure=failures.append)
    assert told(report) == (5, 3, 2, 0)
    assert {(one.key, one.position, one.outcome_unknown) for one in failures} == {
        ("refused", 3, False),
        ("unfit", 4, False),
    }
    assert {one.key: one.order for one in failures} == {"refused": refused, "unfit": unfit}
    assert {one.key: one.reason for one in report.failed} == {one.key: one.reason for one in failures}
    assert await stored(client, 3)


@pytest.mark.parametrize("status", [400, 404, 409, 413, 422, 423])
async def test_a_request_that_is_refused_is_sent_in_halves(
    clock: FakeClock, emulator: Emulator, status: int
) -> None:
    body = f'{{"code": {status}, "key": "refused", "resource_id": "who"}}'
    emulator.faults.add(Fault("status", status=status, body=body, method="POST", times=3))
    async with emulator.client(clock=clock, retry=RetryPolicy(max_attempts=1)) as client:
        report = await client.orders.import_all(some(33))
    assert told(report) == (33, 33, 0, 0)
    sizes = [len(orders) for orders in requests(emulator)]
    assert sizes[:3] == [33, 16, 8]
    assert sum(sizes[3:]) == 33


async def test_one_that_is_refused_alone_fails_alone(clock: FakeClock) -> None:
    refusal = http(400, b'{"code": 400, "key": "invalid_payload", "message": "no"}')
    async with (
        raw_server(refusal) as server,
        VoucherifyClient("i", "t", base_url=server.url, clock=clock) as client,
    ):
        report = await client.orders.import_all(some(5))
    assert told(report) == (5, 0, 5, 0)
    assert [one.key for one in report.failed] == [f"o-{number}" for number in range(5)]
    assert "invalid_payload" in report.failed[0].reason


async def test_a_job_that_failed_as_a_whole_is_made_once_more(client: VoucherifyClient, emulator: Emulator) -> None:
    emulator.fail_next_import("out of order")
    assert told(await client.orders.import_all(some(5))) == (5, 5, 0, 0)
    assert len(requests(emulator)) == 2
    for _ in range(2):
        emulator.fail_next_import("out of order")
    report = await client.orders.import_all(some(5))
    assert told(report) == (5, 0, 5, 0)
    assert all("out of order" in one.reason and one.outcome_unknown for one in report.failed)


@pytest.mark.parametrize("result", [b"null", b'{"done_count": "many"}'])
async def test_a_result_that_cannot_be_read_leaves_the_outcome_unknown(clock: FakeClock, result: bytes) -> None:
    accepted = http(202, b'{"async_action_id": "aa_1"}')
    ended = http(200, b'{"id": "aa_1", "status": "DONE", "operation_status": "SUCCESS", "result": ' + result + b"}")
    async with raw_server(accepted, ended, accepted, ended) as server:
        async with VoucherifyClient("i", "t", base_url=server.url, clock=clock) as client:
            report = await client.orders.import_all(some(2))
    assert told(report) == (2, 0, 2, 0)
    assert all(one.outcome_unknown for one in report.failed)
    assert [line.partition(" ")[0] for line in server.lines] == ["POST", "GET"] * 2


@pytest.mark.parametrize(
    ("result", "failed"),
    [
        (ImportResult(done_count=3), []),
        (ImportResult(done_count=2, failed_count=1, failed=[ImportFailure(source_id="o-1", reason="r")]), ["o-1"]),
        (ImportResult(done_count=2, failed=[ImportFailure(source_id="o-1", reason="r")]), ["o-1"]),
        (ImportResult(done_count=1, failed_count=2, failed=[ImportFailure(source_id="o-2")]), ["o-2", None]),
        (ImportResult(done_count=2, failed_count=1, failed=[ImportFailure(reason="r")]), [None]),
        (ImportResult(done_count=2, failed_count=1, failed=[ImportFailure(source_id="who")]), ["who"]),
        (ImportResult(done_count=2), [None]),
        (ImportResult(), [None] * 3),
        (ImportResult(failed_count=9), [None] * 3),
    ],
)
def test_what_the_service_counts_is_told(result: ImportResult, failed: list[str | None]) -> None:
    chunk = Chunk([Part(entry(position, source_id=f"o-{position}")) for position in range(3)])
    found = failures_of(chunk, result)
    assert [one.key for one in found] == failed
    for one in found:
        assert one.position == (int(one.key[2:]) if one.key and one.key.startswith("o-") else None)
        assert one.reason


@given(st.integers(0, 4), st.integers(0, 4), st.integers(1, 4))
def test_failures_are_never_more_than_what_was_sent(done: int, failed: int, sent: int) -> None:
    chunk = Chunk([Part(entry(position, source_id=f"o-{position}")) for position in range(sent)])
    found = failures_of(chunk, ImportResult(done_count=done, failed_count=failed))
    assert min(failed, sent) <= len(found) <= sent


def test_two_entries_of_one_order_may_be_counted_as_one() -> None:
    chunk = Chunk([Part(entry(position, source_id="the same")) for position in range(3)])
    assert failures_of(chunk, ImportResult(done_count=1)) == []
    (failure,) = failures_of(
        chunk, ImportResult(done_count=2, failed_count=1, failed=[ImportFailure(source_id="the same")])
    )
    assert failure.key == "the same"


async def test_what_failed_of_several_entries_of_one_order_can_be_fed_in_again(client: VoucherifyClient) -> None:
    bad = [OrderItem(product_id="p", quantity=-1)]
    source = [NewOrder(source_id=f"o-{number % 2}", amount=number) for number in range(6)]
    source += [NewOrder(source_id="o-0", amount=number, items=bad) for number in (6, 7)]
    failures: list[OrderFailure] = []
    report = await client.orders.import_all(source, on_failure=failures.append)
    assert told(report) == (8, 6, 2, 0)
    # The service names the order and not the entry: an earlier one, fed in again, would put back an old value.
    assert [(one.key, one.position, one.outcome_unknown) for one in failures] == [
        ("o-0", 6, True),
        ("o-0", 7, True),
    ]
    assert [one.order for one in failures] == source[6:]


def test_entries_of_one_order_that_all_failed_are_known_to_have() -> None:
    chunk = Chunk([Part(entry(position, source_id="the same")) for position in range(3)])
    result = ImportResult(failed_count=3, failed=[ImportFailure(source_id="the same", reason=r) for r in "abc"])
    assert [(one.position, one.reason, one.outcome_unknown) for one in failures_of(chunk, result)] == [
        (0, "a", False),
        (1, "b", False),
        (2, "c", False),
    ]


# --- Keys -----------------------------------------------------------------------------------------------------


async def test_orders_without_a_key_are_refused_before_anything_is_sent(
    client: VoucherifyClient, emulator: Emulator
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        await client.orders.import_all([*some(3000), NewOrder(amount=1)])
    assert caught.value.argument == "source[3000]"
    with pytest.raises(ConfigurationError):
        await client.orders.import_all(iter([*some(1999), NewOrder(amount=1)]))
    assert not emulator.requests
    with pytest.raises(BulkStoppedError) as stopped:
        await client.orders.import_all(iter([*some(3000), NewOrder(amount=1)]))
    assert isinstance(stopped.value.__cause__, ConfigurationError)
    assert stopped.value.report.done == 2000


async def test_orders_without_a_key_are_taken_if_that_is_asked_for(client: VoucherifyClient) -> None:
    source = [NewOrder(amount=number) for number in range(5)]
    assert told(await client.orders.import_all(source, allow_keyless=True)) == (5, 5, 0, 0)
    assert (await client.orders.list(limit=1)).total == 5


async def test_orders_without_a_key_are_not_sent_twice(
    clock: FakeClock, emulator: Emulator, tmp_path: Path
) -> None:
    source = [NewOrder(amount=1), NewOrder(source_id="keyed", amount=2)]
    emulator.faults.add(Fault("drop", when="after", path="/v1/orders/import"))
    async with emulator.client(clock=clock) as client:
        with pytest.raises(BulkStoppedError) as caught:
            await client.orders.import_all(source, allow_keyless=True, checkpoint=tmp_path / "state")
        assert told(caught.value.report) == (2, 0, 0, 0)
        report = await client.orders.import_all(source, allow_keyless=True, checkpoint=tmp_path / "state")
        assert told(report) == (2, 1, 1, 0)
        (failure,) = report.failed
        assert (failure.key, failure.position, failure.outcome_unknown) == (None, 0, True)
        assert "twice" in failure.reason
        assert (await client.orders.list()).total == 2
    assert emulator.effects.requests[IMPORT] == 2


# --- What stops a run, and going on ---------------------------------------------------------------------------


async def test_a_service_that_is_away_stops_the_run(clock: FakeClock, emulator: Emulator, tmp_path: Path) -> None:
    state = tmp_path / "state"
    emulator.faults.add(Fault("status", status=503, path="/v1/orders/import", when="before", times=9, skip=1))
    async with emulator.client(clock=clock, retry=RetryPolicy(max_attempts=3)) as client:
        with pytest.raises(BulkStoppedError) as caught:
            await client.orders.import_all(some(4500), checkpoint=state)
        assert isinstance(caught.value.__cause__, ServerError)
        assert caught.value.report.done == 2000
        assert caught.value.report.retried == 2
        emulator.faults.clear()
        report = await client.orders.import_all(some(4500), checkpoint=state)
    assert told(report) == (4500, 4500, 0, 2000)
    assert report.retried == 0
    assert not state.exists()


async def test_an_import_that_takes_too_long_is_waited_for_again(
    client: VoucherifyClient, emulator: Emulator, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    emulator.import_seconds = 3600
    with pytest.raises(BulkStoppedError) as caught:
        await client.orders.import_all(some(10), checkpoint=state, timeout=0.01)
    assert isinstance(caught.value.__cause__, JobTimeoutError)
    emulator.clock.advance(3600)  # type: ignore[attr-defined]
    assert told(await client.orders.import_all(some(10), checkpoint=state)) == (10, 10, 0, 0)
    assert emulator.effects.requests[IMPORT] == 1


async def test_a_cancelled_run_waits_for_the_import_that_was_under_way(
    client: VoucherifyClient, emulator: Emulator, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    emulator.import_seconds = 3600
    closed = False

    async def source() -> AsyncIterator[NewOrder]:
        nonlocal closed
        try:
            for order in some(10):
                yield order
            await asyncio.sleep(3600)
        finally:
            closed = True

    run = asyncio.create_task(client.orders.import_all(source(), checkpoint=state, max_bytes=300))
    await until(lambda: emulator.effects.requests["GET", "/v1/async-actions/*"] > 0)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert closed
    emulator.import_seconds = 0
    emulator.clock.advance(3600)  # type: ignore[attr-defined]
    assert told(await client.orders.import_all(some(10), checkpoint=state)) == (10, 10, 0, 0)
    assert emulator.effects.requests[IMPORT] == 2


async def test_an_import_that_is_not_there_any_more_is_made_again(
    client: VoucherifyClient, emulator: Emulator, clock: FakeClock, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    emulator.import_seconds = 3600
    run = asyncio.create_task(client.orders.import_all(some(10), checkpoint=state))
    await until(lambda: emulator.effects.requests["GET", "/v1/async-actions/*"] > 0)
    run.cancel()
    await asyncio.wait([run])
    async with Emulator(import_seconds=0) as another, another.client(clock=clock) as elsewhere:
        assert told(await elsewhere.orders.import_all(some(10), checkpoint=state)) == (10, 10, 0, 0)
        assert another.effects.requests[IMPORT] == 1


async def test_a_function_that_raises_stops_the_run_when_the_import_is_done(
    client: VoucherifyClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "BETWEEN_NEWS", 0)

    def raises(progress: BulkProgress) -> None:
        raise LookupError

    with pytest.raises(BulkStoppedError) as caught:
        await client.orders.import_all(some(3000), on_progress=raises)
    assert isinstance(caught.value.__cause__, LookupError)
    assert caught.value.report.done == 2000


async def test_progress_shows_the_job(client: VoucherifyClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "BETWEEN_NEWS", 0)
    seen: list[BulkProgress] = []
    await client.orders.import_all(some(2500), on_progress=seen.append)
    assert {one.job.status for one in seen if one.job is not None} >= {"DONE"}
    assert [one.done for one in seen] == sorted(one.done for one in seen)
    assert {one.in_flight for one in seen} == {0, 2000, 500}
    assert (seen[-1].read, seen[-1].done) == (2500, 2500)


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [({"max_bytes": 0}, "max_bytes"), ({"timeout": 0}, "timeout"), ({"timeout": -1}, "timeout")],
)
async def test_what_does_not_fit(client: VoucherifyClient, arguments: Any, argument: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        await client.orders.import_all([], **arguments)
    assert caught.value.argument == argument
