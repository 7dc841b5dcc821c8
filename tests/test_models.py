"""The structs: what they read, what they write, and what they refuse."""

import datetime
import json
import pickle
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.documents import Document, needs_documents
from tests.shapes import Shape, of_schema
from voucherify_async import (
    AsyncAction,
    AsyncActionPage,
    Customer,
    Export,
    ExportFile,
    ExportPage,
    ImportResult,
    NewOrder,
    OAuthToken,
    Order,
    OrderChanges,
    OrderItem,
    OrderPage,
    Product,
    StoredItem,
    TokenIntrospection,
)
from voucherify_async.call import UNREADABLE, json_decoder
from voucherify_async.models.jobs import import_result

# --- Cases of our own ---------------------------------------------------------------------------------------

ORDER: dict[str, Any] = {
    "id": "ord_1",
    "source_id": None,
    "created_at": "2026-03-01T07:44:41.594Z",
    "updated_at": None,
    "status": "PAID",
    "amount": 2700,
    "items_discount_amount": 270,
    "total_amount": 2430,
    "items": [
        {
            "object": "order_item",
            "source_id": "p-1",
            "related_object": "product",
            "quantity": 1,
            "price": 2700,
            "subtotal_amount": 2430,
            "product": {"name": "Tea", "price": 26.5},
        }
    ],
    "metadata": {"tags": ["a", "b"], "deep": {"x": None}},
    "customer": {"id": "cust_1", "object": "customer"},
    "customer_id": "cust_1",
    "referrer_id": None,
    "object": "order",
    "redemptions": {"r_1": {"date": "2026-03-01T07:44:41.695Z", "stacked": ["r_2"]}},
}


def read(expected: Any, value: object) -> Any:
    return json_decoder(expected)(json.dumps(value).encode())


def test_an_order_is_read() -> None:
    order: Order = read(Order, ORDER)
    assert order.created_at == datetime.datetime(2026, 3, 1, 7, 44, 41, 594_000, tzinfo=datetime.UTC)
    assert order.items is not None
    assert order.items[0].product is not None
    assert order.items[0].product.price == 26.5
    assert order.items[0].amount is None
    assert order.redemptions is not None
    assert order.redemptions["r_1"].stacked == ["r_2"]
    assert order.discount_amount is None
    assert order.referrer is None
    assert order.metadata == ORDER["metadata"]


def test_reading_is_liberal() -> None:
    order: Order = read(
        Order,
        ORDER
        | {"status": "REFUNDED", "amount": 100.0, "total_amount": 1e3, "new_field": {"x": 1}, "metadata": None},
    )
    assert (order.status, order.amount, order.total_amount) == ("REFUNDED", 100, 1000)
    assert type(order.amount) is int
    assert order.metadata is None
    assert read(AsyncAction, {"id": "aa_1", "type": "ORDERS.NEW", "status": "PAUSED"}).status == "PAUSED"


@pytest.mark.parametrize("text", ["null", "true", "1", "100.0", ""])
def test_strings_stay_what_they_are(text: str) -> None:
    order: Order = read(Order, {"id": text, "source_id": text, "status": text})
    assert (order.id, order.source_id, order.status) == (text, text, text)


@pytest.mark.parametrize(
    "change",
    [
        {"amount": 1.5},
        {"amount": "x"},
        {"amount": True},
        {"amount": {}},
        {"id": None},
        {"id": 7},
        {"created_at": "2026-03-01T07:44:41"},
        {"created_at": "yesterday"},
        {"items": {}},
        {"metadata": []},
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        read(Order, ORDER | change)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(Order.__struct_fields__)), json_values)
def test_any_value_anywhere_is_read_or_refused(field: str, value: object) -> None:
    body = json.dumps({"orders": [ORDER | {field: value}], "total": 1}).encode()
    try:
        json_decoder(OrderPage)(body)
    except UNREADABLE:
        pass


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        json_decoder(OrderPage)(body)
    except UNREADABLE:
        pass


def test_json_nested_without_end_is_refused() -> None:
    with pytest.raises(UNREADABLE):
        json_decoder(Order)(b'{"id":"1","metadata":{"a":' + b"[" * 100_000)


# --- What is sent -------------------------------------------------------------------------------------------

scalars = st.one_of(st.none(), st.integers(0, 10**9))
texts = st.one_of(st.none(), st.text(min_size=1, max_size=8))


