"""Keys, OAuth tokens, the rate limit, and the errors of the HTTP layer."""

from __future__ import annotations

import gzip
import io
import json
import re
from urllib.parse import quote

import pytest

from tests.emulator.conftest import NOON, Api, Reply, send_raw
from tests.judge import Judge
from voucherify_async.emulator import Clock, Emulator

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def form(api: Api, path: str, **fields: str) -> Reply:
    return await api("POST", path, data=fields)


async def token(api: Api, scope: str = "api") -> str:
    reply = await form(api, "/v1/oauth/token", grant_type="client_credentials", scope=scope)
    return str(reply.json["access_token"])


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-App-Id": "{id}"},
        {"X-App-Token": "{token}"},
        {"X-App-Id": "{id}", "X-App-Token": "wrong"},
        {"X-App-Id": "wrong", "X-App-Token": "{token}"},
        {"X-App-Id": "{id}", "X-App-Token": "é"},
        {"X-App-Id": "{token}", "X-App-Token": "{id}"},
        {"Authorization": "Bearer nothing"},
        {"Authorization": "Basic {token}"},
    ],
)
async def test_no_way_in(api: Api, emulator: Emulator, headers: dict[str, str]) -> None:
    sent = {name: value.format(id=emulator.app_id, token=emulator.app_token) for name, value in headers.items()}
    reply = await api.get("/v1/orders", keys=False, headers=sent)
    assert reply.status == 401
    body = reply.json
    assert (body["code"], body["key"], body["message"]) == (401, "unauthorized", "Unauthorized")
    assert isinstance(body["details"], str)
    assert re.fullmatch(r"v-[0-9a-f]{18}", body["request_id"])


@pytest.mark.parametrize("prefix", ["Bearer ", "Token  ", ""])
async def test_keys_may_have_a_prefix(api: Api, prefix: str) -> None:
    headers = {name: prefix + value for name, value in api.keys.items()}
    assert (await api.get("/v1/orders", keys=False, headers=headers)).status == 200


async def test_keys_are_those_given_or_of_the_seed() -> None:
    given = Emulator(app_id="me", app_token="secret", seed=1)
    assert (given.app_id, given.app_token) == ("me", "secret")
    assert Emulator(seed=1).app_id == Emulator(seed=1).app_id != Emulator(seed=2).app_id
    assert Emulator().app_token != Emulator().app_token


async def test_a_token_from_birth_to_death(api: Api, clock: Clock) -> None:
    reply = await form(api, "/v1/oauth/token", grant_type="client_credentials", scope="orders exports")
    made = reply.json
    assert reply.status == 200
    assert len(made["access_token"]) == 50
    assert {**made, "access_token": ""} == {
        "access_token": "",
        "client_id": api.emulator.app_id,
        "expires_at": 1_700_000_900,
        "expires_in": 900,
        "scope": "orders exports",
        "token_type": "Bearer",
    }
    bearer = {"Authorization": f"Bearer {made['access_token']}"}
    assert (await api.get("/v1/orders", keys=False, headers=bearer)).status == 200
    clock.advance(100)
    known = (await form(api, "/v1/oauth/introspect", access_token=made["access_token"])).json
    assert known == {**made, "expires_in": 800, "active": True}
    reply = await form(api, "/v1/oauth/token/revoke", access_token=made["access_token"])
    assert (reply.status, reply.body) == (204, b"")
    assert (await api.get("/v1/orders", keys=False, headers=bearer)).status == 401
    known = (await form(api, "/v1/oauth/introspect", access_token=made["access_token"])).json
    assert known == {"active": False}
    reply = await form(api, "/v1/oauth/token/revoke", access_token=made["access_token"])
    assert (reply.status, reply.body) == (404, b"")


