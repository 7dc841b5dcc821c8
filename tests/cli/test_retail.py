"""Lines of invoices as orders: every oddity by hand, the law of sums by chance, the real file where it is."""

import datetime
import io
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from voucherify_async import Customer, NewOrder, Product
from voucherify_async.cli.retail import History, Line, RetailFileError, history, not_an_order, read_lines
from voucherify_async.cli.sources import account_of, from_file

HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID\n"
REAL_FILE = Path(__file__).parents[3] / "shared" / "data" / "online-retail.csv.gz"


def read(*lines: str) -> History:
    return history(read_lines(io.StringIO(HEADER + "".join(f"{line}\n" for line in lines), newline="")))


def line(invoice: str = "1", quantity: int = 1, pence: Fraction | int = 100, number: int = 2) -> Line:
    moment = datetime.datetime(2010, 12, 1, tzinfo=datetime.UTC)
    return Line(number, invoice, "A", "A thing", quantity, moment, Fraction(pence), "")


def items_of(order: NewOrder) -> int:
    return len(order.items or ())


class TestOrders:
    def test_the_lines_of_an_invoice_become_one_order(self) -> None:
        found = read(
            "536365,85123A,WHITE HEART,6,2010-12-01T08:26:00Z,2.55,17850",
            "536366,22633,HAND WARMER,1,2010-12-01T08:28:00Z,1.85,17851",
            "536365,71053,LANTERN,2,2010-12-01T08:26:00Z,3.39,17850",
        )
        first, second = found.orders
        assert (first.source_id, first.status, first.amount) == ("536365", "FULFILLED", 6 * 255 + 2 * 339)
        assert first.created_at == datetime.datetime(2010, 12, 1, 8, 26, tzinfo=datetime.UTC)
        assert first.customer == Customer(source_id="17850")
        assert first.metadata == {"invoice": "536365"}
        assert first.items
        assert (first.items[0].source_id, first.items[0].quantity, first.items[0].price) == ("85123A", 6, 255)
        assert first.items[0].product == Product(name="WHITE HEART")
        assert (second.source_id, second.amount) == ("536366", 185)
        assert (found.line_count, found.left_out, found.split) == (3, [], {})
        assert found.worth == 2393

    def test_a_price_that_no_float_can_hold_is_exact(self) -> None:
        (order,) = read("1,A,THING,3,2010-12-01T08:26:00Z,1234567.29,").orders
        assert order.amount == 370370187

    def test_a_cancellation_is_a_canceled_order_with_positive_quantities(self) -> None:
        found = read("C536379,D,Discount,-2,2010-12-01T09:41:00Z,27.50,14527")
        (order,) = found.orders
        assert (order.source_id, order.status, order.amount) == ("C536379", "CANCELED", 5500)
        assert order.items
        assert order.items[0].quantity == 2
        assert found.worth == -5500

    def test_an_unknown_customer_is_not_sent(self) -> None:
        (order,) = read("1,A,THING,1,2010-12-01T08:26:00Z,1.0,").orders
        assert order.customer is UNSET

    def test_a_description_is_stripped_and_a_missing_one_is_not_sent(self) -> None:
        (order,) = read(
            "1,A, GIFT VOUCHER £20 ,1,2010-12-01T08:26:00Z,0.0,",
            '1,B,"  ",1,2010-12-01T08:26:00Z,0.0,',
            "1,,,1,2010-12-01T08:26:00Z,0.0,",
        ).orders
        assert order.amount == 0
        assert order.items
        assert [item.product for item in order.items] == [Product(name="GIFT VOUCHER £20"), UNSET, UNSET]
        assert [item.source_id for item in order.items] == ["A", "B", UNSET]
        assert [item.related_object for item in order.items] == ["product", "product", UNSET]

    @pytest.mark.parametrize(
        ("count", "parts"), [(500, [500]), (501, [500, 1]), (1000, [500, 500]), (1001, [500, 500, 1])]
    )
    def test_a_long_invoice_becomes_several_orders(self, count: int, parts: list[int]) -> None:
        found = history(line("536876", number=number) for number in range(count))
        assert [items_of(order) for order in found.orders] == parts
        assert [order.source_id for order in found.orders] == ["536876", "536876/2", "536876/3"][: len(parts)]
        assert found.split == ({"536876": len(parts)} if len(parts) > 1 else {})
        assert found.worth == sum(order.amount or 0 for order in found.orders)
        assert found.orders[-1].metadata == {"invoice": "536876"} | ({"part": len(parts)} if len(parts) > 1 else {})

    @pytest.mark.parametrize(
        ("odd", "reason"),
        [
            (line(quantity=0), "a quantity of zero"),
            (line(quantity=-1), "a quantity below zero and no cancellation: a correction of the stock"),
            (line("C1", quantity=1), "a quantity above zero in a cancellation"),
            (line(pence=-1), "a price below zero: a correction of the books"),
            (line(pence=Fraction(1, 10)), "a price that is no whole number of pence"),
        ],
    )
    def test_a_line_that_is_no_sale_is_left_out_and_named(self, odd: Line, reason: str) -> None:
        assert not_an_order(odd) == reason
        found = history([line(odd.invoice, -5 if odd.canceled else 5), odd])
        assert [(one.line, one.reason) for one in found.left_out] == [(odd, reason)]
        assert [items_of(order) for order in found.orders] == [1]

    def test_an_invoice_without_any_sale_is_no_order(self) -> None:
        assert history([line(quantity=-1)]).orders == []


