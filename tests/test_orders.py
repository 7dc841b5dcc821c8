"""The six endpoints, against the emulator."""

import datetime
import enum
import json
import uuid
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voucherify_async import (
    Address,
    BadRequestError,
    ConfigurationError,
    Customer,
    NewOrder,
    NotFoundError,
    Order,
    OrderChanges,
    OrderItem,
    Product,
    Sku,
    VoucherifyClient,
)
from voucherify_async.emulator import Emulator

AWKWARD_IDS = ["a/b c?d#e%é", "%2F", "a+b", "a&b=c", ";,:@", "日本", "x" * 200, "'\"<>", "a%2Fb", " ", "...", "~"]


async def test_create_sends_what_was_given_and_nothing_else(emulator: Emulator, client: VoucherifyClient) -> None:
    order = await client.orders.create(
        NewOrder(
            source_id="web-1001",
            status="PAID",
            customer=Customer(source_id="c-1", name=None, address=Address(city="Łódź")),
            items=[OrderItem(source_id="sku-1", related_object="sku", quantity=2, price=10_000)],
            metadata={"channel": "web"},
        )
    )
    sent = emulator.requests[-1].body
    assert sent is not None
    assert json.loads(sent) == {
        "source_id": "web-1001",
        "status": "PAID",
        "customer": {"source_id": "c-1", "name": None, "address": {"city": "Łódź"}},
        "items": [{"source_id": "sku-1", "related_object": "sku", "quantity": 2, "price": 10_000}],
        "metadata": {"channel": "web"},
    }
    assert (order.source_id, order.status, order.amount, order.total_amount) == ("web-1001", "PAID", 20_000, 20_000)
    assert order.items is not None
    assert order.items[0].subtotal_amount == 20_000
    assert order.customer is not None
    assert order.customer.id == order.customer_id
    assert order.created_at is not None
    assert order.created_at.tzinfo is not None
    assert order.metadata == {"channel": "web"}


@pytest.mark.parametrize("source_id", AWKWARD_IDS)
async def test_any_source_id_reads_back_as_itself(client: VoucherifyClient, source_id: str) -> None:
    created = await client.orders.create(NewOrder(source_id=source_id, amount=1))
    assert (await client.orders.get(source_id)).id == created.id
    updated = await client.orders.update(source_id, OrderChanges(status="PAID"))
    assert (updated.id, updated.source_id, updated.status) == (created.id, source_id, "PAID")


async def test_create_with_a_known_key_updates(emulator: Emulator, client: VoucherifyClient) -> None:
    first = await client.orders.create(NewOrder(source_id="o-1", amount=1, metadata={"a": 1}))
    second = await client.orders.create(NewOrder(source_id="o-1", amount=2))
    assert (second.id, second.amount, second.metadata) == (first.id, 2, {"a": 1})
    assert emulator.effects.of("o-1").created == 1


async def test_update_tells_unset_and_null_apart(emulator: Emulator, client: VoucherifyClient) -> None:
    order = await client.orders.create(NewOrder(source_id="o-1", amount=5, metadata={"a": 1}))
    kept = await client.orders.update(order.id, OrderChanges(status="PAID"))
    assert emulator.requests[-1].body == b'{"status":"PAID"}'
    assert kept.metadata == {"a": 1}
    cleared = await client.orders.update(order.id, OrderChanges(metadata=None))
    assert emulator.requests[-1].body == b'{"metadata":null}'
    assert not cleared.metadata
    assert cleared.status == "PAID"


async def test_stored_items_can_be_sent_again(emulator: Emulator, client: VoucherifyClient) -> None:
    order = await client.orders.create(
        NewOrder(
            source_id="o-1",
            items=[
                OrderItem(
                    source_id="p-1",
                    related_object="product",
                    quantity=2,
                    product=Product(name="Tea", price=250, override=True, metadata={"colour": "green"}),
                ),
                OrderItem(
                    related_object="sku", sku=Sku(source_id="s-1", sku="Large", price=99), quantity=1, price=99
                ),
            ],
        )
    )
    again = await client.orders.update(order.id, OrderChanges(items=list(order.items or [])))
    sent = json.loads(emulator.requests[-1].body or b"")
    assert None not in [value for item in sent["items"] for value in item.values()]
    assert again.items == order.items
    assert again.amount == order.amount == 599


