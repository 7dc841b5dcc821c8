"""The endpoints under /_emulator/, what they show, and starting and stopping."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc
import socket
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.emulator.conftest import NOON, Api
from voucherify_async import OAuthAuth
from voucherify_async.emulator import Clock, Emulator, Fault, OrderEffects, effects


async def test_the_index(api: Api) -> None:
    shown = (await api.get("/_emulator", keys=False)).json
    assert (shown["status"], shown["version"], shown["url"]) == ("ok", 1, api.emulator.url)
    assert shown["seed"] == api.emulator.seed == "7"
    assert "POST /_emulator/reset" in shown["endpoints"]
    assert (await api.get("/_emulator/", keys=False)).status == 200
    assert (await api.get("/_emulator/nothing", keys=False)).status == 404
    reply = await api.get("/_emulator/reset", keys=False)
    assert (reply.status, reply.headers["Allow"]) == (405, "POST")
    assert reply.json["details"] == "GET is not supported by this endpoint. Did you mean POST?"


async def test_effects(api: Api, emulator: Emulator, clock: Clock) -> None:
    await api.create(source_id="a")
    await api.put("/v1/orders/a", {"status": "PAID"})
    await api.put("/v1/orders/nobody", {"status": "PAID"})
    await api.post("/v1/orders/import", [{"source_id": "a"}, {"source_id": "b"}])
    await api.get("/v1/customers")
    clock.advance(5)
    shown = (await api.get("/_emulator/effects")).json
    assert shown["requests"] == {
        "POST /v1/orders": 1,
        "PUT /v1/orders/*": 2,
        "POST /v1/orders/import": 1,
        "GET unknown": 1,
    }
    assert shown["handled"] == {"POST /v1/orders": 1, "PUT /v1/orders/*": 1, "POST /v1/orders/import": 1}
    assert shown["orders"] == {
        "a": {"created": 1, "updated": 1, "imported": 1},
        "b": {"created": 0, "updated": 0, "imported": 1},
    }
    assert shown["arrived"] == {"a": 2, "nobody": 1}
    assert emulator.effects.orders["a"] == OrderEffects(created=1, updated=1, imported=1)
    assert emulator.effects.orders["a"].total == 3


async def test_what_arrived_for_an_order(api: Api, emulator: Emulator) -> None:
    emulator.faults.add(Fault("status", status=503), Fault("broken_json"), Fault("delay", delay=0.001))
    assert (await api.post("/v1/orders", {"source_id": "a/b"})).status == 503
    assert (await api.put("/v1/orders/a%2Fb", {})).status == 404
    assert (await api.post("/v1/orders", {"source_id": "a/b", "id": "x"})).status == 404
    assert emulator.effects.arrived == {"a/b": 3}
    emulator.rate_limit = "1/hour"
    statuses = [
        (await api.get("/v1/orders/a%2fb")).status,
        (await api.post("/v1/orders", {"id": "x", "source_id": None})).status,
        (await api.post("/v1/orders", {"source_id": "c"}, keys=False)).status,
    ]
    assert statuses == [404, 429, 401]
    assert emulator.effects.arrived == {"a/b": 4, "x": 1, "c": 1}
    emulator.effects.clear()
    assert not emulator.effects.arrived


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"5", b'{"source_id": 5}', b'{"source_id": ""}', b'{"source_id": "\xff"}', b"[" * 100_000],
)
async def test_bodies_that_name_no_order(api: Api, emulator: Emulator, body: bytes) -> None:
    for fault in (Fault("status", status=503), Fault("status", status=503, when="after")):
        emulator.faults.add(fault)
        reply = await api("POST", "/v1/orders", data=body, headers={"Content-Type": "application/json"})
        assert reply.status == 503
    assert not emulator.effects.arrived


async def test_requests(api: Api, emulator: Emulator) -> None:
    await api("POST", "/v1/orders?x=1&token=secret", data=b'{"a":1}', headers={"Content-Type": "application/json"})
    (record,) = emulator.requests
    assert (record.method, record.path, record.status) == ("POST", "/v1/orders", 200)
    assert record.query == (("x", "1"), ("token", "***"))
    assert record.body == b'{"a":1}'
    assert record.headers["content-type"] == "application/json"
    assert record.headers["x-app-token"] == record.headers["x-app-id"] == "***"
    assert emulator.app_token not in repr(record)
    shown = (await api.get("/_emulator/requests")).json["requests"]
    assert base64.b64decode(shown[0]["body"]) == b'{"a":1}'
    assert emulator.app_token not in str(shown)


async def test_requests_are_bounded(api: Api, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voucherify_async.emulator.effects._KEPT_REQUESTS", 5)
    monkeypatch.setattr("voucherify_async.emulator.effects._KEPT_BODY_BYTES", 100)
    async with Emulator() as small:
        on_small = Api(small, api.session)
        for number in range(4):
            await on_small.create(metadata={"x": str(number) * 40})
        bodies = [record.body for record in small.requests]
        assert bodies[:3] == [None, None, None]
        assert bodies[3] is not None
        for _ in range(7):
            await on_small.create()
        assert len(small.requests) == 5
        assert [record.body for record in small.requests] == [b"{}"] * 5


def test_bodies_that_fall_out_of_the_log_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects, "_KEPT_REQUESTS", 2)
    monkeypatch.setattr(effects, "_KEPT_BODY_BYTES", 100)
    log = effects.RequestLog()
    for _ in range(10):
        log.keep_body(log.arrive("POST", "/", {}), b"x" * 40)
    assert [record.body for record in log.records()] == [b"x" * 40] * 2


async def test_faults_over_http(api: Api) -> None:
    added = await api.post("/_emulator/faults", {"kind": "status", "status": 503, "path": "/v1/*"}, keys=False)
    assert (added.status, added.json["faults"][0]["status"]) == (200, 503)
    added = await api.post("/_emulator/faults", [{"kind": "drop"}, {"kind": "status", "body": "<p>"}])
    assert [fault["kind"] for fault in added.json["faults"]] == ["status", "drop", "status"]
    assert (await api.get("/v1/orders")).status == 503
    assert len((await api.get("/_emulator/faults")).json["faults"]) == 2
    assert (await api("DELETE", "/_emulator/faults")).json["faults"] == []
    assert (await api.get("/v1/orders")).status == 200
    for wrong in ({"kind": "nothing"}, {"kind": "drop", "colour": 1}, {"kind": "drop", "rate": 7}, 5):
        reply = await api.post("/_emulator/faults", wrong)
        assert (reply.status, reply.json["key"]) == (400, "invalid_payload")


async def test_the_clock(api: Api, clock: Clock) -> None:
    shown = (await api.get("/_emulator/clock")).json
    assert shown == {"now": NOON, "iso": "2023-11-14T22:13:20.000Z", "frozen": True}
    assert (await api.post("/_emulator/clock", {"advance": 3600})).json["now"] == NOON + 3600
    assert (await api.post("/_emulator/clock", {"set": "2030-01-01"})).json["iso"] == "2030-01-01T00:00:00.000Z"
    assert (await api.post("/_emulator/clock", {"set": 5})).json["now"] == 5
    running = (await api.post("/_emulator/clock", {"run": True})).json
    assert running["frozen"] is False
    assert 5 <= running["now"] < 60
    assert (await api.post("/_emulator/clock", {"advance": 1000})).json["now"] > 1000
    clock.run()
    assert clock.now() > 1000
    assert (await api.post("/_emulator/clock", {"set": "never"})).status == 400


@pytest.mark.parametrize(
    "beyond",
    [
        {"set": 1e300},
        {"set": -1e15},
        {"set": "9999-12-31"},
        {"set": 10**400},
        {"advance": 1e300},
        {"advance": -1e12},
        {"set": 5, "advance": 1e15},
    ],
)
async def test_times_that_no_clock_shows(api: Api, clock: Clock, beyond: dict[str, Any]) -> None:
    assert (await api.post("/_emulator/clock", beyond)).status == 400
    assert (clock.now(), clock.frozen) == (NOON, True)
    clock.run()
    assert (await api.post("/_emulator/clock", beyond)).status == 400
    assert not clock.frozen
    assert NOON <= clock.now() < NOON + 600
    await api.create()


def test_a_clock_begins_with_a_time() -> None:
    for at in (float("nan"), float("inf"), 1e300):
        with pytest.raises(ValueError, match="years 1 to 9998"):
            Clock(at)


async def test_set_and_advanced_at_once(api: Api) -> None:
    assert (await api.post("/_emulator/clock", {"set": 5, "advance": 2.5})).json["now"] == 7.5


async def test_a_clock_of_ones_own(api: Api) -> None:
    class Fixed:
        def now(self) -> float:
            return 77.0

    async with Emulator(clock=Fixed()) as emulator:
        on_fixed = Api(emulator, api.session)
        assert (await on_fixed.get("/_emulator/clock")).json == {
            "now": 77.0,
            "iso": "1970-01-01T00:01:17.000Z",
            "frozen": None,
        }
        assert (await on_fixed.post("/_emulator/clock", {"advance": 1})).status == 400
        assert (await on_fixed.create())["created_at"] == "1970-01-01T00:01:17.000Z"
        emulator.reset()


async def test_jobs_over_http(api: Api, clock: Clock) -> None:
    assert (await api.get("/_emulator/jobs")).json == {
        "import_seconds": None,
        "export_seconds": None,
        "paused": False,
    }
    reply = await api.post("/_emulator/jobs", {"import_seconds": 5, "export_seconds": 6, "paused": True})
    assert reply.json == {"import_seconds": 5, "export_seconds": 6, "paused": True}
    assert (await api.post("/_emulator/jobs", {"import_seconds": None, "paused": False})).json == {
        "import_seconds": None,
        "export_seconds": 6,
        "paused": False,
    }
    assert (await api.post("/_emulator/jobs", {"import_seconds": -1})).status == 400
    await api.post("/_emulator/jobs", {"fail_next_import": "No", "fail_next_export": True})
    await api.post("/_emulator/jobs", {"fail_next_import": {"message": "Not either", "status": "DONE"}})
    first, second = [(await api.post("/v1/orders/import", [{}])).json["async_action_id"] for _ in range(2)]
    export_id = (await api.post("/v1/orders/export", {})).json["id"]
    clock.advance(60)
    actions: list[Any] = [(await api.get(f"/v1/async-actions/{one}")).json for one in (first, second)]
    assert [(one["status"], one["result"]["message"]) for one in actions] == [
        ("FAILED", "No"),
        ("DONE", "Not either"),
    ]
    assert (await api.get(f"/v1/exports/{export_id}")).json["status"] == "ERROR"


async def test_settings_over_http(api: Api, emulator: Emulator) -> None:
    settings = {
        "rate_limit": "5/minute",
        "bulk_limit": "2/hour",
        "cycle_limit": "900/30 days",
        "oauth_expires_in": 10,
        "download_seconds": 20,
        "download_url": "http://localhost:1",
        "download_ranges": True,
    }
    assert (await api.post("/_emulator/settings", settings)).json == settings
    assert emulator.rate_limit == "5/minute"
    assert (await api.post("/_emulator/settings", {"rate_limit": None})).json["rate_limit"] is None
    assert (await api.get("/_emulator/settings")).json["download_seconds"] == 20
    wrong: dict[str, Any] = {"rate_limit": "much", "oauth_expires_in": -1, "download_seconds": -1}
    wrong["oauth_expires_in"] = 10**400
    urls = ("localhost:1", "ftp://x", "http://", "https://x?y", "/v1", "", "http://x\ny")
    for order in ({name: value} for name, value in [*wrong.items(), *(("download_url", url) for url in urls)]):
        assert (await api.post("/_emulator/settings", order)).status == 400, order
    assert emulator.download_url == "http://localhost:1"
    settings_of_none: list[dict[str, Any]] = [
        {"oauth_expires_in": -1},
        {"download_seconds": -1},
        {"import_seconds": float("nan")},
    ]
    for setting in settings_of_none:
        with pytest.raises(ValueError, match="0 to 10000000000 seconds"):
            Emulator(**setting)
    await api.post("/_emulator/settings", {"oauth_expires_in": 0, "download_seconds": 0, "download_url": None})


async def test_reset(api: Api, emulator: Emulator, clock: Clock) -> None:
    emulator.import_seconds = 3
    first = await api.create(source_id="a")
    clock.advance(5)
    await api.post("/_emulator/faults", {"kind": "drop", "path": "/x"})
    assert (await api("POST", "/_emulator/reset", keys=False)).json == {"status": "ok", "seed": "7"}
    assert (len(emulator.faults), emulator.requests, emulator.effects.orders) == (0, [], {})
    assert not emulator.effects.requests
    assert not emulator.effects.arrived
    assert not clock.frozen
    assert emulator.import_seconds == 3
    assert (await api.create(source_id="a"))["id"] == first["id"]
    assert (await api.post("/_emulator/reset", {"seed": "other"})).json["seed"] == emulator.seed == "other"
    assert (await api.create(source_id="a"))["id"] != first["id"]


async def test_an_order_that_does_not_fit_changes_nothing(api: Api, emulator: Emulator) -> None:
    emulator.rate_limit = "9/hour"
    await api.get("/v1/orders")
    jobs, settings = (await api.get("/_emulator/jobs")).json, (await api.get("/_emulator/settings")).json
    deep = b'{"kind": "status", "body": ' + b"[" * 100_000
    for place, body, details in (
        ("jobs", b'{"import_seconds": 5, "export_seconds": -1}', "A job takes 0 to 10000000000 seconds, not -1.0"),
        ("jobs", b'{"import_seconds": "5"}', "Expected `float | null`, got `str` - at `$.import_seconds`"),
        (
            "settings",
            b'{"rate_limit": "1/week", "oauth_expires_in": 5, "download_seconds": 6}',
            "A rate limit is such as 2000/minute or 100/hour, not '1/week'",
        ),
        (
            "settings",
            b'{"rate_limit": "5/hour", "oauth_expires_in": 5, "download_seconds": -6}',
            "A link holds 0 to 10000000000 seconds, not -6",
        ),
        ("clock", b'{"set": "soon"}', "A time is a number of Unix seconds or ISO 8601, not 'soon'"),
        ("clock", b'{"advnace": 5}', "Object contains unknown field `advnace`"),
        ("clock", b"", "The request has no body"),
        (
            "faults",
            b'[{"kind": "drop"}, {"kind": "status", "status": 700}]',
            "A fault's status is between 200 and 599, not 700 - at `$[1]`",
        ),
        ("faults", deep, "maximum recursion depth exceeded while deserializing an object"),
        ("reset", b'{"seed": 1.5}', "Expected `int | str | null`, got `float` - at `$.seed`"),
    ):
        reply = await api("POST", f"/_emulator/{place}", data=body)
        assert (reply.status, reply.json["key"], reply.json["details"]) == (400, "invalid_payload", details)
    assert (await api.get("/_emulator/jobs")).json == jobs
    assert (await api.get("/_emulator/settings")).json == settings
    assert not emulator.faults.pending
    # The same window goes on.
    assert (await api.get("/v1/orders")).headers["X-Rate-Limit-Remaining"] == "7"


async def test_start_and_stop(clock: Clock) -> None:
    emulator = Emulator(clock=clock)
    assert "stopped" in repr(emulator)
    await emulator.aclose()
    await emulator.start()
    await emulator.start()
    url = emulator.url
    assert emulator.running
    assert "running" in repr(emulator)
    assert emulator.app_token not in repr(emulator)
    async with aiohttp.ClientSession() as session:
        api = Api(emulator, session)
        await api.create(source_id="a")
        await emulator.aclose()
        with pytest.raises(aiohttp.ClientConnectorError):
            await api.get("/v1/orders")
        await emulator.start()
        assert emulator.url == url
        assert (await api.get("/v1/orders/a")).status == 200
        before = asyncio.get_running_loop().time()
        await emulator.aclose()
        await emulator.aclose()
        assert asyncio.get_running_loop().time() - before < 1, "a kept connection is not waited for"
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_starting_twice_at_once(clock: Clock) -> None:
    emulator = Emulator(clock=clock)
    await asyncio.gather(emulator.start(), emulator.start())
    await emulator.aclose()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(emulator.host, emulator.port)
    await asyncio.gather(emulator.start(), emulator.aclose())
    assert not emulator.running


@pytest.mark.parametrize("port", [-1, 70000])
async def test_a_start_at_what_is_no_port_leaves_nothing_open(tmp_path: Path, port: int) -> None:
    emulator = Emulator(db=tmp_path / "emulator.db", port=port)
    with pytest.raises(OverflowError):
        await emulator.start()
    assert not emulator.running
    Emulator(db=tmp_path / "emulator.db")  # which takes the file's lock


@pytest.mark.parametrize("turns", range(9))
@pytest.mark.parametrize("change", ["start", "stop"])
def test_one_that_is_cancelled_leaves_nothing_open(tmp_path: Path, change: str, turns: int) -> None:
    """Neither a socket that listens nor the file's lock, in whichever turn of the loop it comes."""
    emulator = Emulator(db=tmp_path / "emulator.db")

    async def cancelled_after_so_many_turns() -> None:
        if change == "stop":
            await emulator.start()
        changing = asyncio.create_task(emulator.start() if change == "start" else emulator.aclose())
        for _ in range(turns + 1):
            await asyncio.sleep(0)
        if changing.cancel():
            with pytest.raises(asyncio.CancelledError):
                await changing
            assert not emulator.running
        await emulator.aclose()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(emulator.host, emulator.port)

    asyncio.run(cancelled_after_so_many_turns())
    gc.collect()  # what is left open is warned of when it goes
    Emulator(db=tmp_path / "emulator.db")


