"""The send loop: repeats, faults, deadlines, and the life of the connections. Effects are counted on the server."""

import asyncio
import contextlib
import gc
import re
import socket
import threading
import traceback
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from tests.fakes import FakeClock, http, raw_server, until
from voucherify_async import (
    ApiError,
    ClientClosedError,
    ConfigurationError,
    ConnectError,
    DecodeError,
    EventLoopError,
    NewOrder,
    Order,
    OrderChanges,
    PoolLimits,
    RateLimitError,
    RequestTimeoutError,
    RetryPolicy,
    ServerError,
    Timeouts,
    VoucherifyClient,
)
from voucherify_async.budget import CAPACITY, TRICKLE_SECONDS
from voucherify_async.direct import DirectPath
from voucherify_async.emulator import Emulator
from voucherify_async.emulator.faults import Fault

pytestmark = pytest.mark.usefixtures("way")

PAGE = http(200, b'{"orders":[],"total":0}')
CREATE = ("POST", "/v1/orders")


def keyless() -> NewOrder:
    return NewOrder(amount=1)


def keyed() -> NewOrder:
    return NewOrder(source_id="o-1", amount=1)


async def test_a_limiter_that_fails_is_no_fault_of_the_request(emulator: Emulator) -> None:
    class Broken:
        asked = 0

        async def acquire(self, max_wait: float) -> None:
            self.asked += 1
            raise ConnectionRefusedError("no limiter")

        def observe(self, status: int | None, headers: object) -> None:
            raise AssertionError("it let nothing go")

    limiter = Broken()
    async with emulator.client(rate_limiter=limiter) as client:
        for order in (keyed(), keyless()):
            with pytest.raises(ConnectionRefusedError, match="no limiter"):
                await client.orders.create(order)
    assert (limiter.asked, len(emulator.requests)) == (2, 0)


async def test_a_wait_for_the_limit_that_the_deadline_has_no_room_for_raises_at_once(
    emulator: Emulator, client: VoucherifyClient, clock: FakeClock
) -> None:
    emulator.faults.add(Fault(kind="status", status=429, headers={"Retry-After": "30"}))
    hasty = client.with_options(timeout=5, retry=RetryPolicy(max_attempts=1))
    with pytest.raises(RateLimitError):
        await hasty.orders.list()
    with pytest.raises(RateLimitError, match="not sent") as caught:
        await hasty.orders.list()
    assert (caught.value.attempts, clock.sleeps) == (0, [])
    assert caught.value.retry_after == pytest.approx(30)


async def test_a_limiter_that_stops_a_repeat_tells_of_the_attempt_before(emulator: Emulator) -> None:
    class Once:
        let_go = False

        async def acquire(self, max_wait: float) -> None:
            if self.let_go:
                raise RateLimitError(status=429, attempts=0)
            self.let_go = True

        def observe(self, status: int | None, headers: object) -> None:
            pass

    emulator.faults.add(Fault(kind="status", status=503, when="after"))
    async with emulator.client(rate_limiter=Once()) as client:
        with pytest.raises(RateLimitError) as caught:
            await client.orders.create(keyed())
    assert (caught.value.attempts, caught.value.outcome_unknown) == (1, True)


# --- Repeats ------------------------------------------------------------------------------------------------


async def test_a_429_is_waited_out_and_repeated_whatever_the_request(
    emulator: Emulator, client: VoucherifyClient, clock: FakeClock
) -> None:
    emulator.faults.add(Fault(kind="status", status=429, headers={"Retry-After": "7"}))
    response = await client.orders.with_http_info.create(keyless())
    assert response.attempts == 2
    assert emulator.effects.handled[CREATE] == 1
    # The pause of all tasks ends when the one that was asked of this request does: it waits once, not twice.
    assert sum(clock.sleeps) == pytest.approx(7 + 0.125)