async def test_tokens_expire(api: Api, emulator: Emulator, clock: Clock) -> None:
    emulator.oauth_expires_in = 10
    made = await token(api)
    bearer = {"Authorization": f"bearer {made}"}
    clock.advance(9.9)
    assert (await api.get("/v1/orders", keys=False, headers=bearer)).status == 200
    clock.advance(0.1)
    assert (await api.get("/v1/orders", keys=False, headers=bearer)).status == 401
    for wanted in (made, "nobody's"):
        assert (await form(api, "/v1/oauth/introspect", access_token=wanted)).json == {"active": False}
        reply = await form(api, "/v1/oauth/token/revoke", access_token=wanted)
        assert (reply.status, reply.body) == (404, b"")


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [
        ("api", {"/v1/orders", "/v1/exports", "/v1/async-actions"}),
        ("orders", {"/v1/orders"}),
        ("exports async-actions", {"/v1/exports", "/v1/async-actions"}),
        ("vouchers", set()),
    ],
)
async def test_scopes(api: Api, scope: str, allowed: set[str]) -> None:
    bearer = {"Authorization": f"Bearer {await token(api, scope)}"}
    for path in ("/v1/orders", "/v1/exports", "/v1/async-actions"):
        reply = await api.get(path, keys=False, headers=bearer)
        assert reply.status == (200 if path in allowed else 403)
        if reply.status == 403:
            assert reply.json["key"] == "forbidden"
    reply = await api("POST", "/v1/oauth/introspect", keys=False, headers=bearer, data={"access_token": "x"})
    assert reply.status == 401, "tokens are made and read with keys only"


@pytest.mark.parametrize(
    ("path", "fields", "key", "message"),
    [
        ("token", {"scope": "api"}, "invalid_grant_type", "Invalid grant_type"),
        ("token", {"grant_type": "password", "scope": "api"}, "invalid_grant_type", "Invalid grant_type"),
        (
            "token",
            {"grant_type": "client_credentials", "scope": "vouchers,campaigns"},
            "invalid_scope",
            "Invalid scope: vouchers,campaigns",
        ),
        ("token", {"grant_type": "client_credentials"}, "invalid_scope", "Invalid scope: "),
        ("introspect", {}, "missing_parameters", "Missing parameters"),
        ("token/revoke", {"access_token": ""}, "missing_parameters", "Missing parameters"),
    ],
)
async def test_oauth_errors(api: Api, path: str, fields: dict[str, str], key: str, message: str) -> None:
    reply = await api("POST", f"/v1/oauth/{path}", data=fields, headers=FORM)
    assert (reply.status, reply.json["key"], reply.json["message"]) == (400, key, message)


async def test_at_most_a_thousand_tokens(api: Api, clock: Clock) -> None:
    body = {"grant_type": "client_credentials", "scope": "api"}
    for _ in range(1000):
        assert (await form(api, "/v1/oauth/token", **body)).status == 200
    reply = await form(api, "/v1/oauth/token", **body)
    assert (reply.status, reply.json["key"]) == (400, "oauth_tokens_limit_exceeded")
    clock.advance(901)
    assert (await form(api, "/v1/oauth/token", **body)).status == 200


async def test_the_rate_limit(api: Api, emulator: Emulator, clock: Clock) -> None:
    emulator.rate_limit = "3/minute"
    for left in ("2", "1", "0"):
        reply = await api.get("/v1/orders")
        assert reply.headers["X-Rate-Limit-Limit"] == "3"
        assert reply.headers["X-Rate-Limit-Remaining"] == left
        assert reply.headers["X-Rate-Limit-Retry"] == "1700000060"
        assert "Retry-After" not in reply.headers
    clock.advance(20.5)
    reply = await api.post("/v1/orders", {"source_id": "a"})
    assert reply.status == 429
    assert reply.headers["Retry-After"] == "40"
    assert reply.headers["X-Rate-Limit-Type"] == "api_calls"
    assert reply.headers["X-Rate-Limit-Remaining"] == "0"
    assert emulator.effects.of("a").total == 0
    clock.advance(39.5)
    assert (await api.get("/v1/orders")).status == 200
    clock.advance(-500)
    assert (await api.get("/v1/orders")).headers["X-Rate-Limit-Remaining"] == "2"
    emulator.rate_limit = "1/hour"
    assert emulator.rate_limit == "1/hour"
    assert (await api.get("/v1/orders")).status == 200
    assert (await api.get("/v1/orders")).headers["Retry-After"] == "3600"
    assert (await api.get("/v1/orders", keys=False)).headers["X-Rate-Limit-Limit"] == "1"