async def test_one_that_is_cancelled_and_fails_tells_why(caplog: pytest.LogCaptureFixture) -> None:
    """And asyncio does not tell of an error that nobody looked at."""
    async with Emulator() as first:
        starting = asyncio.create_task(Emulator(port=first.port).start())
        await asyncio.sleep(0)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await starting
        assert isinstance(caught.value.__cause__, OSError)
        del starting, caught
        gc.collect()
    assert caplog.messages == []


async def test_a_taken_port(emulator: Emulator) -> None:
    other = Emulator(port=emulator.port)
    with pytest.raises(OSError, match="address already in use"):
        await other.start()
    assert not other.running
    await other.aclose()


async def test_ipv6() -> None:
    assert Emulator(host="::1", port=5).url == "http://[::1]:5"


async def test_the_client_of_an_emulator(emulator: Emulator) -> None:
    async with emulator.client() as client, emulator.client(app_token="wrong") as stranger:
        assert (await client.orders.list()).total == 0
        with pytest.raises(Exception, match="nauthorized"):
            await stranger.orders.list()
    auth = OAuthAuth(emulator.app_id, emulator.app_token)
    async with emulator.client(auth=auth) as client:
        assert (await client.orders.list()).total == 0
    assert emulator.requests[-1].headers["authorization"] == "***"


@pytest.mark.parametrize("turns", range(6))
def test_a_connection_that_is_just_being_made_is_ended_too(turns: int) -> None:
    async def end_it_after_so_many_turns(peer: socket.socket) -> None:
        async with Emulator(seed=1) as emulator:
            with contextlib.suppress(BlockingIOError):
                peer.connect(("127.0.0.1", emulator.port))
            for _ in range(turns):
                await asyncio.sleep(0)

    with socket.socket() as peer:
        peer.setblocking(False)
        asyncio.run(end_it_after_so_many_turns(peer))
        gc.collect()  # one that is left open is warned of when it goes
        peer.settimeout(5)
        with contextlib.suppress(ConnectionResetError):
            assert peer.recv(1) == b""