async def test_the_pause_after_a_429_is_shared(
    emulator: Emulator, client: VoucherifyClient, clock: FakeClock
) -> None:
    await client.orders.list()
    emulator.faults.add(Fault(kind="status", status=429, headers={"Retry-After": "7"}))
    view = client.with_options(retry=RetryPolicy(max_attempts=1))
    with pytest.raises(RateLimitError) as caught:
        await view.orders.list()
    assert caught.value.retry_after == 7
    assert clock.sleeps == []
    await view.orders.list()
    assert clock.sleeps == [7]


async def test_a_wait_longer_than_allowed_raises_at_once_and_says_how_long(
    emulator: Emulator, client: VoucherifyClient, clock: FakeClock
) -> None:
    emulator.faults.add(Fault(kind="status", status=429, headers={"Retry-After": "855"}, times=None))
    with pytest.raises(RateLimitError, match=r"again in 855\.0 s") as caught:
        await client.orders.list()
    assert (caught.value.attempts, caught.value.outcome_unknown) == (1, False)
    # What the client knows now it does not ask again; and a call may be told to have the patience.
    with pytest.raises(RateLimitError, match="not sent") as caught:
        await client.orders.create(keyless())
    error = caught.value
    assert (error.attempts, error.outcome_unknown) == (0, False)
    assert error.retry_after == pytest.approx(855)
    assert (error.status, error.limit_type, error.method, error.path) == (429, "api_calls", "POST", "/v1/orders")
    assert (clock.sleeps, len(emulator.requests)) == ([], 1)
    emulator.faults.clear()
    await client.with_options(timeout=1000, retry=RetryPolicy(max_wait=1000)).orders.list()
    assert sum(clock.sleeps) == pytest.approx(855)


async def test_a_used_up_cycle_is_never_waited_for(
    emulator: Emulator, client: VoucherifyClient, clock: FakeClock
) -> None:
    headers = {"Retry-After": "1", "X-Rate-Limit-Type": "api_calls_cycle"}
    emulator.faults.add(Fault(kind="status", status=429, headers=headers))
    with pytest.raises(RateLimitError) as caught:
        await client.orders.list()
    assert caught.value.limit_type == "api_calls_cycle"
    await client.orders.list()
    assert clock.sleeps == []


async def test_what_is_left_for_imports_holds_up_no_other_call(clock: FakeClock) -> None:
    left = ("X-Rate-Limit-Limit: 5", "X-Rate-Limit-Remaining: 0", f"X-Rate-Limit-Retry: {clock.wall() + 50}")
    async with raw_server(PAGE, http(200, b'{"async_action_id":"aa_1"}', *left), PAGE) as server:
        async with VoucherifyClient("i", "t", base_url=server.url, clock=clock) as client:
            await client.orders.list()
            await client.orders.import_orders([keyed()])
            await client.orders.list()
    assert clock.sleeps == []


async def test_the_emulator_s_own_limit_is_kept_to(emulator: Emulator, clock: FakeClock) -> None:
    emulator.rate_limit = "5/minute"
    clock.wall_offset = emulator.clock.now() - clock.now

    async def sleep(seconds: float) -> None:
        clock.now += seconds
        emulator.clock.advance(seconds)  # type: ignore[attr-defined]

    clock.sleep = sleep  # type: ignore[method-assign]
    async with emulator.client(clock=clock) as client:
        for number in range(12):
            await client.orders.create(NewOrder(source_id=f"o-{number}"))
    assert emulator.effects.handled[CREATE] == 12


@pytest.mark.parametrize("kind", ["drop", "reset", "truncated", "broken_json", "truncated_gzip", "partial_headers"])
async def test_an_answer_that_is_lost_is_asked_for_again_where_that_is_the_same(
    emulator: Emulator, client: VoucherifyClient, kind: str
) -> None:
    def lose_one_answer() -> None:
        emulator.faults.add(Fault(kind=kind, when="after"))  # type: ignore[arg-type]

    lose_one_answer()
    response = await client.orders.with_http_info.create(keyed())
    assert response.attempts == 2
    assert emulator.effects.of("o-1").total == 2
    lose_one_answer()
    assert (await client.orders.get("o-1")).amount == 1
    lose_one_answer()
    assert (await client.orders.update("o-1", OrderChanges(amount=2))).amount == 2
    lose_one_answer()
    export = await client.orders.create_export()
    lose_one_answer()
    job = await client.orders.import_orders([keyed()])
    await job
    assert (await export).status == "DONE"
    lose_one_answer()
    with contextlib.suppress(ApiError):
        await client.exports.delete(export.id)
    with pytest.raises(ApiError):
        await client.exports.get(export.id)


