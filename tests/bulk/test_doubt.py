"""An order that the service fails at: is it the order, or is the service away?"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.bulk.test_upserts import some, told
from tests.fakes import FakeClock
from voucherify_async import BulkStoppedError, NewOrder, OrderFailure, RetryPolicy, ServerError, VoucherifyClient
from voucherify_async.bulk import upserts
from voucherify_async.emulator import Emulator, Fault

CREATE = ("POST", "/v1/orders")


def failing(*, times: int | None, skip: int = 0) -> Fault:
    return Fault("status", status=500, method="POST", times=times, skip=skip)


@pytest.fixture
async def client(emulator: Emulator, clock: FakeClock) -> AsyncIterator[VoucherifyClient]:
    async with emulator.client(clock=clock, retry=RetryPolicy(max_attempts=2)) as client:
        yield client


async def test_it_gets_a_second_chance_when_the_service_is_there(
    client: VoucherifyClient, emulator: Emulator
) -> None:
    emulator.faults.add(failing(times=2))
    report = await client.orders.upsert_all(some(5), concurrency=1)
    assert told(report) == (5, 5, 0, 0)
    assert report.read + report.retried == emulator.effects.requests[CREATE] == 7


async def test_the_order_failed_if_the_service_fails_at_it_again(
    client: VoucherifyClient, emulator: Emulator
) -> None:
    emulator.faults.add(failing(times=2), failing(times=2, skip=1))  # the first order, the second, and the first
    report = await client.orders.upsert_all(some(5), concurrency=1)
    assert told(report) == (5, 4, 1, 0)
    assert (report.failed[0].key, report.failed[0].outcome_unknown) == ("o-0", True)
    assert report.read + report.retried == emulator.effects.requests[CREATE] == 8


async def test_some_orders_that_fail_at_the_same_time_stop_no_run(
    client: VoucherifyClient, emulator: Emulator
) -> None:
    emulator.faults.add(failing(times=8))
    report = await client.orders.upsert_all(some(20), concurrency=8)
    assert told(report) == (20, 20, 0, 0)
    assert report.read + report.retried == emulator.effects.requests[CREATE] == 28


async def test_more_of_them_are_an_outage(client: VoucherifyClient, emulator: Emulator) -> None:
    emulator.faults.add(failing(times=None))
    with pytest.raises(BulkStoppedError) as caught:
        await client.orders.upsert_all(some(20), concurrency=8)
    assert told(caught.value.report)[1:] == (0, 0, 0)
    assert emulator.effects.requests[CREATE] <= 2 * 12


async def test_orders_that_are_refused_tell_that_the_service_is_there(
    client: VoucherifyClient, emulator: Emulator
) -> None:
    emulator.faults.add(failing(times=2))
    report = await client.orders.upsert_all([*some(1), *some(3, status="NO SUCH")[1:]], concurrency=1)
    assert told(report) == (3, 1, 2, 0)


@pytest.mark.parametrize("times", [2, 4])
async def test_behind_the_last_order_the_service_is_asked(
    client: VoucherifyClient, emulator: Emulator, times: int
) -> None:
    emulator.faults.add(failing(times=times))
    failures: list[OrderFailure] = []
    report = await client.orders.upsert_all(some(1), on_failure=failures.append)
    assert told(report) == ((1, 1, 0, 0) if times == 2 else (1, 0, 1, 0))
    assert len(failures) == report.failed_count
    assert emulator.effects.requests["GET", "/v1/orders"] == times / 2


async def test_all_wait_for_an_order_in_doubt_and_the_service_is_away(
    client: VoucherifyClient, emulator: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(upserts, "MOST_WAITING", 5)
    source = [NewOrder(source_id="the same", amount=number) for number in range(20)]
    emulator.faults.add(Fault("status", status=503, times=None))
    with pytest.raises(BulkStoppedError) as caught:
        await client.orders.upsert_all(iter(source), checkpoint=tmp_path / "state")
    assert isinstance(caught.value.__cause__, ServerError)
    assert caught.value.__cause__.method == "POST"
    assert told(caught.value.report) == (6, 0, 0, 0)
    emulator.faults.clear()
    emulator.faults.add(failing(times=4))
    report = await client.orders.upsert_all(iter(source), checkpoint=tmp_path / "state")
    assert told(report) == (20, 19, 1, 0)
    assert report.failed[0].position == 0


async def test_what_on_failure_raises_stops_the_run_there_too(client: VoucherifyClient, emulator: Emulator) -> None:
    def raises(failure: OrderFailure) -> None:
        raise LookupError

    emulator.faults.add(failing(times=4))
    with pytest.raises(BulkStoppedError) as caught:
        await client.orders.upsert_all(some(1), on_failure=raises)
    assert isinstance(caught.value.__cause__, LookupError)
