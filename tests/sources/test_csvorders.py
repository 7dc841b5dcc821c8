"""CSV to orders: the columns, the cells, and the law that every line is in an order or in a report."""

import csv
import datetime
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sources.orders import ITEMS, read, structs
from tests.sources.test_lines import CUTS
from voucherify_async import (
    Address,
    BadLine,
    ConfigurationError,
    Customer,
    NewOrder,
    OrderItem,
    Product,
    Sku,
    SourceError,
)
from voucherify_async.sources.columns import Layout
from voucherify_async.sources.csvorders import CsvOrders
from voucherify_async.sources.fields import TARGETS, plain, target_of


def csv_orders(
    *,
    columns: dict[str, str | None] | None = None,
    decimals: int | None = None,
    defaults: dict[str, str] | None = None,
    allow_keyless: bool = False,
) -> CsvOrders:
    return CsvOrders(Layout(columns or {}, decimals, defaults or {}), allow_keyless=allow_keyless)


def orders_of(text: str, **how: Any) -> list[NewOrder]:
    orders, bad = read(csv_orders(**how), text.encode(), [])
    assert bad == []
    return orders


def problems_of(text: str, **how: Any) -> list[str]:
    return [str(bad) for bad in read(csv_orders(**how), text.encode(), [])[1]]


# --- Columns ------------------------------------------------------------------------------------------------


def test_columns_are_named_by_the_paths_of_the_fields() -> None:
    (order,) = orders_of(
        "id,source_id,status,amount,created_at,customer.email,customer.address.line_1,customer.metadata.a b,"
        "referrer.name,metadata.channel,metadata.x.y,metadata\n"
        'ord_1,007,PAID,2700,2026-03-01T07:44:41+01:00,a@b.c,"1, Oak",1,R,web,z,"{""n"":[1],""channel"":""?""}"\n'
    )
    assert order == NewOrder(
        id="ord_1",
        source_id="007",
        status="PAID",
        amount=2700,
        created_at=datetime.datetime(2026, 3, 1, 6, 44, 41, tzinfo=datetime.UTC),
        customer=Customer(email="a@b.c", address=Address(line_1="1, Oak"), metadata={"a b": "1"}),
        referrer=Customer(name="R"),
        metadata={"n": [1], "channel": "web", "x.y": "z"},
    )


def test_rows_of_one_key_that_stand_together_are_one_order() -> None:
    first, second = orders_of(
        "source_id,customer.source_id,item.source_id,item.quantity,item.product.name,item.sku.sku,item.metadata.m\n"
        "a,c-1,s-1,2,Tea,,x\n"
        "a,,s-2,,,XL,\n"
        "a,c-1,,,,,\n"
        "b,,,,,,\n"
    )
    assert first == NewOrder(
        source_id="a",
        customer=Customer(source_id="c-1"),
        items=[
            OrderItem(source_id="s-1", quantity=2, product=Product(name="Tea"), metadata={"m": "x"}),
            OrderItem(source_id="s-2", sku=Sku(sku="XL")),
        ],
    )
    assert second == NewOrder(source_id="b")


@pytest.mark.parametrize(
    "header", ["Source ID,Item.Product ID", "sourceid, item.productId ", "SOURCE_ID,ITEM.PRODUCT_ID"]
)
def test_header_names_match_in_any_way_of_writing(header: str) -> None:
    assert orders_of(f"{header}\na,p\n") == [NewOrder(source_id="a", items=[OrderItem(product_id="p")])]


def test_foreign_names_are_mapped_and_what_does_not_matter_is_not_read() -> None:
    how: dict[str, Any] = {"columns": {"InvoiceNo": "Source ID", "Comment": None, "Channel": "metadata.channel"}}
    assert orders_of("invoice_no,Comment,Channel\na,whatever,web\n", **how) == [
        NewOrder(source_id="a", metadata={"channel": "web"})
    ]


def test_defaults_stand_for_what_is_not_given() -> None:
    how: dict[str, Any] = {
        "decimals": 2,
        "defaults": {
            "status": "PAID",
            "item.related_object": "product",
            "item.price": "1.50",
            "metadata.channel": "file",
            "metadata": '{"channel":"?","n":1}',
            "customer.address.country": "PL",
        },
    }
    customer = Customer(address=Address(country="PL"))
    orders = orders_of("source_id,status,item.source_id,metadata.channel\na,,s-1,\nb,CREATED,,web\n", **how)
    assert orders == [
        NewOrder(
            source_id="a",
            status="PAID",
            items=[OrderItem(source_id="s-1", related_object="product", price=150)],
            metadata={"channel": "file", "n": 1},
            customer=customer,
        ),
        NewOrder(source_id="b", status="CREATED", metadata={"channel": "web", "n": 1}, customer=customer),
    ]
    assert orders[0].metadata is not orders[1].metadata