@pytest.mark.parametrize("kind", ["drop", "reset"])
@pytest.mark.parametrize("injected", [False, True])
async def test_no_request_is_repeated_behind_our_back(emulator: Emulator, kind: Any, injected: bool) -> None:
    mine = 0

    async def count(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        nonlocal mine
        mine += 1
        return await handler(request)

    async with aiohttp.ClientSession(middlewares=[count]) as session:
        once, theirs = RetryPolicy(max_attempts=1), session if injected else None
        async with emulator.client(retry=once, session=theirs) as client:
            await client.orders.create(keyed())  # leaves a connection that is kept
            for call in (client.orders.update("o-1", OrderChanges(amount=2)), client.orders.get("o-1")):
                sent = len(emulator.requests)
                emulator.faults.add(Fault(kind=kind, when="after"))
                with pytest.raises(ConnectError) as caught:
                    await call
                assert (caught.value.attempts, len(emulator.requests) - sent) == (1, 1)
                await client.orders.list()
    assert emulator.effects.of("o-1").updated == 1
    assert (mine > 0) == injected  # what a user put into the session is still there


async def test_a_middleware_may_answer_a_challenge() -> None:
    challenge = 'WWW-Authenticate: Digest realm="gateway", nonce="abc", qop="auth", algorithm=MD5'
    async with raw_server(http(401, b"{}", challenge), PAGE) as server:
        async with aiohttp.ClientSession(middlewares=[aiohttp.DigestAuthMiddleware("u", "p")]) as session:
            client = VoucherifyClient(
                "i", "t", base_url=server.url, session=session, retry=RetryPolicy(max_attempts=1)
            )
            assert (await client.orders.list()).orders == []
        assert len(server.requests) == 2


async def test_a_repeat_that_the_budget_does_not_pay_for_waits_and_then_tells_what_went_wrong(
    emulator: Emulator, clock: FakeClock
) -> None:
    async with emulator.client(clock=clock) as client:
        await client.orders.list()
        client._session._budget._balance = 0.0
        emulator.faults.add(Fault(kind="status", status=503, times=3))
        assert (await client.orders.with_http_info.list()).attempts == 4
        assert sum(clock.sleeps) >= TRICKLE_SECONDS

        async def never(seconds: float) -> None:
            if seconds > 0.5:  # the budget's, not the waits before
                await asyncio.Event().wait()

        clock.sleep = never  # type: ignore[method-assign]
        client._session._budget._balance = 0.0
        emulator.faults.add(Fault(kind="status", status=503, times=3))
        # What is said of waits for the service's limits says nothing of this one: only the deadline ends it.
        view = client.with_options(retry=RetryPolicy(max_wait=0.02), timeout=0.3)
        with pytest.raises(RequestTimeoutError, match="what went wrong before: 503") as caught:
            await view.orders.list()
        assert (caught.value.attempts, type(caught.value.__cause__)) == (1, ServerError)
        assert client._session._budget._line.length == 0


async def test_a_no_pays_into_the_budget_as_well(emulator: Emulator, client: VoucherifyClient) -> None:
    client._session._budget._balance = 0.0
    emulator.faults.add(Fault(kind="status", status=400))
    with pytest.raises(ApiError):
        await client.orders.list()
    assert client._session._budget._balance == pytest.approx(0.1)


async def test_repeats_after_a_429_cost_the_budget_nothing(
    emulator: Emulator, client: VoucherifyClient, clock: FakeClock
) -> None:
    client._session._budget._balance = 0.0
    for _ in range(20):
        emulator.faults.add(Fault(kind="status", status=429, headers={"Retry-After": "1"}))
        assert (await client.orders.with_http_info.list()).attempts == 2
    assert client._session._budget._balance == pytest.approx(2.0)  # what twenty first successes pay in


@pytest.mark.parametrize(
    "headers", [{"Retry-After": "0"}, {"Retry-After": "0", "X-Rate-Limit-Type": "bulk_api_calls"}]
)
async def test_refusals_that_hold_nobody_back_are_not_multiplied(
    emulator: Emulator, clock: FakeClock, headers: dict[str, str]
) -> None:
    async with emulator.client(clock=clock) as client:
        await client.orders.list()
        emulator.faults.add(Fault(kind="status", status=429, headers=headers, times=None))
        began = clock.now
        await asyncio.gather(*(client.orders.list() for _ in range(60)), return_exceptions=True)
        repeats = len(emulator.requests) - 1 - 60
        assert repeats <= CAPACITY + (clock.now - began) / TRICKLE_SECONDS + 1


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(kind="drop", when="after"), ConnectError),
        (Fault(kind="reset", when="after"), ConnectError),
        (Fault(kind="truncated"), ConnectError),
        (Fault(kind="partial_headers"), ConnectError),
        (Fault(kind="broken_json"), DecodeError),
        (Fault(kind="truncated_gzip"), (ConnectError, DecodeError)),
        (Fault(kind="status", status=500, when="after"), ServerError),
        (Fault(kind="status", status=502, headers={"Content-Type": "text/html"}, body="<html>"), ServerError),
        (Fault(kind="delay", delay=0.3), RequestTimeoutError),
    ],
)
async def test_a_create_without_a_key_is_never_sent_twice_when_it_may_have_been_done(
    emulator: Emulator, fault: Fault, error: type[Exception]
) -> None:
    emulator.faults.add(fault)
    async with emulator.client(timeouts=Timeouts(read=0.05)) as client:
        with pytest.raises(error) as caught:
            await client.orders.create(keyless())
        assert caught.value.outcome_unknown  # type: ignore[attr-defined]
        assert caught.value.attempts == 1  # type: ignore[attr-defined]
        emulator.faults.add(fault)
        with pytest.raises(error):
            await client.orders.import_orders([keyed(), keyless()])
    assert emulator.effects.requests[CREATE] == 1
    assert emulator.effects.requests["POST", "/v1/orders/import"] == 1


