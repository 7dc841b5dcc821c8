"""Bodies that are not what they should be, connections that go away, a pool with more callers than connections."""

import asyncio
import gc
import gzip
import os
import socket
import ssl
import tracemalloc
from typing import Any

import aiohttp
import pytest

from tests.fakes import FakeClock, http, raw_server, uncertified, until
from voucherify_async import (
    ApiError,
    BadRequestError,
    ConnectError,
    DecodeError,
    NewOrder,
    OrderChanges,
    PoolLimits,
    PoolTimeoutError,
    RequestTimeoutError,
    RetryPolicy,
    ServerError,
    Timeouts,
    VoucherifyClient,
)
from voucherify_async.emulator import Emulator, Fault

ORDER = b'{"id":"ord_1","source_id":"o-1"}'
PACKED = gzip.compress(ORDER)
ONCE = RetryPolicy(max_attempts=1)

pytestmark = pytest.mark.usefixtures("way")


def keyed() -> NewOrder:
    return NewOrder(source_id="o-1", amount=1)


# --- Bodies -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["bomb", "endless"])
async def test_an_answer_that_is_too_large_is_refused_before_it_is_held(emulator: Emulator, kind: Any) -> None:
    async with emulator.client(max_body_bytes=1_000_000) as client:
        await client.orders.create(keyed())
        emulator.faults.add(Fault(kind, size_bytes=256 * 1024 * 1024))
        tracemalloc.start()
        with pytest.raises(DecodeError, match="larger than 1000000 bytes") as caught:
            await client.orders.create(keyed())
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert (caught.value.attempts, caught.value.outcome_unknown, caught.value.body) == (1, True, b"")
        assert peak < 16 * 1024 * 1024
        assert (await client.orders.get("o-1")).amount == 1  # and the pool is well


async def test_an_answer_that_is_left_unread_gives_its_connection_back(emulator: Emulator) -> None:
    # In debug mode a response says so when it goes away with a connection that nobody closed.
    asyncio.get_running_loop().set_debug(True)
    async with emulator.client(max_body_bytes=1_000) as client:
        for kind in ("endless", "bomb", "unknown_encoding"):
            emulator.faults.add(Fault(kind, size_bytes=1_000_000))
            with pytest.raises(DecodeError):
                await client.orders.create(keyed())
        gc.collect()


async def test_an_answer_whose_length_says_that_it_is_too_large_is_not_read(clock: FakeClock) -> None:
    async with raw_server(http(200, b"{", length=10**12)) as server:
        async with VoucherifyClient("i", "t", base_url=server.url, clock=clock, max_body_bytes=100) as client:
            with pytest.raises(DecodeError, match="larger than 100 bytes"):
                await client.orders.get("o-1")
        assert len(server.requests) == 1


@pytest.mark.parametrize("kind", ["bomb", "endless", "unknown_encoding", "wrong_encoding", "truncated"])
async def test_an_error_status_stands_whatever_its_body_is(emulator: Emulator, kind: Any) -> None:
    emulator.faults.add(Fault(kind, when="before"))
    async with emulator.client(retry=ONCE, max_body_bytes=1_000_000) as client:
        with pytest.raises(ServerError) as caught:
            await client.orders.create(NewOrder(amount=1))
        assert (caught.value.status, caught.value.outcome_unknown) == (502, True)


async def test_a_refusal_whose_body_breaks_off_is_no_unknown_outcome() -> None:
    async with raw_server(http(400, b"{", "Connection: close", length=100)) as server:
        async with VoucherifyClient("i", "t", base_url=server.url) as client:
            with pytest.raises(BadRequestError) as caught:
                await client.orders.create(NewOrder(amount=1))
    assert (caught.value.attempts, caught.value.outcome_unknown) == (1, False)


@pytest.mark.parametrize("kind", ["wrong_encoding", "bad_charset", "truncated_gzip", "truncated", "broken_json"])
async def test_an_answer_that_is_damaged_is_asked_for_again(
    emulator: Emulator, client: VoucherifyClient, kind: Any
) -> None:
    emulator.faults.add(Fault(kind))
    response = await client.orders.with_http_info.create(keyed())
    assert (response.attempts, response.data.source_id) == (2, "o-1")
    assert emulator.effects.of("o-1").total == 2
    emulator.faults.add(Fault(kind))
    with pytest.raises((ConnectError, DecodeError)) as caught:
        await client.orders.create(NewOrder(amount=1))
    error = caught.value
    assert isinstance(error, ConnectError | DecodeError)
    assert (error.attempts, error.outcome_unknown) == (1, True)


