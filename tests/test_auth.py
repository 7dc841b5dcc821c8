"""Signing: keys, tokens, and one renewal for many."""

import asyncio
import pickle

import pytest

from tests.fakes import FakeClock, RawServer, http, raw_server, until
from voucherify_async import (
    ApiKeyAuth,
    AuthenticationError,
    BearerAuth,
    ClientClosedError,
    ConfigurationError,
    ConnectError,
    NewOrder,
    OAuthAuth,
    PermissionDeniedError,
    RetryPolicy,
    ServerError,
    VoucherifyClient,
)
from voucherify_async.emulator import Emulator
from voucherify_async.emulator.faults import Fault

TOKEN = ("POST", "/v1/oauth/token")
ORDERS = http(200, b'{"orders":[],"total":0}')


def oauth(emulator: Emulator, clock: FakeClock, auth: OAuthAuth | None = None) -> VoucherifyClient:
    return VoucherifyClient(
        auth=auth or OAuthAuth(emulator.app_id, emulator.app_token), base_url=emulator.url, clock=clock
    )


async def first_headers(client: VoucherifyClient, server: RawServer) -> dict[str, str]:
    async with client:
        await client.orders.list()
    return server.headers[0]


async def test_every_request_is_signed_with_both_keys() -> None:
    async with raw_server(ORDERS) as server:
        headers = await first_headers(VoucherifyClient("my-id", "my-token", base_url=server.url), server)
    assert (headers["x-app-id"], headers["x-app-token"]) == ("my-id", "my-token")
    assert "authorization" not in headers
    assert headers["x-voucherify-api-version"] == "v2018-08-01"
    assert headers["x-voucherify-channel"] == "Python-SDK"
    assert headers["accept"] == "application/json"
    assert headers["user-agent"].startswith("voucherify-async/")


async def test_keys_may_have_prefixes() -> None:
    auth = ApiKeyAuth("my-id", "my-token", app_id_prefix="Id", app_token_prefix="Bearer")
    async with raw_server(ORDERS) as server:
        headers = await first_headers(VoucherifyClient(auth=auth, base_url=server.url), server)
    assert (headers["x-app-id"], headers["x-app-token"]) == ("Id my-id", "Bearer my-token")


async def test_a_bearer_token_goes_alone() -> None:
    async with raw_server(ORDERS) as server:
        headers = await first_headers(VoucherifyClient(auth=BearerAuth("t-1"), base_url=server.url), server)
    assert headers["authorization"] == "Bearer t-1"
    assert "x-app-id" not in headers
    assert "x-app-token" not in headers


async def test_a_function_gives_the_token_of_the_moment_and_is_asked_again_after_a_401() -> None:
    tokens = iter(["old", "new", "newer"])

    async def token() -> str:
        return next(tokens)

    refused = http(401, b'{"code":401,"key":"unauthorized","message":"Unauthorized"}')
    async with raw_server(refused, ORDERS, refused) as server:
        async with VoucherifyClient(auth=BearerAuth(token), base_url=server.url) as client:
            response = await client.orders.with_http_info.list()
            assert response.attempts == 2
    assert [headers["authorization"] for headers in server.headers] == ["Bearer old", "Bearer new"]


async def test_a_401_is_tried_again_once_and_no_more() -> None:
    async def token() -> str:
        return "same"

    async with raw_server(http(401, b"{}")) as server:
        async with VoucherifyClient(auth=BearerAuth(token), base_url=server.url) as client:
            with pytest.raises(AuthenticationError) as caught:
                await client.orders.list()
        assert caught.value.attempts == len(server.requests) == 2
    async with raw_server(http(401, b"{}")) as server:
        for auth in (BearerAuth("same"), ApiKeyAuth("my-id", "my-token")):
            async with VoucherifyClient(auth=auth, base_url=server.url) as client:
                with pytest.raises(AuthenticationError):
                    await client.orders.list()
        assert len(server.requests) == 2


async def test_wrong_keys_are_refused(emulator: Emulator) -> None:
    async with emulator.client(app_token="wrong") as client:
        with pytest.raises(AuthenticationError) as caught:
            await client.orders.list()
    assert caught.value.key == "unauthorized"