async def test_a_refused_connection_is_tried_again_and_surely_not_done(clock: FakeClock) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    async with VoucherifyClient("i", "t", base_url=url, clock=clock, retry=RetryPolicy(max_attempts=3)) as client:
        with pytest.raises(ConnectError) as caught:
            await client.orders.create(keyless())
    assert (caught.value.attempts, caught.value.outcome_unknown) == (3, False)
    assert clock.sleeps == [0.125, 0.25]
    assert (caught.value.method, caught.value.path) == ("POST", "/v1/orders")


async def test_what_may_have_been_done_once_stays_unknown(emulator: Emulator, clock: FakeClock) -> None:
    emulator.faults.add(Fault(kind="status", status=500, when="after"), Fault(kind="status", status=400))
    async with emulator.client(clock=clock) as client:
        with pytest.raises(ApiError) as caught:
            await client.orders.create(keyed())
    assert (caught.value.status, caught.value.attempts, caught.value.outcome_unknown) == (400, 2, True)


async def test_repeats_end(emulator: Emulator, client: VoucherifyClient, clock: FakeClock) -> None:
    emulator.faults.add(Fault(kind="status", status=503, headers={"Retry-After": "2"}, times=None))
    with pytest.raises(ServerError) as caught:
        await client.orders.list()
    assert caught.value.attempts == 10
    assert emulator.effects.requests["GET", "/v1/orders"] == 10
    assert clock.sleeps == [2.125] * 9