async def test_a_compression_that_was_not_asked_for_is_named(emulator: Emulator, client: VoucherifyClient) -> None:
    emulator.faults.add(Fault("unknown_encoding"))
    with pytest.raises(DecodeError, match="not asked for: zz-unknown") as caught:
        await client.orders.create(keyed())
    assert caught.value.attempts == 1


async def test_bytes_behind_an_answer_spoil_no_other(emulator: Emulator, clock: FakeClock) -> None:
    async with emulator.client(clock=clock, pool=PoolLimits(max_connections=1)) as client:
        for number in range(5):
            emulator.faults.add(Fault("excess", body=http(200, b'{"id":"forged","orders":[]}')))
            created = await client.orders.create(NewOrder(source_id=f"o-{number}"))
            assert created.source_id == f"o-{number}"
            assert (await client.orders.get(f"o-{number}")).id == created.id


@pytest.mark.parametrize("cut", range(1, len(PACKED)))
async def test_a_compression_that_breaks_off_anywhere_is_noticed(cut: int, clock: FakeClock) -> None:
    header = "Content-Encoding: gzip"
    async with raw_server(http(200, PACKED[:cut], header), http(200, PACKED, header)) as server:
        async with VoucherifyClient("i", "t", base_url=server.url, clock=clock) as client:
            response = await client.orders.with_http_info.get("o-1")
            assert (response.attempts, response.data.id, response.body) == (2, "ord_1", ORDER)
        assert server.headers[0]["accept-encoding"] == "gzip"


@pytest.mark.parametrize("cut", [1, 5, 10])
async def test_one_that_breaks_off_before_its_content_is_not_empty(cut: int, clock: FakeClock) -> None:
    header = "Content-Encoding: gzip"
    async with raw_server(http(200, PACKED[:cut], header), http(200, PACKED, header)) as server:
        async with VoucherifyClient("i", "t", base_url=server.url, clock=clock) as client:
            assert await client.request("GET", "/v1/orders/o-1") == {"id": "ord_1", "source_id": "o-1"}


async def test_a_large_import_warns_of_nothing(emulator: Emulator, client: VoucherifyClient) -> None:
    orders = [NewOrder(source_id=f"o-{number}", metadata={"note": "x" * 2000}) for number in range(1000)]
    job = await client.orders.import_orders(orders)  # 2 MB: aiohttp warns of such bodies in one piece
    assert (await job).done_count == 1000


# --- Connections --------------------------------------------------------------------------------------------


class Closing:
    """A server whose connections end, at the other side, when it is told to."""

    def __init__(self) -> None:
        self.connections: list[socket.socket] = []
        self.requests = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A socket of our own: that of uvloop's transport cannot be shut down.
        self.connections.append(socket.socket(fileno=os.dup(writer.get_extra_info("socket").fileno())))
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (int(line[15:]) for line in head.split(b"\r\n") if line[:15] == b"Content-Length:"), 0
                )
                await reader.readexactly(length)
                self.requests += 1
                writer.write(http(200, ORDER))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def end_all(self) -> None:
        """The end of each connection is at the client's socket, and its loop has had no time to see it."""
        for connection in self.connections:
            with connection:
                connection.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("injected", [False, True])
async def test_a_create_is_not_sent_on_a_kept_connection_that_has_ended(injected: bool, tls: bool) -> None:
    closing = Closing()
    # At the socket's end TLS says no word of it.
    served = uncertified(ssl.PROTOCOL_TLS_SERVER) if tls else None
    trusted = uncertified(ssl.PROTOCOL_TLS_CLIENT) if tls else None
    listener = await asyncio.start_server(closing.serve, "127.0.0.1", 0, ssl=served)
    url = f"{'https' if tls else 'http'}://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusted or True)) as session:
        way: dict[str, Any] = {"session": session} if injected else {}
        async with VoucherifyClient("i", "t", base_url=url, ssl_context=trusted, **way) as client:
            for turn in range(20):
                response = await client.orders.with_http_info.create(NewOrder(amount=1))
                assert response.attempts == 1
                assert closing.requests == turn + 1
                closing.end_all()
                closing.connections.clear()
    listener.close()
    await listener.wait_closed()