class TestFile:
    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            (
                "",
                "line 1: no column InvoiceNo, StockCode, Description, Quantity, InvoiceDate, UnitPrice, CustomerID",
            ),
            ("a,b\n", "line 1: no column InvoiceNo"),
            (HEADER + "1,2\n", "line 2: 2 cells, the header has 7"),
            (HEADER + ",A,,1,2010-12-01,1.0,\n", "line 2: InvoiceNo is empty"),
            (HEADER + "1,A,,1.5,2010-12-01,1.0,\n", "line 2: Quantity is no whole number: '1.5'"),
            (HEADER + "1,A,,1,2010-12-01,NaN,\n", "line 2: UnitPrice is no decimal number: 'NaN'"),
            (HEADER + "1,A,,1,12/1/2010,1.0,\n", "line 2: InvoiceDate is no ISO 8601 time: '12/1/2010'"),
            (HEADER + '1,A,"x"y,1,2010-12-01,1.0,\n', "line 2: "),
        ],
    )
    def test_what_is_no_file_of_line_items_is_refused(self, text: str, problem: str) -> None:
        with pytest.raises(RetailFileError, match=f"^{problem}"):
            list(read_lines(io.StringIO(text, newline="")))

    def test_columns_may_stand_anywhere_and_lines_may_be_empty(self) -> None:
        text = (
            "Country,CustomerID,UnitPrice,InvoiceDate,Quantity,Description,StockCode,InvoiceNo\n\n"
            "France,7,1.5,2010-12-01,2,x,A,1\n"
        )
        (found,) = read_lines(io.StringIO(text, newline=""))
        assert found == Line(
            3, "1", "A", "x", 2, datetime.datetime(2010, 12, 1, tzinfo=datetime.UTC), Fraction(150), "7"
        )


LINES = st.lists(
    st.builds(
        line,
        invoice=st.sampled_from(["1", "2", "C1", "C2"]),
        quantity=st.integers(-(10**6), 10**6),
        pence=st.one_of(
            st.integers(-(10**4), 10**6),
            st.decimals(-100, 100, places=3).map(lambda pounds: Fraction(pounds) * 100),
        ),
    )
)


class TestSums:
    @given(LINES)
    def test_nothing_is_lost(self, lines: list[Line]) -> None:
        found = history(lines)
        sign = {"CANCELED": -1, "FULFILLED": 1}
        orders = sum(sign[order.status or ""] * (order.amount or 0) for order in found.orders)
        assert sum(one.worth for one in lines) == found.worth
        assert found.worth == orders + sum(one.line.worth for one in found.left_out)
        assert found.line_count == len(lines)
        assert len(lines) == len(found.left_out) + sum(items_of(order) for order in found.orders)
        assert account_of(found, "lines.csv").problems == []

    @given(LINES)
    def test_each_order_is_worth_its_items(self, lines: list[Line]) -> None:
        for order in history(lines).orders:
            assert order.amount == sum((item.price or 0) * (item.quantity or 0) for item in order.items or ())
            assert all((item.quantity or 0) > 0 and (item.price or 0) >= 0 for item in order.items or ())


@pytest.mark.skipif(not REAL_FILE.exists(), reason="the real file is not here")
def test_the_real_file() -> None:
    source = from_file(REAL_FILE)
    assert source.problems == []
    assert source.notes[0].startswith("50,999 lines, worth 853,065.09 = orders 967,819.37 - cancellations")
    assert sum(items_of(order) for order in source.orders) == 50_999 - 89
    assert sum(order.status == "CANCELED" for order in source.orders) == 386
    assert all(1 <= items_of(order) <= 500 for order in source.orders)
    assert sum("part" in (order.metadata or {}) for order in source.orders) == 2 * 15