async def test_what_the_service_refuses_is_not_repeated(emulator: Emulator, client: VoucherifyClient) -> None:
    with pytest.raises(ApiError):
        await client.orders.get("nowhere")
    assert len(emulator.requests) == 1


# --- Answers that are wrong ---------------------------------------------------------------------------------


async def test_an_answer_of_another_shape_is_an_error_with_its_place(clock: FakeClock) -> None:
    body = b'{"id":"ord_1","amount":"much"}'
    async with raw_server(http(200, body)) as server:
        async with VoucherifyClient("i", "t", base_url=server.url, clock=clock) as client:
            with pytest.raises(DecodeError) as caught:
                await client.orders.get("o-1")
        error = caught.value
        assert (error.json_path, error.body, error.status, error.attempts) == ("$.amount", body, 200, 1)
        assert error.path == "/v1/orders/o-1"
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b'{"id":"\xff"}', b"<html>", b'{"id":"1","metadata":{"a":' + b"[" * 100_000]
)
async def test_an_answer_that_is_no_json_is_asked_for_again(clock: FakeClock, body: bytes) -> None:
    async with raw_server(http(200, body), http(200, b'{"id":"ord_1"}')) as server:
        async with VoucherifyClient("i", "t", base_url=server.url, clock=clock) as client:
            assert (await client.orders.get("o-1")).id == "ord_1"
            assert len(server.requests) == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_refused_and_no_key_follows_them(status: int) -> None:
    async with raw_server(PAGE) as other:
        async with raw_server(http(status, b"", f"Location: {other.url}/v1/orders")) as server:
            async with VoucherifyClient("i", "t", base_url=server.url) as client:
                for call in (client.orders.list(), client.orders.create(keyless())):
                    with pytest.raises(ApiError, match="redirect") as caught:
                        await call
                    assert caught.value.status == status
        assert other.requests == []


async def test_cookies_are_not_kept() -> None:
    async with raw_server(http(200, b'{"orders":[]}', "Set-Cookie: session=1; Path=/")) as server:
        # By name: aiohttp's ordinary jar keeps nothing for addresses, which would prove nothing.
        url = server.url.replace("127.0.0.1", "localhost")
        async with VoucherifyClient("i", "t", base_url=url) as client:
            await client.orders.list()
            await client.orders.list()
        assert "cookie" not in server.headers[1]


# --- Deadlines ----------------------------------------------------------------------------------------------


async def test_one_deadline_holds_over_everything(emulator: Emulator) -> None:
    emulator.faults.add(Fault(kind="delay", delay=5, times=None))
    async with emulator.client(timeouts=Timeouts(total=0.05)) as client:
        with pytest.raises(RequestTimeoutError, match=r"no answer within 0\.05 s") as caught:
            await client.orders.create(keyed())
        assert caught.value.outcome_unknown
        with pytest.raises(TimeoutError):
            await client.with_options(timeout=0.01).orders.list()


async def test_a_wait_that_would_miss_the_deadline_is_not_begun(
    emulator: Emulator, client: VoucherifyClient, clock: FakeClock
) -> None:
    emulator.faults.add(Fault(kind="status", status=503, headers={"Retry-After": "20"}))
    with pytest.raises(ServerError) as caught:
        await client.with_options(timeout=10).orders.list()
    assert caught.value.attempts == 1
    assert clock.sleeps == []


async def test_a_deadline_before_anything_was_sent_is_no_unknown_outcome(emulator: Emulator) -> None:
    class Full:
        async def acquire(self, max_wait: float) -> None:
            await asyncio.Event().wait()

        def observe(self, status: int | None, headers: object) -> None:
            raise AssertionError

    async with emulator.client(rate_limiter=Full(), timeouts=Timeouts(total=0.02)) as client:
        with pytest.raises(RequestTimeoutError) as caught:
            await client.orders.create(keyless())
    assert not caught.value.outcome_unknown
    assert emulator.requests == []


