"""Bytes to lines, and lines to rows."""

import csv
import io
from itertools import chain, pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from voucherify_async.errors import SourceError
from voucherify_async.sources import lines as lines_module
from voucherify_async.sources import rows as rows_module
from voucherify_async.sources.lines import Lines
from voucherify_async.sources.rows import Row, Rows, ends_within_quotes


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """The data, cut at some places."""
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(places)]


CUTS = st.lists(st.integers(0, 10_000), max_size=12)


def lines_of(data: bytes, cuts: list[int]) -> list[bytes | None]:
    cut = Lines()
    return [line for piece in pieces(data, cuts) for line in cut.feed(piece)] + cut.feed(b"", last=True)


@given(st.lists(st.sampled_from([b"\n", b"\r\n", b"a", b"\x85", b"\xe2\x80\xa8", b" "])).map(b"".join), CUTS)
def test_lines_end_at_line_feeds_alone_wherever_the_pieces_are_cut(data: bytes, cuts: list[int]) -> None:
    expected = data.split(b"\n")
    assert lines_of(data, cuts) == (expected if expected[-1] else expected[:-1])


@pytest.mark.parametrize("cut", range(5))
def test_a_byte_order_mark_goes(cut: int) -> None:
    assert lines_of(b"\xef\xbb\xbfa\n\xef\xbb\xbfb", [cut]) == [b"a", b"\xef\xbb\xbfb"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_named(encoding: str) -> None:
    with pytest.raises(SourceError, match="line 1: is UTF-16"):
        lines_of("\ufeffid\n1\n".encode(encoding), [1])


@given(CUTS)
def test_a_line_that_is_too_long_is_not_kept(cuts: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines_module, "MAX_LINE_BYTES", 5)
        data = b"12345\n123456\n1\n1234567"
        assert lines_of(data, [*range(0, len(data), 5), *cuts]) == [b"12345", None, b"1", None]


def test_a_line_that_never_ends_fills_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_module, "MAX_LINE_BYTES", 100)
    cut = Lines()
    for _ in range(1000):
        assert cut.feed(b"x" * 60) == []
        assert sum(map(len, cut._kept)) <= 100
    assert cut.feed(b"\nnext\n") == [None, b"next"]


# --- Rows ---------------------------------------------------------------------------------------------------


def rows_of(data: bytes, cuts: list[int]) -> list[Row]:
    rows = Rows()
    found = [row for piece in pieces(data, cuts) for row in rows.feed(piece)]
    return [*found, *rows.feed(b"", last=True)]


cells = st.text(st.sampled_from('a,"\n\r ü\u2028'), max_size=6)


@given(st.lists(st.lists(cells, min_size=2, max_size=4)), CUTS, st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_what_was_written_is_read(table: list[list[str]], cuts: list[int], end: str, quote_all: bool) -> None:
    text = io.StringIO(newline="")
    # The writer quotes a carriage return only where it is part of the end of a line.
    if quote_all or end == "\n":
        csv.writer(text, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(table)
    else:
        csv.writer(text, lineterminator=end).writerows(table)
    found = rows_of(text.getvalue().encode(), cuts)
    assert [row.cells for row in found] == table
    line = 1
    for row, row_cells in zip(found, table, strict=True):
        breaks = sum(cell.count("\n") for cell in row_cells)
        assert (row.number, row.last_number) == (line, line + breaks)
        line += breaks + 1


@given(st.text(st.sampled_from('a,"'), max_size=12), st.booleans())
@example('"a"b,"c', False)
def test_the_end_of_a_row_is_where_the_csv_module_sees_it(line: str, within: bool) -> None:
    text = f'"x\n{line}' if within else line
    try:
        list(csv.reader([text], strict=True))
        open_at_end = False
    except csv.Error as error:
        if "unexpected end of data" not in str(error):
            return  # it is bad already, and where it ends is ours to say
        open_at_end = True
    assert ends_within_quotes(line.encode(), within=within) is open_at_end


@given(st.lists(st.sampled_from([b'"', b",", b"\n", b"\r", b"a", b"\xff", b" "]), max_size=40).map(b"".join), CUTS)
def test_every_line_is_in_one_row_whatever_stands_there(data: bytes, cuts: list[int]) -> None:
    found = rows_of(data, cuts)
    assert found == rows_of(data, [])
    covered = [number for row in found for number in range(row.number, row.last_number + 1)]
    assert covered == sorted(set(covered))
    blank = {number for number, line in enumerate(data.split(b"\n"), start=1) if not line.strip()}
    assert set(range(1, data.count(b"\n") + 2)) - set(covered) <= blank
    assert all((row.cells is None) == bool(row.problem) for row in found)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (
            b'a\n"b"c\nd',
            [Row(1, 1, ["a"]), Row(2, 2, None, "is no CSV: ',' expected after '\"'"), Row(3, 3, ["d"])],
        ),
        (b"a\n\xff\nd", [Row(1, 1, ["a"]), Row(2, 2, None, "is not UTF-8"), Row(3, 3, ["d"])]),
        (b'a\n"b\n\nc', [Row(1, 1, ["a"]), Row(2, 4, None, "a quote is opened and never closed")]),
        (b'"a\n\n""\n"\n\nb', [Row(1, 4, ['a\n\n"\n']), Row(6, 6, ["b"])]),
        (b'5" pipe,6"\nb', [Row(1, 1, ['5" pipe', '6"']), Row(2, 2, ["b"])]),
    ],
)
def test_a_row_that_cannot_be_read_costs_no_other(data: bytes, found: list[Row]) -> None:
    for cut in range(len(data)):
        assert rows_of(data, [cut]) == found


def test_a_row_without_end_is_refused_before_it_fills_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "MAX_LINE_BYTES", 1000)
    rows = Rows()
    assert len(list(rows.feed(b'a\n"b\n'))) == 1
    assert rows.unread_from == 2
    with pytest.raises(SourceError, match="line 2: is longer than 1000 bytes; perhaps a quote is opened and never"):
        list(chain.from_iterable(rows.feed(b"x" * 99 + b"\n") for _ in range(100)))
