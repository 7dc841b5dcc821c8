"""What becomes of an order, its items, products and totals when part of it is sent: by POST, PUT and import."""

from __future__ import annotations

from typing import Any

import pytest

from tests.documents import documents, needs_documents
from tests.emulator.conftest import Api
from voucherify_async.emulator import Clock

WHOLE: dict[str, Any] = {
    "source_id": "a",
    "status": "PAID",
    "discount_amount": 5,
    "initial_amount": 40,
    "items": [{"source_id": "p", "related_object": "product", "price": 10, "quantity": 3}],
    "metadata": {"channel": "web", "gift": True},
    "customer": {"source_id": "c"},
    "referrer": {"source_id": "r"},
}


def without(order: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in order.items() if name not in (*names, "updated_at")}


async def send(api: Api, clock: Clock, way: str, part: dict[str, Any]) -> Any:
    """The order `a`, when this part of it has come by one of the three ways."""
    if way == "PUT":
        assert (await api.put("/v1/orders/a", part)).status == 200
    elif way == "POST":
        assert (await api.post("/v1/orders", {"source_id": "a", **part})).status == 200
    else:
        action = (await api.post("/v1/orders/import", [{"source_id": "a", **part}])).json["async_action_id"]
        clock.advance(1)
        assert (await api.get(f"/v1/async-actions/{action}")).json["result"]["failed"] == []
    return (await api.get("/v1/orders/a")).json


@pytest.mark.parametrize("way", ["PUT", "POST", "import"])
@pytest.mark.parametrize(
    ("part", "changed"),
    [
        ({}, {}),
        ({"status": "CANCELED"}, {"status": "CANCELED"}),
        ({"metadata": {"gift": False}}, {"metadata": {"gift": False}}),
        ({"discount_amount": 7}, {"discount_amount": 7, "total_discount_amount": 7, "total_amount": 23}),
        ({"initial_amount": 50}, {"initial_amount": 50}),
        ({"amount": 1}, {}),
    ],
)
async def test_what_is_not_sent_stays(
    api: Api, clock: Clock, way: str, part: dict[str, Any], changed: dict[str, Any]
) -> None:
    made = await api.create(**WHOLE)
    clock.advance(5)
    order = await send(api, clock, way, part)
    assert without(order) == {**without(made), **changed}
    assert made["updated_at"] is None
    assert order["updated_at"] is not None


@pytest.mark.parametrize("way", ["PUT", "POST", "import"])
@pytest.mark.parametrize(
    ("name", "changed", "gone"),
    [
        ("status", {"status": "CREATED"}, ()),
        ("metadata", {"metadata": {}}, ()),
        ("amount", {}, ()),
        ("items", {}, ("items",)),
        ("discount_amount", {"total_amount": 30}, ("discount_amount", "total_discount_amount")),
        ("initial_amount", {}, ("initial_amount",)),
        ("customer", {"customer_id": None}, ("customer",)),
        ("referrer", {"referrer_id": None}, ("referrer",)),
        ("referrer_id", {"referrer_id": None}, ("referrer",)),
        ("created_at", {}, ()),
    ],
)
async def test_null_clears_one_thing_and_no_other(
    api: Api, clock: Clock, way: str, name: str, changed: dict[str, Any], gone: tuple[str, ...]
) -> None:
    made = await api.create(**WHOLE)
    order = await send(api, clock, way, {name: None})
    assert without(order) == {**without(made, *gone), **changed}


async def test_null_takes_a_source_id_away(api: Api) -> None:
    made = await api.create(**WHOLE)
    assert (await api.put("/v1/orders/a", {"source_id": None})).json["source_id"] is None
    assert (await api.get("/v1/orders/a")).status == 404
    assert (await api.get(f"/v1/orders/{made['id']}")).status == 200


@pytest.mark.parametrize("way", ["PUT", "POST", "import"])
async def test_items_that_are_sent_take_the_place_of_all_that_were_there(api: Api, clock: Clock, way: str) -> None:
    await api.create(**WHOLE)
    order = await send(api, clock, way, {"items": [{"source_id": "q", "price": 4, "quantity": 2}, {"amount": 1}]})
    assert [(item.get("source_id"), item["amount"]) for item in order["items"]] == [("q", 8), (None, 1)]
    assert (order["amount"], order["discount_amount"], order["total_amount"]) == (9, 5, 4)
    assert order["initial_amount"] == 40, "it was given, and stays"


