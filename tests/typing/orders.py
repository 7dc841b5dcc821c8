"""What users write, as type checkers see it. Never run: mypy and pyright read it."""

# Each checker must find the mistakes that are marked below by itself (for pyright: see pyproject.toml).

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Annotated, Any, BinaryIO, TextIO, assert_type

import msgspec
from aiohttp import web
from fastapi import Depends, FastAPI, Request
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider

from voucherify_async import (
    ApiResponse,
    AsyncAction,
    AsyncActionPage,
    BulkReport,
    Customer,
    Export,
    ExportJob,
    ExportPage,
    ImportJob,
    ImportResult,
    NewOrder,
    OAuthAuth,
    OAuthToken,
    Order,
    OrderChanges,
    OrderItem,
    OrderListing,
    OrderPage,
    OrderReader,
    OrderRow,
    RetryPolicy,
    StoredItem,
    Timeouts,
    VoucherifyClient,
    failure_line,
    read_orders,
)
from voucherify_async.emulator import Emulator
from voucherify_async.integrations import aiohttp as for_aiohttp
from voucherify_async.integrations import fastapi as for_fastapi
from voucherify_async.integrations.otel import OpenTelemetry
from voucherify_async.webhooks import OrderEvent, OrderPaid, WebhookEvent, WebhookReceiver, parse_event


class Voucher(msgspec.Struct):
    code: str


def traced(tracers: TracerProvider, meters: MeterProvider) -> VoucherifyClient:
    OpenTelemetry("otlp")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    VoucherifyClient("i", "t", on_event=OpenTelemetry())
    return VoucherifyClient("i", "t", on_event=OpenTelemetry(tracers, meter_provider=meters))


async def orders(client: VoucherifyClient) -> None:
    order = await client.orders.create(
        NewOrder(
            source_id="web-1", customer=Customer(source_id="c-1"), items=[OrderItem(quantity=1)], metadata=None
        )
    )
    assert_type(order, Order)
    assert_type(order.amount, int | None)
    assert_type(order.items, list[StoredItem] | None)
    assert_type(await client.orders.get(order_id="web-1"), Order)
    assert_type(await client.orders.update("web-1", OrderChanges(items=list(order.items or []))), Order)
    assert_type(await client.orders.list(limit=1, page=1, order="-created_at"), OrderPage)
    assert_type(await client.orders.with_http_info.get("web-1"), ApiResponse[Order])
    assert_type((await client.orders.with_http_info.list()).data.orders, list[Order])
    assert_type(client.orders.iterate(), OrderListing)
    async with client.orders.iterate(order="-updated_at") as listing:
        async for listed in listing:
            assert_type(listed, Order)
        assert_type(listing.total, int | None)
    client.orders.iterate(order="amount")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    # A name that does not exist fails here and not at the server.
    NewOrder(sourceid="web-1")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    await client.orders.get(7)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    await client.orders.list(order="amount")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    await client.orders.with_http_info.list(limt=1)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]


async def jobs(client: VoucherifyClient) -> None:
    job = await client.orders.import_orders([NewOrder(source_id="web-1")])
    assert_type(job, ImportJob)
    assert_type(await job, ImportResult)
    assert_type(await job.wait(timeout=5, on_progress=print), ImportResult)
    async for action in job.snapshots():
        assert_type(action, AsyncAction)
    export = await client.orders.create_export(fields=["id"], filters={"junction": "and"}, order="-status")
    assert_type(export, ExportJob)
    assert_type(await export, Export)
    async with export.rows() as rows:
        async for row in rows:
            assert_type(row, OrderRow)
            assert_type(row.metadata, dict[str, Any])
    async with client.orders.export_rows(order="created_at", window=timedelta(days=30), delete=True) as all_rows:
        async for row in all_rows:
            assert_type(row, OrderRow)
    assert_type((await client.orders.with_http_info.create_export()).data, ExportJob)


async def files(client: VoucherifyClient, text: TextIO, data: BinaryIO) -> None:
    async with read_orders("orders.csv", columns={"No": "source_id", "Colour": None}, decimals=2) as orders:
        assert_type(orders, OrderReader)
        async for order in orders:
            assert_type(order, NewOrder)
    report = await client.orders.upsert_all(read_orders(data, format="jsonl", on_bad_line=print))
    assert_type(report, BulkReport)
    assert_type(failure_line(NewOrder(), "no", line=7), bytes)
    read_orders(text)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    read_orders(data, format="xml")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


async def others(client: VoucherifyClient) -> None:
    assert_type(await client.async_actions.get("aa_1"), AsyncAction)
    assert_type(await client.async_actions.list(), AsyncActionPage)
    assert_type(await client.exports.list(), ExportPage)
    assert_type(await client.exports.with_http_info.delete("exp_1"), ApiResponse[None])
    assert_type(await client.oauth.generate(), OAuthToken)
    assert_type(await client.request("GET", "/v1/vouchers/x", decode=Voucher), Voucher)
    assert_type(await client.request("GET", "/v1/vouchers/x", decode=list[Voucher]), list[Voucher])
    assert_type(await client.request("GET", "/v1/vouchers"), Any)


def options() -> VoucherifyClient:
    client = VoucherifyClient(
        auth=OAuthAuth("id", "token"), cluster="us", timeouts=Timeouts(total=5), retry=RetryPolicy(max_attempts=2)
    )
    VoucherifyClient("id", "token", cluster="mars")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    return client.with_options(timeout=3.0, headers={"X-Trace": "1"})


async def emulated() -> AsyncIterator[VoucherifyClient]:
    async with Emulator() as emulator, emulator.client() as client:
        assert_type(client, VoucherifyClient)
        yield client


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