def test_items_may_stand_in_a_cell_as_json() -> None:
    items = json.dumps([{"quantity": 1, "price": 250}]).replace('"', '""')
    assert orders_of(f'source_id,items\na,"{items}"\na,\n', decimals=2) == [
        NewOrder(source_id="a", items=[OrderItem(quantity=1, price=250)]),
        NewOrder(source_id="a"),
    ]


def test_every_field_has_a_column_of_its_own() -> None:
    assert len({tuple(map(plain, target.path)) for target in TARGETS}) == len(TARGETS)
    assert all(target_of(str(target)) == target for target in TARGETS)
    paths = {str(target) for target in TARGETS}
    assert len(TARGETS) == 10 + 2 * (9 + 6) + 12 + 6 + 6
    assert paths >= {"referrer_id", "referrer.address.postal_code", "item.sku.override", "items", "item.metadata"}


@pytest.mark.parametrize(
    ("text", "how", "problem"),
    [
        ("", {}, "line 1: there is no header"),
        ("\n \n", {}, "line 1: there is no header"),
        (
            "\nsource_id,colour\n",
            {},
            "line 2: there is no field for the column 'colour'; map it to one, or to None",
        ),
        ("source_id;status\n", {}, "line 1: there is no field for the column 'source_id;status'"),
        ("source_id,metadata.\n", {}, "line 1: there is no field for the column 'metadata.'"),
        ("source_id,status.x\n", {}, "line 1: there is no field for the column 'status.x'"),
        ("source_id,customer\n", {}, "line 1: there is no field for the column 'customer'"),
        ("source_id,Source ID\n", {}, "line 1: two columns are source_id"),
        (
            "source_id,x\n",
            {"columns": {"x": "id", "y": "status"}},
            "line 1: columns are mapped that are not there: 'y'",
        ),
        ("source_id,items,item.price\n", {}, "line 1: there are columns of items and items as JSON, one must go"),
        ("source_id\n", {"defaults": {"item.price": "1"}}, "line 1: there are defaults for items, but no column"),
        ("status\n", {}, "line 1: no column is the order's source_id or id"),
        ("item.price\n", {"allow_keyless": True}, "line 1: no column is the order's source_id or id"),
        ('"source_id"x\n', {}, "line 1: is no CSV"),
        ("source_id,ü\n".encode("latin-1").decode("latin-1"), {}, "line 1: there is no field for the column 'ü'"),
    ],
)
def test_a_header_that_does_not_fit_is_an_error_at_once(text: str, how: dict[str, Any], problem: str) -> None:
    with pytest.raises(SourceError) as caught:
        orders_of(text, **how)
    assert str(caught.value).startswith(problem)


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        ({"columns": {"x": "colour"}}, "columns['x']: there is no field 'colour'"),
        ({"columns": {"x": 1}}, "columns['x']: there is no field 1"),
        ({"columns": {1: "id"}}, "columns[1]: must be str, not int"),
        ({"columns": {"a b": "id", "A_B": None}}, "columns['A_B']: is there twice"),
        ({"columns": ["id"]}, "columns: must be Mapping, not list"),
        ({"defaults": "id"}, "defaults: must be Mapping, not str"),
        ({"defaults": {"colour": "red"}}, "defaults['colour']: there is no field 'colour'"),
        ({"defaults": {"status": ""}}, "defaults['status']: must be what would stand in a cell"),
        ({"defaults": {"amount": 1}}, "defaults['amount']: must be what would stand in a cell"),
        ({"defaults": {"amount": "1.5"}}, "defaults['amount']: is no whole number: '1.5'"),
        ({"defaults": {"source id": "a"}}, "defaults['source id']: is an order's own"),
        ({"decimals": 7}, "decimals: must be from 0 to 6, not 7"),
    ],
)
def test_an_argument_that_does_not_fit_is_refused(how: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        csv_orders(**how)
    assert str(caught.value).startswith(problem)


# --- Cells --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "cell", "problem"),
    [
        ("amount", "12.95", "is no whole number: '12.95'"),
        ("amount", "1e3", "is no whole number: '1e3'"),
        ("amount", "1_000", "is no whole number: '1_000'"),
        ("amount", "١٢", "is no whole number: '١٢'"),
        ("amount", "-1", "is below zero: '-1'"),
        ("amount", "9007199254740992", "is larger than 9007199254740991: '9007199254740992'"),
        ("amount", "9" * 50, f"is no whole number: '{'9' * 40}...'"),
        ("customer.metadata", "[1]", "is no JSON object: '[1]'"),
        ("metadata", "{", "is no JSON object: '{'"),
        ("created_at", "yesterday", "is no time as ISO 8601 writes it: 'yesterday'"),
        ("created_at", "12/1/2010 8:26", "is no time as ISO 8601 writes it: '12/1/2010 8:26'"),
        ("created_at", "2010-12-01T08:00:00+01:00:30", "has a time zone that is no whole number of minutes"),
        ("items", '"[{""x"":1}]"', "[0]: Object contains unknown field `x`"),
        ("items", '"{}"', "Expected `array`, got `object`"),
        ("items", '"[' + "{}," * 500 + '{}]"', "has 501 items, an order has at most 500"),
        ("item.quantity", "-3", "is below zero: '-3'"),
        ("item.product.price", "-0.5", "is below zero: '-0.5'"),
        ("item.product.price", "NaN", "is no number: 'NaN'"),
        ("item.product.price", "1e999", "is "),
        ("item.product.override", "yes", "is neither true nor false: 'yes'"),
    ],
)
def test_a_cell_that_does_not_fit_is_named(column: str, cell: str, problem: str) -> None:
    (found,) = problems_of(f"source_id,{column}\na,{cell}\n")
    assert found.startswith(f"line 2: {column}: {problem}")


