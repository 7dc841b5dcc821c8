"""An export's bytes to rows."""

import csv
import datetime
import io
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voucherify_async import OrderRow, csvrows
from voucherify_async.csvrows import CsvRows


def read(data: bytes, piece_bytes: int = 1 << 20) -> list[OrderRow]:
    rows = CsvRows()
    found = []
    for start in range(0, len(data), piece_bytes):
        found += rows.feed(data[start : start + piece_bytes])
        rows.check()
    found += rows.feed(b"", last=True)
    rows.check()
    return found


def test_cells_are_typed() -> None:
    (row,) = read(
        b"id,source_id,created_at,updated_at,status,amount,total_amount,customer_id,metadata.a b,metadata\r\n"
        b'ord_1,007,2026-03-01T07:44:41.594Z,,PAID,2700,2430.0,,x,"{""a"":[1]}"\r\n'
    )
    assert row == OrderRow(
        id="ord_1",
        source_id="007",
        created_at=datetime.datetime(2026, 3, 1, 7, 44, 41, 594_000, tzinfo=datetime.UTC),
        status="PAID",
        amount=2700,
        total_amount=2430,
        metadata={"a b": "x", "a": [1]},
    )


@pytest.mark.parametrize(
    "header",
    [
        "source_id,total_amount",
        "Source ID,Total Amount",
        "SOURCE_ID,TOTAL AMOUNT",
        "sourceId,totalamount",
        " Source Id , Total_Amount ",
    ],
)
def test_header_names_match_in_any_way_of_writing(header: str) -> None:
    (row,) = read(header.encode() + b"\na,5\n")
    assert (row.source_id, row.total_amount) == ("a", 5)


def test_metadata_keys_keep_theirs() -> None:
    (row,) = read(b"Metadata.Payment Mean,metadata.x.y,METADATA.\nPayPal,1,empty\n")
    assert row.metadata == {"Payment Mean": "PayPal", "x.y": "1", "": "empty"}


def test_a_metadata_column_that_was_asked_for_is_always_there() -> None:
    (row,) = read(b"id,metadata.channel\nord_1,\n")
    assert row.metadata == {"channel": None}


def test_unknown_columns_and_empty_cells_are_left_out() -> None:
    (row,) = read(b"id,voucher_type,amount\nord_1,GIFT,\n")
    assert row == OrderRow(id="ord_1")
    assert row.metadata == {}


@pytest.mark.parametrize("text", ["null", "none", "true", "1", "1.0"])
def test_strings_stay_what_they_are(text: str) -> None:
    (row,) = read(f"source_id,status,metadata.x\n{text},{text},{text}\n".encode())
    assert (row.source_id, row.status, row.metadata) == (text, text, {"x": text})


@pytest.mark.parametrize("data", [b"", b"id,amount\r\n", b"id", b"\r\n\r\nid\r\n\r\n"])
def test_a_file_without_rows(data: bytes) -> None:
    assert read(data) == []


def test_the_rows_before_a_misfit_are_given_first() -> None:
    rows = CsvRows()
    assert [row.amount for row in rows.feed(b"amount\n1\n2\nmany\n4\n")] == [1, 2]
    assert rows.misfit is not None
    with pytest.raises(msgspec.ValidationError, match="row 3"):
        rows.check()


def test_a_byte_order_mark_and_a_missing_last_line_break() -> None:
    (row,) = read(b"\xef\xbb\xbfid,amount\nord_1,5")
    assert (row.id, row.amount) == ("ord_1", 5)


@pytest.mark.parametrize(
    ("data", "error", "problem"),
    [
        (b"id,amount\nord_1,many\n", msgspec.ValidationError, "row 1: .*amount"),
        (b"id,amount\nord_1,5\nord_2,5,6\n", csv.Error, "row 2 has 3 cells, the header 2"),
        (b"metadata\n[1]\n", msgspec.ValidationError, "metadata"),
        (b"metadata\n{\n", msgspec.ValidationError, "metadata"),
        (b"created_at\n2026-01-01T00:00:00\n", msgspec.ValidationError, "row 1"),
        (b'id\n"a"b\n', csv.Error, "expected after"),
        (b"id\n\xc3", UnicodeDecodeError, "end of data"),
        (b"id;source_id\n1;2\n", csv.Error, "no column of the header is known"),
        (b"id\n" + b"x" * 131_073, csv.Error, "field limit"),
    ],
)
def test_what_does_not_fit_names_its_row(data: bytes, error: type[Exception], problem: str) -> None:
    with pytest.raises(error, match=problem):
        read(data)


def test_a_quote_within_a_cell_that_is_not_quoted_is_a_sign_like_others() -> None:
    for piece_bytes in (1, 7, 100):
        rows = read(b'source_id,id\n5"pipe,a\n6" "x",b\n"7""",c\n8"" x,d\n"a\nb",e\n', piece_bytes)
        assert [(row.source_id, row.id) for row in rows] == [
            ('5"pipe', "a"),
            ('6" "x"', "b"),
            ('7"', "c"),
            ('8"" x', "d"),
            ("a\nb", "e"),
        ]


def test_a_row_without_end_is_refused_before_it_fills_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csvrows, "MAX_ROW_CHARACTERS", 1000)
    rows = CsvRows()
    assert rows.feed(b'id\n"') == []
    for _ in range(9):
        assert rows.feed(b"x" * 100) == []
    with pytest.raises(csv.Error, match="row 1 is longer than 1000"):
        rows.feed(b"x" * 100)


cells = st.text(
    st.one_of(st.sampled_from('",\n\r ;é日\U0001f600'), st.characters(codec="utf-8", exclude_characters="\0")),
    max_size=8,
)


@given(
    table=st.lists(st.tuples(cells, st.integers(0, 10**12), cells), max_size=8),
    piece_bytes=st.integers(1, 40),
    line_end=st.sampled_from(["\r\n", "\n"]),
)
def test_the_pieces_may_be_cut_anywhere(table: list[tuple[str, int, str]], piece_bytes: int, line_end: str) -> None:
    file = io.StringIO(newline="")
    # Python's writer leaves a lone \r unquoted where lines end with \n, which RFC 4180 does not allow.
    always = line_end == "\n"
    writer = csv.writer(file, lineterminator=line_end, quoting=csv.QUOTE_ALL if always else csv.QUOTE_MINIMAL)
    writer.writerow(["source_id", "amount", "metadata.note"])
    writer.writerows(table)
    found = read(file.getvalue().encode(), piece_bytes)
    expected: list[dict[str, Any]] = [
        {"source_id": source_id or None, "amount": amount, "metadata": {"note": note or None}}
        for source_id, amount, note in table
    ]
    assert [{name: getattr(row, name) for name in ("source_id", "amount", "metadata")} for row in found] == expected


@given(st.binary(max_size=200), st.integers(1, 50))
def test_any_bytes_are_read_or_refused(data: bytes, piece_bytes: int) -> None:
    try:
        read(data, piece_bytes)
    except (csv.Error, msgspec.ValidationError, UnicodeDecodeError):
        pass
