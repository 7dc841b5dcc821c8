"""The way around aiohttp's session: what goes over the wire, what of an answer is believed, and who may take it."""

import ast
import asyncio
import contextlib
import inspect
import ssl
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http import HttpResponseParser, RawResponseMessage
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import FakeClock, RawServer, http, raw_server, uncertified, until
from voucherify_async import (
    ApiError,
    ConnectError,
    NewOrder,
    PoolLimits,
    RequestTimeoutError,
    RetryPolicy,
    Timeouts,
    VoucherifyClient,
    direct,
    idle,
    protocol,
)
from voucherify_async.call import Call, any_json
from voucherify_async.direct import LONGEST_BODY, is_known, takes
from voucherify_async.heads import Heads
from voucherify_async.outcome import _body_and_problem
from voucherify_async.protocol import AnswerProtocol

ORDER = b'{"id":"ord_1","source_id":"o-1"}'
ONCE = RetryPolicy(max_attempts=1)

both_ways = pytest.mark.usefixtures("way")


def takes_the_direct_path(client: VoucherifyClient) -> bool:
    opened = client._session._life._opened
    assert opened is not None
    return opened.direct is not None


def kept_by(client: VoucherifyClient) -> list[ResponseHandler]:
    """The connections that wait for a request: at hand, or in aiohttp's pool."""
    opened = client._session._life.opened()
    at_hand = [] if opened.direct is None else [one.protocol for one, _ in opened.direct._idle._kept]
    pools = opened.http.connector._conns.values()  # type: ignore[union-attr]
    return [one for one in [*at_hand, *(one for pool in pools for one, _ in pool)] if one is not None]


# --- What goes out ------------------------------------------------------------------------------------------


async def sent(server: RawServer, client: VoucherifyClient) -> list[tuple[str, dict[str, str], bytes]]:
    await client.request("GET", "/v1/orders/a%2Fb", query={"q": "x y"})
    await client.request("POST", "/v1/orders", body={"a": 1})
    await client.request("PUT", "/v1/orders/1", body=[])
    await client.request("DELETE", "/v1/orders/1")
    await client.request("POST", "/v1/orders")
    bodies = [request.partition(b"\r\n\r\n")[2] for request in server.requests]
    return list(zip(server.lines, server.headers, bodies, strict=True))


async def test_what_is_sent_is_what_aiohttp_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for known in (frozenset({(3, 12), (3, 13), (3, 14)}), frozenset[tuple[int, int]]()):
        monkeypatch.setattr("voucherify_async.direct._TRIED_WITH", known)
        async with raw_server(http(200, b"{}")) as server:
            url = f"{server.url}/gateway"
            async with VoucherifyClient("hush-id", "hush-token", base_url=url, app_info="a/1") as client:
                requests = await sent(server, client)
                assert takes_the_direct_path(client) == bool(known)
                # Of a version that is not known, nothing is replaced: it may make its protocol in another way.
                assert {type(one) for one in kept_by(client)} == {AnswerProtocol if known else ResponseHandler}
        for _, headers, _ in requests:
            assert headers.pop("host") == server.url.removeprefix("http://")
        requests[-1][1].pop("content-type", None)  # aiohttp names a type for no body
        found.append(requests)
    assert found[0] == found[1]


def test_headers_that_would_frame_the_request_anew_are_left_to_aiohttp() -> None:
    call = Call("GET", "/", any_json)
    for name, value in [
        ("X-Key", "a\r\nX-Other: b"),
        ("X-Key", "a\nb"),
        ("X-Key", "\x00"),
        ("X-Key", "ä"),
        ("X-Key\r\nX-Other", "b"),
        ("X Key", "b"),
        ("", "b"),
        ("Content-Length", "5"),
        ("transfer-encoding", "chunked"),
        ("Host", "elsewhere"),
        ("Connection", "close"),
        ("Expect", "100-continue"),
    ]:
        head = Heads({"Accept": "x"}).head({name: value}, None)
        assert head.lines is None
        assert not takes(call, head)
    wrong: Any = {"X-Key": 5}
    assert Heads({}).head(wrong, None).lines is None


PLAIN_NAMES = st.from_regex(r"X-[A-Za-z0-9]{1,8}", fullmatch=True)
PLAIN_VALUES = st.from_regex(r"[!-~]([ -~]{0,8}[!-~])?", fullmatch=True)


