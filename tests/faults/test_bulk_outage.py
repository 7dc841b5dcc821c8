"""A service that is away in the middle of a bulk run, or that takes its keys no more; counted on the server."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import FakeClock
from voucherify_async import (
    AuthenticationError,
    BearerAuth,
    BulkReport,
    BulkStoppedError,
    JobError,
    NewOrder,
    OrderFailure,
    OrderItem,
    ServerError,
    TransportError,
)
from voucherify_async.emulator import Emulator, Fault

COUNT = 400
AWAY = {
    "503": Fault("status", status=503, times=None),
    "dropped": Fault("drop", times=None),
    "answers lost": Fault("drop", when="after", times=None),
}
METHODS = {"upsert_all": {"concurrency": 16}, "import_all": {"max_bytes": 2000}}


def entries() -> list[NewOrder]:
    """Some orders twice; every twentieth is refused."""
    return [
        NewOrder(source_id=f"refused-{number}", items=[OrderItem(product_id="p", quantity=-1)])
        if number % 20 == 5
        else NewOrder(source_id=f"o-{number % 300}", amount=number)
        for number in range(COUNT)
    ]


REFUSED = {order.source_id for order in entries() if order.items}
LAST = {order.source_id: order.amount for order in entries() if order.source_id not in REFUSED}


def at(position: int, act: Callable[[], object]) -> Iterator[NewOrder]:
    """The entries; something happens when this one is asked for."""
    for number, order in enumerate(entries()):
        if number == position:
            act()
        yield order


def amounts(emulator: Emulator) -> dict[str, int]:
    return {order["source_id"]: order["amount"] for order in emulator._project.orders.snapshot()}


def done_by(emulator: Emulator, position: int) -> bool:
    """Whether the entry, or a later one of its order, has arrived."""
    order = entries()[position]
    there = amounts(emulator).get(str(order.source_id))
    return there is not None and isinstance(order.amount, int) and there >= order.amount


def check_stopped(report: BulkReport, failures: list[OrderFailure]) -> None:
    """What a run that was stopped says: what failed was refused, and the rest was done or is left."""
    assert {one.key for one in failures} <= REFUSED
    assert [one.key for one in report.failed] == [one.key for one in failures]
    assert report.failed_count == len(failures)
    assert not any(one.outcome_unknown for one in report.failed)
    assert 0 < report.done + report.failed_count < report.read <= COUNT


def check_end(emulator: Emulator, report: BulkReport, failures: list[OrderFailure]) -> None:
    assert (report.read, report.done, report.failed_count) == (COUNT, COUNT - len(REFUSED), len(REFUSED))
    assert sorted(str(one.key) for one in failures) == sorted(map(str, REFUSED))
    assert amounts(emulator) == LAST


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", AWAY)
async def test_a_long_outage_stops_a_run_and_fails_no_order(
    kind: str, method: str, emulator: Emulator, clock: FakeClock, tmp_path: Path
) -> None:
    emulator.import_seconds = 0
    arguments: dict[str, Any] = {**METHODS[method], "checkpoint": tmp_path / "state"}
    failures: list[OrderFailure] = []
    async with emulator.client(clock=clock) as client:
        run = getattr(client.orders, method)
        source = at(200, lambda: emulator.faults.add(AWAY[kind]))
        with pytest.raises(BulkStoppedError) as caught:
            await run(source, on_failure=failures.append, **arguments)
        assert isinstance(caught.value.__cause__, ServerError if kind == "503" else TransportError)
        check_stopped(caught.value.report, failures)
        # What is said to be done is there.
        assert caught.value.report.done <= sum(done_by(emulator, position) for position in range(COUNT))
        emulator.faults.clear()
        report = await run(entries(), on_failure=failures.append, **arguments)
    check_end(emulator, report, failures)
    assert report.skipped == caught.value.report.done + caught.value.report.failed_count
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", AWAY)
async def test_a_short_outage_is_not_noticed(kind: str, method: str, emulator: Emulator, clock: FakeClock) -> None:
    emulator.import_seconds = 0

    def begin() -> None:
        began = clock.now
        emulator.faults.add(AWAY[kind])

        async def sleep(seconds: float) -> None:
            await slept(seconds)
            if clock.now > began + 15:
                emulator.faults.clear()

        slept, clock.sleep = clock.sleep, sleep  # type: ignore[method-assign]

    failures: list[OrderFailure] = []
    async with emulator.client(clock=clock) as client:
        report = await getattr(client.orders, method)(at(200, begin), on_failure=failures.append, **METHODS[method])
    check_end(emulator, report, failures)
    assert report.retried > 0
    assert not emulator.faults.pending


@pytest.mark.parametrize("method", METHODS)
async def test_a_token_that_is_revoked_stops_a_run_that_goes_on_with_another(
    method: str, emulator: Emulator, clock: FakeClock, tmp_path: Path
) -> None:
    emulator.import_seconds = 0
    arguments: dict[str, Any] = {**METHODS[method], "checkpoint": tmp_path / "state"}
    failures: list[OrderFailure] = []
    async with emulator.client(clock=clock) as owner:
        token = (await owner.oauth.generate()).access_token

        async def source() -> AsyncIterator[NewOrder]:
            for number, order in enumerate(entries()):
                if number == 200:
                    await owner.oauth.revoke(token)
                yield order

        async with emulator.client(clock=clock, auth=BearerAuth(token)) as client:
            with pytest.raises(BulkStoppedError) as caught:
                await getattr(client.orders, method)(source(), on_failure=failures.append, **arguments)
        cause = caught.value.__cause__
        if isinstance(cause, JobError):  # it was waiting for an import
            cause = cause.__cause__
        assert isinstance(cause, AuthenticationError)
        check_stopped(caught.value.report, failures)
        assert caught.value.report.retried == 0
        report = await getattr(owner.orders, method)(entries(), on_failure=failures.append, **arguments)
    check_end(emulator, report, failures)