async def test_many_tasks_share_one_renewal(emulator: Emulator, clock: FakeClock) -> None:
    async with oauth(emulator, clock) as client:
        await asyncio.gather(*(client.orders.list(limit=1) for _ in range(50)))
        assert emulator.effects.requests[TOKEN] == 1
        await client.orders.list()
        assert emulator.effects.requests[TOKEN] == 1


async def test_a_token_is_renewed_before_it_expires(emulator: Emulator, clock: FakeClock) -> None:
    async with oauth(emulator, clock) as client:
        await client.orders.list()
        clock.now += 900 - 61
        await client.orders.list()
        assert emulator.effects.requests[TOKEN] == 1
        clock.now += 2
        await client.orders.list()
        assert emulator.effects.requests[TOKEN] == 2


async def test_a_revoked_token_is_renewed_once_after_the_401(emulator: Emulator, clock: FakeClock) -> None:
    async with emulator.client() as keys, oauth(emulator, clock) as client:
        await client.orders.list()
        emulator.clock.advance(1000)  # type: ignore[attr-defined]
        answers = await asyncio.gather(*(client.orders.with_http_info.list() for _ in range(20)))
        assert {answer.attempts for answer in answers} == {2}
        assert emulator.effects.requests[TOKEN] == 2
        assert (await keys.orders.list()).orders == []


async def test_a_late_401_to_an_old_token_does_not_cost_the_new_one(emulator: Emulator, clock: FakeClock) -> None:
    auth = OAuthAuth(emulator.app_id, emulator.app_token)
    async with oauth(emulator, clock, auth) as client:
        await client.orders.list()
        old = await auth.headers(client._session)
        assert auth.rejected(old)
        new = await auth.headers(client._session)
        assert auth.rejected(old)
        assert await auth.headers(client._session) is new
        assert emulator.effects.requests[TOKEN] == 2


async def test_a_token_that_cannot_be_had_is_told_of_the_call_that_it_was_for(
    emulator: Emulator, clock: FakeClock
) -> None:
    async with oauth(emulator, clock) as client:
        emulator.faults.add(Fault(kind="drop", path="/v1/oauth/token", times=None))
        with pytest.raises(ConnectError) as never_sent:
            await client.orders.create(NewOrder(amount=1))
        assert (never_sent.value.outcome_unknown, never_sent.value.attempts) == (False, 0)
        emulator.faults.clear()
        await client.orders.list()
        clock.now += 839.9
        emulator.faults.add(
            Fault(kind="status", status=502, when="after", path="/v1/orders"),
            Fault(kind="status", status=403, path="/v1/oauth/token", times=None),
        )
        with pytest.raises(PermissionDeniedError) as sent_once:
            await client.orders.create(NewOrder(source_id="o-1"))
        assert (sent_once.value.outcome_unknown, sent_once.value.attempts) == (True, 1)


async def test_a_short_lived_token_is_used_all_the_same(emulator: Emulator, clock: FakeClock) -> None:
    emulator.oauth_expires_in = 0
    auth = OAuthAuth(emulator.app_id, emulator.app_token)
    async with (
        raw_server(http(200, b'{"access_token":"t","expires_in":0}'), ORDERS) as server,
        VoucherifyClient(auth=auth, base_url=server.url, clock=clock) as client,
    ):
        await client.orders.list()
        assert server.headers[-1]["authorization"] == "Bearer t"


async def test_a_failed_renewal_is_told_to_all_who_wait_and_tried_again_later(
    emulator: Emulator, clock: FakeClock
) -> None:
    emulator.faults.add(Fault(kind="status", status=500, path="/v1/oauth/token", times=None))
    async with oauth(emulator, clock) as client:
        once = client.with_options(retry=RetryPolicy(max_attempts=1))
        answers = await asyncio.gather(*(once.orders.list() for _ in range(10)), return_exceptions=True)
        assert {type(answer) for answer in answers} == {ServerError}
        emulator.faults.clear()
        await client.orders.list()
        assert emulator.effects.handled[TOKEN] == 1