async def test_without_a_limit_a_large_one_is_told(api: Api) -> None:
    reply = await api.get("/v1/nothing")
    assert reply.headers["X-Rate-Limit-Limit"] == "1000000"
    assert reply.headers["X-Rate-Limit-Remaining"] == "1000000"


@pytest.mark.parametrize(
    "rule",
    [
        *("", "10", "0/minute", "10/week", "-1/hour", "10/0 seconds", "10/00 seconds", "10/-1 seconds"),
        # Longer than a float can hold, and than Python reads.
        *(f"1/{'9' * 400} days", f"{'9' * 5000}/minute"),
    ],
)
def test_rules_that_are_none(rule: str) -> None:
    with pytest.raises(ValueError, match="such as 2000/minute"):
        Emulator(rate_limit=rule)


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/customers", "/v1/orders/a/b", "/v2/orders", "/v1/orders/"])
async def test_unknown_routes(api: Api, path: str) -> None:
    reply = await api.get(path)
    assert (reply.status, reply.json["key"]) == (404, "not_found")
    assert api.emulator.effects.requests["GET", "unknown"] == 1


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "/v1/orders", "GET, POST"),
        ("PATCH", "/v1/orders/a", "GET, PUT"),
        ("DELETE", "/v1/orders/import", "GET, POST, PUT"),
        ("GET", "/v1/oauth/token", "POST"),
        ("PUT", "/v1/exports/a", "DELETE, GET"),
    ],
)
async def test_methods_that_are_not_allowed(api: Api, method: str, path: str, allow: str) -> None:
    reply = await api(method, path)
    assert reply.status == 405
    assert reply.headers["Allow"] == allow
    *most, last = allow.split(", ")
    assert {**reply.json, "request_id": ""} == {
        "code": 405,
        "message": "HTTP Method Not Allowed",
        "details": f"{method} is not supported by this endpoint. Did you mean "
        f"{', '.join(most)}{' or ' if most else ''}{last}?",
        "request_id": "",
    }


async def test_content_types(api: Api) -> None:
    for content_type in ("text/plain", "application/x-www-form-urlencoded"):
        reply = await api("POST", "/v1/orders", data=b"{}", headers={"Content-Type": content_type})
        assert (reply.status, reply.json["message"]) == (415, "Unsupported Media Type")
        assert reply.json["details"] == "Content-Type has to be application/json"
    assert (
        await api("POST", "/v1/orders", data=b"{}", headers={"Content-Type": "application/x+json"})
    ).status == 200
    assert (await api.post("/v1/oauth/token", {})).status == 415


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/v1/orders", "invalid_payload"),
        ("/v1/orders/import", "invalid_payload"),
        ("/v1/exports", "invalid_payload"),
        ("/v1/oauth/token", "invalid_grant_type"),
        ("/v1/oauth/introspect", "missing_parameters"),
    ],
)
async def test_a_body_that_is_missing_is_of_no_wrong_type(api: Api, path: str, key: str) -> None:
    # Without `skip_auto_headers` aiohttp says application/octet-stream.
    reply = await api("POST", path, skip_auto_headers=["Content-Type"])
    assert (reply.status, reply.json["key"]) == (400, key)


@pytest.mark.parametrize("body", [b"", b"{", b'{"a":', b"\xff", b'"\\ud800"', b"[" * 100_000, b'{"amount":1e999}'])
async def test_broken_json(api: Api, body: bytes) -> None:
    reply = await api("POST", "/v1/orders", data=body, headers={"Content-Type": "application/json"})
    assert (reply.status, reply.json["key"]) == (400, "invalid_payload")
    assert reply.json["details"].startswith("The body is not JSON")