async def test_an_answer_behind_which_the_connection_ends_harms_nothing(
    emulator: Emulator, clock: FakeClock
) -> None:
    emulator.faults.add(Fault("hang_up", times=None))
    async with emulator.client(clock=clock) as client:
        for _ in range(30):
            await client.orders.create(keyed())
        for _ in range(30):
            await client.orders.create(NewOrder(amount=1))  # never repeated, and yet none is lost
    assert emulator.effects.handled["POST", "/v1/orders"] == 60


async def test_a_proxy_that_hangs_up_before_the_request_goes_out_is_no_unknown_outcome(clock: FakeClock) -> None:
    async with raw_server(None) as proxy:  # closes on CONNECT
        async with VoucherifyClient(
            "i", "t", base_url="https://api.test", proxy=proxy.url, clock=clock, retry=RetryPolicy(max_attempts=2)
        ) as client:
            with pytest.raises(ConnectError) as caught:
                await client.orders.create(NewOrder(amount=1))
        assert [line.split()[0] for line in proxy.lines] == ["CONNECT", "CONNECT"]
    assert (caught.value.attempts, caught.value.outcome_unknown) == (2, False)


async def test_a_deadline_while_a_connection_is_made_is_no_unknown_outcome() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # no answer to the client's part of the TLS handshake
        writer.close()

    listener = await asyncio.start_server(silent, "127.0.0.1", 0)
    url = f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    async with VoucherifyClient("i", "t", base_url=url, timeouts=Timeouts(total=0.3)) as client:
        for call in (client.orders.create(NewOrder(amount=1)), client.exports.delete("exp_1")):
            with pytest.raises(RequestTimeoutError) as caught:
                await call
            assert (caught.value.attempts, caught.value.outcome_unknown) == (1, False)
        view = client.with_options(timeout=Timeouts(connect=0.05), retry=ONCE)
        with pytest.raises(RequestTimeoutError, match="Connection timeout") as caught:
            await view.orders.create(NewOrder(amount=1))
        assert not caught.value.outcome_unknown
    listener.close()
    await listener.wait_closed()


async def test_a_deadline_tells_what_went_wrong_before(emulator: Emulator) -> None:
    emulator.faults.add(Fault("status", status=503), Fault("delay", delay=30))
    policy = RetryPolicy(base_delay=0.001)
    async with emulator.client(timeouts=Timeouts(total=0.2), retry=policy) as client:
        with pytest.raises(RequestTimeoutError, match="what went wrong before: 503") as caught:
            await client.orders.create(keyed())
    assert isinstance(caught.value.__cause__, ServerError)
    assert caught.value.attempts == 2


# --- The pool -----------------------------------------------------------------------------------------------


async def test_many_tasks_on_few_connections_are_served_in_order(emulator: Emulator) -> None:
    async with emulator.client(pool=PoolLimits(max_connections=16)) as client:

        async def create(number: int) -> None:
            await client.orders.create(NewOrder(source_id=f"o-{number}"))

        for _ in range(2):  # one that is still being made may be overtaken any number of times
            await asyncio.gather(*(client.orders.list() for _ in range(64)))
        await asyncio.gather(*(create(number) for number in range(512)))
        opened = client._session._life._opened
        assert opened is not None
        assert opened.slots.free == 16
    arrived = list(emulator.effects.arrived)
    # Sixteen are under way at a time, and the network may mix those up.
    assert max(abs(place - int(key[2:])) for place, key in enumerate(arrived)) < 16


async def test_waiting_for_a_connection_has_a_limit_and_an_error_of_its_own(emulator: Emulator) -> None:
    emulator.faults.add(Fault(kind="delay", delay=30))
    pool, timeouts = PoolLimits(max_connections=1), Timeouts(pool=0.02)
    async with emulator.client(pool=pool, timeouts=timeouts) as client:
        slow = asyncio.create_task(client.orders.list())
        await until(lambda: bool(emulator.requests))
        with pytest.raises(PoolTimeoutError, match=r"none of 1 connections became free within 0\.02 s") as caught:
            await client.orders.create(NewOrder(amount=1))
        assert (caught.value.attempts, caught.value.outcome_unknown) == (0, False)
        slow.cancel()
        await asyncio.gather(slow, return_exceptions=True)
        assert (await client.orders.list()).total == 0
    assert emulator.effects.requests["POST", "/v1/orders"] == 0