async def test_list_pages_and_sorts(client: VoucherifyClient) -> None:
    for number in range(7):
        await client.orders.create(NewOrder(source_id=f"o-{number}", amount=number))
    page = await client.orders.list(limit=3, page=2, order="created_at")
    assert [order.source_id for order in page.orders] == ["o-3", "o-4", "o-5"]
    assert page.total == 7
    newest = await client.orders.list(limit=100, page=1, order="-created_at")
    assert newest.orders[0].source_id == "o-6"
    assert len((await client.orders.list()).orders) == 7


async def test_an_unknown_order_is_an_error_with_all_that_was_said(client: VoucherifyClient) -> None:
    with pytest.raises(NotFoundError) as caught:
        await client.orders.get("nowhere")
    error = caught.value
    assert (error.status, error.code, error.key) == (404, 404, "not_found")
    assert (error.resource_id, error.resource_type) == ("nowhere", "order")
    assert error.details == "Cannot find order with id nowhere"
    assert (error.method, error.path, error.attempts) == ("GET", "/v1/orders/nowhere", 1)
    assert error.request_id
    assert json.loads(error.body)["request_id"] == error.request_id
    assert error.headers["x-rate-limit-limit"] == error.headers["X-Rate-Limit-Limit"]
    assert not error.outcome_unknown
    assert "Cannot find order with id nowhere" in str(error)
    assert error.request_id in str(error)


async def test_what_the_service_refuses_is_an_error(client: VoucherifyClient) -> None:
    with pytest.raises(BadRequestError) as caught:
        await client.orders.create(NewOrder(source_id="o-1", status="LOST"))
    assert caught.value.key == "invalid_payload"
    assert "status" in (caught.value.details or "")


NAIVE = datetime.datetime(2026, 1, 1)  # noqa: DTZ001 - that is the point
MANY_ITEMS = [OrderItem(quantity=1, price=1)] * 501


@pytest.mark.parametrize(
    ("order", "argument"),
    [
        (NewOrder(items=MANY_ITEMS), "order.items"),
        (NewOrder(id=""), "order.id"),
        (NewOrder(source_id=""), "order.source_id"),
        (NewOrder(created_at=NAIVE), "order.created_at"),
        (NewOrder(amount="20.00"), "order.amount"),  # type: ignore[arg-type]
        (NewOrder(items=[OrderItem(quantity=1.5)]), "order.items[0].quantity"),  # type: ignore[arg-type]
        (NewOrder(customer=Customer(source_id="")), "order.customer.source_id"),
        (NewOrder(metadata={"x": object()}), "order.metadata['x']"),
        (NewOrder(metadata={"x": [{"y": "\ud800"}]}), "order.metadata['x'][0]['y']"),
        (NewOrder(metadata={"x": {(1, 2): 3}}), "order.metadata['x']"),
        (NewOrder(metadata={"x": [{"y": float("nan")}]}), "order.metadata['x'][0]['y']"),
        (NewOrder(metadata={"when": NAIVE}), "order.metadata['when']"),
        (NewOrder(metadata={"price": Decimal("1.5")}), "order.metadata['price']"),
        (NewOrder(metadata={"raw": b"x"}), "order.metadata['raw']"),
        (NewOrder(amount=float("nan")), "order.amount"),  # type: ignore[arg-type]
        (NewOrder(customer={"sourceid": "x"}), "order.customer"),  # type: ignore[arg-type]
        (NewOrder(items=[{"quanttity": 1}]), "order.items[0]"),  # type: ignore[list-item]
        ({"amount": 1}, "order"),
        (OrderChanges(amount=1), "order"),
    ],
)
async def test_a_bad_order_is_refused_before_sending(
    emulator: Emulator, client: VoucherifyClient, order: NewOrder, argument: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        await client.orders.create(order)
    assert caught.value.argument == argument
    with pytest.raises(ConfigurationError) as caught:
        await client.orders.import_orders([NewOrder(source_id="fine"), order])
    assert caught.value.argument == f"orders[1]{argument.removeprefix('order')}"
    assert emulator.requests == []


async def test_money_that_is_a_decimal_is_called_one(client: VoucherifyClient) -> None:
    with pytest.raises(ConfigurationError, match=r"^order\.amount: JSON has no Decimal; write it as a number"):
        await client.orders.create(NewOrder(amount=Decimal("20.00")))  # type: ignore[arg-type]


async def test_what_holds_itself_is_refused(client: VoucherifyClient) -> None:
    endless: dict[str, object] = {}
    endless["x"] = endless
    with pytest.raises(ConfigurationError, match=r"^order\.metadata\['x'\].*: cannot be written as JSON"):
        await client.orders.create(NewOrder(metadata=endless))


class Kind(enum.StrEnum):
    WEB = "web"


class Note(msgspec.Struct):
    lines: dict[str, int]


class Text(str):
    __slots__ = ()


async def test_what_json_can_hold_is_sent_as_it_is(emulator: Emulator, client: VoucherifyClient) -> None:
    number = uuid.UUID(int=7)
    order = await client.orders.create(
        NewOrder(
            source_id=Text("o-1"),
            items=(OrderItem(quantity=1, price=5),),
            metadata={
                "day": datetime.date(2026, 1, 2),
                "moment": datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC),
                "kind": Kind.WEB,
                "number": number,
                "note": Note({"a": 1}),
                "tuple": (1, 2),
                "text": Text("x"),
                "deep": {"a": [{"b": None}]},
                "half": 0.5,
            },
        )
    )
    assert order.metadata == {
        "day": "2026-01-02",
        "moment": "2026-01-02T00:00:00Z",
        "kind": "web",
        "number": str(number),
        "note": {"lines": {"a": 1}},
        "tuple": [1, 2],
        "text": "x",
        "deep": {"a": [{"b": None}]},
        "half": 0.5,
    }
    again = await client.orders.update(order.id, OrderChanges(customer=order.customer, items=order.items))
    assert again.items == order.items


