"""The short way of an answer that arrives in one piece: however one is cut, it is the same answer."""

import asyncio
import gzip
from itertools import pairwise
from typing import Any, Final

import aiohttp
import msgspec
import pytest
from aiohttp.http import HttpProcessingError
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import FakeClock, http, raw_server
from voucherify_async import DecodeError, VoucherifyClient
from voucherify_async.direct import is_known
from voucherify_async.outcome import whole_body
from voucherify_async.protocol import AnswerProtocol

BODY: Final = b'{"id":"ord_1","metadata":{"a":"\\u00e4"}}'
PACKED: Final = gzip.compress(BODY)
CHUNKED: Final = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n2\r\nfg\r\n0\r\n\r\n"
PLAIN: Final = [
    http(200, BODY),
    http(404, BODY),
    http(200),
    http(204),
    http(200, BODY, "Connection: keep-alive"),
    b"\r\n" + http(200, BODY),
]
OTHER: Final = [
    http(200, PACKED, "Content-Encoding: gzip"),
    http(200, BODY, "Connection: close"),
    CHUNKED,
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n" + http(200, BODY),
    b"HTTP/1.1 103 Early Hints\r\nContent-Length: 0\r\n\r\n",
    http(200, BODY).replace(b"\r\n", b"\n"),
    b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nContent-Length: 02\r\n\r\n{}",
    http(200, BODY) + http(200, BODY),
    http(200, BODY, length=len(BODY) + 1),
    http(200, BODY, "Transfer-Encoding: chunked"),
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    b"nonsense\r\n\r\n",
]
# Newer versions of aiohttp refuse it.
ODD: Final = b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 2\r\n\r\n{}"
# Those that hold more than an answer. aiohttp finds that out with the answer or later, as they arrive.
BROKEN: Final = [
    http(200, BODY, length=len(BODY) - 1),
    http(204, BODY),
    http(304, BODY),
    http(200, BODY).replace(b"\r\n", b"\n").removesuffix(BODY) + http(200, BODY),
]


class Wire(asyncio.Transport):
    """Where nothing is written to; it tells whether it was closed, or is paused."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False
        self.paused = False

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


async def read(*pieces: bytes, short: bool = True, most_bytes: int = 1_000_000) -> dict[str, Any]:
    """All that can be told of an answer which arrives in these pieces, before the connection ends.

    Args:
        short: whether it may take the short way.
    """
    protocol, found = AnswerProtocol(asyncio.get_running_loop()), dict[str, Any]()
    protocol.connection_made(Wire())
    expected = protocol.expect(most_bytes) if short else None
    if expected is None:
        protocol.set_response_params(read_until_eof=True, auto_decompress=False)
    for piece in pieces:
        protocol.data_received(piece)

    async def understand() -> None:
        whole = None if expected is None else await expected
        found["short"] = whole is not None
        message, content = whole or await protocol.read()
        found.update(status=message.code, headers=dict(message.headers))
        if isinstance(content, memoryview):
            found["body"] = bytes(content)
        else:
            found["body"], _ = await whole_body(message.code, {}, content, most_bytes)
        found["spoiled"] = protocol.should_close

    understanding = asyncio.create_task(understand())
    for _ in range(5):
        await asyncio.sleep(0)
    protocol.connection_lost(None)
    try:
        await understanding
    except (aiohttp.ClientError, HttpProcessingError) as error:
        found["error"] = type(error)
    return found


@pytest.mark.parametrize("answer", PLAIN)
async def test_a_plain_answer_in_one_piece_takes_the_short_way(answer: bytes) -> None:
    assert (await read(answer))["short"]


@pytest.mark.parametrize("answer", [*OTHER, *BROKEN])
async def test_any_other_answer_is_left_to_aiohttp(answer: bytes) -> None:
    assert not (await read(answer))["short"]


async def test_a_body_that_is_too_long_is_left_to_where_that_is_told() -> None:
    assert not (await read(http(200, BODY), most_bytes=len(BODY) - 1))["short"]
    assert (await read(http(200, BODY), most_bytes=len(BODY)))["short"]


@given(
    st.sampled_from([*PLAIN, *OTHER, ODD]) | st.binary(max_size=40).map(lambda body: http(200, body)),
    st.lists(st.integers(0, 200)),
)
def test_an_answer_is_the_same_however_it_is_cut_and_whichever_way_it_goes(answer: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(cut for cut in cuts if cut < len(answer)), len(answer)]
    pieces = [answer[begin:end] for begin, end in pairwise(places) if begin < end]

    async def all_ways() -> None:
        found = [await read(answer), await read(*pieces), await read(*pieces, short=False)]
        for one in found:
            del one["short"]
        assert found[0] == found[1] == found[2]

    asyncio.run(all_ways())


async def test_one_parser_reads_answer_after_answer() -> None:
    protocol = AnswerProtocol(asyncio.get_running_loop())
    protocol.connection_made(Wire())
    for status, body in [(200, BODY), (404, b"{}"), (200, b"")]:
        expected = protocol.expect(1000)
        protocol.data_received(http(status, body))
        message, received = await expected or pytest.fail("it was left to aiohttp")
        assert (message.code, bytes(received), protocol.should_close) == (status, body, False)


async def test_a_head_that_comes_alone_is_not_taken_for_the_body_of_the_answer_before() -> None:
    protocol, wire = AnswerProtocol(asyncio.get_running_loop()), Wire()
    protocol.connection_made(wire)
    long = http(200, b" " * 1000)
    expected = protocol.expect(1000)
    protocol.data_received(long)
    assert await expected is not None
    protocol.expect(1000)
    protocol.data_received(long[:-1000])
    assert not wire.paused


@pytest.mark.parametrize("when", ["cancelled", "answered"])
async def test_what_arrives_when_nothing_is_expected_spoils_the_connection(when: str) -> None:
    protocol = AnswerProtocol(asyncio.get_running_loop())
    protocol.connection_made(Wire())
    expected = protocol.expect(1000)
    if when == "cancelled":
        expected.cancel()
    else:
        protocol.data_received(http(200))
        await expected
    assert not protocol.should_close
    protocol.data_received(http(200))
    assert protocol.should_close


async def test_a_connection_that_is_lost_says_so_to_who_waits() -> None:
    protocol = AnswerProtocol(asyncio.get_running_loop())
    protocol.connection_made(Wire())
    expected = protocol.expect(1000)
    protocol.connection_lost(ConnectionResetError(104, "Connection reset by peer"))
    assert await expected is None
    with pytest.raises(aiohttp.ClientOSError):
        await protocol.read()


async def test_the_body_of_an_answer_is_bytes_and_lasts(clock: FakeClock) -> None:
    async with raw_server(
        http(200, BODY), http(200, b'{"id":"x"}'), http(200, b'{"id":5}'), http(200, BODY)
    ) as server:
        async with VoucherifyClient("i", "t", base_url=server.url, clock=clock) as client:
            response = await client.orders.with_http_info.get("o-1")
            await client.orders.get("o-2")
            assert (type(response.body), response.body, response.data.metadata) == (bytes, BODY, {"a": "ä"})
            with pytest.raises(DecodeError) as caught:
                await client.orders.get("o-3")
            assert (type(caught.value.body), caught.value.body) == (bytes, b'{"id":5}')
            raw = await client.request("GET", "/v1/orders/o-4", decode=msgspec.Raw)
            assert bytes(raw) == BODY


def test_an_aiohttp_whose_protocol_cannot_be_replaced_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_known()
    monkeypatch.setattr(aiohttp.BaseConnector, "__init__", lambda *args, **options: None)
    assert not is_known()