async def test_bytes_that_are_no_text(api: Api, emulator: Emulator) -> None:
    head = b"GET /v1/orders/%FE HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    answer = await send_raw(emulator, head + b"X-App-Id: \xff\r\nX-App-Token: \xff\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 401")
    assert b'"key":"unauthorized"' in answer
    assert b"X-Rate-Limit-Limit" in answer
    keys = "".join(f"{name}: {value}\r\n" for name, value in api.keys.items()).encode()
    assert (await send_raw(emulator, head + keys + b"X-More: \xff\xc3\xa9\r\n\r\n")).startswith(b"HTTP/1.1 404")
    shown = (await api.get("/_emulator/requests")).json["requests"]
    assert shown[-1]["headers"]["x-more"] == "\\xffé"


@pytest.mark.parametrize("path", ["/v1/orders", "/_emulator/reset"])
async def test_a_body_that_is_not_packed(api: Api, path: str) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    reply = await api("POST", path, data=b"no gzip", headers=headers)
    assert (reply.status, reply.json["key"]) == (400, "invalid_payload")
    assert reply.json["details"].startswith("The body cannot be read")


@pytest.mark.parametrize("path", ["/v1/orders", "/_emulator/effects"])
async def test_a_mistake_of_the_emulator_is_answered_in_the_documents_way(
    api: Api,
    emulator: Emulator,
    judge: Judge,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    path: str,
) -> None:
    monkeypatch.setattr(emulator._project.orders, "page", None)
    monkeypatch.setattr(emulator._project.orders, "effects", None)
    reply = await api.get(path)
    assert (reply.status, reply.json["code"], reply.json["key"]) == (500, 500, "internal_error")
    assert "TypeError" in caplog.text
    if path == "/v1/orders":
        assert reply.headers["X-Request-Id"] == reply.json["request_id"]
        assert "X-Rate-Limit-Limit" in reply.headers
        assert emulator.requests[-1].status == 500
        (objection,) = judge.objections
        judge.objections.clear()
        assert objection.startswith("GET /v1/orders broke down: TypeError")


@pytest.mark.parametrize("target", ["http://api.example/v1/orders", "https://x:1/v1/orders?limit=1", "http://x"])
async def test_a_whole_url_as_the_target(api: Api, emulator: Emulator, target: str) -> None:
    keys = "".join(f"{name}: {value}\r\n" for name, value in api.keys.items())
    answer = await send_raw(
        emulator, f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{keys}\r\n".encode()
    )
    assert answer.startswith(b"HTTP/1.1 404" if target == "http://x" else b"HTTP/1.1 200")


async def test_a_very_long_source_id(api: Api) -> None:
    long = "é" * 50_000
    order = await api.create(source_id=long)
    assert (await api.get(f"/v1/orders/{quote(long)}")).json["id"] == order["id"]


async def test_keys_with_more_at_their_end(api: Api) -> None:
    for name in api.keys:
        for key in (api.keys[name] + "x", api.keys[name] + " x", f"Bearer {api.keys[name]} x"):
            assert (await api.get("/v1/orders", headers={name: key})).status == 401


async def test_the_rate_limit_at_any_time(api: Api, emulator: Emulator, clock: Clock) -> None:
    for now in (0.1, 0.7, 3.3, 1e9 + 0.1, NOON):
        clock.set(now)
        emulator.rate_limit = "1/minute"
        assert [(await api.get("/v1/orders")).status for _ in range(3)] == [200, 429, 429]


async def test_large_bodies(api: Api) -> None:
    fine = json.dumps([{"metadata": {"x": "y" * (32 * 1024 * 1024)}}]).encode()
    headers = {"Content-Type": "application/json"}
    assert (await api("POST", "/v1/orders/import", data=io.BytesIO(fine), headers=headers)).status == 200
    too_much = gzip.compress(b" " * (65 * 1024 * 1024))
    reply = await api(
        "POST", "/v1/orders", data=io.BytesIO(too_much), headers={**headers, "Content-Encoding": "gzip"}
    )
    assert (reply.status, reply.json["key"]) == (413, "query_too_large")


async def test_a_client_that_waits_for_leave_to_send(api: Api) -> None:
    reply = await api("POST", "/v1/orders", json={"source_id": "a"}, expect100=True)
    assert reply.status == 200
