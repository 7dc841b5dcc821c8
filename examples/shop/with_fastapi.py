"""A shop's service with FastAPI: `uvicorn with_fastapi:app`, in this folder.

Needs `voucherify-async[fastapi]`, uvicorn, the client's keys and VOUCHERIFY_WEBHOOK_SECRET in the environment.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI
from outbox import Outbox
from pydantic import BaseModel, Field

from voucherify_async import NewOrder, OrderItem
from voucherify_async.integrations.fastapi import (
    OrderRowsResponse,
    VoucherifyDep,
    VoucherifyState,
    add_error_handlers,
    voucherify_lifespan,
    webhook_event,
)
from voucherify_async.webhooks import OrderPaid, WebhookEvent, WebhookReceiver


class Item(BaseModel):
    sku: str = Field(min_length=1)
    quantity: int = Field(ge=1)
    price: int = Field(ge=0)


class Cart(BaseModel):
    number: str = Field(min_length=1)
    items: list[Item] = Field(min_length=1, max_length=500)


class Receipt(BaseModel):
    number: str
    status: str | None
    total: int | None


outbox = Outbox(Path(os.environ.get("SHOP_FOLDER", ".")))
webhooks = WebhookReceiver(os.environ["VOUCHERIFY_WEBHOOK_SECRET"])
paid: dict[str, int | None] = {}  # your database
seen: set[str] = set()  # and this too


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[VoucherifyState]:
    async with voucherify_lifespan(app) as state, outbox.sync(state["voucherify"]):
        yield state


app = FastAPI(lifespan=lifespan)
add_error_handlers(app)


@app.post("/checkout")
async def checkout(cart: Cart, client: VoucherifyDep) -> Receipt:
    """Create the order. By its number a caller may ask again, and it is still one order."""
    items = [
        OrderItem(source_id=item.sku, related_object="sku", quantity=item.quantity, price=item.price)
        for item in cart.items
    ]
    order = await client.orders.create(NewOrder(source_id=cart.number, status="CREATED", items=items))
    return Receipt(number=cart.number, status=order.status, total=order.total_amount)


@app.get("/orders/{number}")
async def order(number: str, client: VoucherifyDep) -> Receipt:
    order = await client.orders.get(number)
    return Receipt(number=number, status=order.status, total=order.total_amount)


@app.post("/orders/{number}/fulfilled", status_code=202)
async def fulfilled(number: str) -> None:
    outbox.put(NewOrder(source_id=number, status="FULFILLED"))


@app.get("/export")
async def export(client: VoucherifyDep) -> OrderRowsResponse:
    rows = client.orders.export_rows(fields=["source_id", "status", "total_amount"], delete=True)
    return OrderRowsResponse(rows)


@app.post("/webhooks/voucherify", status_code=204)
async def voucherify(event: Annotated[WebhookEvent, Depends(webhook_event(webhooks))]) -> None:
    if event.event_id in seen:
        return
    match event:
        case OrderPaid(order=order):
            paid[order.source_id or order.id] = order.total_amount
    if event.event_id is not None:
        seen.add(event.event_id)
