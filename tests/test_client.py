"""The client's options, and where they come from."""

import ssl
from collections.abc import Callable
from typing import Any, get_type_hints

import pytest

from tests.fakes import http, raw_server
from voucherify_async import (
    ApiKeyAuth,
    BearerAuth,
    ClientOptions,
    ConfigurationError,
    PoolLimits,
    RetryPolicy,
    Timeouts,
    VoucherifyClient,
)
from voucherify_async.emulator import Emulator

PAGE = http(200, b'{"orders":[],"total":0}')


def base_url(client: VoucherifyClient) -> str:
    return client._session.base_url


@pytest.mark.parametrize(
    ("cluster", "url"),
    [
        ("eu", "https://api.voucherify.io"),
        ("us", "https://us1.api.voucherify.io"),
        ("as", "https://as1.api.voucherify.io"),
    ],
)
def test_clusters(cluster: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert base_url(VoucherifyClient("i", "t", cluster=cluster)) == url  # type: ignore[arg-type]
    monkeypatch.setenv("VOUCHERIFY_CLUSTER", cluster)
    assert base_url(VoucherifyClient.from_env(app_id="i", app_token="t")) == url


def test_a_base_url_goes_before_the_cluster() -> None:
    client = VoucherifyClient("i", "t", cluster="us", base_url="https://dedicated.example/v/")
    assert base_url(client) == "https://dedicated.example/v"
    assert repr(client) == "<VoucherifyClient https://dedicated.example/v>"
    assert client.base_url == "https://dedicated.example/v"


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (VoucherifyClient, "app_id"),
        (lambda: VoucherifyClient("i"), "app_token"),
        (lambda: VoucherifyClient("i", "t", auth=BearerAuth("x")), "auth"),
        (lambda: VoucherifyClient("i", "t", cluster="mars"), "cluster"),  # type: ignore[arg-type]
        (lambda: VoucherifyClient("i", "t", cluster=None), "cluster"),  # type: ignore[arg-type]
        (lambda: VoucherifyClient("i", "t", base_url=""), "base_url"),
        (lambda: VoucherifyClient("i", "t", base_url="api.voucherify.io"), "base_url"),
        (lambda: VoucherifyClient("i", "t", base_url="http://api.voucherify.io"), "base_url"),
        (lambda: VoucherifyClient("i", "t", timeouts=5), "timeouts"),  # type: ignore[arg-type]
        (lambda: VoucherifyClient("i", "t", pool=5), "pool"),  # type: ignore[arg-type]
        (lambda: VoucherifyClient("i", "t", retry=5), "retry"),  # type: ignore[arg-type]
        (lambda: VoucherifyClient("i", "t", app_info="shop\n"), "app_info"),
        (lambda: VoucherifyClient("i", "t", api_version=""), "api_version"),
        (lambda: VoucherifyClient("i", "t").with_options(timeout=-1), "timeouts.total"),
        (lambda: VoucherifyClient("i", "t").with_options(retry=3), "retry"),  # type: ignore[arg-type]
        (lambda: VoucherifyClient("i", "t").with_options(headers={"X-A": "a\r\nb"}), "headers['X-A']"),
        (lambda: VoucherifyClient("i", "t").with_options(headers={"": "a"}), "headers"),
        (lambda: VoucherifyClient("i", "t").with_options(headers={"x-app-token": "a"}), "headers"),
        (lambda: VoucherifyClient("i", "t").with_options(headers={"Content-Length": "5"}), "headers"),
        (lambda: VoucherifyClient("i", "t").with_options(headers={"X: y": "z"}), "headers"),
        (lambda: VoucherifyClient("i", "t").with_options(headers=["X"]), "headers"),  # type: ignore[arg-type]
        (lambda: VoucherifyClient("i", "t", proxy="nonsense"), "proxy"),
        (lambda: VoucherifyClient("i", "t", proxy=5), "proxy"),  # type: ignore[arg-type]
        (lambda: VoucherifyClient("i", "t", base_url="http://localhost", proxy="http://proxy.example"), "proxy"),
        (lambda: VoucherifyClient("i", "t", session="x"), "session"),  # type: ignore[arg-type]
        (lambda: VoucherifyClient("i", "t", ssl_context="x"), "ssl_context"),  # type: ignore[arg-type]
        (lambda: VoucherifyClient(auth="Bearer x"), "auth"),  # type: ignore[arg-type]
        (VoucherifyClient.from_env, "app_id"),
        (lambda: VoucherifyClient.from_env(app_id="i"), "app_token"),
    ],
)
def test_a_bad_option_is_named(make: Callable[[], object], argument: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("APP_ID", "APP_TOKEN", "BASE_URL", "CLUSTER"):
        monkeypatch.delenv(f"VOUCHERIFY_{variable}", raising=False)
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert caught.value.argument == argument


async def test_from_env(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOUCHERIFY_APP_ID", emulator.app_id)
    monkeypatch.setenv("VOUCHERIFY_APP_TOKEN", emulator.app_token)
    monkeypatch.setenv("VOUCHERIFY_BASE_URL", emulator.url)
    monkeypatch.setenv("VOUCHERIFY_CLUSTER", "us")
    async with VoucherifyClient.from_env() as client:
        assert (await client.orders.list()).total == 0
    assert base_url(VoucherifyClient.from_env(cluster="as")) == "https://as1.api.voucherify.io"
    assert base_url(VoucherifyClient.from_env(base_url="https://x.example")) == "https://x.example"
    assert VoucherifyClient.from_env(auth=BearerAuth("x"))
    monkeypatch.setenv("VOUCHERIFY_APP_TOKEN", "")
    with pytest.raises(ConfigurationError, match="VOUCHERIFY_APP_TOKEN"):
        VoucherifyClient.from_env()
    assert VoucherifyClient.from_env(auth=ApiKeyAuth("i", "t"))


def test_options_that_are_handed_on_are_those_of_the_client() -> None:
    given = get_type_hints(VoucherifyClient.__init__)
    del given["return"]
    assert get_type_hints(ClientOptions) == given
    assert ClientOptions.__required_keys__ == frozenset()


async def test_views_share_what_is_shared_and_keep_the_rest_apart() -> None:
    async with raw_server(PAGE) as server:
        async with VoucherifyClient("i", "t", base_url=server.url, app_info="shop/1.0") as client:
            view = client.with_options(
                timeout=5, retry=RetryPolicy(max_attempts=1), headers={"X-Trace": "1", "user-agent": "mine"}
            )
            again = view.with_options(timeout=Timeouts(total=7, read=3))
            for each in (client, view, again):
                await each.orders.list()
            assert server.connections == 1
        plain, traced, twice = server.headers
        assert plain["user-agent"].endswith(" shop/1.0")
        assert "x-trace" not in plain
        assert (traced["x-trace"], traced["user-agent"]) == ("1", "mine")
        assert twice["x-trace"] == "1"
    assert view._options.timeouts == Timeouts(total=5)
    assert view._options.retry.max_attempts == 1
    assert again._options.timeouts == Timeouts(total=7, read=3)
    assert client._options.timeouts == Timeouts()
    assert isinstance(view, VoucherifyClient)


async def test_a_proxy_and_an_ssl_context_are_used() -> None:
    async with raw_server(PAGE) as proxy:
        async with VoucherifyClient("i", "t", base_url="http://127.0.0.1:9", proxy=proxy.url) as client:
            await client.orders.list()
        assert proxy.lines == ["GET http://127.0.0.1:9/v1/orders HTTP/1.1"]
    context = ssl.create_default_context()
    assert VoucherifyClient("i", "t", ssl_context=context)._session._ssl is context
    # True is aiohttp's own context, made once for the whole process.
    assert VoucherifyClient("i", "t")._session._ssl is True


async def test_a_proxy_of_the_environment_is_not_shown_keys_that_plain_http_does_not_hide(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with raw_server(PAGE) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        async with emulator.client(trust_env=True) as client:
            await client.orders.list()
        assert (proxy.lines, len(emulator.requests)) == ([], 1)
        async with emulator.client(trust_env=True, allow_plain_http=True) as client:
            await client.orders.list()
        assert len(proxy.lines) == 1


async def test_a_limiter_is_used_whatever_its_truth(emulator: Emulator) -> None:
    class Empty(list[int]):
        async def acquire(self, max_wait: float) -> None:
            asked.append(max_wait)

        def observe(self, status: int | None, headers: object) -> None:
            asked.append(status)

    asked: list[float | None] = []
    async with emulator.client(rate_limiter=Empty()) as client:
        await client.orders.list()
    assert asked == [RetryPolicy().max_wait, 200]


@pytest.mark.parametrize("wrong", [5, object()])
def test_a_limiter_that_is_none_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^rate_limiter: has no method acquire"):
        VoucherifyClient("i", "t", rate_limiter=wrong)


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, "64"])
def test_a_limit_of_answers_is_a_number_of_bytes(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^max_body_bytes"):
        VoucherifyClient("i", "t", max_body_bytes=wrong)


async def test_the_pool_is_as_large_as_asked(emulator: Emulator) -> None:
    async with emulator.client(pool=PoolLimits(max_connections=3, keepalive=1)) as client:
        await client.orders.list()
        opened = client._session._life._opened
        assert opened is not None
        assert opened.slots.count == 3
        connector = opened.http.connector
        assert connector is not None
        assert connector.limit == 0  # its own queue is not used
        assert connector._keepalive_timeout == 1
