"""The same service with aiohttp.web: `python with_aiohttp.py`, in this folder.

Needs the client's keys and VOUCHERIFY_WEBHOOK_SECRET in the environment.
"""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Final

import msgspec
from aiohttp import web
from msgspec import Meta, Struct
from outbox import Outbox

from voucherify_async import NewOrder, Order, OrderItem
from voucherify_async.integrations.aiohttp import (
    VOUCHERIFY,
    stream_order_rows,
    voucherify_ctx,
    voucherify_problems,
    webhook_event,
)
from voucherify_async.webhooks import OrderPaid, WebhookReceiver

Text = Annotated[str, Meta(min_length=1)]


class Item(Struct):
    sku: Text
    quantity: Annotated[int, Meta(ge=1)]
    price: Annotated[int, Meta(ge=0)]


class Cart(Struct):
    number: Text
    items: Annotated[list[Item], Meta(min_length=1, max_length=500)]


OUTBOX: Final = web.AppKey("outbox", Outbox)
WEBHOOKS: Final = web.AppKey("webhooks", WebhookReceiver)
PAID: Final = web.AppKey("paid", dict[str, int | None])  # your database
SEEN: Final = web.AppKey("seen", set[str])  # and this too

routes = web.RouteTableDef()


def receipt(number: str, order: Order) -> web.Response:
    return web.json_response({"number": number, "status": order.status, "total": order.total_amount})


@routes.post("/checkout")
async def checkout(request: web.Request) -> web.Response:
    """Create the order. By its number a caller may ask again, and it is still one order."""
    try:
        cart = msgspec.json.decode(await request.read(), type=Cart)
    except msgspec.DecodeError as error:
        raise web.HTTPUnprocessableEntity(text=str(error)) from None
    items = [
        OrderItem(source_id=item.sku, related_object="sku", quantity=item.quantity, price=item.price)
        for item in cart.items
    ]
    new = NewOrder(source_id=cart.number, status="CREATED", items=items)
    return receipt(cart.number, await request.app[VOUCHERIFY].orders.create(new))


@routes.get("/orders/{number}")
async def order(request: web.Request) -> web.Response:
    number = request.match_info["number"]
    return receipt(number, await request.app[VOUCHERIFY].orders.get(number))


@routes.post("/orders/{number}/fulfilled")
async def fulfilled(request: web.Request) -> web.Response:
    request.app[OUTBOX].put(NewOrder(source_id=request.match_info["number"], status="FULFILLED"))
    return web.Response(status=202)


@routes.get("/export", allow_head=False)  # one that is only asked about would be made and thrown away
async def export(request: web.Request) -> web.StreamResponse:
    orders = request.app[VOUCHERIFY].orders
    rows = orders.export_rows(fields=["source_id", "status", "total_amount"], delete=True)
    return await stream_order_rows(request, rows)


@routes.post("/webhooks/voucherify")
async def voucherify(request: web.Request) -> web.Response:
    event = await webhook_event(request, request.app[WEBHOOKS])
    if event.event_id not in request.app[SEEN]:
        match event:
            case OrderPaid(order=order):
                request.app[PAID][order.source_id or order.id] = order.total_amount
        if event.event_id is not None:
            request.app[SEEN].add(event.event_id)
    return web.Response(status=204)


async def sync(app: web.Application) -> AsyncIterator[None]:
    async with app[OUTBOX].sync(app[VOUCHERIFY]):
        yield


def make_app() -> web.Application:
    app = web.Application(middlewares=[voucherify_problems])
    app[OUTBOX] = Outbox(Path(os.environ.get("SHOP_FOLDER", ".")))
    app[WEBHOOKS] = WebhookReceiver(os.environ["VOUCHERIFY_WEBHOOK_SECRET"])
    app[PAID], app[SEEN] = {}, set()
    app.cleanup_ctx.extend([voucherify_ctx, sync])
    app.add_routes(routes)
    return app


if __name__ == "__main__":
    web.run_app(make_app(), host="127.0.0.1", port=int(os.environ.get("PORT", "8080")))