@pytest.mark.parametrize(
    ("way", "stored"),
    [("POST", True), ("import", True), ("PUT", False)],
)
@pytest.mark.parametrize("kind", ["product", "sku"])
async def test_override_stores_where_orders_are_created(
    api: Api, clock: Clock, way: str, kind: str, *, stored: bool
) -> None:
    item = {"source_id": "x", "related_object": kind}
    first, second = {"price": 10, "override": True}, {"price": 25, "metadata": {"m": 1}, "override": True}
    await api.create(source_id="a", items=[{**item, kind: first}])
    order = await send(api, clock, way, {"items": [{**item, kind: second}]})
    assert order["amount"] == 25, "this order has it in any case"
    assert order["items"][0][kind].items() >= {"price": 25, "metadata": {"m": 1}}.items()
    other = (await api.create(items=[item]))["items"][0]
    assert (other["amount"], other[kind].get("metadata")) == ((25, {"m": 1}) if stored else (10, None))
    new = await send(api, clock, way, {"items": [{"source_id": "new", "related_object": kind, kind: second}]})
    assert ("id" in new["items"][0][kind]) == stored


@needs_documents
@pytest.mark.parametrize("number", [0, 1])
async def test_totals_are_those_of_the_documents_examples(api: Api, number: int) -> None:
    answer = documents()["orders.json"].content["paths"]["/v1/orders"]["get"]["responses"]["200"]
    (example,) = answer["content"]["application/json"]["examples"].values()
    shown = example["value"]["orders"][number]
    taken = ("object", "amount", "subtotal_amount")
    items = [{name: value for name, value in item.items() if name not in taken} for item in shown["items"]]
    given = {"items": items, "discount_amount": shown.get("discount_amount")}
    order = await api.create(**given)
    for name in ("amount", "discount_amount", "items_discount_amount", "total_discount_amount", "total_amount"):
        assert order.get(name) == shown.get(name), name
    assert order["items"] == shown["items"]


async def test_a_customer_is_one_by_its_source_id(api: Api, clock: Clock) -> None:
    made = await api.create(source_id="a", customer={"source_id": "c", "name": "Old"}, referrer={"source_id": "r"})
    other = await api.create(customer={"source_id": "r"}, referrer={"source_id": "c", "name": "New"})
    assert (other["customer_id"], other["referrer_id"]) == (made["referrer_id"], made["customer_id"])
    by_id = await api.create(referrer_id=made["customer_id"])
    assert by_id["referrer"] == {"id": made["customer_id"], "object": "customer"}
    new: set[str] = set()
    for way in ("POST", "PUT", "import"):
        order = await send(api, clock, way, {"customer": {"source_id": f"new by {way}"}})
        assert order["referrer_id"] == made["referrer_id"]
        new.add(order["customer_id"])
        order = await send(api, clock, way, {"customer": {"source_id": "c"}, "referrer": {"source_id": "r"}})
        assert (order["customer_id"], order["referrer_id"]) == (made["customer_id"], made["referrer_id"])
    assert len(new - {made["customer_id"], made["referrer_id"]}) == 3


async def test_an_order_is_found_by_its_id_before_a_source_id_that_reads_the_same(api: Api) -> None:
    first = await api.create(source_id="a")
    await api.create(source_id=first["id"])
    assert (await api.get(f"/v1/orders/{first['id']}")).json["source_id"] == "a"


async def test_an_order_that_was_never_changed_is_sorted_by_its_creation(api: Api, clock: Clock) -> None:
    for name in ("first", "second", "third"):
        clock.advance(1)
        await api.create(source_id=name)
    await api.create(source_id="old", created_at="2020-01-01")
    clock.advance(1)
    await api.put("/v1/orders/first", {"status": "PAID"})
    for order, names in (
        ("updated_at", ["old", "second", "third", "first"]),
        ("-updated_at", ["first", "third", "second", "old"]),
    ):
        listed = (await api.get(f"/v1/orders?order={order}")).json["orders"]
        assert [one["source_id"] for one in listed] == names
        lines = (await api.export(clock, fields=["source_id", "updated_at"], order=order)).splitlines()[1:]
        assert [line.partition(",")[0] for line in lines] == names
        assert [bool(line.partition(",")[2]) for line in lines] == [name == "first" for name in names]