@st.composite
def new_orders(draw: st.DrawFn) -> NewOrder:
    given_fields: dict[str, Any] = {}
    choices: dict[str, st.SearchStrategy[Any]] = {
        "id": texts,
        "source_id": texts,
        "status": texts,
        "amount": scalars,
        "discount_amount": scalars,
        "metadata": st.none()
        | st.dictionaries(st.text(max_size=4), st.integers() | st.text(max_size=4), max_size=3),
        "customer": st.none() | st.builds(Customer, source_id=texts, name=texts),
        "items": st.none()
        | st.lists(
            st.builds(
                OrderItem, quantity=scalars, price=scalars, product=st.none() | st.builds(Product, name=texts)
            ),
            max_size=3,
        ),
        "created_at": st.none() | st.datetimes(timezones=st.just(datetime.UTC)),
    }
    for name, strategy in choices.items():
        if draw(st.booleans()):
            given_fields[name] = draw(strategy)
    return NewOrder(**given_fields)


@given(new_orders())
def test_unset_null_and_values_survive_a_round_trip(order: NewOrder) -> None:
    body = msgspec.json.encode(order)
    sent = json.loads(body)
    assert set(sent) == {name for name in NewOrder.__struct_fields__ if getattr(order, name) is not msgspec.UNSET}
    for name, value in sent.items():
        assert (value is None) == (getattr(order, name) is None)
    assert msgspec.json.decode(body, type=NewOrder) == order


def test_what_is_stored_says_only_what_it_knows() -> None:
    item: StoredItem = read(StoredItem, ORDER["items"][0])
    assert json.loads(msgspec.json.encode(item)) == ORDER["items"][0]
    assert isinstance(item, OrderItem)


def test_what_was_not_given_does_not_show() -> None:
    new = NewOrder(source_id="o-1", items=[OrderItem(quantity=1)], metadata=None)
    assert repr(new) == "NewOrder(source_id='o-1', items=[OrderItem(quantity=1)], metadata=None)"
    assert repr(OrderChanges(status="PAID")) == "OrderChanges(status='PAID')"
    stored = msgspec.json.decode(b'{"id":"ord_1","amount":0,"customer":{"id":"cust_1"}}', type=Order)
    assert repr(stored) == "Order(id='ord_1', amount=0, customer=StoredCustomer(id='cust_1'))"


def test_the_key_of_an_order() -> None:
    assert NewOrder(source_id="s", id="i").key == "s"
    assert NewOrder(id="i").key == "i"
    assert NewOrder(source_id=None).key is None
    assert NewOrder(amount=1).key is None
    assert not hasattr(OrderChanges(), "id")


# --- Where the documents contradict themselves --------------------------------------------------------------


@pytest.mark.parametrize(
    ("failed", "found"),
    [
        ([{"source_id": None, "reason": "Internal error"}], [(None, "Internal error")]),
        ([{"source_id": "o-1", "reason": "r", "row": 1}], [("o-1", "r")]),
        ({"source_id": "o-1", "reason": "r"}, [("o-1", "r")]),
        (
            {"0": {"source_id": "o-1", "reason": "r"}, "1": {"source_id": 7, "reason": "s"}},
            [("o-1", "r"), ("7", "s")],
        ),
        ({"o-1": "bad price"}, [("o-1", "bad price")]),
        ({}, []),
        ([], []),
        (None, []),
    ],
)
def test_failed_orders_are_read_in_every_shape(failed: object, found: list[tuple[str | None, str]]) -> None:
    action: AsyncAction = read(
        AsyncAction, {"id": "aa_1", "result": {"done_count": 1.0, "failed_count": 1, "failed": failed}}
    )
    result = import_result(action)
    assert [(failure.source_id, failure.reason) for failure in result.failed] == found
    assert (result.done_count, result.failed_count, result.job_id) == (1, 1, "aa_1")


def test_failed_orders_may_be_missing() -> None:
    assert import_result(AsyncAction(id="aa_1", result={"message": "m"})) == ImportResult(
        message="m", job_id="aa_1"
    )
    for failed in ("all", ["all"], 7):
        with pytest.raises(msgspec.ValidationError):
            import_result(AsyncAction(id="aa_1", result={"failed": failed}))


@pytest.mark.parametrize(
    "export",
    [
        {"id": "exp_1", "user_id": None},
        {"id": "exp_1", "user_id": "user_1"},
        {"id": "exp_1", "parameters": {"order": "", "fields": ["id"], "filters": {"junction": "and"}}},
        {"id": "exp_1", "status": "SCHEDULED", "result": None},
        {"id": "exp_1", "status": "DONE", "result": {"url": "{{internalVoucherifyURL}}"}},
        {"id": "exp_1", "exported_object": "voucher_transactions", "channel": "WEBSITE"},
    ],
)
def test_exports_are_read_in_every_shape(export: dict[str, Any]) -> None:
    found: Export = read(Export, export)
    assert found.user_id == export.get("user_id")
    assert found.parameters == export.get("parameters")


# --- Secrets ------------------------------------------------------------------------------------------------


