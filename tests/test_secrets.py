"""No key and no token shows: not in errors, their causes, the variables of their frames, pickles or prints."""

import asyncio
import copy
import pickle
from collections.abc import Awaitable, Callable, Mapping

import aiohttp
import msgspec
import pytest
from rich.pretty import pretty_repr

from tests.fakes import FakeClock, http, raw_server
from tests.secretwatch import all_told
from voucherify_async import (
    ApiKeyAuth,
    ApiResponse,
    BearerAuth,
    ConfigurationError,
    Export,
    ExportFile,
    OAuthAuth,
    OAuthToken,
    RetryPolicy,
    Sender,
    Timeouts,
    TokenIntrospection,
    VoucherifyClient,
    VoucherifyError,
)


async def told_by(call: Callable[[], Awaitable[object]]) -> str:
    with pytest.raises(VoucherifyError) as caught:
        await call()
    return all_told(caught.value)


GARBAGE = b"HTTP/1.1 xyz\r\n\r\n"
PAGE = {"orders": [], "total": 0}


@pytest.mark.parametrize(
    "answer", [None, GARBAGE, http(500, b"oh"), http(200, b"{"), http(200, b'{"orders":1}'), http(302, b"")]
)
async def test_keys_do_not_show_whatever_goes_wrong(answer: bytes | None, clock: FakeClock) -> None:
    async with raw_server(answer) as server:
        async with VoucherifyClient("hush-id", "hush-token", base_url=server.url, clock=clock) as client:
            assert "hush" not in await told_by(client.orders.list)
            view = client.with_options(headers={"X-Mine": "hush"})
            assert "hush" not in await told_by(view.orders.list)
            assert "hush" not in repr(client) + repr(vars(client._session)) + pretty_repr(client._options)


async def test_keys_do_not_show_when_the_time_runs_out() -> None:
    async with raw_server(b"") as server:
        limits = Timeouts(total=0.05)
        async with VoucherifyClient("hush-id", "hush-token", base_url=server.url, timeouts=limits) as client:
            assert "hush" not in await told_by(client.orders.list)
            task = asyncio.create_task(client.with_options(timeout=60).orders.list())
            while len(server.requests) < 2:
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            assert "hush" not in all_told(caught.value)


async def test_a_password_of_a_proxy_does_not_show(clock: FakeClock) -> None:
    refused = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    async with raw_server(refused) as server:
        proxy = server.url.replace("http://", "http://user:hush@")
        for base_url in ("https://127.0.0.1:9", "http://127.0.0.1:9"):
            async with VoucherifyClient("i", "t", base_url=base_url, proxy=proxy, clock=clock) as client:
                told = await told_by(client.orders.list)
                assert "hush" not in told.replace(f"proxy='{proxy}'", "")


@pytest.mark.parametrize("answer", [http(404, b""), http(500, b""), None])
async def test_a_token_that_is_revoked_does_not_show(answer: bytes | None, clock: FakeClock) -> None:
    async with raw_server(answer) as server:
        async with VoucherifyClient("i", "t", base_url=server.url, clock=clock) as client:
            assert "hush" not in await told_by(lambda: client.oauth.revoke("hush"))
            assert "hush" not in await told_by(lambda: client.oauth.introspect("hush"))


async def test_a_token_in_an_answer_that_does_not_fit_does_not_show(clock: FakeClock) -> None:
    body = b'{"access_token":"hush","expires_in":{}}'
    async with raw_server(http(200, body)) as server:
        async with VoucherifyClient("i", "t", base_url=server.url, clock=clock) as client:
            assert "hush" not in await told_by(client.oauth.generate)


@pytest.mark.parametrize("answer", [http(404, b""), http(401, b""), None, GARBAGE])
async def test_the_token_of_a_download_does_not_show(answer: bytes | None, clock: FakeClock) -> None:
    async with raw_server(http(200, b""), answer) as server:
        address = f"{server.url}/x?token=hush"
        export = http(200, msgspec.json.encode({"id": "exp_1", "status": "DONE", "result": {"url": address}}))
        server._answers = [export, answer, export, answer, export, answer]
        retry = RetryPolicy(max_attempts=1)
        async with VoucherifyClient("i", "t", base_url=server.url, clock=clock, retry=retry) as client:
            assert "hush" not in await told_by(client.orders.export_job("exp_1").rows().__aenter__)


async def test_the_token_of_an_export_that_does_not_fit_does_not_show(clock: FakeClock) -> None:
    body = b'{"id":5,"result":{"url":"https://d/x?token=hush"}}'
    async with raw_server(http(200, body)) as server:
        async with VoucherifyClient("i", "t", base_url=server.url, clock=clock) as client:
            assert "hush" not in await told_by(lambda: client.exports.get("exp_1"))


