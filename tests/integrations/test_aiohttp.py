"""aiohttp.web: the context, the key, the middleware, exports and webhooks, by real connections."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from io import BytesIO
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from voucherify_async import ClientClosedError, ConfigurationError, NewOrder, RetryPolicy, VoucherifyClient
from voucherify_async.emulator import Emulator, Fault
from voucherify_async.integrations.aiohttp import (
    VOUCHERIFY,
    stream_order_rows,
    voucherify_ctx,
    voucherify_problems,
    webhook_event,
)
from voucherify_async.webhooks import SIGNATURE_HEADER, WebhookReceiver, sign

SECRET = "a-secret-of-webhooks"
Caller = TestClient[web.Request, None]


async def order(request: web.Request) -> web.Response:
    order = await request.config_dict[VOUCHERIFY].orders.get(request.match_info["number"])
    return web.json_response({"amount": order.amount})


async def create(request: web.Request) -> web.Response:
    await request.app[VOUCHERIFY].orders.create(NewOrder(amount=1))
    return web.Response()


async def mistake(request: web.Request) -> web.Response:
    await request.app[VOUCHERIFY].orders.list(limit=0)
    return web.Response()


async def export(request: web.Request) -> web.StreamResponse:
    rows = request.app[VOUCHERIFY].orders.export_rows(fields=["source_id"], delete=True)
    return await stream_order_rows(request, rows)


async def hook(request: web.Request) -> web.Response:
    return web.Response(text=(await webhook_event(request, WebhookReceiver(SECRET))).type)


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[Caller]:
    async with TestServer(app) as server, Caller(server) as caller:
        yield caller


@pytest.fixture
async def caller(emulator: Emulator) -> AsyncIterator[Caller]:
    """Somebody who calls the application."""
    app = web.Application(middlewares=[voucherify_problems])
    make_client = partial(emulator.client, retry=RetryPolicy(max_attempts=1))
    app.cleanup_ctx.append(partial(voucherify_ctx, make_client=make_client))
    app.router.add_get("/orders/{number}", order)
    app.router.add_post("/orders", create)
    app.router.add_get("/mistake", mistake)
    app.router.add_get("/export", export)
    app.router.add_post("/hook", hook)
    async with serving(app) as caller:
        yield caller


async def test_the_client_lives_as_long_as_the_application(emulator: Emulator) -> None:
    app = web.Application()
    app.cleanup_ctx.append(partial(voucherify_ctx, make_client=emulator.client))
    last: list[str] = []

    async def before_the_client_goes(app: web.Application) -> AsyncIterator[None]:
        yield
        last.append(f"{(await app[VOUCHERIFY].orders.list()).total} orders")

    app.cleanup_ctx.append(before_the_client_goes)
    async with serving(app):
        client = app[VOUCHERIFY]
    assert last == ["0 orders"]
    with pytest.raises(ClientClosedError):
        await client.orders.list()


async def test_by_itself_it_takes_the_environment(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOUCHERIFY_APP_ID", emulator.app_id)
    monkeypatch.setenv("VOUCHERIFY_APP_TOKEN", emulator.app_token)
    monkeypatch.setenv("VOUCHERIFY_BASE_URL", emulator.url)
    app = web.Application()
    app.cleanup_ctx.append(voucherify_ctx)
    async with serving(app):
        assert (await app[VOUCHERIFY].orders.list()).total == 0
    monkeypatch.delenv("VOUCHERIFY_APP_TOKEN")
    app = web.Application()
    app.cleanup_ctx.append(voucherify_ctx)
    with pytest.raises(ConfigurationError, match="VOUCHERIFY_APP_TOKEN is not set"):
        await web.AppRunner(app).setup()


async def test_a_nested_application_has_it_too(emulator: Emulator) -> None:
    app, nested = web.Application(), web.Application()
    app.cleanup_ctx.append(partial(voucherify_ctx, make_client=emulator.client))
    nested.router.add_get("/{number}", order)
    app.add_subapp("/below", nested)
    async with serving(app) as caller:
        client: VoucherifyClient = app[VOUCHERIFY]
        await client.orders.create(NewOrder(source_id="web-1", amount=7))
        async with caller.get("/below/web-1") as answer:
            assert await answer.json() == {"amount": 7}


class TestErrors:
    async def test_what_is_not_there(self, caller: Caller) -> None:
        async with caller.get("/orders/web-9") as answer:
            assert (answer.status, answer.content_type) == (404, "application/problem+json")
            body: Any = await answer.json(content_type="application/problem+json")
            assert body == {"type": "about:blank", "title": "Not Found", "status": 404}

    async def test_a_service_that_may_have_done_it(self, caller: Caller, emulator: Emulator) -> None:
        emulator.faults.add(Fault("status", status=503, headers={"Retry-After": "7"}, body="<b>of theirs</b>"))
        async with caller.post("/orders") as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (502, "7")
            assert json.loads(await answer.read())["outcome_unknown"] is True

    async def test_a_mistake_stays_one(self, caller: Caller) -> None:
        async with caller.get("/mistake") as answer:
            assert answer.status == 500
            assert "limit" not in await answer.text()


class TestExports:
    @pytest.fixture(autouse=True)
    async def orders(self, emulator: Emulator) -> None:
        emulator.import_seconds = emulator.export_seconds = 0
        async with emulator.client() as client:
            await (await client.orders.import_orders(NewOrder(source_id=f"web-{n}") for n in range(2000)))

    async def test_rows_are_lines(self, caller: Caller, emulator: Emulator) -> None:
        async with caller.get("/export") as answer:
            assert (answer.status, answer.content_type) == (200, "application/x-ndjson")
            lines = (await answer.text()).splitlines()
        assert {json.loads(line)["source_id"] for line in lines} == {f"web-{n}" for n in range(2000)}
        assert emulator.effects.handled["DELETE", "/v1/exports/*"] == 1

    async def test_a_failure_ahead_of_the_rows_has_a_status(self, caller: Caller, emulator: Emulator) -> None:
        emulator.fail_next_export()
        async with caller.get("/export") as answer:
            assert (answer.status, answer.content_type) == (502, "application/problem+json")

    async def test_a_failure_among_the_rows_does_not_look_whole(self, caller: Caller, emulator: Emulator) -> None:
        emulator.faults.add(Fault("truncated", method="GET", path="/v1/exports/*", skip=1, times=None))
        async with caller.get("/export") as answer:
            assert answer.status == 200
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.read()
        assert emulator.effects.handled["DELETE", "/v1/exports/*"] == 1


class TestWebhooks:
    async def post(self, caller: Caller, payload: bytes, signature: str | None) -> tuple[int, str]:
        headers = {} if signature is None else {SIGNATURE_HEADER: signature}
        async with caller.post("/hook", data=BytesIO(payload), headers=headers) as answer:
            return answer.status, await answer.text()

    async def test_a_signed_one(self, caller: Caller) -> None:
        payload = b'{"type": "customer.created"}'
        assert await self.post(caller, payload, sign(payload, SECRET)) == (200, "customer.created")

    @pytest.mark.parametrize("signature", [None, "0" * 64, "é"])
    async def test_a_forged_one(self, caller: Caller, signature: str | None) -> None:
        assert (await self.post(caller, b"{}", signature))[0] == 401

    @pytest.mark.parametrize("payload", [b"no JSON", b" " * (1024 * 1024 + 1)], ids=["odd", "long"])
    async def test_one_that_is_none(self, caller: Caller, payload: bytes) -> None:
        assert (await self.post(caller, payload, sign(payload, SECRET)))[0] == 400