@pytest.mark.parametrize(
    ("changes", "argument"),
    [
        (OrderChanges(items=MANY_ITEMS), "changes.items"),
        (OrderChanges(created_at=NAIVE), "changes.created_at"),
        ({"status": "PAID"}, "changes"),
        (NewOrder(id="other"), "changes"),
    ],
)
async def test_bad_changes_are_refused_before_sending(
    emulator: Emulator, client: VoucherifyClient, changes: OrderChanges, argument: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        await client.orders.update("o-1", changes)
    assert caught.value.argument == argument
    assert emulator.requests == []


@pytest.mark.parametrize("order_id", ["", ".", "..", "\ud800", 7, None])
async def test_a_bad_id_is_refused_before_sending(
    emulator: Emulator, client: VoucherifyClient, order_id: str
) -> None:
    for call in (
        client.orders.get(order_id),
        client.orders.update(order_id, OrderChanges(status="PAID")),
        client.async_actions.get(order_id),
        client.exports.get(order_id),
        client.exports.delete(order_id),
    ):
        with pytest.raises(ConfigurationError) as caught:
            await call
        assert caught.value.argument in {"order_id", "async_action_id", "export_id"}
    for take_up in (client.orders.import_job, client.orders.export_job):
        with pytest.raises(ConfigurationError, match=r"^job_id"):
            take_up(order_id)
    assert emulator.requests == []


@pytest.mark.parametrize(
    "arguments",
    [
        {"limit": 0},
        {"limit": 101},
        {"limit": True},
        {"limit": "5"},
        {"page": 0},
        {"page": 101},
        {"order": "amount"},
    ],
)
async def test_bad_paging_is_refused_before_sending(
    emulator: Emulator, client: VoucherifyClient, arguments: dict[str, Any]
) -> None:
    (name,) = arguments
    for method in (client.orders.list, client.exports.list):
        with pytest.raises(ConfigurationError) as caught:
            await method(**arguments)
        assert caught.value.argument == name
    assert emulator.requests == []


async def test_the_edges_of_the_limits_pass(client: VoucherifyClient) -> None:
    await client.orders.create(NewOrder(source_id="wide", items=MANY_ITEMS[:500]))
    assert (await client.orders.list(limit=1, page=100)).orders == []
    assert len((await client.orders.list(limit=100, page=1)).orders) == 1


async def test_unknown_arguments_fail_at_the_call() -> None:
    with pytest.raises(TypeError, match="amuont"):
        NewOrder(amuont=5)  # type: ignore[call-arg]


async def test_an_import_takes_2000_orders_and_no_more(emulator: Emulator, client: VoucherifyClient) -> None:
    orders = [NewOrder(source_id=f"o-{number}", amount=number) for number in range(2001)]
    read = []
    for refused in (orders, [], (read.append(number) or NewOrder() for number in range(10**9)), NewOrder(), 7):  # type: ignore[func-returns-value]
        with pytest.raises(ConfigurationError) as caught:
            await client.orders.import_orders(refused)  # type: ignore[arg-type]
        assert caught.value.argument == "orders"
    assert len(read) == 2001
    assert emulator.requests == []
    result = await (await client.orders.import_orders(iter(orders[:2000])))
    assert (result.done_count, result.failed_count) == (2000, 0)


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ({"order": "amount"}, "order"),
        ({"fields": "id"}, "fields"),
        ({"fields": ["id", ""]}, "fields"),
        (
            {"filters": {"created_at": {"conditions": {"$after": [NAIVE]}}}},
            "filters['created_at']['conditions']['$after'][0]",
        ),
        ({"filters": {"amount": {"conditions": {"$is": object()}}}}, "filters['amount']['conditions']['$is']"),
        (
            {"filters": {"amount": {"conditions": {"$is": [float("inf")]}}}},
            "filters['amount']['conditions']['$is'][0]",
        ),
        ({"filters": "x"}, "filters"),
        ({"fields": {"id": 1}}, "fields"),
        ({"fields": 5}, "fields"),
        ({"fields": ["metadata.\ud800"]}, "fields[0]"),
    ],
)
async def test_a_bad_export_is_refused_before_sending(
    emulator: Emulator, client: VoucherifyClient, arguments: dict[str, object], argument: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        await client.orders.create_export(**arguments)  # type: ignore[arg-type]
    assert caught.value.argument == argument
    assert emulator.requests == []


async def test_an_export_takes_kinds_of_strings(emulator: Emulator, client: VoucherifyClient) -> None:
    await client.orders.create_export(
        fields=[Text("id")], filters={"status": {"conditions": {"$is": [Text("PAID")]}}}
    )
    assert json.loads(emulator.requests[-1].body or b"")["parameters"]["fields"] == ["id"]


async def test_an_export_asks_for_what_was_given(emulator: Emulator, client: VoucherifyClient) -> None:
    await client.orders.create_export()
    assert emulator.requests[-1].body == b"{}"
    moment = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    await client.orders.create_export(
        fields=("id", "amount"),
        filters=MappingProxyType({"junction": "and", "created_at": {"conditions": {"$after": [moment]}}}),
        order="-created_at",
    )
    assert json.loads(emulator.requests[-1].body or b"") == {
        "parameters": {
            "fields": ["id", "amount"],
            "filters": {"junction": "and", "created_at": {"conditions": {"$after": ["2026-01-01T00:00:00Z"]}}},
            "order": "-created_at",
        }
    }


async def test_the_twins_return_the_whole_answer(emulator: Emulator, client: VoucherifyClient) -> None:
    twins = client.orders.with_http_info
    created = await twins.create(NewOrder(source_id="o-1", amount=1))
    assert isinstance(created.data, Order)
    assert (created.status, created.attempts) == (200, 1)
    assert json.loads(created.body)["id"] == created.data.id
    assert created.headers["content-type"].startswith("application/json")
    assert created.request_id == created.headers["X-Request-Id"]
    assert created.elapsed >= 0
    assert (await twins.get("o-1")).data == created.data
    assert (await twins.update("o-1", OrderChanges(amount=2))).data.amount == 2
    assert (await twins.list(limit=1)).data.total == 1
    job = (await twins.import_orders([NewOrder(source_id="o-2")])).data
    assert (await job).done_count == 1
    export = (await twins.create_export(fields=["id"])).data
    assert (await export).status == "DONE"
    assert "status=200 data='Order'" in repr(created)


@given(
    source_id=st.text(min_size=1, max_size=40).filter(lambda text: text not in {".", ".."} and text.isprintable()),
)
def test_quoting_an_id_is_reversible(source_id: str) -> None:
    from urllib.parse import unquote

    from voucherify_async.urls import quoted_id

    quoted = quoted_id("order_id", source_id)
    assert unquote(quoted, errors="strict") == source_id
    assert not set(quoted) & set("/?# ")
    assert quoted.isascii()
