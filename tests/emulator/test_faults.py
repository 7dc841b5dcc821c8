"""Each fault as a client meets it, before and after the effect."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import math
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from typing import Any, get_args

import aiohttp
import msgspec
import pytest

from tests.emulator.conftest import Api, send_raw
from voucherify_async.emulator import Clock, Emulator, Fault, FaultKind, contents, delivery


def create(api: Api, source_id: str = "a") -> bytes:
    """A create on a connection that is to go on."""
    body = b'{"source_id":"%s"}' % source_id.encode()
    keys = "".join(f"{name}: {value}\r\n" for name, value in api.keys.items())
    head = f"POST /v1/orders HTTP/1.1\r\nHost: x\r\n{keys}Content-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def raw(emulator: Emulator, api: Api, source_id: str = "a") -> bytes:
    """All bytes of the answer to one create, by a connection that repeats nothing by itself."""
    request = create(api, source_id).replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
    return await send_raw(emulator, request)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_status(api: Api, emulator: Emulator, when: Any) -> None:
    emulator.faults.add(Fault("status", status=503, when=when, headers={"Retry-After": "7"}))
    reply = await api.post("/v1/orders", {"source_id": "a"})
    assert (reply.status, reply.json["code"], reply.headers["Retry-After"]) == (503, 503, "7")
    assert reply.json["request_id"] == reply.headers["X-Request-Id"]
    assert emulator.effects.of("a").created == (when == "after")
    assert emulator.effects.requests["POST", "/v1/orders"] == 1
    assert emulator.effects.handled["POST", "/v1/orders"] == (when == "after")
    assert (await api.get("/v1/orders")).status == 200
    assert len(emulator.faults) == 0


async def test_a_limit_of_ones_own(api: Api, emulator: Emulator) -> None:
    mine = {"x-rate-limit-remaining": "0", "retry-after": "Fri, 31 Dec 1999 23:59:59 GMT", "content-type": "text/x"}
    emulator.faults.add(Fault("status", status=429, headers=mine), Fault("broken_json", headers=mine))
    for status in (429, 200):
        reply = await api.get("/v1/orders")
        assert reply.status == status
        for name, value in mine.items():
            assert reply.headers.getall(name) == [value]


async def test_a_body_of_ones_own(api: Api, emulator: Emulator) -> None:
    emulator.faults.add(
        Fault("status", status=502, headers={"Content-Type": "text/html"}, body="<h1>Bad Gateway</h1>"),
        Fault("status", status=200, body=b"\xff"),
    )
    reply = await api.get("/v1/orders")
    assert (reply.status, reply.headers["Content-Type"], reply.body) == (502, "text/html", b"<h1>Bad Gateway</h1>")
    assert (await api.get("/v1/orders")).body == b"\xff"


@pytest.mark.parametrize("kind", ["drop", "reset"])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_lost_connection(api: Api, emulator: Emulator, kind: Any, when: Any) -> None:
    emulator.faults.add(Fault(kind, when=when))
    if kind == "drop":
        assert await raw(emulator, api) == b""
    else:
        with pytest.raises(ConnectionResetError):
            await raw(emulator, api)
    assert emulator.effects.of("a").created == (when == "after")
    assert emulator.requests[-1].status is None
    assert emulator.requests[-1].body == b'{"source_id":"a"}'


async def test_partial_headers(api: Api, emulator: Emulator) -> None:
    emulator.faults.add(Fault("partial_headers"))
    answer = await raw(emulator, api)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"\r\n\r\n" not in answer
    assert emulator.effects.of("a").created == 1


async def test_a_truncated_body(api: Api, emulator: Emulator) -> None:
    emulator.faults.add(Fault("truncated"))
    head, _, body = (await raw(emulator, api)).partition(b"\r\n\r\n")
    length = next(line for line in head.split(b"\r\n") if line.startswith(b"Content-Length"))
    assert int(length.split(b": ")[1]) // 2 == len(body)
    assert body.startswith(b'{"id":"ord_')
    assert emulator.effects.of("a").created == 1
    emulator.faults.add(Fault("truncated", when="before"))
    assert (await raw(emulator, api, "b")).startswith(b"HTTP/1.1 502")
    assert emulator.effects.of("b").total == 0
    emulator.faults.add(Fault("truncated"))
    with pytest.raises(aiohttp.ClientPayloadError):
        await api.get("/v1/orders")


async def test_broken_contents(api: Api, emulator: Emulator) -> None:
    emulator.faults.add(Fault("broken_json"), Fault("truncated_gzip"))
    reply = await api.get("/v1/orders")
    assert reply.status == 200
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        _ = reply.json
    answer = await raw(emulator, api)
    assert b"Content-Encoding: gzip" in answer
    packed = answer.partition(b"\r\n\r\n")[2]
    with pytest.raises(EOFError):
        gzip.decompress(packed)
    assert zlib.decompressobj(31).decompress(packed).startswith(b'{"id":')


async def whole_answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Head and body of an answer as its Content-Length has it, and nothing behind it."""
    head = await reader.readuntil(b"\r\n\r\n")
    (length,) = re.findall(rb"\r\nContent-Length: (\d+)\r\n", head)
    return head, await reader.readexactly(int(length))