@given(st.dictionaries(PLAIN_NAMES, PLAIN_VALUES, min_size=1))
def test_plain_headers_are_written_out(headers: dict[str, str]) -> None:
    lines = Heads({}).head(headers, None).lines
    assert lines == "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()


@given(st.dictionaries(st.text() | PLAIN_NAMES, st.text() | PLAIN_VALUES))
def test_a_head_is_as_many_lines_as_headers(headers: dict[str, str]) -> None:
    lines = Heads({}).head(headers, None).lines
    if lines is not None:
        split = lines.decode().split("\r\n")
        assert split.pop() == ""
        assert [line.partition(": ")[::2] for line in split] == list(headers.items())
        assert "\r" not in "".join(split)
        assert "\n" not in "".join(split)


def test_a_head_is_made_once_while_what_signs_stays_the_same() -> None:
    heads, keys = Heads({"Accept": "x"}), {"X-App-Token": "hush-token"}
    head = heads.head(keys, None)
    assert heads.head(dict(keys), None) is head
    keys["X-App-Token"] = "hush-other"  # a user's own way of signing may change its mapping in place
    assert heads.head(keys, None).lines == b"Accept: x\r\nX-App-Token: hush-other\r\n"
    assert heads.head(keys, "text/plain").headers["Content-Type"] == "text/plain"
    assert "hush" not in repr(heads.head(keys, None))
    with pytest.raises(TypeError):
        heads.head(keys, None).__reduce__()


async def test_a_way_of_signing_cannot_bring_another_header_in() -> None:
    class Sly:
        async def headers(self, sender: Any) -> dict[str, str]:
            return {"Authorization": "Bearer x\r\nX-Evil: 1"}

        def rejected(self, headers: Any) -> bool:
            return False

    async with raw_server(http(200, ORDER)) as server:
        async with VoucherifyClient(auth=Sly(), base_url=server.url) as client:
            with pytest.raises(ValueError, match="injection"):
                await client.orders.get("o-1")
        assert server.requests == []


async def test_a_path_cannot_bring_another_line_in(clock: FakeClock) -> None:
    async with raw_server(http(200, ORDER)) as server:
        async with VoucherifyClient("i", "t", base_url=server.url, clock=clock) as client:
            for path in ("/a b", "/a\r\nX: 1", "/ä"):
                with pytest.raises(ValueError, match="cannot stand in a request"):
                    await client._session.send(Call("GET", path, any_json))
            opened = client._session._life.opened()
            assert opened.slots.free == opened.slots.count
        assert server.requests == []


# --- Who may take it ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "known"), [("3.14.5", True), ("3.14.0b1", True), ("3.99.0", False), ("4.0", False), ("x", False)]
)
def test_only_versions_that_were_tried_are_used_so(version: str, known: bool) -> None:
    assert is_known(version) == known


def test_a_version_that_lacks_something_is_not_used_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voucherify_async.direct._NEEDED", {aiohttp.TCPConnector: ("connect", "renamed")})
    assert not is_known()


def test_a_version_that_was_not_tried_is_not_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(aiohttp, "BaseConnector")
    assert not is_known("3.15.0")


def test_all_that_is_used_of_aiohttp_is_looked_for() -> None:
    kinds = {
        "self._target": aiohttp.ClientRequest,
        "self._connector": aiohttp.TCPConnector,
        "connection": Connection,
        "protocol": ResponseHandler,
        "super()": ResponseHandler,
        "self._heads": HttpResponseParser,
        "message": RawResponseMessage,
        "content": aiohttp.StreamReader,
    }
    used = {
        (kind, node.attr)
        for source in (direct, idle, protocol, _body_and_problem)
        for node in ast.walk(ast.parse(inspect.getsource(source)))
        if isinstance(node, ast.Attribute) and (kind := kinds.get(ast.unparse(node.value)))
    }
    assert {kind for kind, _ in used} == set(kinds.values())
    needed = {(kind, name) for kind, names in direct._NEEDED.items() for name in names}
    used -= {(ResponseHandler, "__init__"), (ResponseHandler, "expect")}  # the latter is our own
    assert used - needed == {(aiohttp.ClientRequest, "headers")}  # which only an object has


def test_only_small_plain_requests_take_it() -> None:
    head = Heads({}).head({}, None)
    assert takes(Call("GET", "/", any_json), head)
    assert takes(Call("POST", "/", any_json, body=b"x" * LONGEST_BODY), head)
    assert not takes(Call("POST", "/", any_json, body=b"x" * (LONGEST_BODY + 1)), head)
    assert not takes(Call("GET", "/", any_json, streamed=True), head)