def test_cells_are_typed() -> None:
    (order,) = orders_of(
        "source_id,created_at,item.quantity,item.product.price,item.product.override,item.sku.price,metadata.n\n"
        "true, 2026-03-01 07:44 ,+6 ,26.5,TRUE,7,1\n"
    )
    assert order.source_id == "true"
    assert order.created_at == datetime.datetime(2026, 3, 1, 7, 44, tzinfo=datetime.UTC)
    assert order.items
    item = order.items[0]
    assert (item.quantity, item.product, item.sku) == (6, Product(price=26.5, override=True), Sku(price=7))
    assert order.metadata == {"n": "1"}


@given(st.integers(0, 2**53 - 1), st.integers(0, 6), st.integers(0, 3))
def test_money_in_the_currency_is_exact(units: int, decimals: int, zeros: int) -> None:
    cell = f"{Decimal(units).scaleb(-decimals):f}" + "0" * (zeros if decimals else 0)
    (order,) = orders_of(f"source_id,amount,status,item.product.price\na,{cell},12.345,{cell}\n", decimals=decimals)
    assert order.items
    assert order.items[0].product
    assert (order.amount, order.status, order.items[0].product.price) == (units, "12.345", units)


@pytest.mark.parametrize(
    ("cell", "units"),
    [("12.95", 1295), ("12.9", 1290), ("12", 1200), ("12.950", 1295), (" 0.00 ", 0), ("+1.1", 110)],
)
def test_decimals_may_be_fewer_or_zeros(cell: str, units: int) -> None:
    assert orders_of(f"source_id,amount\na,{cell}\n", decimals=2)[0].amount == units


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("0.001", "has more than 2 decimals: '0.001'"),
        ("-0.01", "is below zero: '-0.01'"),
        ('"12,95"', "is no decimal number: '12,95'"),
        (".5", "is no decimal number: '.5'"),
        ("1e2", "is no decimal number: '1e2'"),
        ("NaN", "is no decimal number: 'NaN'"),
        ("90071992547409.92", "is larger than 9007199254740991: '90071992547409.92'"),
    ],
)
def test_money_that_is_none_is_refused(cell: str, problem: str) -> None:
    assert problems_of(f"source_id,amount\na,{cell}\n", decimals=2) == [f"line 2: amount: {problem}"]


# --- Bad lines ----------------------------------------------------------------------------------------------


def test_a_row_is_reported_by_itself_where_a_row_is_an_order() -> None:
    text = b'source_id,amount\na,1\nb,x\n,2\nc\nd,\xff\ne,"1"1\nf,3,4\na,5\n'
    orders, bad = read(csv_orders(), text, [])
    assert [(order.source_id, order.amount) for order in orders] == [("a", 1), ("a", 5)]
    assert [(one.number, one.key, one.reason) for one in bad] == [
        (3, "b", "amount: is no whole number: 'x'"),
        (4, None, "has neither a source_id nor an id"),
        (5, None, "has 1 cells, the header 2"),
        (6, None, "is not UTF-8"),
        (7, None, "is no CSV: ',' expected after '\"'"),
        (8, None, "has 3 cells, the header 2"),
    ]
    assert read(csv_orders(allow_keyless=True), b"status\nPAID\n", [])[0] == [NewOrder(status="PAID")]