@pytest.mark.parametrize(("when", "status"), [("before", 502), ("after", 200)])
async def test_a_connection_that_ends_behind_an_answer(
    api: Api, emulator: Emulator, when: Any, status: int
) -> None:
    emulator.faults.add(Fault("hang_up", when=when))
    reader, writer = await asyncio.open_connection(emulator.host, emulator.port)
    writer.write(create(api))
    head, body = await whole_answer(reader)
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"connection:" not in head.lower()
    assert body.endswith(b"}")
    assert await reader.read() == b""
    writer.close()
    assert emulator.requests[-1].status == status
    assert emulator.effects.of("a").created == (when == "after")


async def test_a_request_that_meets_the_end_of_its_connection(api: Api, emulator: Emulator) -> None:
    emulator.faults.add(Fault("hang_up", delay=0.05))
    reader, writer = await asyncio.open_connection(emulator.host, emulator.port)
    writer.write(create(api) + create(api, "b"))
    assert (await whole_answer(reader))[0].startswith(b"HTTP/1.1 200 ")
    assert await reader.read() == b""
    writer.close()
    assert emulator.effects.arrived == {"a": 1}


@pytest.mark.parametrize("delay", [0, 0.01])
@pytest.mark.parametrize(("when", "status"), [("before", 502), ("after", 200)])
async def test_bytes_behind_an_answer(api: Api, emulator: Emulator, when: Any, status: int, delay: float) -> None:
    emulator.faults.add(Fault("excess", when=when, delay=delay), Fault("excess", body="surplus", delay=delay))
    reader, writer = await asyncio.open_connection(emulator.host, emulator.port)
    for excess, shown in ((b"HTTP/1.1 ???\r\n\r\n", status), (b"surplus", 200), (b"", 200)):
        writer.write(create(api))
        head, body = await whole_answer(reader)
        assert head.startswith(b"HTTP/1.1 %d " % shown)
        assert body.endswith(b"}")
        assert await reader.readexactly(len(excess)) == excess
    writer.close()
    assert [record.status for record in emulator.requests] == [status, 200, 200]
    assert emulator.effects.of("a").total == (2 if when == "before" else 3)


async def test_excess_on_a_connection_that_is_to_end(api: Api, emulator: Emulator) -> None:
    emulator.faults.add(Fault("excess"))
    assert (await raw(emulator, api)).endswith(b"}HTTP/1.1 ???\r\n\r\n")


@pytest.mark.parametrize("kind", ["bomb", "endless"])
@pytest.mark.parametrize(("when", "status"), [("before", 502), ("after", 200)])
async def test_a_body_of_any_size(api: Api, emulator: Emulator, kind: Any, when: Any, status: int) -> None:
    for size in (1, 3 * 1024 * 1024 + 5, 2 * 1024 * 1024):
        emulator.faults.add(Fault(kind, when=when, size_bytes=size))
        reply = await api.post("/v1/orders", {"source_id": "a"})
        assert (reply.status, reply.body) == (status, b" " * size)
        assert "Content-Length" not in reply.headers
        assert reply.headers.get("Content-Encoding") == ("gzip" if kind == "bomb" else None)
        assert emulator.requests[-1].status == status
    assert emulator.effects.of("a").total == (3 if when == "after" else 0)


def test_a_bomb_is_small_and_a_whole_gzip_file() -> None:
    for size in (1, 2**20 - 1, 2**20, 2**20 + 1, 5 * 2**20):
        assert gzip.decompress(b"".join(contents.bomb(size))) == b" " * size
    packed = b"".join(contents.bomb(2**32))
    assert len(packed) < 2**32 / 900
    assert packed[-4:] == b"\0\0\0\0", "the length, of which gzip keeps 32 bits"