def test_tokens_do_not_show() -> None:
    token = OAuthToken(access_token="hush", scope="api", expires_at=1)
    introspection = TokenIntrospection(active=True, access_token="hush")
    file = ExportFile(url="https://h/x?token=hush")
    assert "hush" not in f"{token!r}{token}{introspection!r}{introspection}{file!r}{file}"
    assert "scope='api'" in repr(token)
    for secret in (token, introspection):
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(secret)
    assert b"hush" not in pickle.dumps(file)
    assert pickle.loads(pickle.dumps(ExportFile())).url is None


# --- Voucherify's own examples ------------------------------------------------------------------------------

ENDPOINTS: list[tuple[str, str, str, Any]] = [
    ("orders.json", "/v1/orders", "get", OrderPage),
    ("orders.json", "/v1/orders", "post", Order),
    ("orders.json", "/v1/orders/{orderId}", "get", Order),
    ("orders.json", "/v1/orders/{orderId}", "put", Order),
    ("orders.json", "/v1/orders/export", "post", Export),
    ("async-actions.json", "/v1/async-actions", "get", AsyncActionPage),
    ("async-actions.json", "/v1/async-actions/{asyncActionId}", "get", AsyncAction),
    ("exports.json", "/v1/exports", "get", ExportPage),
    ("exports.json", "/v1/exports/{exportId}", "get", Export),
    ("oauth.json", "/v1/oauth/token", "post", OAuthToken),
    ("oauth.json", "/v1/oauth/introspect", "post", TokenIntrospection),
]


def examples(name: str, path: str, method: str, *, request: bool = False) -> Iterator[tuple[Shape, Any]]:
    """Each example of an endpoint's successful response, or of its request, with the shape that its schema has."""
    # As it is: mended, a job has the result of an import alone, and what is lost of the others would not be missed.
    document = Document(name, errors=())
    operation = document.content["paths"][path][method]
    holder = operation["requestBody"] if request else operation["responses"]["200"]
    for content in holder["content"].values():
        for example in content.get("examples", {}).values():
            yield of_schema(document, content["schema"]), example["value"]


def named(shape: Shape, value: Any) -> Any:
    """The parts of an example that the schema names; free objects are kept whole."""
    if isinstance(value, list):
        return [named(shape.inner or Shape(), part) for part in value]
    if not isinstance(value, dict):
        return value
    if shape.fields is not None:
        return {key: named(shape.fields[key], part) for key, part in value.items() if key in shape.fields}
    return {key: named(shape.inner or Shape(), part) for key, part in value.items()}


def plain(value: Any) -> Any:
    """A decoded struct as the JSON it came from, so that the two can be compared."""
    if isinstance(value, msgspec.Struct):
        fields = {name: plain(getattr(value, name)) for name in value.__struct_fields__}
        return {name: part for name, part in fields.items() if part is not None and part is not msgspec.UNSET}
    if isinstance(value, list):
        return [plain(part) for part in value]
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, datetime.datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, datetime.date):
        return value.isoformat()
    return value


def lost(named: Any, found: Any, place: str = "$") -> list[str]:
    """The places of a document whose values are not in what was read from it."""
    if isinstance(named, dict) and isinstance(found, dict):
        return [
            gone
            for key, part in named.items()
            if part is not None
            for gone in lost(part, found.get(key), f"{place}.{key}")
        ]
    if isinstance(named, list) and isinstance(found, list) and len(named) == len(found):
        return [
            gone
            for index, (part, other) in enumerate(zip(named, found, strict=True))
            for gone in lost(part, other, f"{place}[{index}]")
        ]
    return [] if named == found else [place]


@needs_documents
@pytest.mark.parametrize(("name", "path", "method", "expected"), ENDPOINTS)
def test_every_example_of_the_documents_is_read_and_nothing_is_lost(
    name: str, path: str, method: str, expected: Any
) -> None:
    shown = list(examples(name, path, method))
    for shape, example in shown:
        found = read(expected, example)
        assert lost(named(shape, example), plain(found)) == []
    # One endpoint has no example of its own in the documents.
    assert shown or (path, method) == ("/v1/orders/{orderId}", "get")


@needs_documents
@pytest.mark.parametrize(
    ("path", "method", "expected"),
    [
        ("/v1/orders", "post", NewOrder),
        ("/v1/orders/{orderId}", "put", OrderChanges),
        ("/v1/orders/import", "post", list[NewOrder]),
    ],
)
def test_every_example_of_a_request_can_be_written(path: str, method: str, expected: Any) -> None:
    shown = list(examples("orders.json", path, method, request=True))
    assert shown
    for shape, example in shown:
        written = json.loads(msgspec.json.encode(msgspec.json.decode(json.dumps(example), type=expected)))
        assert written == named(shape, example)