async def test_proxies_and_sessions_of_users_go_the_other_way() -> None:
    async with raw_server(http(200, ORDER)) as server, aiohttp.ClientSession() as session:
        options: list[dict[str, Any]] = [{"session": session}, {"proxy": server.url}]
        for given_options in options:
            async with VoucherifyClient("i", "t", base_url=server.url, **given_options) as client:
                await client.orders.get("o-1")
                assert not takes_the_direct_path(client)
        async with VoucherifyClient("i", "t", base_url=server.url, allow_plain_http=True, trust_env=True) as client:
            await client.orders.get("o-1")
            assert not takes_the_direct_path(client)


# --- What comes back ----------------------------------------------------------------------------------------

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n" + ORDER[:5] + b"\r\n%x\r\n" % len(ORDER[5:])
CHUNKED += ORDER[5:] + b"\r\n0\r\nX-Trailer: 1\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
UNTIL_EOF = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + ORDER
OLD = b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(ORDER) + ORDER


@both_ways
@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        (http(200, ORDER), True),
        (http(200, ORDER, "Connection: close"), False),
        (CONTINUE + http(200, ORDER), True),
        (CHUNKED, True),
        (UNTIL_EOF, False),
        (OLD, False),
        (http(200, ORDER) + http(200, b'{"id":"forged"}'), False),
    ],
    ids=["plain", "close", "1xx", "chunked", "until_eof", "http_1_0", "excess"],
)
async def test_answers_of_all_forms_and_whether_their_connection_is_kept(
    clock: FakeClock, answer: bytes, kept: bool
) -> None:
    async with raw_server(answer) as server:
        async with VoucherifyClient("i", "t", base_url=server.url, clock=clock, retry=ONCE) as client:
            for _ in range(3):
                response = await client.orders.with_http_info.get("o-1")
                assert (response.data.id, response.body, response.attempts) == ("ord_1", ORDER, 1)
        assert server.connections == (1 if kept else 3)


@both_ways
async def test_answers_without_a_body(clock: FakeClock) -> None:
    nothing = b"HTTP/1.1 204 No Content\r\n\r\n"
    unchanged = b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n"
    async with raw_server(nothing, unchanged, nothing) as server:
        async with VoucherifyClient("i", "t", base_url=server.url, clock=clock, retry=ONCE) as client:
            await client.request("DELETE", "/v1/x")
            with pytest.raises(ApiError) as caught:
                await client.request("GET", "/v1/x")
            assert caught.value.status == 304
            await client.request("DELETE", "/v1/x")


@both_ways
async def test_a_switch_to_another_protocol_is_an_error_and_ends_the_connection(clock: FakeClock) -> None:
    switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nframes"
    async with raw_server(switch, http(200, ORDER)) as server:
        pool = PoolLimits(max_connections=1)
        async with VoucherifyClient("i", "t", base_url=server.url, clock=clock, retry=ONCE, pool=pool) as client:
            with pytest.raises(ApiError) as caught:
                await client.orders.get("o-1")
            assert caught.value.status == 101
            assert (await client.orders.get("o-1")).id == "ord_1"
        assert server.connections == 2


