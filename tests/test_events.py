"""What a client tells of itself: events, and the lines of its log."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, TypeVar

import pytest

from tests.fakes import FakeClock, http, raw_server, until
from voucherify_async import (
    BulkStoppedError,
    ConfigurationError,
    ConnectError,
    DecodeError,
    HeaderRateLimiter,
    JobTimeoutError,
    NewOrder,
    NotFoundError,
    OAuthAuth,
    PoolLimits,
    RateLimitError,
    RetryPolicy,
    Timeouts,
    VoucherifyClient,
)
from voucherify_async.emulator import Emulator, Fault
from voucherify_async.events import (
    AttemptEnded,
    AttemptStarted,
    CallEnded,
    CallStarted,
    Event,
    JobSeen,
    JobWaitEnded,
    JobWaitStarted,
    LookStarted,
    Polled,
    RateLimitPaused,
    RunEnded,
    RunStarted,
    Waiting,
)

E = TypeVar("E")


def of_type(events: Sequence[Event], wanted: type[E]) -> list[E]:
    return [event for event in events if isinstance(event, wanted)]


async def test_a_call_is_told_from_its_start_to_its_end(emulator: Emulator, clock: FakeClock) -> None:
    events: list[Event] = []
    async with emulator.client(on_event=events.append, clock=clock) as client:
        order = await client.orders.create(NewOrder(source_id="o-1"))
        await client.orders.with_http_info.get(order.id)
    assert [type(event) for event in events] == [CallStarted, AttemptStarted, AttemptEnded, CallEnded] * 2
    started, _, ended, over = events[:4]
    assert isinstance(started, CallStarted)
    assert (started.call.number, started.call.operation) == (1, "orders.create")
    assert (started.call.method, started.call.path) == ("POST", "/v1/orders")
    assert isinstance(ended, AttemptEnded)
    assert (ended.status, ended.error, ended.attempt) == (200, None, 1)
    assert ended.headers["X-Rate-Limit-Limit"] == "1000000"
    assert set(ended.headers) <= {
        *("Content-Length", "Content-Type", "X-Request-Id"),
        *("X-Rate-Limit-Limit", "X-Rate-Limit-Remaining", "X-Rate-Limit-Retry"),
    }
    assert over == CallEnded(started.call, 1, 200, None, False, 0.0)
    path = f"/v1/orders/{order.id}"
    assert events[4] == CallStarted(type(started.call)(2, "orders.get", "GET", path, emulator.url + path))


async def test_a_repeat_is_told_with_what_went_wrong(emulator: Emulator, clock: FakeClock) -> None:
    events: list[Event] = []
    emulator.faults.add(Fault(kind="status", status=503), Fault(kind="drop", when="after"))
    async with emulator.client(on_event=events.append, clock=clock) as client:
        await client.orders.create(NewOrder(source_id="o-1"))
    steps = [type(event) for event in events]
    attempt = [AttemptStarted, AttemptEnded]
    assert steps == [CallStarted, *attempt, Waiting, *attempt, Waiting, *attempt, CallEnded]
    ended = [(event.attempt, event.status, event.error) for event in of_type(events, AttemptEnded)]
    assert ended == [(1, 503, "ServerError"), (2, None, "ConnectError"), (3, 200, None)]
    waits = [(event.reason, event.seconds, event.attempts, event.error) for event in of_type(events, Waiting)]
    assert waits == [("repeat", 0.125, 1, "ServerError"), ("repeat", 0.25, 2, "ConnectError")]


async def test_errors_and_cancelled_calls_have_an_end_too(emulator: Emulator) -> None:
    events: list[Event] = []
    async with emulator.client(on_event=events.append, retry=RetryPolicy(max_attempts=1)) as client:
        with pytest.raises(NotFoundError):
            await client.orders.get("nowhere")
        emulator.faults.add(Fault(kind="drop", when="after"), Fault(kind="delay", delay=30, times=None))
        with pytest.raises(ConnectError):
            await client.orders.create(NewOrder(amount=1))
        task = asyncio.create_task(client.orders.create(NewOrder(amount=1)))
        await until(lambda: len(emulator.requests) == 3)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        with pytest.raises(TimeoutError):
            await client.with_options(timeout=0.02).orders.list()
    ends = [
        (event.attempts, event.status, event.error, event.outcome_unknown) for event in of_type(events, CallEnded)
    ]
    assert ends == [
        (1, 404, "NotFoundError", False),
        (1, None, "ConnectError", True),
        (1, None, "CancelledError", True),
        (1, None, "RequestTimeoutError", True),
    ]
    assert len(of_type(events, AttemptStarted)) == len(of_type(events, AttemptEnded)) == 4


async def test_the_end_of_a_call_says_what_its_error_says() -> None:
    events: list[Event] = []
    async with raw_server(http(200, b'{"id":5}')) as server:
        async with VoucherifyClient("i", "t", base_url=server.url, on_event=events.append) as client:
            with pytest.raises(DecodeError) as caught:
                await client.orders.create(NewOrder(amount=1))
    (ended,) = of_type(events, CallEnded)
    assert (ended.outcome_unknown, caught.value.outcome_unknown) == (True, True)


async def test_a_token_that_is_renewed_is_an_attempt_of_its_own(emulator: Emulator) -> None:
    events: list[Event] = []
    auth = OAuthAuth(emulator.app_id, emulator.app_token)
    async with VoucherifyClient(auth=auth, base_url=emulator.url, on_event=events.append) as client:
        await client.orders.list()
        emulator.clock.advance(1000)  # type: ignore[attr-defined]
        await client.orders.list()
    operations = [event.call.operation for event in of_type(events, CallStarted)]
    assert operations == ["orders.list", "oauth.generate"] * 2
    assert [event.attempts for event in of_type(events, CallEnded)] == [1, 1, 1, 2]
    assert [event.error for event in of_type(events, AttemptEnded)].count("AuthenticationError") == 1
    assert len(of_type(events, AttemptStarted)) == len(emulator.requests)


async def test_waiting_for_a_connection_is_told(emulator: Emulator) -> None:
    events: list[Event] = []
    async with emulator.client(on_event=events.append, pool=PoolLimits(max_connections=1)) as client:
        await client.orders.list()
        await asyncio.gather(*(client.orders.list() for _ in range(3)))
    assert [(wait.reason, wait.seconds, wait.attempts) for wait in of_type(events, Waiting)] == [
        ("pool", None, 0)
    ] * 2


async def test_jobs_and_looks_at_them_are_told(emulator: Emulator, clock: FakeClock) -> None:
    events: list[Event] = []
    emulator.import_seconds = emulator.export_seconds = 0
    async with emulator.client(on_event=events.append, clock=clock) as client:
        jobs = [await client.orders.import_orders([NewOrder(source_id=f"o-{n}")]) for n in range(3)]
        await asyncio.gather(*(job.wait() for job in jobs))
        export = await client.orders.create_export()
        await export
        async with export.rows() as rows:
            assert len([row async for row in rows]) == 3
    seen = of_type(events, JobSeen)
    for job in jobs:
        states = [(state.kind, state.status) for state in seen if state.job_id == job.id]
        assert (states[0], states[-1]) == (("import", "ACCEPTED"), ("import", "DONE"))
    assert [state.status for state in seen if state.kind == "export"][::2] == ["ACCEPTED"]
    polled = of_type(events, Polled)
    assert {look.kind for look in polled} == {"import", "export"}
    looked = [
        event
        for event in of_type(events, CallStarted)
        if event.call.operation.split(".")[0] in {"async_actions", "exports"}
    ]
    assert sum(look.requests for look in polled) == len(looked)
    assert "download" in {event.call.operation for event in of_type(events, CallStarted)}


async def test_the_address_of_a_file_is_told_without_its_token(emulator: Emulator, clock: FakeClock) -> None:
    events: list[Event] = []
    async with emulator.client(on_event=events.append, clock=clock) as client:
        job = await client.orders.create_export()
        export = await job
        async with job.rows() as rows:
            assert [row async for row in rows] == []
    assert export.result is not None
    assert export.result.url is not None
    (url,) = [event.call.url for event in of_type(events, CallStarted) if event.call.operation == "download"]
    assert export.result.url.startswith(f"{url}?token=")


async def test_who_awaits_a_job_is_told_of(emulator: Emulator, clock: FakeClock) -> None:
    events: list[Event] = []
    async with emulator.client(on_event=events.append, clock=clock) as client:
        emulator.import_seconds = 60
        job = await client.orders.import_orders([NewOrder(source_id="o-1")])
        first = asyncio.create_task(job.wait())
        with pytest.raises(JobTimeoutError):
            await job.wait(timeout=1e-9)
        first.cancel()
        await asyncio.wait([first])
        emulator.clock.advance(3600)  # type: ignore[attr-defined]
        await job
        await job  # known to have ended: that is no wait
        with pytest.raises(ConfigurationError):
            await job.wait(timeout=-1)
    begun, ended = of_type(events, JobWaitStarted), of_type(events, JobWaitEnded)
    assert {(event.kind, event.job_id) for event in begun} == {("import", job.id)}
    assert {(event.kind, event.job_id) for event in ended} == {("import", job.id)}
    assert len({event.wait for event in begun}) == 3
    assert sorted(event.wait for event in begun) == sorted(event.wait for event in ended)
    assert sorted(str(event.error) for event in ended) == ["CancelledError", "JobTimeoutError", "None"]
    looks = of_type(events, LookStarted)
    assert {(event.kind, event.job_ids) for event in looks} == {("import", frozenset([job.id]))}
    assert len(looks) >= len(of_type(events, Polled)) >= 1


@pytest.mark.parametrize("kind", ["upsert_all", "import_all"])
async def test_a_run_is_told_from_its_start_to_its_end(emulator: Emulator, clock: FakeClock, kind: str) -> None:
    events: list[Event] = []
    emulator.import_seconds = 0
    emulator.faults.add(Fault(kind="status", status=503))
    async with emulator.client(on_event=events.append, clock=clock) as client:
        orders = [NewOrder(source_id=f"o-{n}", amount=n) for n in range(3)]
        await getattr(client.orders, kind)([*orders, NewOrder(source_id="o-9", amount="much")])  # type: ignore[arg-type]
    begun, over = events[0], events[-1]
    assert isinstance(begun, RunStarted)
    assert over == RunEnded(begun.run, begun.kind, 4, 3, 1, 1, 0, None, clock.now - 1000.0)
    assert begun.kind == kind
    assert len(of_type(events, RunStarted)) == len(of_type(events, RunEnded)) == 1


async def test_a_run_that_is_stopped_has_an_end_too(emulator: Emulator, clock: FakeClock) -> None:
    events: list[Event] = []
    emulator.faults.add(Fault(kind="status", status=401, times=None))
    async with emulator.client(on_event=events.append, clock=clock) as client:
        with pytest.raises(BulkStoppedError):
            await client.orders.upsert_all([NewOrder(source_id="o-1")])
    assert [(event.read, event.done, event.error) for event in of_type(events, RunEnded)] == [
        (1, 0, "BulkStoppedError")
    ]


async def test_a_pause_for_the_limit_is_told_when_it_begins(emulator: Emulator, clock: FakeClock) -> None:
    events: list[Event] = []
    emulator.faults.add(Fault(kind="status", status=429, headers={"Retry-After": "7"}))
    async with emulator.client(on_event=events.append, clock=clock, retry=RetryPolicy(max_attempts=1)) as client:
        with pytest.raises(RateLimitError):
            await client.orders.list()
        await client.orders.list()
    (paused,) = of_type(events, RateLimitPaused)
    assert paused.seconds == pytest.approx(7)
    (wait,) = of_type(events, Waiting)
    assert (wait.reason, wait.seconds) == ("rate_limit", None)
    begun = [type(event) for event in events].index(AttemptStarted, 3)
    assert events.index(paused) < begun
    assert events.index(wait) < begun


async def test_all_clients_of_a_limiter_are_told_of_its_pauses(emulator: Emulator, clock: FakeClock) -> None:
    limiter = HeaderRateLimiter(clock=clock, spread=True)
    told: list[list[Event]] = [[], []]
    emulator.faults.add(Fault(kind="status", status=429, headers={"Retry-After": "7"}))
    once = RetryPolicy(max_attempts=1)
    async with (
        emulator.client(on_event=told[0].append, clock=clock, rate_limiter=limiter, retry=once) as first,
        emulator.client(on_event=told[1].append, clock=clock, rate_limiter=limiter) as second,
    ):
        with pytest.raises(RateLimitError):
            await first.orders.list()
        await second.orders.list()
    assert [len(of_type(events, RateLimitPaused)) for events in told] == [1, 1]


async def test_a_wait_for_a_limiter_of_the_users_own_is_told_when_it_begins(emulator: Emulator) -> None:
    class Slow:
        async def acquire(self, max_wait: float) -> None:
            await until(lambda: bool(of_type(events, Waiting)))

        def observe(self, status: int | None, headers: object) -> None:
            pass

    events: list[Event] = []
    async with emulator.client(on_event=events.append, rate_limiter=Slow()) as client:
        await client.orders.list()
    assert [type(event) for event in events] == [CallStarted, Waiting, AttemptStarted, AttemptEnded, CallEnded]


async def test_what_the_function_raises_harms_no_call(emulator: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    def fails(event: Event) -> None:
        raise ValueError("mine")

    async with emulator.client(on_event=fails) as client:
        assert (await client.orders.list()).total == 0
    assert lines(caplog, logging.ERROR)[0] == "on_event failed for CallStarted"
    assert len(lines(caplog, logging.ERROR)) == 4


@pytest.mark.parametrize("wrong", ["print", 5])
def test_a_hook_that_is_none_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^on_event"):
        VoucherifyClient("i", "t", on_event=wrong)


def test_a_coroutine_function_is_refused() -> None:
    async def hook(event: Event) -> None: ...

    with pytest.raises(ConfigurationError, match="nothing would await it"):
        VoucherifyClient("i", "t", on_event=hook)


def lines(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.name == "voucherify_async" and record.levelno == level
    ]


async def test_the_log_has_a_line_for_each_attempt_and_each_wait(
    emulator: Emulator, client: VoucherifyClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "voucherify_async")
    emulator.faults.add(
        Fault(kind="status", status=429, headers={"Retry-After": "7", "Set-Cookie": "hush", "X-Secret": "hush"})
    )
    await client.orders.create(NewOrder(source_id="o-1"))
    attempts, waits = lines(caplog, logging.DEBUG), lines(caplog, logging.INFO)
    assert len(attempts) == 2
    assert attempts[0].startswith("POST /v1/orders: attempt 1: 429 RateLimitError in 0.000 s, ")
    assert "Retry-After: 7" in attempts[0]
    assert attempts[1].startswith("POST /v1/orders: attempt 2: 200 in 0.000 s, Content-Length: ")
    assert waits[0] == ("POST /v1/orders: waits 7.12 s before it is sent again, after attempt 1: RateLimitError")
    assert "hush" not in caplog.text
    assert emulator.app_token not in caplog.text


async def test_calls_that_wait_in_line_do_not_fill_the_log(
    emulator: Emulator, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "voucherify_async")
    emulator.faults.add(Fault(kind="status", status=429, headers={"Retry-After": "7"}))
    async with emulator.client(clock=clock, retry=RetryPolicy(max_attempts=1)) as client:
        with pytest.raises(RateLimitError):
            await client.orders.list()
        await asyncio.gather(*(client.orders.list() for _ in range(20)))
    (pause,) = lines(caplog, logging.INFO)
    assert pause == "the rate limit is used up: nothing is sent for 7.00 s"
    assert lines(caplog, logging.DEBUG).count("GET /v1/orders: waits until the rate limit lets it") == 20


async def test_jobs_are_in_the_log(
    emulator: Emulator, client: VoucherifyClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "voucherify_async")
    job = await client.orders.import_orders([NewOrder(source_id="o-1")])
    await job
    told = lines(caplog, logging.DEBUG)
    assert f"import {job.id} is ACCEPTED" in told
    assert f"import {job.id} is DONE, 100 %" in told
    assert "looked at 1 import jobs with 1 requests" in told


async def test_nothing_is_made_of_it_while_nobody_wants_it(
    emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "voucherify_async")
    async with emulator.client(timeouts=Timeouts()) as client:
        assert client._session.reporter.emit is None
        await client.orders.list()
        caplog.set_level(logging.INFO, "voucherify_async")
        assert client._session.reporter.emit is not None