async def test_a_users_own_timeout_stays_a_plain_one(emulator: Emulator, client: VoucherifyClient) -> None:
    emulator.faults.add(Fault(kind="delay", delay=5))
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(0.02):
            await client.orders.list()
    assert not isinstance(caught.value, RequestTimeoutError)


# --- Life ---------------------------------------------------------------------------------------------------


def test_making_a_client_does_nothing() -> None:
    client = VoucherifyClient("i", "t")
    client.with_options(timeout=5)
    assert client._session._life._opened is None


async def test_a_closed_client_says_so(emulator: Emulator) -> None:
    client = emulator.client()
    await client.orders.list()
    await client.aclose()
    await client.aclose()
    for call in (
        client.orders.list(),
        client.with_options(timeout=1).orders.list(),
        client.request("GET", "/v1/x"),
    ):
        with pytest.raises(ClientClosedError):
            await call
    never_used = emulator.client()
    await never_used.aclose()
    with pytest.raises(ClientClosedError):
        await never_used.orders.list()


async def test_closing_ends_calls_under_way(emulator: Emulator) -> None:
    client = emulator.client()
    await client.orders.list()
    emulator.faults.add(Fault(kind="delay", delay=5, times=None))
    calls = [asyncio.create_task(client.orders.list()) for _ in range(3)]
    await until(lambda: len(emulator.requests) == 4)
    await client.aclose()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(answer) for answer in answers} == {ClientClosedError}


async def test_closing_a_view_leaves_the_client_open(client: VoucherifyClient) -> None:
    async with client.with_options(timeout=5) as view:
        await view.orders.list()
    assert (await client.orders.list()).orders == []


async def test_an_injected_session_is_used_and_left_open(emulator: Emulator) -> None:
    async with aiohttp.ClientSession(raise_for_status=True, headers={"X-Mine": "1"}) as session:
        async with emulator.client(session=session) as client:
            await client.orders.list()
            assert emulator.requests[-1].headers["x-mine"] == "1"
            with pytest.raises(ApiError):
                await client.orders.get("nowhere")
        assert not session.closed
    client = emulator.client(session=session)
    with pytest.raises(ClientClosedError):
        await client.orders.list()


def test_one_client_serves_one_loop_after_another(emulator_thread: str) -> None:
    client = VoucherifyClient("i", "t", base_url=emulator_thread)

    async def once() -> int:
        return len((await client.orders.list()).orders)

    # What the first loop leaves open is closed when it ends: warnings of open sockets would fail this.
    assert asyncio.run(once()) == 0
    assert asyncio.run(once()) == 0
    gc.collect()


def test_a_loop_that_ends_leaves_no_connection_open(emulator_thread: str) -> None:
    client = VoucherifyClient("i", "t", base_url=emulator_thread)

    async def use() -> DirectPath | None:
        await client.orders.list()
        return client._session._life.opened().direct

    direct = asyncio.run(use())  # one that is left open warns, and warnings are errors
    assert direct is None or not direct._idle._kept


def test_another_running_loop_is_refused_by_name(emulator_thread: str) -> None:
    async def first() -> None:
        async with VoucherifyClient("i", "t", base_url=emulator_thread) as client:
            await client.orders.list()
            errors: list[BaseException] = []

            def elsewhere() -> None:
                for use in (client.orders.list, client.aclose):
                    try:
                        asyncio.run(_awaited(use))
                    except EventLoopError as error:
                        errors.append(error)

            await asyncio.to_thread(elsewhere)
            assert len(errors) == 2
            await client.orders.list()

    asyncio.run(first())


def test_an_injected_session_keeps_its_loop(emulator_thread: str) -> None:
    async def first() -> VoucherifyClient:
        async with aiohttp.ClientSession() as session:
            client = VoucherifyClient("i", "t", base_url=emulator_thread, session=session)
            await client.orders.list()
            return client

    client = asyncio.run(first())
    with pytest.raises(EventLoopError):
        asyncio.run(_awaited(client.orders.list))
    asyncio.run(_awaited(client.aclose))


