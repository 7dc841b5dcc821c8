"""An order as a user of msgspec writes it down: every field that is sent back, and nothing else thought of."""

import datetime
from typing import Any

from msgspec import Struct


class Item(Struct):
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


class Customer(Struct):
    """Who ordered."""

    id: str | None = None
    object: str | None = None


class Order(Struct):
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


class Page(Struct):
    """A page of orders."""

    orders: list[Order]
    total: int | None = None
