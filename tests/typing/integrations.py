"""Webhooks, traces, and the client within a web service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Any, assert_type

from aiohttp import web
from fastapi import Depends, FastAPI, Request
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider

from voucherify_async import Order, VoucherifyClient
from voucherify_async.integrations import aiohttp as for_aiohttp
from voucherify_async.integrations import fastapi as for_fastapi
from voucherify_async.integrations.otel import OpenTelemetry
from voucherify_async.webhooks import OrderEvent, OrderPaid, WebhookEvent, WebhookReceiver, parse_event


def options() -> VoucherifyClient:
    return VoucherifyClient("id", "token")


def traced(tracers: TracerProvider, meters: MeterProvider) -> VoucherifyClient:
    OpenTelemetry("otlp")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    VoucherifyClient("i", "t", on_event=OpenTelemetry())
    return VoucherifyClient("i", "t", on_event=OpenTelemetry(tracers, meter_provider=meters))


def webhooks(payload: bytes) -> str | None:
    event = parse_event(payload)
    assert_type(event, WebhookEvent)
    match event:
        case OrderPaid(order=order):
            assert_type(order, Order)
            return order.source_id
        case OrderEvent():
            assert_type(event.order.total_amount, int | None)
        case _:
            assert_type(event.type, str)
            print(event.order)  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]
    WebhookReceiver(b"secret")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    return None


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    async with for_fastapi.voucherify_lifespan(app) as state:
        assert_type(state["voucherify"], VoucherifyClient)
        yield {**state, "database": None}


def with_fastapi() -> FastAPI:
    FastAPI(lifespan=for_fastapi.voucherify_lifespan)
    FastAPI(lifespan=partial(for_fastapi.voucherify_lifespan, make_client=options))
    app = FastAPI(lifespan=lifespan)
    for_fastapi.add_error_handlers(app)
    dependency = for_fastapi.webhook_event(WebhookReceiver("secret"))

    @app.get("/export")
    async def export(client: for_fastapi.VoucherifyDep, request: Request) -> for_fastapi.OrderRowsResponse:
        assert_type(client, VoucherifyClient)
        assert_type(for_fastapi.voucherify_client(request), VoucherifyClient)
        for_fastapi.OrderRowsResponse(client.orders.list())  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
        for_fastapi.OrderRowsResponse(client.orders.export_job("exp_1").rows())
        return for_fastapi.OrderRowsResponse(client.orders.export_rows())

    @app.post("/hook")
    async def hook(event: Annotated[WebhookEvent, Depends(dependency)]) -> str:
        return event.type

    return app


async def handler(request: web.Request) -> web.StreamResponse:
    client = request.app[for_aiohttp.VOUCHERIFY]
    assert_type(client, VoucherifyClient)
    assert_type(request.config_dict[for_aiohttp.VOUCHERIFY], VoucherifyClient)
    assert_type(await for_aiohttp.webhook_event(request, WebhookReceiver("secret")), WebhookEvent)
    return await for_aiohttp.stream_order_rows(request, client.orders.export_rows())


def with_aiohttp() -> web.Application:
    app = web.Application(middlewares=[for_aiohttp.voucherify_problems])
    app.cleanup_ctx.append(for_aiohttp.voucherify_ctx)
    app.cleanup_ctx.append(partial(for_aiohttp.voucherify_ctx, make_client=options))
    app[for_aiohttp.VOUCHERIFY] = "a client"  # type: ignore[misc] # pyright: ignore[reportCallIssue, reportArgumentType]
    return app