async def _awaited(call: Callable[[], object]) -> object:
    return await call()  # type: ignore[misc]


@pytest.fixture
def emulator_thread() -> object:
    """A server in a thread and a loop of its own, for tests that run loops themselves."""
    ready, ended, urls = threading.Event(), threading.Event(), []

    def run() -> None:
        async def serve() -> None:
            async with raw_server(PAGE) as server:
                urls.append(server.url)
                ready.set()
                await asyncio.to_thread(ended.wait)

        asyncio.run(serve())

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait()
    yield urls[0]
    ended.set()
    thread.join()


async def test_cancelled_calls_give_their_connections_back(emulator: Emulator) -> None:
    emulator.faults.add(Fault(kind="delay", delay=0.002, rate=0.5, times=None))
    async with emulator.client(pool=PoolLimits(max_connections=4)) as client:
        for turns in range(60):
            calls = [asyncio.create_task(client.orders.create(keyed())) for _ in range(8)]
            for _ in range(turns):
                await asyncio.sleep(0)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
        emulator.faults.clear()
        pages = await asyncio.gather(*(client.orders.list() for _ in range(16)))
        assert len(pages) == 16


# --- Secrets ------------------------------------------------------------------------------------------------


async def test_no_key_shows_in_an_error_its_traceback_or_the_variables_of_its_frames(clock: FakeClock) -> None:
    async with raw_server(None) as server:
        async with VoucherifyClient("hush-id", "hush-token", base_url=server.url, clock=clock) as client:
            for call in (client.orders.list(), client.orders.create(keyless())):
                with pytest.raises(ConnectError) as caught:
                    await call
                told = "".join(
                    traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()
                )
                # The test's own frame holds the client; what it was made from is written down right here.
                assert "hush" not in re.sub(r'VoucherifyClient\("hush-id", "hush-token"', "", told)
            assert "hush" not in repr(client) + repr(vars(client._session))


# --- client.request -----------------------------------------------------------------------------------------


async def test_other_endpoints_can_be_called(emulator: Emulator, client: VoucherifyClient) -> None:
    order = await client.request("POST", "/v1/orders", body=keyed(), decode=Order)
    assert order.source_id == "o-1"
    # Whatever JSON can hold may stand in a body of the user's own.
    action = await client.request("POST", "/v1/orders/import", body=[{"source_id": "o-1", "metadata": {"a": [{}]}}])
    assert action["async_action_id"]
    page = await client.request("GET", "/v1/orders", query={"limit": 1, "page": None})
    assert page["orders"][0]["id"] == order.id
    export = await client.orders.create_export()
    assert await client.request("DELETE", f"/v1/exports/{export.id}") is None
    with pytest.raises(ApiError):
        await client.request("GET", "/v1/nothing here")
    assert emulator.requests[-1].path == "/v1/nothing%20here"
    wrong: list[dict[str, Any]] = [{"method": "get"}, {"path": "v1"}, {"body": object()}]
    for arguments in wrong:
        with pytest.raises(ConfigurationError, match=rf"^{next(iter(arguments))}"):
            await client.request(**{"method": "POST", "path": "/v1/orders", **arguments})


async def test_a_post_of_the_users_own_is_not_repeated(emulator: Emulator, client: VoucherifyClient) -> None:
    emulator.faults.add(Fault(kind="drop", when="after", times=None))
    with pytest.raises(ConnectError):
        await client.request("POST", "/v1/orders", body=keyed())
    assert emulator.effects.handled[CREATE] == 1


async def test_a_base_url_may_have_a_path() -> None:
    async with raw_server(PAGE) as server:
        async with VoucherifyClient("i", "t", base_url=f"{server.url}/gateway/shop/") as client:
            await client.orders.list(limit=1)
        assert server.lines == ["GET /gateway/shop/v1/orders?limit=1 HTTP/1.1"]
