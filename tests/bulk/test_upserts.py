"""`upsert_all` against the emulator; what arrived and what is there is asked of the server."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import FakeClock, ServiceTime, http, raw_server, until
from voucherify_async import (
    AuthenticationError,
    BulkProgress,
    BulkReport,
    BulkStoppedError,
    ClientClosedError,
    ConfigurationError,
    ConnectError,
    NewOrder,
    OrderFailure,
    OrderItem,
    RateLimitError,
    RetryPolicy,
    ServerError,
    VoucherifyClient,
)
from voucherify_async.bulk import reports, upserts
from voucherify_async.emulator import Emulator, Fault

TOO_MANY = [OrderItem(product_id="p", quantity=1, price=1)] * 501


def some(count: int, **fields: Any) -> list[NewOrder]:
    return [NewOrder(source_id=f"o-{number}", amount=number, **fields) for number in range(count)]


async def as_stream(orders: list[NewOrder]) -> AsyncIterator[NewOrder]:
    for order in orders:
        yield order


def told(report: BulkReport) -> tuple[int, int, int, int]:
    return report.read, report.done, report.failed_count, report.skipped


async def stored(client: VoucherifyClient, count: int) -> dict[str | None, int | None]:
    page = await client.orders.list(limit=100)
    assert page.total == count
    return {order.source_id: order.amount for order in page.orders}


# --- What is done ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("concurrency", [None, 1, 7])
async def test_all_orders_are_there_afterwards(
    client: VoucherifyClient, emulator: Emulator, concurrency: int | None
) -> None:
    report = await client.orders.upsert_all(some(50), concurrency=concurrency)
    assert told(report) == (50, 50, 0, 0)
    assert (report.failed, report.retried) == ([], 0)
    assert await stored(client, 50) == {f"o-{number}": number for number in range(50)}
    assert emulator.effects.requests["POST", "/v1/orders"] == 50


@pytest.mark.parametrize("shape", [list, tuple, iter, as_stream, lambda orders: (order for order in orders)])
async def test_any_iterable_is_a_source(client: VoucherifyClient, shape: Any) -> None:
    assert told(await client.orders.upsert_all(shape(some(10)))) == (10, 10, 0, 0)


async def test_nothing_is_done_for_nothing(client: VoucherifyClient, emulator: Emulator) -> None:
    assert told(await client.orders.upsert_all([])) == (0, 0, 0, 0)
    assert not emulator.requests


async def test_entries_of_one_order_arrive_one_after_another(client: VoucherifyClient, emulator: Emulator) -> None:
    emulator.faults.add(Fault("delay", delay=0.01, rate=0.5, times=100))
    entries = [NewOrder(source_id=f"o-{number % 3}", amount=number) for number in range(60)]
    assert told(await client.orders.upsert_all(entries, concurrency=16)) == (60, 60, 0, 0)
    assert await stored(client, 3) == {"o-0": 57, "o-1": 58, "o-2": 59}


async def test_the_source_is_read_no_faster_than_it_is_worked_off(
    client: VoucherifyClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "BETWEEN_NEWS", 0)
    read = most_ahead = 0

    def source() -> Iterator[NewOrder]:
        nonlocal read
        for order in some(200):
            read += 1
            yield order

    def look(progress: BulkProgress) -> None:
        nonlocal most_ahead
        most_ahead = max(most_ahead, read - progress.done)

    report = await client.orders.upsert_all(source(), concurrency=5, on_progress=look)
    assert report.done == 200
    assert 1 <= most_ahead <= 6


async def test_one_order_with_many_entries_is_read_ahead_of_within_bounds(client: VoucherifyClient) -> None:
    read = 0

    def source() -> Iterator[NewOrder]:
        nonlocal read
        for number in range(2 * upserts.MOST_WAITING):
            read += 1
            yield NewOrder(source_id="the same", amount=number)

    run = asyncio.create_task(client.orders.upsert_all(source(), concurrency=4))
    await until(lambda: read > upserts.MOST_WAITING)
    assert read <= upserts.MOST_WAITING + 10
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run


async def test_an_order_that_takes_long_is_overtaken_within_bounds(
    client: VoucherifyClient, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upserts, "LONGEST_LEAD", 20)
    emulator.faults.add(Fault("delay", delay=3600, times=1))
    read = 0

    def source() -> Iterator[NewOrder]:
        nonlocal read
        for order in some(100):
            read += 1
            yield order

    run = asyncio.create_task(client.orders.upsert_all(source(), concurrency=4))
    await until(lambda: read > 20)
    await until(lambda: emulator.effects.requests["POST", "/v1/orders"] >= 20)
    assert read <= 22
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run


# --- What fails -----------------------------------------------------------------------------------------------


async def test_failures_are_told_with_key_reason_and_order(client: VoucherifyClient) -> None:
    refused = NewOrder(source_id="refused", items=[OrderItem(product_id="p", quantity=-1)])
    unfit = NewOrder(source_id="unfit", items=TOO_MANY)
    failures: list[OrderFailure] = []
    report = await client.orders.upsert_all([*some(3), refused, unfit, *some(2)], on_failure=failures.append)
    assert told(report) == (7, 5, 2, 0)
    assert {(one.key, one.position, one.outcome_unknown) for one in failures} == {
        ("refused", 3, False),
        ("unfit", 4, False),
    }
    by_key = {failure.key: failure for failure in failures}
    assert by_key["refused"].order is refused
    assert "quantity" in by_key["refused"].reason
    assert "order.items" in by_key["unfit"].reason
    assert "500" in by_key["unfit"].reason
    assert {(one.key, one.reason, one.order) for one in report.failed} == {
        (one.key, one.reason, None) for one in failures
    }


async def test_on_failure_may_be_async_and_is_called_once_at_a_time(client: VoucherifyClient) -> None:
    inside, most = 0, 0

    async def on_failure(failure: OrderFailure) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0)
        inside -= 1

    source = [NewOrder(source_id=f"o-{number}", items=TOO_MANY) for number in range(10)]
    report = await client.orders.upsert_all(source, on_failure=on_failure)
    assert (report.failed_count, most) == (10, 1)


async def test_a_report_names_the_first_and_counts_all(
    client: VoucherifyClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "MOST_NAMED", 3)
    failures: list[OrderFailure] = []
    source = [NewOrder(source_id=f"o-{number}", items=TOO_MANY) for number in range(5)]
    report = await client.orders.upsert_all(source, on_failure=failures.append, concurrency=1)
    assert [one.key for one in report.failed] == ["o-0", "o-1", "o-2"]
    assert report.failed_count == len(failures) == 5


# --- What stops a run -----------------------------------------------------------------------------------------


async def test_a_service_that_is_away_stops_the_run_and_not_the_orders(
    clock: FakeClock, emulator: Emulator, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    async with emulator.client(clock=clock, retry=RetryPolicy(max_attempts=1)) as client:
        failures: list[OrderFailure] = []

        def source() -> Iterator[NewOrder]:
            for number, order in enumerate(some(20)):
                if number == 10:
                    emulator.faults.add(Fault("status", status=503, times=1000))
                yield order

        with pytest.raises(BulkStoppedError) as caught:
            await client.orders.upsert_all(source(), concurrency=1, checkpoint=state, on_failure=failures.append)
        assert isinstance(caught.value.__cause__, ServerError)
        done = caught.value.report.done
        assert 9 <= done <= 10
        assert caught.value.report.failed_count == 0
        assert not failures
        assert str(done) in str(caught.value)
        emulator.faults.clear()
        report = await client.orders.upsert_all(some(20), concurrency=1, checkpoint=state)
        assert told(report) == (20, 20, 0, done)
        assert not state.exists()
        assert await stored(client, 20)


async def test_keys_that_are_refused_stop_the_run(clock: FakeClock, emulator: Emulator) -> None:
    async with VoucherifyClient("no", "such", base_url=emulator.url, clock=clock) as client:
        with pytest.raises(BulkStoppedError) as caught:
            await client.orders.upsert_all(some(500), concurrency=4)
    assert isinstance(caught.value.__cause__, AuthenticationError)
    assert caught.value.report.done == 0
    assert emulator.effects.requests["POST", "/v1/orders"] <= 4


async def test_a_limit_that_leaves_no_room_stops_the_run(clock: FakeClock) -> None:
    async with Emulator(rate_limit="5/hour") as emulator, emulator.client(clock=clock) as client:
        with pytest.raises(BulkStoppedError) as caught:
            await client.orders.upsert_all(some(10), concurrency=2)
    assert isinstance(caught.value.__cause__, RateLimitError)
    assert caught.value.report.done == 5
    assert caught.value.report.failed_count == 0


async def test_a_line_for_the_limit_that_is_too_long_is_made_shorter(clock: FakeClock) -> None:
    # An answer that is on its way while this clock leaps looks a minute late, and the next window two minutes away.
    patient = RetryPolicy(max_wait=150)
    async with (
        Emulator(rate_limit="5/minute", clock=ServiceTime(clock)) as emulator,
        emulator.client(clock=clock, retry=patient) as client,
    ):
        report = await client.orders.upsert_all(some(43), concurrency=40)
        assert told(report) == (43, 43, 0, 0)
        assert emulator.effects.requests["POST", "/v1/orders"] - report.retried == 43


async def test_no_service_at_all(clock: FakeClock) -> None:
    nowhere = "http://127.0.0.1:9"
    async with VoucherifyClient(
        "i", "t", base_url=nowhere, clock=clock, retry=RetryPolicy(max_attempts=1)
    ) as client:
        with pytest.raises(BulkStoppedError) as caught:
            await client.orders.upsert_all(some(1))
    assert isinstance(caught.value.__cause__, ConnectError)
    assert told(caught.value.report) == (1, 0, 0, 0)


async def test_what_is_under_way_is_finished_when_the_source_fails(client: VoucherifyClient) -> None:
    def source() -> Iterator[NewOrder]:
        yield from some(5)
        raise LookupError("no more")

    with pytest.raises(BulkStoppedError, match="LookupError: no more") as caught:
        await client.orders.upsert_all(source(), concurrency=100)
    assert isinstance(caught.value.__cause__, LookupError)
    assert told(caught.value.report) == (5, 5, 0, 0)


async def test_a_source_that_is_cancelled_is_not_at_its_end(client: VoucherifyClient, tmp_path: Path) -> None:
    async def source() -> AsyncIterator[NewOrder]:
        yield some(1)[0]
        feeder = asyncio.create_task(asyncio.sleep(3600))
        feeder.cancel()
        await feeder

    state = tmp_path / "state"
    with pytest.raises(BulkStoppedError, match="source was cancelled") as caught:
        await client.orders.upsert_all(source(), checkpoint=state)
    assert told(caught.value.report) == (1, 1, 0, 0)
    assert told(await client.orders.upsert_all(some(5), checkpoint=state)) == (5, 5, 0, 1)


@pytest.mark.parametrize("method", ["upsert_all", "import_all"])
@pytest.mark.parametrize(
    ("argument", "wrong"),
    [
        ("on_progress", 3),
        ("on_failure", "print"),
        ("checkpoint", 3),
        ("checkpoint", ""),
        ("checkpoint", b"state"),
        ("checkpoint", "sta\0te"),
    ],
)
async def test_what_is_no_function_or_no_file_is_refused_before_sending(
    client: VoucherifyClient, emulator: Emulator, method: str, argument: str, wrong: object
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        await getattr(client.orders, method)(some(5), **{argument: wrong})
    assert caught.value.argument == argument
    assert not emulator.requests


@pytest.mark.parametrize("which", ["on_progress", "on_failure"])
async def test_a_function_that_raises_stops_the_run(
    client: VoucherifyClient, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    monkeypatch.setattr(reports, "BETWEEN_NEWS", 0)

    def raises(news: object) -> None:
        raise LookupError(which)

    source = [NewOrder(source_id="unfit", items=TOO_MANY), *some(5)]
    with pytest.raises(BulkStoppedError) as caught:
        await client.orders.upsert_all(source, concurrency=1, **{which: raises})  # type: ignore[arg-type]
    assert isinstance(caught.value.__cause__, LookupError)
    assert caught.value.report.read < 6


async def test_what_is_no_exception_comes_out_as_it_is(client: VoucherifyClient, tmp_path: Path) -> None:
    class Outcome(BaseException):  # as those of pytest
        pass

    def raises(failure: OrderFailure) -> None:
        raise Outcome

    state = tmp_path / "state"
    source = [NewOrder(source_id="unfit", items=TOO_MANY), *some(5)]
    with pytest.raises(Outcome):
        await client.orders.upsert_all(source, concurrency=1, checkpoint=state, on_failure=raises)
    assert told(await client.orders.upsert_all(source, checkpoint=state))[:3] == (6, 5, 1)


async def test_a_closing_client_stops_the_run(client: VoucherifyClient, emulator: Emulator) -> None:
    emulator.faults.add(Fault("delay", delay=3600, times=4))
    run = asyncio.create_task(client.orders.upsert_all(some(100), concurrency=4))
    await until(lambda: emulator.effects.requests["POST", "/v1/orders"] == 4)
    await client.aclose()
    with pytest.raises(BulkStoppedError) as caught:
        await run
    assert isinstance(caught.value.__cause__, ClientClosedError)


async def test_a_run_that_is_cancelled_leaves_nothing_behind(
    client: VoucherifyClient, emulator: Emulator, tmp_path: Path
) -> None:
    emulator.faults.add(Fault("delay", delay=3600, times=4))
    closed = False

    async def source() -> AsyncIterator[NewOrder]:
        nonlocal closed
        try:
            for order in some(100):
                yield order
        finally:
            closed = True

    run = asyncio.create_task(client.orders.upsert_all(source(), concurrency=4, checkpoint=tmp_path / "state"))
    await until(lambda: emulator.effects.requests["POST", "/v1/orders"] == 4)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert not [task for task in asyncio.all_tasks() if "Upserts" in repr(task)]
    assert closed
    # And the checkpoint is free at once.
    report = await client.orders.upsert_all(some(100), checkpoint=tmp_path / "state")
    assert told(report) == (100, 100, 0, 0)


# --- What is refused ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["orders", b"orders", {"a": 1}, 7, None, NewOrder(source_id="o")])
async def test_what_is_no_source(client: VoucherifyClient, source: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        await client.orders.upsert_all(source)
    assert caught.value.argument == "source"


@pytest.mark.parametrize("shape", [list, iter, as_stream])
@pytest.mark.parametrize("wrong", [NewOrder(amount=1), {"source_id": "o"}, None])
async def test_an_entry_without_a_key_or_of_another_type(
    client: VoucherifyClient, emulator: Emulator, shape: Any, wrong: Any
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        await client.orders.upsert_all(shape([wrong, *some(3)]))
    assert caught.value.argument == "source[0]"
    # What can be gone through twice is looked at as a whole first; a stream shows it when it comes.
    with pytest.raises((ConfigurationError, BulkStoppedError)) as late:
        await client.orders.upsert_all(shape([*some(3), wrong]))
    if shape is list:
        assert isinstance(late.value, ConfigurationError)
        assert not emulator.requests
    else:
        assert isinstance(late.value.__cause__, ConfigurationError)
        assert late.value.report.done == 3  # type: ignore[attr-defined]


@pytest.mark.parametrize("concurrency", [0, -1, 1.5, True])
async def test_no_such_concurrency(client: VoucherifyClient, concurrency: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        await client.orders.upsert_all([], concurrency=concurrency)
    assert caught.value.argument == "concurrency"


# --- Progress and checkpoint ----------------------------------------------------------------------------------


async def test_progress_adds_up(emulator: Emulator, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "BETWEEN_NEWS", 0)
    seen: list[BulkProgress] = []

    async def look(progress: BulkProgress) -> None:
        clock.now += 0.5
        seen.append(progress)

    async with emulator.client(clock=clock) as client:
        source = [*some(20), NewOrder(source_id="unfit", items=TOO_MANY)]
        report = await client.orders.upsert_all(source, concurrency=3, on_progress=look)
    assert [one.total for one in seen] == [21] * len(seen)
    assert all(one.concurrency == 3 and 0 <= one.in_flight <= 3 for one in seen)
    assert all(one.read >= one.done + one.failed_count for one in seen)
    assert [one.done for one in seen] == sorted(one.done for one in seen)
    assert (seen[-1].read, seen[-1].done, seen[-1].failed_count) == (report.read, report.done, report.failed_count)
    assert seen[-1].per_second > 0
    assert report.seconds > 0


async def test_a_run_goes_on_where_it_was_stopped(
    client: VoucherifyClient, emulator: Emulator, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    entries = [*some(30), NewOrder(source_id="unfit", items=TOO_MANY), *some(10)]

    def broken() -> Iterator[NewOrder]:
        yield from entries[:32]
        raise LookupError

    with pytest.raises(BulkStoppedError) as caught:
        await client.orders.upsert_all(broken(), checkpoint=state)
    assert told(caught.value.report) == (32, 31, 1, 0)
    failures: list[OrderFailure] = []
    report = await client.orders.upsert_all(entries, checkpoint=state, on_failure=failures.append)
    assert told(report) == (41, 40, 1, 32)
    assert [one.key for one in report.failed] == ["unfit"]
    assert not failures
    assert emulator.effects.requests["POST", "/v1/orders"] == 40
    assert not state.exists()


async def test_a_run_that_ended_leaves_no_checkpoint_and_the_next_begins_anew(
    client: VoucherifyClient, emulator: Emulator, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    for _ in range(2):
        assert told(await client.orders.upsert_all(some(5), checkpoint=str(state))) == (5, 5, 0, 0)
        assert not state.exists()
    assert emulator.effects.requests["POST", "/v1/orders"] == 10


async def test_the_answer_need_not_be_a_whole_order(clock: FakeClock) -> None:
    async with raw_server(http(200, b'{"id": "ord_1", "amount": "much"}')) as server:
        async with VoucherifyClient("i", "t", base_url=server.url, clock=clock) as client:
            assert told(await client.orders.upsert_all(some(2))) == (2, 2, 0, 0)