async def test_a_deadline_in_the_queue_is_no_unknown_outcome(emulator: Emulator) -> None:
    async with emulator.client(pool=PoolLimits(max_connections=1)) as client:
        await client.orders.list()  # tells that there is no limit, which the next would else wait to hear of
        emulator.faults.add(Fault(kind="delay", delay=30))
        slow = asyncio.create_task(client.orders.list())
        await until(lambda: len(emulator.requests) == 2)
        with pytest.raises(RequestTimeoutError) as caught:
            await client.with_options(timeout=0.02).orders.create(NewOrder(amount=1))
        assert (caught.value.attempts, caught.value.outcome_unknown) == (0, False)
        slow.cancel()
        await asyncio.gather(slow, return_exceptions=True)


async def test_a_file_holds_its_connection_until_it_is_left(emulator: Emulator) -> None:
    async with emulator.client(pool=PoolLimits(max_connections=1), timeouts=Timeouts(pool=0.05)) as client:
        for number in range(50):
            await client.orders.create(NewOrder(source_id=f"o-{number}"))
        job = await client.orders.create_export()
        await job
        for _ in range(3):
            async with job.rows() as rows:
                await anext(rows)
                with pytest.raises(PoolTimeoutError):
                    await client.orders.list()
            assert (await client.orders.list()).total == 50
        emulator.faults.add(Fault("status", status=500, path="/v1/exports/*", skip=1))
        async with job.rows() as rows:
            assert len([row async for row in rows]) == 50
        assert (await client.orders.list()).total == 50


async def test_the_limits_of_an_injected_session_are_kept_to(emulator: Emulator) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=100, limit_per_host=3)) as session:
        async with emulator.client(session=session) as client:
            await asyncio.gather(*(client.orders.list() for _ in range(20)))
            opened = client._session._life._opened
            assert opened is not None
            assert (opened.slots.count, opened.slots.free) == (3, 3)


@pytest.mark.parametrize("kind", ["drip", "truncated", "status", "hang_up", "endless", "redirect"])
async def test_cancelling_at_any_turn_gives_turn_and_connection_back(emulator: Emulator, kind: Any) -> None:
    emulator.faults.add(Fault(kind, rate=0.5, times=None, delay=0.001, size_bytes=100_000))
    limits = PoolLimits(max_connections=2)
    async with emulator.client(pool=limits, retry=RetryPolicy(base_delay=0.0001), max_body_bytes=50_000) as client:
        for turns in range(50):
            tasks: list[asyncio.Task[object]] = [
                asyncio.create_task(client.orders.create(keyed())),
                asyncio.create_task(client.orders.update("o-1", OrderChanges(amount=2))),
                asyncio.create_task(client.orders.create(NewOrder(amount=1))),
                asyncio.create_task(client.orders.list()),
            ]
            for _ in range(turns):
                await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            opened = client._session._life._opened
            if opened is not None:
                assert opened.slots.free == 2
                assert opened.slots.waiting == 0
        emulator.faults.clear()
        assert len(await asyncio.gather(*(client.orders.list() for _ in range(8)))) == 8


async def test_a_way_of_signing_that_gives_no_headers_costs_no_turn(emulator: Emulator) -> None:
    class Wrong:
        async def headers(self, sender: Any) -> Any:
            return None

        def rejected(self, headers: Any) -> bool:
            return False

    async with VoucherifyClient(auth=Wrong(), base_url=emulator.url) as client:
        with pytest.raises(TypeError):
            await client.orders.list()
        slots = client._session._life.opened().slots
        assert slots.free == slots.count


async def test_redirects_give_their_connection_back(emulator: Emulator) -> None:
    emulator.faults.add(Fault("redirect", times=20))
    async with emulator.client(pool=PoolLimits(max_connections=1)) as client:
        for _ in range(20):
            with pytest.raises(ApiError, match="redirect"):
                await client.orders.list()
        assert (await client.orders.list()).total == 0


async def test_a_call_that_is_cleared_away_outside_its_context_gives_its_turn_back() -> None:
    """As a task is that a loop left behind: its coroutine is closed wherever the collector finds it."""
    client = VoucherifyClient("i", "t", base_url="http://127.0.0.1:9")
    call = client.orders.create(NewOrder(amount=1))

    async def begin() -> None:
        call.send(None)  # to its first turn of the loop, with a connection's turn taken

    await asyncio.create_task(begin())
    slots = client._session._life.opened().slots
    assert slots.free == slots.count - 1
    call.close()
    assert slots.free == slots.count
    await client.aclose()