async def test_cancelling_who_waits_for_a_token_harms_nobody(emulator: Emulator, clock: FakeClock) -> None:
    emulator.faults.add(Fault(kind="delay", delay=0.05, path="/v1/oauth/token"))
    async with oauth(emulator, clock) as client:
        tasks = [asyncio.create_task(client.orders.list()) for _ in range(5)]
        await until(lambda: emulator.effects.requests[TOKEN] == 1)
        tasks[0].cancel()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(answers[0], asyncio.CancelledError)
        assert not any(isinstance(answer, BaseException) for answer in answers[1:])
        assert emulator.effects.requests[TOKEN] == 1


async def test_a_client_that_closes_leaves_another_with_the_same_auth_working(
    emulator: Emulator, clock: FakeClock
) -> None:
    auth = OAuthAuth(emulator.app_id, emulator.app_token)
    emulator.faults.add(Fault(kind="delay", delay=0.05, path="/v1/oauth/token"))
    first, second = oauth(emulator, clock, auth), oauth(emulator, clock, auth)
    one = asyncio.create_task(first.orders.list())
    await until(lambda: emulator.effects.requests[TOKEN] == 1)
    two = asyncio.create_task(second.orders.list())
    await asyncio.sleep(0)
    await first.aclose()
    with pytest.raises(ClientClosedError):
        await one
    assert (await two).orders == []
    await second.aclose()


async def test_a_client_that_closes_before_its_renewal_began_leaves_another_working(
    emulator: Emulator, clock: FakeClock
) -> None:
    auth = OAuthAuth(emulator.app_id, emulator.app_token)
    first, second = oauth(emulator, clock, auth), oauth(emulator, clock, auth)
    one, two, _ = await asyncio.gather(
        first.orders.list(), second.orders.list(), first.aclose(), return_exceptions=True
    )
    await second.aclose()
    assert isinstance(one, ClientClosedError)
    assert not isinstance(two, BaseException), two


async def test_the_oauth_endpoints(emulator: Emulator, client: VoucherifyClient) -> None:
    token = await client.oauth.generate(scope="orders exports")
    assert token.scope == "orders exports"
    assert token.expires_in == 900
    async with VoucherifyClient(auth=BearerAuth(token.access_token), base_url=emulator.url) as bearer:
        await bearer.orders.create(NewOrder(source_id="o-1"))
        with pytest.raises(ConfigurationError, match=r"^auth"):
            await bearer.oauth.generate()
    assert (await client.oauth.introspect(token.access_token)).active
    response = await client.oauth.with_http_info.revoke(token.access_token)
    assert (response.status, response.data, response.body) == (204, None, b"")
    assert not (await client.oauth.introspect(token.access_token)).active
    async with oauth(emulator, FakeClock()) as signed_with_oauth:
        await signed_with_oauth.oauth.generate()
        assert emulator.requests[-1].headers["x-app-id"] == "***"


BAD = ["", "a\nb", "a\r\nX-Evil: 1", "schlüssel", "a\0"]


@pytest.mark.parametrize("secret", BAD)
def test_a_key_that_cannot_stand_in_a_header_is_refused_and_not_shown(secret: str) -> None:
    for make in (
        lambda: ApiKeyAuth(secret, "t"),
        lambda: ApiKeyAuth("i", secret),
        lambda: ApiKeyAuth("i", "t", app_token_prefix=secret),
        lambda: BearerAuth(secret),
        lambda: OAuthAuth("i", secret),
        lambda: OAuthAuth("i", "t", scope=secret),
        lambda: VoucherifyClient(secret, "t"),
    ):
        with pytest.raises(ConfigurationError) as caught:
            make()
        assert not secret or secret not in str(caught.value)


def test_secrets_do_not_show_and_are_not_pickled() -> None:
    for auth in (ApiKeyAuth("hush-id", "hush-token"), BearerAuth("hush"), OAuthAuth("hush-id", "hush-token")):
        assert "hush" not in f"{auth!r}{auth}"
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(auth)


async def test_signed_headers_do_not_show() -> None:
    headers = ApiKeyAuth("hush-id", "hush-token").key_headers()
    assert "hush" not in f"{headers!r}{headers}"
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(headers)
