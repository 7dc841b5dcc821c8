"""aiohttp.web: the context and the key, by real connections."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.integrations.shops import SECRET
from voucherify_async import ClientClosedError, ConfigurationError, NewOrder, RetryPolicy, VoucherifyClient
from voucherify_async.emulator import Emulator
from voucherify_async.integrations.aiohttp import (
    VOUCHERIFY,
    stream_order_rows,
    voucherify_ctx,
    voucherify_problems,
    webhook_event,
)
from voucherify_async.webhooks import WebhookReceiver


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
    return web.json_response((await webhook_event(request, WebhookReceiver(SECRET))).type)


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[aiohttp.ClientSession]:
    """The application, and somebody who calls it."""
    async with TestServer(app) as server, aiohttp.ClientSession(server.make_url("/")) as caller:
        yield caller


def application(emulator: Emulator) -> web.Application:
    """One with the endpoints that the tests call, those of `test_answers.py` too."""
    app = web.Application(middlewares=[voucherify_problems])
    make_client = partial(emulator.client, retry=RetryPolicy(max_attempts=1))
    app.cleanup_ctx.append(partial(voucherify_ctx, make_client=make_client))
    app.router.add_get("/orders/{number}", order)
    app.router.add_post("/orders", create)
    app.router.add_get("/mistake", mistake)
    app.router.add_get("/export", export)
    app.router.add_post("/hook", hook)
    return app


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