HEADER = "source_id,id,status,item.quantity\n"


@pytest.mark.parametrize(
    ("rows", "given", "problems"),
    [
        # A bad line leaves its order out, and no other.
        (
            "a,,,1|b,,,1|b,,,x|b,,,3|c,,,1",
            "ac",
            ["line 4: item.quantity: is no whole number: 'x'", "lines 3-5: order b is left out: line 4 is bad"],
        ),
        ("a,,,1|b,,,x|c,,,1", "ac", ["line 3: item.quantity: is no whole number: 'x'"]),
        # What further lines say of the order is what the first says.
        ("a,,PAID,1|a,,,2|a,,PAID,3", "a", []),
        (
            "a,,PAID,1|a,,CREATED,2",
            "",
            [
                "line 3: status: line 2 of the same order says another",
                "lines 2-3: order a is left out: line 3 is bad",
            ],
        ),
        (
            "a,,,1|a,,PAID,2",
            "",
            [
                "line 3: status: line 2 of the same order says another",
                "lines 2-3: order a is left out: line 3 is bad",
            ],
        ),
        (
            "a,x,,1|a,y,,2",
            "",
            ["line 3: id: line 2 of the same order says another", "lines 2-3: order a is left out: line 3 is bad"],
        ),
        ("a,x,,1|,x,,2|b,y,,3", "ab", []),
        # A key comes once.
        (
            "a,,,1|b,,,1|a,,,2|a,,,3",
            "ab",
            [
                "lines 4-5: order a is left out: its source_id stands further up too, without these lines; "
                "sort the file by it"
            ],
        ),
        (
            "a,x,,1|b,x,,1",
            "a",
            ["line 3: order b is left out: its id stands further up too, without these lines; sort the file by it"],
        ),
        # A line of an order that nobody knows may be one of those next to it.
        (
            "a,,,1|b,,,1|,,,1|c,,,1|d,,,1",
            "ad",
            [
                "line 4: has neither a source_id nor an id",
                "line 3: order b is left out: line 4, next to it, may be one of its own",
                "line 5: order c is left out: line 4, next to it, may be one of its own",
            ],
        ),
        (
            "a,,,1|b,,,1|b,,|b,,,2|c,,,1",
            "ac",
            [
                "line 4: has 3 cells, the header 4",
                "lines 3-5: order b is left out: line 4, next to it, may be one of its own",
            ],
        ),
    ],
)
def test_an_order_is_given_whole_or_not_at_all(rows: str, given: str, problems: list[str]) -> None:
    text = HEADER + rows.replace("|", "\n")
    orders, bad = read(csv_orders(), text.encode(), [])
    assert "".join(order.key or "" for order in orders) == given
    assert [str(one) for one in bad] == problems


@pytest.mark.parametrize(("count", "good"), [(500, True), (501, False), (1731, False)])
def test_an_order_has_at_most_500_items(count: int, good: bool) -> None:
    parser = csv_orders()
    orders, bad = read(parser, (HEADER + "a,,,1\n" * count + "a,,,\n" + "b,,,1\n").encode(), [])
    assert [len(order.items or ()) for order in orders] == ([count, 1] if good else [1])
    assert bad == (
        []
        if good
        else [
            BadLine(
                number=2,
                last_number=count + 2,
                count=count + 1,
                reason=f"order a is left out: it has {count} items, an order has at most 500",
                key="a",
            )
        ]
    )
    assert parser.lines == count + 2


def test_what_was_not_read_yet_is_known() -> None:
    parser = csv_orders()
    assert list(parser.feed(b"source_id,item.quantity\na,1\nb,1\nb,2\nb")) == [
        NewOrder(source_id="a", items=[OrderItem(quantity=1)])
    ]
    assert parser.unread_from == 3


# --- Laws ---------------------------------------------------------------------------------------------------


def cells_of(value: Any, above: str) -> Iterator[tuple[str, str]]:
    """The cells that say a struct, by the names of their columns; written without the code that reads them."""
    for name, part in value.items():
        path = f"{above}{name}"
        if name == "metadata":
            yield from ((f"{path}.{key}", text) for key, text in part.items())
        elif name == "items":
            yield path, json.dumps(part)
        elif isinstance(part, dict):
            yield from cells_of(part, f"{path}.")
        else:
            yield path, str(part)


