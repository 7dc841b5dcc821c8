"""Create, get, update and list, over a socket."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.emulator.conftest import Api
from voucherify_async.emulator import Clock, Emulator


async def test_an_order_as_the_document_shows_it(api: Api) -> None:
    order = await api.create(
        source_id="new",
        status="FULFILLED",
        metadata={"location_id": ["L1", "L2"]},
        customer={"source_id": "bob", "name": "Bob", "address": {"city": "New York"}},
        referrer={"source_id": "jane"},
        items=[
            {
                "source_id": "prod_1",
                "related_object": "product",
                "quantity": 2,
                "product": {"name": "Apple iPhone 12", "price": 60000, "metadata": {"v": "m"}, "override": True},
            },
            {
                "source_id": "ComicBook_1",
                "related_object": "sku",
                "quantity": 1,
                "product": {"source_id": "Books", "name": "Comic Books1", "price": 2100, "override": True},
                "sku": {"sku": "Comics1", "source_id": "ComicBook_1", "price": 1700, "override": True},
            },
        ],
    )
    assert re.fullmatch(r"ord_[0-9A-Za-z]{24}", order["id"])
    assert re.fullmatch(r"cust_[0-9A-Za-z]{24}", order["customer_id"])
    assert order["customer"] == {"id": order["customer_id"], "object": "customer"}
    assert order["referrer"] == {"id": order["referrer_id"], "object": "customer"}
    assert order["customer_id"] != order["referrer_id"]
    assert order["created_at"] == "2023-11-14T22:13:20.000Z"
    assert order["amount"] == order["total_amount"] == 121700
    assert order["updated_at"] is None, "until it is changed"
    assert "initial_amount" not in order, "where none was given"
    assert not [name for name in order if "discount" in name]
    first, second = order["items"]
    assert first["object"] == second["object"] == "order_item"
    assert (first["amount"], first["price"], first["subtotal_amount"]) == (120000, 60000, 120000)
    assert first["product"].items() >= {"source_id": "prod_1", "name": "Apple iPhone 12", "price": 60000}.items()
    assert re.fullmatch(r"prod_[0-9a-f]{18}", first["product"]["id"])
    assert "override" not in first["product"]
    assert second["product_id"] == second["product"]["id"]
    assert second["sku_id"] == second["sku"]["id"]
    assert re.fullmatch(r"sku_[0-9a-f]{18}", second["sku"]["id"])
    assert second["amount"] == 1700
    assert order["object"] == "order"
    assert (await api.get(f"/v1/orders/{order['id']}")).json == order
    assert (await api.get("/v1/orders/new")).json == order


async def test_stored_products_give_names_and_prices(api: Api) -> None:
    await api.create(
        items=[
            {
                "source_id": "s",
                "related_object": "sku",
                "quantity": 1,
                "product": {"source_id": "p", "name": "P", "override": True},
                "sku": {"sku": "S", "price": 12.6, "override": True},
            }
        ]
    )
    order = await api.create(items=[{"source_id": "s", "related_object": "sku", "quantity": 3}])
    (item,) = order["items"]
    assert item["sku"]["sku"] == "S"
    assert item["product"]["name"] == "P"
    assert (item["price"], item["amount"]) == (13, 39)
    by_id = await api.create(items=[{"sku_id": item["sku_id"], "product_id": item["product_id"], "amount": 5}])
    assert by_id["items"][0]["sku"]["source_id"] == "s"
    assert by_id["items"][0]["amount"] == 5
    changed = await api.create(items=[{"source_id": "s", "related_object": "sku", "sku": {"price": 7}}])
    assert changed["items"][0]["price"] == 7
    again = await api.create(items=[{"source_id": "s", "related_object": "sku"}])
    assert again["items"][0]["amount"] == 13, "only override stores"


async def test_items_without_a_product(api: Api) -> None:
    order = await api.create(
        items=[
            {"amount": 900, "metadata": {"a": 1}, "initial_quantity": 1, "initial_amount": 1000},
            {"price": 900, "quantity": 2, "discount_quantity": 1},
            {"product_id": "prod_unknown", "quantity": 2},
            {"source_id": "loose", "related_object": "product", "product": {"name": "Shipping"}},
        ]
    )
    assert [item["amount"] for item in order["items"]] == [900, 1800, 0, 0]
    assert (
        order["items"][0].items() >= {"metadata": {"a": 1}, "initial_quantity": 1, "initial_amount": 1000}.items()
    )
    assert order["items"][2]["product_id"] == "prod_unknown"
    assert order["items"][3]["product"] == {"name": "Shipping"}
    assert order["amount"] == 2700


async def test_discounts_show_only_where_there_are_some(api: Api) -> None:
    order = await api.create(
        discount_amount=50, items=[{"price": 100, "quantity": 2, "discount_amount": 20}, {"amount": 10}]
    )
    assert order["amount"] == 210
    assert order["discount_amount"] == 50
    assert order["items_discount_amount"] == 20
    assert order["total_discount_amount"] == 70
    assert order["total_amount"] == 140
    assert order["items"][0]["subtotal_amount"] == 180
    assert "discount_amount" not in order["items"][1]
    plain = await api.create(amount=30, discount_amount=100)
    assert (plain["discount_amount"], plain["total_amount"]) == (30, 0)
    assert "items_discount_amount" not in plain


async def test_a_create_over_an_order_keeps_what_is_not_given(api: Api, clock: Clock) -> None:
    made = await api.create(source_id="a", amount=100, metadata={"x": 1}, customer={"source_id": "c"})
    clock.advance(5)
    over = await api.create(source_id="a", status="PAID")
    assert over["id"] == made["id"]
    assert (over["amount"], over["metadata"], over["customer_id"]) == (100, {"x": 1}, made["customer_id"])
    assert over["created_at"] == made["created_at"]
    assert (made["updated_at"], over["updated_at"]) == (None, "2023-11-14T22:13:25.000Z")
    by_id = await api.create(id=made["id"], amount=7, source_id="b")
    assert (by_id["amount"], by_id["source_id"], by_id["status"]) == (7, "b", "PAID")
    assert (await api.get("/v1/orders/a")).status == 404
    assert api.emulator.effects.of("b").created == 1
    assert api.emulator.effects.of("b").updated == 2
    assert api.emulator.effects.of("nobody").total == 0


async def test_an_unknown_id_is_not_made(api: Api) -> None:
    reply = await api.post("/v1/orders", {"id": "ord_nope", "source_id": "x"})
    assert reply.status == 404
    assert reply.json["resource_id"] == "ord_nope"
    assert (await api.get("/v1/orders/x")).status == 404


async def test_a_source_id_belongs_to_one_order(api: Api) -> None:
    await api.create(source_id="a")
    await api.create(source_id="b")
    reply = await api.put("/v1/orders/b", {"source_id": "a"})
    assert reply.status == 409
    assert {**reply.json, "request_id": ""} == {
        "code": 409,
        "key": "duplicate_found",
        "message": "Duplicated resource found",
        "details": "Duplicated order exists with source_id a",
        "request_id": "",
        "resource_id": "a",
        "resource_type": "order",
    }
    assert (await api.get("/v1/orders/b")).status == 200


async def test_created_at_is_honoured(api: Api) -> None:
    order = await api.create(source_id="old", created_at="2020-02-03")
    assert order["created_at"] == "2020-02-03T00:00:00.000Z"
    await api.create(source_id="new")
    moved = (await api.put("/v1/orders/new", {"created_at": "0999-01-01T00:00:00+02:00"})).json
    assert moved["created_at"] == "0998-12-31T22:00:00.000Z"
    listed = (await api.get("/v1/orders?order=created_at")).json["orders"]
    assert [one["source_id"] for one in listed] == ["new", "old"]


async def test_null_clears_on_update(api: Api) -> None:
    await api.create(
        source_id="a",
        status="PAID",
        items=[{"amount": 10}],
        metadata={"x": 1},
        customer={"source_id": "c"},
        referrer={"source_id": "r"},
        initial_amount=20,
    )
    cleared = {"status": None, "metadata": None, "customer": None, "referrer": None, "created_at": None}
    order = (await api.put("/v1/orders/a", cleared)).json
    assert order["status"] == "CREATED"
    assert order["metadata"] == {}
    assert order["customer_id"] is None
    assert order["referrer_id"] is None
    assert "customer" not in order
    assert "referrer" not in order
    assert (order["amount"], order["initial_amount"]) == (10, 20)
    order = (await api.put("/v1/orders/a", {"items": None, "initial_amount": None, "source_id": None})).json
    assert order.keys().isdisjoint({"items", "initial_amount"})
    assert (order["source_id"], order["amount"]) == (None, 10)
    assert (await api.get("/v1/orders/a")).status == 404
    assert api.emulator.effects.of(order["id"]).updated == 2


async def test_referrers_by_id(api: Api) -> None:
    order = await api.create(source_id="a", referrer={"source_id": "r"}, customer={"name": "No key"})
    other = await api.create(referrer_id=order["referrer_id"], customer={"id": order["customer_id"], "name": "N"})
    assert other["referrer_id"] == order["referrer_id"]
    assert other["customer_id"] == order["customer_id"]
    assert (await api.put("/v1/orders/a", {"referrer_id": None})).json["referrer_id"] is None
    again = await api.create(customer={"name": "No key"})
    assert again["customer_id"] != order["customer_id"]


@pytest.mark.parametrize(
    "field", [{"customer": {"id": "cust_x"}}, {"referrer": {"id": "cust_x"}}, {"referrer_id": "cust_x"}]
)
async def test_unknown_customers_leave_nothing_behind(api: Api, field: dict[str, Any]) -> None:
    reply = await api.post("/v1/orders", {"source_id": "a", **field})
    assert reply.status == 404
    assert reply.json["resource_type"] == "customer"
    assert (await api.get("/v1/orders")).json["total"] == 0


def product(**stated: Any) -> dict[str, Any]:
    return {"related_object": "product", "product": {"override": True, **stated}}


async def test_an_order_that_is_refused_leaves_nothing_behind(api: Api) -> None:
    await api.create(source_id="a", items=[product(source_id="p", name="Old", price=1)])
    await api.create(source_id="b", customer={"source_id": "c", "name": "Old"})
    marked = dict(api.emulator._project.catalogue._things["product"])
    for source_id in ("a", "new"):
        refused = {
            "source_id": source_id,
            "customer": {"source_id": "c", "name": "New"},
            "referrer": {"source_id": "nobody"},
            "items": [
                product(source_id="p", name="New", price=2),
                product(source_id="q", name="Q"),
                {"quantity": 2, "price": 2**53 - 1},
            ],
        }
        assert (await api.post("/v1/orders", refused)).status == 400
    assert api.emulator._project.catalogue._things["product"] == marked
    assert [one["name"] for one in api.emulator._project.catalogue._things["customer"].values()] == ["Old"]
    order = await api.create(items=[{"source_id": one, "related_object": "product"} for one in ("p", "q")])
    assert order["items"][0]["product"]["name"] == "Old"
    assert "product" not in order["items"][1]
    for query in ("order=created_at", "order=updated_at"):
        listed = (await api.get(f"/v1/orders?{query}")).json
        assert [one["source_id"] for one in listed["orders"]] == ["a", "b", None]
    assert (await api.get("/v1/orders/a")).json["amount"] == 1


async def test_a_time_that_cannot_be_shown_changes_nothing(api: Api) -> None:
    await api.create(source_id="a")
    orders = api.emulator._project.orders
    for source_id in ("a", "b"):
        with pytest.raises(ValueError, match="year"):
            orders.upsert({"source_id": source_id}, 10**15)
    for query in ("created_at", "-updated_at"):
        shown = (await api.get(f"/v1/orders?order={query}")).json
        assert ([one["source_id"] for one in shown["orders"]], shown["total"]) == (["a"], 1)
    assert (await api.get("/v1/orders/a")).status == 200


async def test_a_customer_by_id_keeps_the_source_id(api: Api) -> None:
    first, second = [(await api.create(customer={"source_id": one}))["customer_id"] for one in ("x", "y")]
    order = await api.create(customer={"id": first, "source_id": "y", "name": "X"})
    assert order["customer_id"] == first
    assert (await api.create(customer={"source_id": "x"}))["customer_id"] == first
    assert (await api.create(customer={"source_id": "y"}))["customer_id"] == second


async def test_only_null_takes_a_customer_away(api: Api) -> None:
    made = await api.create(source_id="a", customer={"source_id": "x"}, referrer={"source_id": "y"})
    for nothing in ({}, {"colour": "red"}, {"name": None}):
        order = (await api.put("/v1/orders/a", {"customer": nothing, "referrer": nothing})).json
        assert (order["customer_id"], order["referrer_id"]) == (made["customer_id"], made["referrer_id"])
    assert (await api.create(customer={}))["customer_id"] is None
    assert (await api.put("/v1/orders/a", {"customer": None})).json["customer_id"] is None


async def test_what_was_given_is_kept_and_only_shown_smaller(api: Api) -> None:
    await api.create(source_id="a", amount=100, initial_amount=120, discount_amount=80)
    small = (await api.put("/v1/orders/a", {"amount": 50})).json
    assert (small["initial_amount"], small["discount_amount"], small["total_amount"]) == (120, 50, 0)
    large = (await api.put("/v1/orders/a", {"amount": 100})).json
    assert (large["initial_amount"], large["discount_amount"], large["total_amount"]) == (120, 80, 20)
    plain = (await api.put("/v1/orders/a", {"discount_amount": None, "initial_amount": None})).json
    assert plain.keys().isdisjoint({"discount_amount", "initial_amount"})


async def test_items_show_the_ids_of_what_was_found_or_made(api: Api) -> None:
    (made,) = (await api.create(items=[{"product_id": "AAA", **product(source_id="q")}]))["items"]
    assert made["product_id"] == made["product"]["id"] != "AAA"
    (again,) = (await api.create(items=[{"product_id": "AAA", **product(source_id="q")}]))["items"]
    assert again["product_id"] == again["product"]["id"] == made["product_id"]
    (other,) = (await api.create(items=[{"product_id": "AAA", "product": {"id": made["product_id"]}}]))["items"]
    assert other["product_id"] == other["product"]["id"] == made["product_id"]
    (sku,) = (await api.create(items=[{"sku_id": "BBB", "sku": {"sku": "S", "override": True}}]))["items"]
    assert sku["sku_id"] == sku["sku"]["id"] != "BBB"
    assert "source_id" not in sku["sku"]


@pytest.mark.parametrize(
    ("source_id", "path"),
    [
        ("a/b c?d#e%é", "a%2Fb%20c%3Fd%23e%25%C3%A9"),
        ("import", "import"),
        ("export", "export"),
        ("%2F", "%252F"),
        ("a+b", "a+b"),
        ("..", "%2E%2E"),
    ],
)
async def test_source_ids_of_any_characters(api: Api, source_id: str, path: str) -> None:
    order = await api.create(source_id=source_id)
    assert (await api.get(f"/v1/orders/{path}")).json["id"] == order["id"]
    assert (await api.put(f"/v1/orders/{path}", {"status": "PAID"})).json["status"] == "PAID"


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_a_missing_order_reads_as_in_the_document(api: Api, method: str) -> None:
    reply = await api(method, "/v1/orders/ord_nIcO2s8iD4Xh5E9IGDQ57Ax", json={"status": "PAID"})
    assert reply.status == 404
    request_id = reply.json["request_id"]
    assert re.fullmatch(r"v-[0-9a-f]{18}", request_id)
    assert reply.headers["X-Request-Id"] == request_id
    assert {**reply.json, "request_id": ""} == {
        "code": 404,
        "key": "not_found",
        "message": "Resource not found",
        "details": "Cannot find order with id ord_nIcO2s8iD4Xh5E9IGDQ57Ax",
        "request_id": "",
        "resource_id": "ord_nIcO2s8iD4Xh5E9IGDQ57Ax",
        "resource_type": "order",
    }


def nested(levels: int) -> Any:
    return {"x": [nested(levels - 1)]} if levels > 0 else {}


WRONG_ORDERS: list[tuple[Any, str]] = [
    ([], "Property . should be object"),
    ({"source_id": 1}, "Property .source_id should be string"),
    ({"source_id": ""}, "Property .source_id should NOT be shorter than 1 characters"),
    (
        {"status": "SHIPPED"},
        "Property .status should be equal to one of the allowed values [ CREATED, PAID, CANCELED, FULFILLED ]",
    ),
    ({"status": 5}, "Property .status should be string"),
    ({"amount": "5"}, "Property .amount should be integer"),
    ({"amount": True}, "Property .amount should be integer"),
    ({"amount": 1.5}, "Property .amount should be integer"),
    ({"amount": -1}, "Property .amount cannot be lower than 0"),
    ({"amount": 2**60}, f"Property .amount should be <= {2**53 - 1}"),
    ({"amount": -(2**60)}, f"Property .amount should be >= -{2**53 - 1}"),
    ({"items": {}}, "Property .items should be array"),
    ({"items": [5]}, "Property .items[0] should be object"),
    ({"items": [{}] * 501}, "Property .items should NOT have more than 500 items"),
    ({"items": [{}, {"quantity": "2"}]}, "Property .items[1].quantity should be integer"),
    ({"items": [{"quantity": -1}]}, "Property .items[0].quantity cannot be lower than 0"),
    ({"items": [{"initial_quantity": 0}]}, "Property .items[0].initial_quantity cannot be lower than 1"),
    (
        {"items": [{"related_object": "x"}]},
        "Property .items[0].related_object should be equal to one of the allowed values [ product, sku ]",
    ),
    ({"items": [{"product": {"price": "1"}}]}, "Property .items[0].product.price should be number"),
    ({"items": [{"product": {"price": True}}]}, "Property .items[0].product.price should be number"),
    ({"items": [{"product": {"price": -1}}]}, "Property .items[0].product.price cannot be lower than 0"),
    ({"items": [{"sku": {"price": 1e308}}]}, f"Property .items[0].sku.price should be <= {2**53 - 1}"),
    ({"items": [{"sku": {"price": 10**400}}]}, f"Property .items[0].sku.price should be <= {2**53 - 1}"),
    (
        {"items": [{}, {"quantity": 2, "product": {"price": 2.0**52}}]},
        f"Property .items[1].amount should be <= {2**53 - 1}",
    ),
    ({"items": [{"amount": 2**52}] * 2}, f"Property .amount should be <= {2**53 - 1}"),
    ({"items": [{"sku": {"override": 1}}]}, "Property .items[0].sku.override should be boolean"),
    ({"metadata": []}, "Property .metadata should be object"),
    ({"metadata": nested(66)}, "Property .metadata should NOT be nested more than 64 levels"),
    ({"customer": "c"}, "Property .customer should be object"),
    ({"customer": {"address": {"city": 1}}}, "Property .customer.address.city should be string"),
    ({"created_at": "soon"}, "Property .created_at cannot be recognized as a ISO-8601 compliant date"),
    (
        {"customer": {"birthdate": "20000229"}},
        "Property .customer.birthdate cannot be recognized as a ISO-8601 compliant date",
    ),
    (
        {"referrer": {"birthday": "2001-02-29"}},
        "Property .referrer.birthday cannot be recognized as a ISO-8601 compliant date",
    ),
    (
        {"created_at": "0001-01-01T00:00:00+14:00"},
        "Property .created_at cannot be recognized as a ISO-8601 compliant date",
    ),
]


@pytest.mark.parametrize(("payload", "details"), WRONG_ORDERS)
async def test_wrong_payloads_are_named(api: Api, payload: Any, details: str) -> None:
    await api.create(source_id="there")
    for reply in (await api.post("/v1/orders", payload), await api.put("/v1/orders/there", payload)):
        assert reply.status == 400
        assert reply.json["key"] == "invalid_payload"
        assert reply.json["message"] == "Invalid payload"
        assert reply.json["details"] == details
    assert (await api.get("/v1/orders")).json["total"] == 1


async def test_the_id_in_the_body_of_an_update_says_nothing(api: Api) -> None:
    first, second = await api.create(source_id="a"), await api.create(source_id="b")
    order = (await api.put("/v1/orders/a", {"id": second["id"], "status": "PAID"})).json
    assert (order["id"], order["status"]) == (first["id"], "PAID")


async def test_what_is_accepted(api: Api) -> None:
    assert (await api.create(metadata=nested(30)))["metadata"] == nested(30)
    order = await api.create(amount=5.0, unknown=[1], items=[], metadata={"big": 2**80, "null": None})
    assert order["amount"] == 5
    assert order["metadata"] == {"big": 2**80, "null": None}
    assert "unknown" not in order
    order = await api.create(items=[{"amount": None, "price": 3, "product": None, "quantity": 500}])
    assert order["amount"] == 1500
    assert len((await api.create(items=[{"amount": 1}] * 500))["items"]) == 500
    null = await api.create(id=None, source_id=None)
    assert null["source_id"] is None


async def test_listing(api: Api, clock: Clock) -> None:
    for number in range(25):
        clock.advance(1)
        await api.create(source_id=f"n{number:02}")
    clock.advance(1)
    await api.put("/v1/orders/n03", {"status": "PAID"})

    async def names(query: str) -> list[str]:
        shown = (await api.get(f"/v1/orders{query}")).json
        assert (shown["object"], shown["data_ref"], shown["total"]) == ("list", "orders", 25)
        return [order["source_id"] for order in shown["orders"]]

    assert await names("") == [f"n{number:02}" for number in range(24, 14, -1)]
    assert await names("?limit=100&order=created_at") == [f"n{number:02}" for number in range(25)]
    assert await names("?limit=10&page=3&order=created_at") == [f"n{number:02}" for number in range(20, 25)]
    assert await names("?limit=2&order=-created_at") == ["n24", "n23"]
    assert await names("?limit=10&page=3&order=-created_at") == ["n04", "n03", "n02", "n01", "n00"]
    assert await names("?limit=2&order=-updated_at") == ["n03", "n24"]
    assert await names("?limit=4&order=updated_at") == ["n00", "n01", "n02", "n04"]
    assert await names("?limit=00000000000002") == ["n24", "n23"]
    assert await names("?page=100") == []
    assert await names("?page=100&order=-created_at") == []


@pytest.mark.parametrize(
    ("query", "details"),
    [
        ("limit=-5", "Property .limit should be >= 1"),
        ("limit=-000000000005", "Property .limit should be >= 1"),
        ("limit=00000000000101", "Property .limit should be <= 100"),
        (f"limit={'9' * 5000}", "Property .limit should be <= 100"),
        ("limit=0", "Property .limit should be >= 1"),
        ("limit=101", "Property .limit should be <= 100"),
        ("limit=ten", "Property .limit should be integer"),
        ("limit=", "Property .limit should be integer"),
        ("page=-1", "Property .page should be >= 1"),
        ("page=101", "Property .page should be <= 100"),
        (
            "order=status",
            "Property .order should be equal to one of the allowed values "
            "[ created_at, -created_at, updated_at, -updated_at ]",
        ),
    ],
)
async def test_wrong_queries_are_named(api: Api, query: str, details: str) -> None:
    reply = await api.get(f"/v1/orders?{query}")
    assert reply.status == 400
    assert (reply.json["key"], reply.json["message"]) == ("invalid_query_params", "Invalid query params")
    assert reply.json["details"] == details


async def test_a_seed_makes_the_same_ids(emulator: Emulator, api: Api) -> None:
    first = await api.create(source_id="a", customer={"source_id": "c"})
    await api.get("/v1/orders/nothing")
    second = await api.create(source_id="b")
    emulator.reset()
    assert (await api.get("/v1/orders")).json["total"] == 0
    assert (await api.create(source_id="a", customer={"source_id": "c"}))["id"] == first["id"]
    assert (await api.create(source_id="b"))["id"] == second["id"]
    emulator.reset(8)
    assert (await api.create(source_id="a", customer={"source_id": "c"}))["id"] != first["id"]
