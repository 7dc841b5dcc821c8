# mypy: ignore-errors
# pyright: basic, reportMissingImports=false
"""httpx and pydantic, as a user writes it."""

import datetime
from contextlib import asynccontextmanager
from typing import Any

import httpx
from pydantic import BaseModel

from benchmarks.beside.answers import KEYS, new_order

IMPORT = "import httpx, pydantic"


class Item(BaseModel):
    """A line."""

    source_id: str | None = None
    related_object: str | None = None
    product_id: str | None = None
    sku_id: str | None = None
    quantity: int | None = None
    price: int | None = None
    amount: int | None = None
    discount_amount: int | None = None
    subtotal_amount: int | None = None
    applied_discount_amount: int | None = None
    object: str | None = None


class Customer(BaseModel):
    """Who ordered."""

    id: str | None = None
    object: str | None = None


class Order(BaseModel):
    """An order."""

    id: str
    source_id: str | None = None
    status: str | None = None
    created_at: datetime.datetime | None = None
    updated_at: datetime.datetime | None = None
    amount: int | None = None
    initial_amount: int | None = None
    discount_amount: int | None = None
    items_discount_amount: int | None = None
    total_discount_amount: int | None = None
    total_amount: int | None = None
    items: list[Item] | None = None
    metadata: dict[str, Any] | None = None
    customer: Customer | None = None
    customer_id: str | None = None
    referrer_id: str | None = None
    redemptions: dict[str, Any] | None = None
    object: str | None = None


class Page(BaseModel):
    """A page of orders."""

    orders: list[Order]
    total: int | None = None


class NewItem(BaseModel):
    """A line that is sent."""

    source_id: str
    related_object: str
    quantity: int
    price: int


class NewOrder(BaseModel):
    """What is sent."""

    source_id: str
    status: str
    items: list[NewItem]
    metadata: dict[str, Any]


def body_of(number):
    """As JSON."""
    return NewOrder.model_validate(new_order(number)).model_dump_json()


@asynccontextmanager
async def open_calls(url):
    """The three calls."""
    headers = {"X-App-Id": "id", "X-App-Token": "token"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as client:

        async def get(number):
            answer = await client.get(f"/v1/orders/bench-{number % KEYS}")
            return Order.model_validate_json(answer.raise_for_status().content)

        async def create(number):
            typed = {"Content-Type": "application/json"}
            answer = await client.post("/v1/orders", content=body_of(number), headers=typed)
            return Order.model_validate_json(answer.raise_for_status().content)

        async def list_page(number):
            answer = await client.get("/v1/orders", params={"limit": 100, "page": 1 + number % 100})
            return Page.model_validate_json(answer.raise_for_status().content)

        yield {"get": get, "create": create, "list": list_page}


def codecs():
    """Decoding and encoding alone."""
    return {"order": Order.model_validate_json, "page": Page.model_validate_json, "body": body_of}
