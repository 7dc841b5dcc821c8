"""The structs against Voucherify's documents: each field, and random values that fit the schemas or do not."""

import copy
import json
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec.inspect
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.documents import documents, needs_documents
from tests.shapes import Shape, differences, odd_nulls, of_schema, of_type, places, values
from tests.test_models import lost, plain
from voucherify_async import (
    AsyncAction,
    AsyncActionPage,
    DecodeError,
    Export,
    ExportPage,
    ImportResult,
    NewOrder,
    OAuthToken,
    Order,
    OrderChanges,
    OrderPage,
    OrderRow,
    StoredCustomer,
    TokenIntrospection,
)
from voucherify_async.call import UNREADABLE, Call, json_decoder
from voucherify_async.models import jobs, oauth, orders
from voucherify_async.outcome import Answer, misfit
from voucherify_async.retry import Fault

# By document and name of the schema.
ANSWERS: Final[list[tuple[str, str, Any]]] = [
    ("orders.json", "OrdersListResponseBody", OrderPage),
    ("orders.json", "OrdersCreateResponseBody", Order),
    ("orders.json", "OrdersGetResponseBody", Order),
    ("orders.json", "OrdersUpdateResponseBody", Order),
    ("orders.json", "OrdersExportCreateResponseBody", Export),
    ("async-actions.json", "AsyncActionsListResponseBody", AsyncActionPage),
    ("async-actions.json", "AsyncActionGetResponseBody", AsyncAction),
    ("exports.json", "ExportOrder", Export),
    ("oauth.json", "OAuthTokenGenerateResponseBody", OAuthToken),
    ("oauth.json", "OAuthTokenIntrospectResponseBody", TokenIntrospection),
]
OTHERS: Final[list[tuple[str, str, Any]]] = [
    ("orders.json", "OrdersCreateRequestBody", NewOrder),
    ("orders.json", "OrdersUpdateRequestBody", OrderChanges),
    ("orders.json", "OrdersImportCreateRequestBody", list[NewOrder]),
    ("async-actions.json", "17_res_obj_get_async_action_result_orders_import", ImportResult),
    # Answers name customers by their ids alone; the struct of one is wider.
    ("orders.json", "Customer", StoredCustomer),
    # Exports of seven kinds, of which `ExportOrder` is one: values of one kind with fields of another fit none.
    ("exports.json", "ExportsListResponseBody", ExportPage),
]
DIFFERENCES: Final = tomllib.loads(
    Path(__file__).with_name("differences_from_the_documents.toml").read_text(encoding="utf-8")
)["difference"]
# Reading is lax (`json_decoder`), so that these are not among them: a number's text for the number, `0`, `1` and
# the words for a boolean, Unix seconds for a time.
WRONG: Final[dict[str, list[Any]]] = {
    "string": [7, True, [], {}],
    "integer": [1.5, "x", True, [], {}],
    "number": ["x", True, [], {}],
    "boolean": [7, "x", [], {}],
    "date-time": ["yesterday", "2026-03-01", True, [], {}],
    "array": [7, "x", True, {}],
    "object": [7, "x", True, []],
}


def schema_of(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def documented(document: str, name: str) -> Shape:
    return of_schema(documents()[document], schema_of(name))


@cache
def answers(document: str, name: str, struct: Any) -> st.SearchStrategy[Any]:
    return values(readable(documented(document, name), ours(struct)))


@cache
def ours(struct: Any) -> Shape:
    return of_type(msgspec.inspect.type_info(struct))


def fits(difference: str, pattern: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), difference.partition(":")[0]) is not None


@needs_documents
def test_each_difference_between_a_struct_and_its_schema_has_a_reason() -> None:
    found = [
        difference
        for document, name, struct in [*ANSWERS, *OTHERS]
        for difference in differences(documented(document, name), ours(struct), name)
    ]
    patterns = [pattern for entry in DIFFERENCES for pattern in entry["what"]]
    unlisted = [one for one in found if not any(fits(one, pattern) for pattern in patterns)]
    assert not unlisted, "\n".join(unlisted)
    assert [pattern for pattern in patterns if not any(fits(one, pattern) for one in found)] == []
    assert all(entry["reason"] for entry in DIFFERENCES)


# The result of an import is put together by hand.
@pytest.mark.parametrize(
    ("name", "struct"), [(name, struct) for _, name, struct in [*ANSWERS, *OTHERS] if struct is not ImportResult]
)
def test_what_need_not_be_there_may_be_null_and_nothing_else(name: str, struct: Any) -> None:
    # Where the documents have no null, too: the list says why.
    assert list(odd_nulls(ours(struct), name)) == []


