"""An export's bytes to rows."""

import csv
import datetime
import io
import json
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import example, given
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
    monkeypatch.setattr(csvrows, "MAX_ROW_BYTES", 1000)
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


def outcome(data: bytes, *, row_by_row: bool) -> tuple[list[OrderRow], str]:
    """What comes of a file that arrives in one piece: its rows, and what is wrong behind them."""
    with pytest.MonkeyPatch.context() as patch:
        if row_by_row:
            patch.setattr(csvrows.CsvRows, "_rows", csvrows.CsvRows._row_by_row)
        rows, found = CsvRows(), []
        try:
            found += rows.feed(data)
            rows.check()
            found += rows.feed(b"", last=True)
            rows.check()
        except (csv.Error, msgspec.ValidationError, UnicodeDecodeError) as error:
            return found, f"{type(error).__name__}: {error}"
    return found, ""


headers = st.sampled_from(
    [
        "id",
        "amount",
        "id,amount",
        "amount,id,created_at",
        "metadata,id",
        "metadata.a,id,metadata.b",
        "metadata.a,metadata,amount,metadata.b",
        "id,ID,amount",
        "nobody,id,knows",
    ]
)
odd_cells = st.one_of(
    st.sampled_from(["", "5", "-7", "1.0", "1e3", "null", "NULL", " 5", "5 ", "+5", "1_0", "007", "9" * 20, "nan"]),
    st.sampled_from(["2026-03-01T07:44:41.594Z", "2026-03-01T07:44:41", "2026-03-01 07:44:41+01:00", "1772351081"]),
    st.sampled_from(
        ["{}", '{"a":1}', '"{""a"":1}"', '"{""a"":""x, y""}"', "[1]", '""', '""""', '"a\nb"', '"a""b"']
    ),
    st.sampled_from(["a\\", "\\", "\\n", "\t", "a\rb", '5"', '"5" ', "\0", "\1", "\x85", "\u2028", "\u65e5", "]["]),
    st.text(st.sampled_from('",\n\r\\ 0a[]{}:'), max_size=4),
)
line_ends = st.sampled_from(["\r\n"] * 8 + ["\n", "\r", "\r\r\n", "\n\n"])


@given(headers, st.lists(st.tuples(st.lists(odd_cells, min_size=1, max_size=4), line_ends), max_size=5), line_ends)
@example("id,amount", [(["a", "1"], "\n"), (["\r", "1"], "\n")], "\n")
@example("id,amount", [(["a\r5"], "\r\n")], "\r\n")
@example("id,amount", [(["a\r"], "\r\n"), (["a", "5", ""], "\n")], "\r\n")
@example("id,amount", [(["a\rb"], "\n"), (["b", "2"], "\r\n")], "\r\n")
def test_all_ways_through_come_to_the_same(
    header: str, lines: list[tuple[list[str], str]], header_end: str
) -> None:
    data = header + header_end + "".join(",".join(line) + end for line, end in lines)
    assert outcome(data.encode(), row_by_row=False) == outcome(data.encode(), row_by_row=True)


@given(st.binary(max_size=60))
def test_all_ways_through_come_to_the_same_with_any_bytes(data: bytes) -> None:
    data = b"id,amount\n" + data
    assert outcome(data, row_by_row=False) == outcome(data, row_by_row=True)


plain_cells = st.text(st.sampled_from("a0 \\;é日\t"), max_size=4)
mixed_cells = st.one_of(plain_cells, plain_cells, plain_cells, cells)


@given(
    header=st.permutations(["id", "metadata.a", "source_id", "created_at", "amount", "metadata", "customer_id"]),
    rows=st.lists(
        st.fixed_dictionaries(
            {
                "id": mixed_cells,
                "source_id": mixed_cells,
                "customer_id": plain_cells,
                "metadata.a": plain_cells,
                "created_at": st.datetimes(timezones=st.just(datetime.UTC)).map(lambda at: at.isoformat()),
                "amount": st.one_of(st.sampled_from(["", "1.0", "1e3"]), st.integers(-(10**12), 10**12).map(str)),
                "metadata": st.one_of(
                    st.just(""),
                    st.dictionaries(cells, st.one_of(cells, st.integers(), st.none()), max_size=2).map(json.dumps),
                ),
            }
        ),
        max_size=6,
    ),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
)
def test_rows_by_the_block_are_rows_one_by_one(
    header: list[str], rows: list[dict[str, str]], quoting: Literal[0, 1]
) -> None:
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, header, lineterminator="\r\n", quoting=quoting)
    writer.writeheader()
    writer.writerows(rows)
    found, problem = outcome(file.getvalue().encode(), row_by_row=False)
    assert (found, problem) == outcome(file.getvalue().encode(), row_by_row=True)
    assert (len(found), problem) == (len(rows), "")


def test_long_cells_are_refused_with_or_without_quotes() -> None:
    long = "x" * 131_073
    for row in (f"1,{long}\n", f'1,"{long}"\n'):
        with pytest.raises(csv.Error, match="field limit"):
            read(b"amount,id\n" + b"1,a\n" * 1000 + row.encode())
    last_row = read(f"amount,id\n1,a\n2,{long[1:]}\n".encode())[-1]
    assert last_row.id == long[1:]