@pytest.mark.parametrize("kind", ["bomb", "endless"])
async def test_a_client_that_has_read_enough(
    api: Api, emulator: Emulator, kind: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ended = asyncio.Event()

    def without_an_end(_size: int) -> Iterator[bytes]:
        try:
            while True:
                yield bytes(64 * 1024)
        finally:
            ended.set()

    monkeypatch.setattr(delivery, "bomb", without_an_end)
    monkeypatch.setattr(delivery, "blanks", without_an_end)
    emulator.faults.add(Fault(kind, headers={"Content-Encoding": "identity"}))
    async with api.session.get(f"{emulator.url}/v1/orders", headers=api.keys) as response:
        assert len(await response.content.readexactly(1000)) == 1000
    await asyncio.wait_for(ended.wait(), 5)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize(("when", "status"), [("before", 502), ("after", 200)])
@pytest.mark.parametrize(
    ("kind", "said", "named"),
    [
        ("wrong_encoding", "gzip", None),
        ("wrong_encoding", "deflate", "deflate"),
        ("unknown_encoding", "zz-unknown", None),
        ("unknown_encoding", "x-y", "x-y"),
    ],
)
async def test_a_body_that_is_not_encoded_as_it_says(
    api: Api, emulator: Emulator, kind: Any, said: str, named: str | None, when: Any, status: int
) -> None:
    headers = {} if named is None else {"content-encoding": named}
    emulator.faults.add(Fault(kind, when=when, headers=headers))
    head, _, body = (await raw(emulator, api)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert re.findall(rb"(?i)\r\ncontent-encoding: (.*)", head) == [said.encode() + b"\r"]
    assert b"Content-Length: %d\r\n" % len(body) in head
    assert json.loads(body)
    assert emulator.effects.of("a").created == (when == "after")
    assert emulator.requests[-1].status == status


async def test_what_a_client_makes_of_a_wrong_encoding(api: Api, emulator: Emulator) -> None:
    emulator.faults.add(Fault("wrong_encoding"))
    with pytest.raises(aiohttp.ClientPayloadError):
        await api.get("/v1/orders")


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_bad_charset(api: Api, emulator: Emulator, when: Any) -> None:
    emulator.faults.add(Fault("bad_charset", when=when))
    reply = await api.post("/v1/orders", {"source_id": "a:b"})
    assert (reply.status, len(reply.body)) == (
        200 if when == "after" else 502,
        int(reply.headers["Content-Length"]),
    )
    with pytest.raises(UnicodeDecodeError):
        reply.body.decode()
    shown = json.loads(reply.body.decode("latin-1"))
    if when == "after":
        assert shown["source_id"] == "\xff:b"
        assert shown["id"].startswith("\xffrd_")
    else:
        assert shown["code"] == 502
    assert emulator.effects.of("a:b").created == (when == "after")


@pytest.mark.parametrize(
    ("body", "spoilt"),
    [
        (b'{"a:":"x","b" : "","c":"y"}', b'{"a:":"\xff","b" : "","c":"\xff"}'),
        (b'["a\\"b:","\\"",{"c":1}]', b'["\xff\\"b:","\\"",{"c":1}]'),
        ('{"a":"\u00e4"}'.encode(), b'{"a":"\xff\xa4"}'),
        (b'{"a":1}', b'\xff"a":1}'),
        (b"id,status\r\n1,PAID", b"\xffd,status\r\n1,PAID"),
        (b"", b"\xff"),
    ],
)
def test_where_a_charset_is_bad(body: bytes, spoilt: bytes) -> None:
    assert contents.spoilt("bad_charset", body) == spoilt


@pytest.mark.parametrize("kind", ["bomb", "endless", "wrong_encoding", "unknown_encoding", "bad_charset"])
async def test_an_answer_that_cannot_have_a_body(api: Api, emulator: Emulator, kind: Any) -> None:
    export_id = (await api.post("/v1/orders/export", {})).json["id"]
    emulator.faults.add(Fault(kind))
    reply = await api("DELETE", f"/v1/exports/{export_id}")
    assert (reply.status, reply.body) == (204, b"")
    assert (await api.get(f"/v1/exports/{export_id}")).status == 404


async def test_every_kind_over_http(api: Api, emulator: Emulator) -> None:
    kinds = [{"kind": kind, "size_bytes": 5} for kind in get_args(FaultKind)]
    shown = (await api.post("/_emulator/faults", kinds)).json["faults"]
    assert [(fault["kind"], fault["size_bytes"]) for fault in shown] == [(one["kind"], 5) for one in kinds]
    reply = await api.post("/_emulator/faults", {"kind": "bomb", "size_bytes": 0})
    assert (reply.status, reply.json["details"]) == (
        400,
        "A fault's size is 1 to 4294967296 bytes, not 0",
    )
    assert len(emulator.faults) == len(kinds)


async def test_a_redirect(api: Api, emulator: Emulator) -> None:
    emulator.faults.add(
        Fault("redirect"), Fault("redirect", status=307, headers={"Location": "https://elsewhere.example/"})
    )
    reply = await api.post("/v1/orders", {"source_id": "a"})
    assert (reply.status, reply.headers["Location"]) == (302, emulator.url + "/")
    reply = await api.post("/v1/orders", {"source_id": "a"})
    assert (reply.status, reply.headers["Location"]) == (307, "https://elsewhere.example/")
    assert emulator.effects.of("a").total == 0


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_delay(api: Api, emulator: Emulator, when: Any) -> None:
    emulator.faults.add(Fault("delay", delay=30, when=when))
    with pytest.raises(TimeoutError):
        await api.post("/v1/orders", {"source_id": "a"}, timeout=aiohttp.ClientTimeout(total=0.05))
    assert emulator.effects.of("a").created == (when == "after")
    emulator.faults.add(Fault("delay", delay=0.001, when=when))
    assert (await api.post("/v1/orders", {"source_id": "a"})).status == 200


async def test_a_client_that_does_not_wait_for_a_delay(api: Api, emulator: Emulator) -> None:
    emulator.faults.add(Fault("delay", delay=0.05, times=2))
    request = asyncio.create_task(api.post("/v1/orders", {"source_id": "a"}))
    while not emulator.effects.arrived["a"]:
        await asyncio.sleep(0)
    request.cancel()
    assert emulator.requests[-1].body == b'{"source_id": "a"}'
    # Its delay ends after the first one's.
    assert (await api.post("/v1/orders", {"source_id": "b"})).status == 200
    assert emulator.effects.of("a").total == 0


async def test_a_drip(api: Api, emulator: Emulator) -> None:
    emulator.faults.add(Fault("drip", delay=0.01))
    assert (await api.post("/v1/orders", {"source_id": "a"})).json["source_id"] == "a"


async def test_faults_of_a_download(api: Api, emulator: Emulator, clock: Clock) -> None:
    await api.create(source_id="a")
    export_id = (await api.post("/v1/orders/export", {})).json["id"]
    clock.advance(5)
    url = (await api.get(f"/v1/exports/{export_id}")).json["result"]["url"]
    emulator.faults.add(Fault("truncated", path="/v1/exports/*"))
    with pytest.raises(aiohttp.ClientPayloadError):
        await api.get(url)
    assert (await api.get(url)).status == 200


async def test_which_requests_are_hit(api: Api, emulator: Emulator) -> None:
    emulator.faults.add(
        Fault("status", status=500, method="post", path="/v1/orders", times=2, skip=1),
        Fault("status", status=418, path="/v1/orders/*", times=None),
    )
    statuses = [(await api.post("/v1/orders", {})).status for _ in range(4)]
    assert statuses == [200, 500, 500, 200]
    assert (await api.get("/v1/orders")).status == 200
    assert [(await api.get("/v1/orders/a%2Fb")).status for _ in range(3)] == [418, 418, 418]
    assert [(fault.status, fault.times) for fault in emulator.faults.pending] == [(418, None)]
    emulator.faults.clear()
    assert (await api.get("/v1/orders/a")).status == 404


async def test_a_rate(api: Api, emulator: Emulator) -> None:
    emulator.faults.add(Fault("status", rate=0.5, times=None))
    first = [(await api.get("/v1/orders")).status for _ in range(40)]
    assert 5 < first.count(500) < 35
    emulator.reset()
    emulator.faults.add(Fault("status", rate=0.5, times=None))
    assert [(await api.get("/v1/orders")).status for _ in range(40)] == first, "the seed decides"


async def test_a_mix(api: Api, emulator: Emulator) -> None:
    emulator.faults.mix(0.6, *(Fault("status", status=status, method="GET") for status in (500, 502, 503)))
    assert (await api.post("/v1/orders", {})).status == 200
    drawn = Counter([(await api.get("/v1/orders")).status for _ in range(600)])
    assert drawn.keys() == {200, 500, 502, 503}
    assert abs(drawn[200] - 240) < 40
    for status in (500, 502, 503):
        assert abs(drawn[status] - 120) < 35


def test_a_mix_is_as_exact_as_it_can_be(emulator: Emulator) -> None:
    faults = [Fault("status", status=status) for status in range(500, 510)]
    for rate in (0.0, 0.3, math.nextafter(1, 0), 1.0):
        emulator.faults.clear()
        emulator.faults.mix(rate, *faults)
        through = 1.0
        for entry in emulator.faults.pending:
            assert math.isclose(through * entry.rate, rate / 10)
            assert entry.times is None
            through *= 1 - entry.rate
    emulator.faults.clear()
    emulator.faults.mix(1, *faults, Fault("status", times=2), times=2)
    statuses = [fault.status for fault in iter(lambda: emulator.faults.take("GET", "/"), None)]
    assert Counter(statuses).most_common(1)[0][1] == 2


@pytest.mark.parametrize(
    ("rate", "faults"),
    [
        (1.1, [Fault("drop")]),
        (-0.1, [Fault("drop")]),
        (float("nan"), [Fault("drop")]),
        (0.5, []),
        (0.5, [Fault("drop"), Fault("reset", path="/x")]),
        (0.5, [Fault("drop", skip=1), Fault("reset")]),
        (0.5, [Fault("drop", rate=0.5)]),
        (0.5, [Fault("drop", times=2)]),
    ],
)
def test_mixes_that_are_none(emulator: Emulator, rate: float, faults: list[Fault]) -> None:
    with pytest.raises(ValueError, match=r"[Aa] (fault|mix)"):
        emulator.faults.mix(rate, *faults)
    assert len(emulator.faults) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "x"},
        {"when": "now"},
        {"rate": 2.0},
        {"body": 5},
        {"status": 199},
        {"status": 600},
        {"times": 0},
        {"skip": -1},
        {"size_bytes": 0},
        {"size_bytes": 2**32 + 1},
        {"delay": -1.0},
        {"delay": float("inf")},
        {"delay": float("nan")},
        {"headers": {"X": "a\r\nY: b"}},
        {"headers": {"X\n": "a"}},
        {"headers": {"": "a"}},
        {"headers": {"content-Length": "5"}},
        {"headers": {"Transfer-Encoding": "chunked"}},
    ],
)
def test_faults_that_are_none(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="A fault"):
        Fault(**{"kind": "drop", **wrong})
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"kind": "drop", **wrong}, Fault)