@both_ways
@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n123456",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 10_000 + b"\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
)
async def test_nonsense_is_no_answer_and_its_outcome_is_unknown(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()

    async with listening(serve) as url, VoucherifyClient("i", "hush-token", base_url=url) as client:
        with pytest.raises(ConnectError) as caught:
            await client.orders.create(NewOrder(amount=1))
        assert (caught.value.attempts, caught.value.outcome_unknown) == (1, True)
        assert caught.value.__cause__ is None
        opened = client._session._life.opened()
        assert opened.slots.free == opened.slots.count


@both_ways
async def test_what_comes_over_a_connection_that_waits_is_no_answer(clock: FakeClock) -> None:
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(http(200, ORDER))

    async with listening(serve) as url:
        async with VoucherifyClient("i", "t", base_url=url, clock=clock) as client:
            await client.orders.get("o-1")
            writers[0].write(http(200, b'{"id":"forged"}'))
            direct = client._session._life.opened().direct
            (kept,) = kept_by(client)
            await until(lambda: kept.should_close)
            response = await client.orders.with_http_info.get("o-1")
            # aiohttp's pool hands it out, and the request is surely not sent then; ours takes another by itself.
            assert (response.data.id, response.attempts) == ("ord_1", 2 if direct is None else 1)


@both_ways
@pytest.mark.parametrize("begin", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"])
async def test_an_answer_that_falls_silent_is_given_up(begin: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(begin)
        await reader.read()

    async with listening(serve) as url:
        async with VoucherifyClient("i", "t", base_url=url, timeouts=Timeouts(read=0.03)) as client:
            with pytest.raises(RequestTimeoutError, match="Timeout on reading") as caught:
                await client.orders.create(NewOrder(amount=1))
            assert caught.value.outcome_unknown


async def test_the_beginning_of_a_head_gives_it_no_more_time() -> None:
    rest = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n")
        await rest.wait()
        writer.write(http(200, ORDER).partition(b"\r\n")[2])

    async with listening(serve) as url, VoucherifyClient("i", "t", base_url=url, retry=ONCE) as client:
        call = asyncio.create_task(client.orders.get("o-1"))
        await until(lambda: client._session._life._opened is not None)
        direct = client._session._life.opened().direct
        assert direct is not None
        due = direct._silences.lane(60)._due
        await until(lambda: len(due) == 1)
        ((waiting, moment),) = due.items()
        await until(lambda: waiting._expected is None)
        for _ in range(3):
            await asyncio.sleep(0)
        assert due == {waiting: moment}
        rest.set()
        assert (await call).id == "ord_1"
        assert due == {}


@both_ways
async def test_an_answer_that_is_slow_but_never_silent_is_waited_for() -> None:
    answer = http(200, ORDER)
    body_at = answer.index(b"{")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer[:body_at])
        for place in range(body_at, len(answer)):
            await asyncio.sleep(0.02)
            writer.write(answer[place : place + 1])
        await reader.read()

    async with listening(serve) as url:
        async with VoucherifyClient("i", "t", base_url=url, timeouts=Timeouts(read=0.5), retry=ONCE) as client:
            assert (await client.orders.get("o-1")).id == "ord_1"


@pytest.mark.asyncio_loop
async def test_no_timer_is_left_when_a_client_is_closed(clock: FakeClock) -> None:
    async with raw_server(http(200, ORDER)) as server:
        async with VoucherifyClient("i", "t", base_url=server.url, clock=clock) as client:
            await client.orders.get("o-1")
        scheduled = asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]
        assert [timer for timer in scheduled if not timer.cancelled()] == []


@contextlib.asynccontextmanager
async def listening(serve: Any) -> AsyncIterator[str]:
    """The URL of a server that does as it is told, until the test is over."""
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            await serve(reader, writer)
        writer.close()
        tasks.discard(task)

    listener = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks)
        await listener.wait_closed()


class Deaf:
    """A TLS server that falls silent after its handshake: it answers neither a request nor TLS's farewell.

    Attributes:
        asked: when the first request has begun to arrive.
        left: when the connection has ended on the other side.
    """

    def __init__(self) -> None:
        self.asked, self.left = asyncio.Event(), asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = uncertified(ssl.PROTOCOL_TLS_SERVER).wrap_bio(incoming, outgoing, server_side=True)
        while not self.asked.is_set():
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                writer.write(outgoing.read())
                incoming.write(await reader.read(LONGEST_BODY))
                continue
            writer.write(outgoing.read())
            await reader.read(LONGEST_BODY)
            self.asked.set()
        await reader.read()
        self.left.set()
        writer.close()


@pytest.mark.parametrize("given_up", ["cancelled", "too late", "silent"])
async def test_a_call_that_was_given_up_leaves_no_socket_to_a_silent_peer(given_up: str) -> None:
    deaf = Deaf()
    listener = await asyncio.start_server(deaf.serve, "127.0.0.1", 0)
    url = f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    timeouts = Timeouts(total=0.2) if given_up == "too late" else Timeouts(read=0.2)
    async with VoucherifyClient(
        "i", "t", base_url=url, ssl_context=uncertified(ssl.PROTOCOL_TLS_CLIENT), timeouts=timeouts, retry=ONCE
    ) as client:
        call = asyncio.ensure_future(client.orders.get("o-1"))
        await deaf.asked.wait()
        if given_up == "cancelled":
            call.cancel()
        with pytest.raises(asyncio.CancelledError if given_up == "cancelled" else RequestTimeoutError):
            await call
        async with asyncio.timeout(10):  # asyncio waits for 30 seconds for the farewell
            await deaf.left.wait()
    listener.close()
    await listener.wait_closed()
