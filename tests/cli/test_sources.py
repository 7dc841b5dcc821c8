"""The files that the demo's orders may come from, and what is said of them."""

import gzip
import io
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.test_retail import HEADER, line
from voucherify_async.cli.retail import RetailFileError, history, read_lines
from voucherify_async.cli.sources import account_of, from_file, made_up

CSV = HEADER + "1,A,CRÈME,2,2010-12-01,1.5,\nC2,A,CRÈME,-1,2010-12-01,1.5,\n"


@pytest.mark.parametrize("data", [CSV.encode(), CSV.encode("utf-8-sig"), gzip.compress(CSV.encode())])
def test_a_file_may_be_gzipped_and_begin_with_a_mark(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "lines.csv"
    path.write_bytes(data)
    source = from_file(path)
    assert source.title == "2 orders of lines.csv"
    assert source.notes == ["2 lines, worth 1.50 = orders 3.00 - cancellations 1.50 + left out 0.00"]
    assert source.problems == []


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (gzip.compress(CSV.encode())[:-20], "cannot be decoded"),
        (gzip.compress(CSV.encode())[:20] + b"nonsense", "cannot be decoded"),
        (CSV.encode("latin-1"), "cannot be decoded"),
        (HEADER.encode(), "there is no order in it"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path: Path, data: bytes, problem: str) -> None:
    path = tmp_path / "lines.csv"
    path.write_bytes(data)
    with pytest.raises(RetailFileError, match=problem):
        from_file(path)


def test_all_that_is_not_as_it_was_is_told() -> None:
    found = history([*(line("9") for _ in range(501)), line("1", -2, 0), line("2", -3, 50), line("3", 1, -1)])
    notes = account_of(found, "lines.csv").notes
    assert notes == [
        "504 lines, worth 499.49 = orders 501.00 - cancellations 0.00 + left out -1.51",
        "Invoices of more than 500 lines, sent as several orders: 9 (2)",
        "What could not be an order: 1 lines (a price below zero: a correction of the books), of the invoices "
        "3 (-0.01)",
        "What could not be an order: 2 lines (a quantity below zero and no cancellation: a correction of the "
        "stock), of the invoices 1, 2 (-1.50)",
    ]


def test_an_account_that_does_not_balance_is_a_problem() -> None:
    found = history(read_lines(io.StringIO(CSV, newline="")))
    short = replace(found, orders=found.orders[:1])
    assert account_of(short, "lines.csv").problems == [
        "lines.csv: its lines are worth 1.50, but what became of them 3.00"
    ]


def test_two_orders_of_one_name_are_a_problem() -> None:
    found = history([*(line("9") for _ in range(501)), line("9/2")])
    assert account_of(found, "lines.csv").problems == ["lines.csv: 2 orders would be called 9/2"]


def test_made_up_orders_say_how_they_were_made() -> None:
    source = made_up(3, 7)
    assert (source.title, len(source.orders)) == ("3 made-up orders (seed 7)", 3)