def table(rows: Iterable[dict[str, str]], more: Iterable[str] = ()) -> bytes:
    rows = list(rows)
    names = list(dict.fromkeys([*more, *(name for row in rows for name in row)]))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, names, restval="", quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def plain_value(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", msgspec.to_builtins(value))


@given(st.lists(structs(NewOrder, in_csv=True), max_size=4), CUTS)
def test_orders_that_were_written_a_row_each_are_read(orders: list[NewOrder], cuts: list[int]) -> None:
    data = table([dict(cells_of(plain_value(order), "")) for order in orders], more=["id"])
    found, bad = read(csv_orders(allow_keyless=True), data, cuts)
    assert (found, bad) == (orders, [])


FIELDS_OF_ORDERS = structs(NewOrder, in_csv=True, without=("items", "source_id"))


@given(
    st.lists(st.tuples(FIELDS_OF_ORDERS, st.lists(ITEMS, max_size=4)), max_size=4),
    st.booleans(),
    CUTS,
)
def test_orders_that_were_written_as_line_items_are_read(
    parts: list[tuple[NewOrder, list[OrderItem]]], repeat: bool, cuts: list[int]
) -> None:
    expected, rows = [], []
    for number, (fields, items) in enumerate(parts):
        order = msgspec.structs.replace(fields, source_id=f"o-{number}", id=f"i-{number}")
        expected.append(msgspec.structs.replace(order, items=items) if items else order)
        said = dict(cells_of(plain_value(order), ""))
        for place, item in enumerate(items or [None]):
            own = said if repeat or place == 0 else {"source_id": f"o-{number}"}
            rows.append(own | ({} if item is None else dict(cells_of(plain_value(item), "item."))))
    data = table(rows, more=["source_id", "item.quantity"])
    found, bad = read(csv_orders(), data, cuts)
    assert (found, bad) == (expected, [])


ROWS = st.tuples(
    st.sampled_from(["a", "a", "a", "b", "c", ""]),  # source_id
    st.sampled_from(["", "", "", "", "x", "y"]),  # id
    st.sampled_from(["", "PAID", "PAID", "CREATED"]),  # status
    st.sampled_from(["1", "2", "3", "-1"]),  # quantity
    # The cell with the number of the line, good ones first.
    st.sampled_from(["{}", "{}", "{}", '"{}\n\n"', "{}\n", "{},", '"{}"x', '"{}\n"x', "{}\udcff", '"{}']),
)


@given(st.lists(ROWS, max_size=12), CUTS)
def test_every_line_is_in_one_order_or_in_one_report(rows: list[tuple[str, ...]], cuts: list[int]) -> None:
    text = ["source_id,id,status,item.quantity,item.metadata.line"]
    for source_id, own_id, status, quantity, cell in rows:
        line = sum(one.count("\n") + 1 for one in text) + 1
        text.append(f"{source_id},{own_id},{status},{quantity},{cell.format(line)}")
    data = "\n".join(text).encode(errors="surrogateescape")
    parser = csv_orders()
    orders, bad = read(parser, data, cuts)
    assert (orders, bad) == read(csv_orders(), data, [])

    def lines_of(item: OrderItem) -> range:
        said = (item.metadata or {})["line"]
        return range(int(said), int(said) + said.count("\n") + 1)

    in_orders = [line for order in orders for item in order.items or () for line in lines_of(item)]
    left_out = [one for one in bad if one.reason.startswith("order ")]
    by_themselves = [line for one in bad if one not in left_out for line in range(one.number, one.last_number + 1)]
    with_their_order = [
        line for one in left_out for line in range(one.number, one.last_number + 1) if line not in by_themselves
    ]
    covered = in_orders + by_themselves + with_their_order
    blank = {number for number, line in enumerate(data.split(b"\n"), start=1) if not line.strip()}
    assert set(covered) | blank == set(range(1, data.count(b"\n") + 2)) - {1} | blank
    assert [line for line, times in Counter(covered).items() if times > 1 and line not in blank] == []
    assert parser.lines == sum(len(order.items or ()) for order in orders) + sum(one.count for one in bad)

    # No line that was reported stands next to what was given, unless it is of another order.
    for order in orders:
        numbers = [line for item in order.items or () for line in lines_of(item)]
        for one in bad:
            assert one.key != order.key or min(numbers) > one.last_number or max(numbers) < one.number
            if one.key is None:
                assert not {one.number - 1, one.last_number + 1} & set(numbers)
    assert len({order.key for order in orders}) == len(orders)