def test_structs_with_secrets_do_not_show_them() -> None:
    file = ExportFile(url="https://d/x?token=hush")
    secrets = [
        OAuthToken(access_token="hush", scope="api"),
        TokenIntrospection(active=True, access_token="hush"),
        file,
        Export(id="exp_1", result=file),
        ApiResponse(file, 200, {"X": "hush"}, b"hush", None, 1, 0.1),
    ]
    for secret in secrets:
        assert "hush" not in f"{secret}{secret!r}{pretty_repr(secret)}"
    for never in (secrets[0], secrets[1], secrets[4]):
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(never)
    assert b"hush" not in pickle.dumps(secrets[3])
    assert copy.deepcopy(secrets[3]) == secrets[3]


async def test_extra_headers_do_not_go_to_another_host(clock: FakeClock) -> None:
    async with raw_server(http(200, b"id\nord_1\n")) as elsewhere:
        url = f"{elsewhere.url}/x?token=t"
        export = http(200, msgspec.json.encode({"id": "exp_1", "status": "DONE", "result": {"url": url}}))
        async with raw_server(export) as server:
            async with VoucherifyClient("i", "t", base_url=server.url, clock=clock) as client:
                view = client.with_options(headers={"X-Gateway-Key": "hush", "Cookie": "hush"})
                async with view.orders.export_job("exp_1").rows() as rows:
                    assert [row.id async for row in rows] == ["ord_1"]
        assert set(elsewhere.headers[0]) == {"host", "accept", "accept-encoding", "user-agent"}


async def test_a_function_for_tokens_that_fails_shows_nothing() -> None:
    async def token() -> str:
        return "hush\n"

    async with VoucherifyClient(auth=BearerAuth(token), base_url="http://127.0.0.1:9") as client:
        assert "hush" not in await told_by(client.orders.list)


class PlainAuth:
    """A way of signing as users write it: its headers are a plain dict."""

    async def headers(self, sender: Sender) -> dict[str, str]:
        return {"X-App-Token": "hush-token"}

    def rejected(self, headers: Mapping[str, str]) -> bool:
        return headers == {"X-App-Token": "hush-token"}  # it is given its own again


@pytest.mark.parametrize("answer", [http(401, b""), http(500, b""), http(200, b"{"), None])
async def test_plain_headers_of_a_users_own_signing_do_not_show(answer: bytes | None, clock: FakeClock) -> None:
    async with raw_server(answer) as server:
        async with VoucherifyClient(auth=PlainAuth(), base_url=server.url, clock=clock) as client:
            assert "hush" not in await told_by(client.orders.list)
        assert len(server.requests) == (2 if answer == http(401, b"") else 10)


async def test_an_error_that_is_none_of_ours_shows_no_headers() -> None:
    async def fails(*_: object) -> None:
        raise LookupError("a mistake of the user's own")

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(fails)
    async with aiohttp.ClientSession(trace_configs=[trace]) as session:
        async with VoucherifyClient(
            "hush-id", "hush-token", base_url="http://127.0.0.1:9", session=session
        ) as client:
            with pytest.raises(LookupError) as caught:
                await client.orders.list()
    assert "hush" not in all_told(caught.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: VoucherifyClient("hush-id", "hush-token", cluster="nowhere"),  # type: ignore[arg-type]
        lambda: VoucherifyClient("hush-id", "hush-token", timeouts=5),  # type: ignore[arg-type]
        lambda: VoucherifyClient("hush-id", "hush-token\n"),
        lambda: VoucherifyClient("hush-id", "hush-token", proxy="ftp://user:hush@host"),
        lambda: VoucherifyClient("hush-id", auth=BearerAuth("hush-token")),
        lambda: VoucherifyClient.from_env(app_id="hush-id", timeouts=5),  # type: ignore[arg-type]
        lambda: VoucherifyClient("i", "t").with_options(headers={"X-Mine": "hush\n"}),
        lambda: ApiKeyAuth("hush-id", "hush-token", app_id_prefix=""),
        lambda: BearerAuth("hush\n"),
        lambda: OAuthAuth("hush-id", "hush-token", scope=""),
    ],
)
def test_what_is_given_to_make_a_client_does_not_show(
    make: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOUCHERIFY_APP_TOKEN", "hush-token")
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert "hush" not in all_told(caught.value)


async def test_arguments_of_calls_do_not_show(clock: FakeClock) -> None:
    async with raw_server(http(404, b"")) as server:
        async with VoucherifyClient("i", "t", base_url=server.url, clock=clock) as client:
            calls: list[Callable[[], Awaitable[object]]] = [
                lambda: client.oauth.revoke("hush\n"),
                lambda: client.oauth.introspect("hush\n"),
                lambda: client.request("GET", "/v1/x", query={"token": "hush"}),
                lambda: client.request("POST", "/v1/x", body={"token": "hush"}),
                lambda: client.request("POST", "/v1/x", body={"token": "hush", "odd": object()}),
            ]
            for call in calls:
                assert "hush" not in await told_by(call)