async def test_the_log_has_the_status_of_a_spoilt_answer(api: Api, emulator: Emulator) -> None:
    kinds: tuple[FaultKind, ...] = ("broken_json", "drip", "truncated", "truncated_gzip")
    emulator.faults.add(*(Fault(kind) for kind in kinds), *(Fault(kind, when="before") for kind in kinds))
    for _ in range(8):
        await raw(emulator, api)
    assert [record.status for record in emulator.requests] == [200] * 4 + [502] * 4
    emulator.faults.add(Fault("partial_headers"))
    await raw(emulator, api)
    assert emulator.requests[-1].status is None


async def test_a_truncated_answer_without_a_body(api: Api, emulator: Emulator) -> None:
    token = (await api("POST", "/v1/oauth/token", data={"grant_type": "client_credentials", "scope": "api"})).json
    emulator.faults.add(Fault("truncated"))
    with pytest.raises(aiohttp.ClientPayloadError):
        await api("POST", "/v1/oauth/token/revoke", data={"access_token": token["access_token"] + "x"})
    assert (emulator.requests[-1].status, len(emulator.faults)) == (404, 0)


async def test_a_large_body_with_a_fault_before_it(api: Api, emulator: Emulator) -> None:
    emulator.faults.add(Fault("status"))
    packed = gzip.compress(b" " * (65 * 1024 * 1024))
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    reply = await api("POST", "/v1/orders", data=io.BytesIO(packed), headers=headers)
    assert (reply.status, reply.json["key"]) == (413, "query_too_large")
    assert "X-Rate-Limit-Limit" in reply.headers


async def test_a_client_that_does_not_wait_for_the_drip(
    api: Api, emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    emulator.faults.add(Fault("drip", delay=0.2))
    with pytest.raises(TimeoutError):
        await api.get("/v1/orders", timeout=aiohttp.ClientTimeout(total=0.05))
    await asyncio.sleep(0.3)
    assert (await api.get("/v1/orders")).status == 200
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_closing_server_does_not_wait_for_delays(clock: Clock) -> None:
    async with aiohttp.ClientSession() as session:
        async with Emulator(clock=clock) as emulator:
            emulator.faults.add(Fault("delay", delay=60))
            request = asyncio.create_task(Api(emulator, session).get("/v1/orders"))
            while not emulator.requests:
                await asyncio.sleep(0)
            before = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - before < 2
        with pytest.raises(aiohttp.ClientError):
            await request
