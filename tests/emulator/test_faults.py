"""Each fault as a client meets it, before and after the effect."""

from __future__ import annotations

import asyncio
import gzip
import io
import math
import zlib
from collections import Counter
from typing import Any

import aiohttp
import msgspec
import pytest

from tests.emulator.conftest import Api, send_raw
from voucherify_async.emulator import Clock, Emulator, Fault, FaultKind


async def raw(emulator: Emulator, api: Api, source_id: str = "a") -> bytes:
    """All bytes of the answer to one create, by a connection that repeats nothing by itself."""
    body = b'{"source_id":"%s"}' % source_id.encode()
    keys = "".join(f"{name}: {value}\r\n" for name, value in api.keys.items())
    head = f"POST /v1/orders HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{keys}Content-Type: application/json\r\n"
    return await send_raw(emulator, f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)


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
    assert (reply.status, reply.json["key"]) == (413, "payload_too_large")
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