def test_no_struct_is_left_out() -> None:
    compared = {kind for _, _, struct in [*ANSWERS, *OTHERS] for kind in structs(msgspec.inspect.type_info(struct))}
    every = {
        kind
        for module in (jobs, oauth, orders)
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind.__module__ == module.__name__
    }
    # What the two requests share, and the row of a file, which no schema has.
    assert every - compared == {orders.OrderFields, orders.OrderRow}


@needs_documents
def test_a_row_has_the_columns_of_an_export() -> None:
    documented = of_schema(documents()["orders.json"], schema_of("ExportOrderFields")).choices
    assert set(OrderRow.__struct_fields__) == set(documented)


def structs(kind: Any) -> Iterator[type]:
    """The structs that a type consists of."""
    if isinstance(kind, msgspec.inspect.StructType):
        yield kind.cls
        inner = [field.type for field in kind.fields]
    else:
        inner = [*getattr(kind, "types", ())]
        inner += [getattr(kind, name) for name in ("type", "item_type", "value_type") if hasattr(kind, name)]
    for one in inner:
        yield from structs(one)


def test_a_difference_is_found() -> None:
    class Part(msgspec.Struct, kw_only=True):
        name: str
        amount: float
        more: int = 0
        status: str | None = None
        kind: Literal["A", "B"] = "A"
        number: str | int = 0
        count: Annotated[int, msgspec.Meta(ge=1)] = 1
        texts: dict[str, str] | None = None
        free: dict[str, Any] | None

    text, number = Shape("string"), Shape("integer")
    known = text._replace(choices=("A",))
    schema = {"name": text, "amount": number, "status": known, "lost": number, "kind": known, "number": number}
    schema["count"] = number._replace(limits=frozenset(["le 9"]))
    schema |= {"texts": Shape("object", null=True), "free": Shape("object", null=True, inner=text)}
    assert list(odd_nulls(ours(Part), "Part")) == [
        "Part.more",
        "Part.kind",
        "Part.number",
        "Part.count",
        "Part.free",
    ]
    documented = Shape("object", fields=schema, required=frozenset({"name", "free"}))
    assert list(differences(documented, ours(Part), "Part")) == [
        "missing Part.lost",
        "extra Part.more",
        "required Part.amount",
        "type Part.amount: integer, here number",
        "null Part.status",
        "choices Part.status: A",
        "narrowed Part.kind: A, here A, B",
        "type Part.number: integer, here integer or string",
        "unlimited Part.count le 9",
        "limited Part.count ge 1",
        "narrowed Part.texts[]: anything, here string",
        "free Part.free[]: string",
    ]


@needs_documents
@pytest.mark.parametrize(("document", "name", "struct"), ANSWERS)
@settings(max_examples=40)
@given(data=st.data())
def test_what_fits_the_schema_is_read_and_nothing_is_lost(
    document: str, name: str, struct: Any, data: st.DataObject
) -> None:
    value = data.draw(answers(document, name, struct))
    assert documents()[document].misfit(schema_of(name), value) is None
    assert lost(value, plain(json_decoder(struct)(json.dumps(value).encode()))) == []


@needs_documents
@pytest.mark.parametrize(("document", "name", "struct"), ANSWERS)
@settings(max_examples=40)
@given(data=st.data())
def test_what_is_of_a_wrong_type_anywhere_is_a_decode_error(
    document: str, name: str, struct: Any, data: st.DataObject
) -> None:
    value = data.draw(answers(document, name, struct))
    known = {way for way, _ in places(documented(document, name), value)}
    typed = [one for one in places(ours(struct), value) if one[0] in known and one[1].type in WRONG]
    way, shape = data.draw(st.sampled_from(typed))
    spoilt = put(value, way, data.draw(st.sampled_from(WRONG[shape.type])))
    assert documents()[document].misfit(schema_of(name), spoilt) is not None
    call: Call[Any] = Call("GET", "/v1/orders", json_decoder(struct))
    body = json.dumps(spoilt).encode()
    with pytest.raises(UNREADABLE) as caught:
        call.decode(body)
    failed = misfit(call, caught.value, Answer(200, {}, body), 1)
    assert (type(failed.error), failed.fault) == (DecodeError, Fault.FINAL)


def readable(shape: Shape, struct: Shape) -> Shape:
    """What the struct requires besides, and its fields where the schema names none."""
    known = struct.fields or {}
    if shape.type == "object" and shape.fields is None and shape.inner is None:
        return shape._replace(fields=known or None)
    fields = {name: readable(field, known.get(name, field)) for name, field in (shape.fields or {}).items()}
    inner = readable(shape.inner, struct.inner or shape.inner) if shape.inner is not None else None
    return shape._replace(
        fields=fields or None, required=shape.required | struct.required & fields.keys(), inner=inner
    )


def put(value: Any, way: tuple[str | int, ...], instead: Any) -> Any:
    """The value with another one at that place."""
    if not way:
        return instead
    changed = copy.copy(value)
    changed[way[0]] = put(value[way[0]], way[1:], instead)
    return changed
