"""The line items of a shop's invoices, as orders: for files such as "Online Retail" (UCI, doi 10.24432/C5BW33).

Pure, and exact: pence are whole numbers, no float is near them. Every line ends up in an order or is named as left
out, so that

    what the lines are worth = what the orders are worth - what the canceled orders are worth + what was left out.

What the API's orders cannot say is said like this:

- A cancellation (its number begins with `C`, its quantities are negative) becomes an order of its own with the
  status CANCELED and positive quantities.
- An invoice of more than 500 lines becomes several orders, `536876`, `536876/2`, and so on.
- A customer who is unknown, and a description that is missing, are not sent. Blanks around a description go.
- A line that is no sale (see `not_an_order`) is left out, and the others of its invoice are sent.
"""

import csv
import datetime
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final, NamedTuple

from msgspec import UNSET

from voucherify_async import Customer, NewOrder, OrderItem, Product
from voucherify_async.models.orders import MAX_ITEMS

__all__ = ["History", "LeftOut", "Line", "RetailFileError", "history", "not_an_order", "read_lines"]

COLUMNS: Final = (
    "InvoiceNo",
    "StockCode",
    "Description",
    "Quantity",
    "InvoiceDate",
    "UnitPrice",
    "CustomerID",
)
_WHOLE: Final = re.compile(r"-?[0-9]{1,12}")
_DECIMAL: Final = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,6})?")


class RetailFileError(ValueError):
    """The file is not one of line items; the message says where and why."""


class Line(NamedTuple):
    """A line of an invoice.

    Attributes:
        number: of the line in the file; the header is 1.
        moment: when the invoice was made, aware.
        price: of one unit, in pence.
        customer: empty if unknown.
    """

    number: int
    invoice: str
    stock_code: str
    description: str
    quantity: int
    moment: datetime.datetime
    price: Fraction
    customer: str

    @property
    def worth(self) -> Fraction:
        """In pence; below zero for a cancellation."""
        return self.price * self.quantity

    @property
    def canceled(self) -> bool:
        """Whether it is of a cancellation."""
        return self.invoice.startswith("C")


class LeftOut(NamedTuple):
    """A line that could not be part of an order, and why."""

    line: Line
    reason: str


@dataclass(frozen=True)
class History:
    """What became of the lines.

    Attributes:
        orders: in the order in which their invoices begin.
        left_out: the lines that are in none of them.
        split: by invoice, into how many orders; only those that are more than one.
        line_count: of all lines.
        worth: of all lines, in pence.
    """

    orders: list[NewOrder]
    left_out: list[LeftOut]
    split: dict[str, int]
    line_count: int
    worth: Fraction


def read_lines(text: Iterable[str]) -> Iterator[Line]:
    """Read the CSV's lines; other columns than those that are needed do not matter.

    Args:
        text: the file, opened with `newline=""`.

    Raises:
        RetailFileError: a column is missing, or a cell does not fit.
    """
    reader = csv.reader(text, strict=True)
    try:
        header = next(reader, [])
        missing = [name for name in COLUMNS if name not in header]
        if missing:
            raise RetailFileError(f"line 1: no column {', '.join(missing)}")
        places = [header.index(name) for name in COLUMNS]
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(header):
                raise RetailFileError(f"line {reader.line_num}: {len(cells)} cells, the header has {len(header)}")
            yield _line(reader.line_num, [cells[place].strip() for place in places])
    except csv.Error as error:
        raise RetailFileError(f"line {reader.line_num}: {error}") from None


def _line(number: int, cells: list[str]) -> Line:
    invoice, stock_code, description, quantity, moment, price, customer = cells
    if not invoice:
        raise RetailFileError(f"line {number}: InvoiceNo is empty")
    if not _WHOLE.fullmatch(quantity):
        raise RetailFileError(f"line {number}: Quantity is no whole number: {quantity!r}")
    if not _DECIMAL.fullmatch(price):
        raise RetailFileError(f"line {number}: UnitPrice is no decimal number: {price!r}")
    try:
        at = datetime.datetime.fromisoformat(moment)
    except ValueError:
        raise RetailFileError(f"line {number}: InvoiceDate is no ISO 8601 time: {moment!r}") from None
    if at.tzinfo is None:
        at = at.replace(tzinfo=datetime.UTC)
    pence = Fraction(Decimal(price)) * 100
    return Line(number, invoice, stock_code, description, int(quantity), at, pence, customer)


def not_an_order(line: Line) -> str | None:
    """Why this line cannot be part of an order; None if it can."""
    if line.quantity == 0:
        return "a quantity of zero"
    if line.quantity < 0 and not line.canceled:
        return "a quantity below zero and no cancellation: a correction of the stock"
    if line.quantity > 0 and line.canceled:
        return "a quantity above zero in a cancellation"
    if line.price < 0:
        return "a price below zero: a correction of the books"
    if line.price.denominator != 1:
        return "a price that is no whole number of pence"
    return None


def history(lines: Iterable[Line]) -> History:
    """Make orders of the lines, one per invoice or more; the lines of an invoice need not be together."""
    invoices: dict[str, list[Line]] = {}
    left_out = []
    line_count, worth = 0, Fraction(0)
    for line in lines:
        line_count += 1
        worth += line.worth
        reason = not_an_order(line)
        if reason is None:
            invoices.setdefault(line.invoice, []).append(line)
        else:
            left_out.append(LeftOut(line, reason))
    orders, split = [], {}
    for invoice, its_lines in invoices.items():
        parts = list(_orders(invoice, its_lines))
        orders += parts
        if len(parts) > 1:
            split[invoice] = len(parts)
    return History(orders, left_out, split, line_count, worth)


def _orders(invoice: str, lines: list[Line]) -> Iterator[NewOrder]:
    first = lines[0]
    for part, start in enumerate(range(0, len(lines), MAX_ITEMS), start=1):
        some = lines[start : start + MAX_ITEMS]
        yield NewOrder(
            source_id=invoice if part == 1 else f"{invoice}/{part}",
            status="CANCELED" if first.canceled else "FULFILLED",
            amount=int(sum(abs(line.worth) for line in some)),
            items=[_item(line) for line in some],
            created_at=first.moment,
            customer=Customer(source_id=first.customer) if first.customer else UNSET,
            metadata={"invoice": invoice} if len(lines) <= MAX_ITEMS else {"invoice": invoice, "part": part},
        )


def _item(line: Line) -> OrderItem:
    return OrderItem(
        source_id=line.stock_code or UNSET,
        related_object="product" if line.stock_code else UNSET,
        product=Product(name=line.description) if line.description else UNSET,
        quantity=abs(line.quantity),
        price=int(line.price),
    )
