"""An export's bytes to typed rows: pure, fed with pieces that may be cut anywhere.

Three ways through, each with the same outcome (a property test holds them together):

- Row by row with the csv module. It finds what does not fit, and where; it is the only one that raises.
- A block of rows with the csv module, converted at once.
- Rows without quotes are turned into JSON by replacing the signs between their cells, and decoded at once.

The faster ones give up at whatever is out of the ordinary.
"""

import csv
from typing import Final

import msgspec

from voucherify_async.csvcolumns import Columns
from voucherify_async.csvlines import Lines, header_of
from voucherify_async.models.orders import OrderRow

# A row of an export is a few hundred bytes; its metadata can be long, but not this long.
MAX_ROW_BYTES = 1024 * 1024
MAX_CELL_CHARACTERS: Final = 131_072  # of the csv module, unless a user changes it

# More, and reading rows with quotes one by one costs more than replacing saves.
_SPARSE_QUOTES_A_ROW: Final = 2

_BREAK: Final[list[object]] = [[], None]

_encode: Final = msgspec.json.Encoder().encode


class CsvRows:
    """Turns the pieces of a CSV file into `OrderRow` structs, keeping only a piece at a time.

    Attributes:
        misfit: what stands behind the rows that were given last and does not fit, None if there is nothing.
    """

    def __init__(self) -> None:
        self._rest = b""  # it begins with a row, or in front of the header
        self._columns: Columns | None = None
        self._row_number = 0
        self.misfit: Exception | None = None

    def feed(self, piece: bytes, *, last: bool = False) -> list[OrderRow]:
        """The rows that are complete with this piece.

        Args:
            piece: the next bytes of the file.
            last: no more will come; what is left is a row.

        Raises, when the good rows before it have been given:
            csv.Error: it is no CSV, or a row is longer than 1 MiB, or a cell than 131,072 characters.
            UnicodeDecodeError: it is not UTF-8.
            msgspec.ValidationError: a cell does not fit its column; the error names both.
        """
        text, known = self._rest + piece, len(self._rest)
        block = text if last else text[: text.rfind(b"\n", known) + 1]
        rows: list[OrderRow] = []
        end = 0
        try:
            if self._columns is None:
                end = self._read_header(block, last=last)
            if self._columns is not None:
                rows, end = self._rows(self._columns, block, end, last=last)
        except (csv.Error, UnicodeDecodeError) as error:
            self.misfit = error
        self._rest = text[end:]
        if self.misfit is None and len(self._rest) > MAX_ROW_BYTES:
            self.misfit = csv.Error(f"row {self._row_number + 1} is longer than {MAX_ROW_BYTES} bytes")
        if not rows:
            self.check()
        return rows

    def check(self) -> None:
        """Raise what stands behind the rows that were given last, if it does not fit."""
        if self.misfit is not None:
            raise self.misfit

    def _read_header(self, block: bytes, *, last: bool) -> int:
        """Take up the first row, if it is there, and say where it ends."""
        header, end = header_of(block, last=last)
        if header is not None:
            self._columns = Columns(header)
        return end

    def _rows(self, columns: Columns, block: bytes, start: int, *, last: bool) -> tuple[list[OrderRow], int]:
        """The rows from a place on, and where they end."""
        if columns.many_at_once and block.endswith(b"\n"):
            quotes, breaks = block.count(b'"', start), block.count(b"\n", start)
            sparse = quotes <= breaks * _SPARSE_QUOTES_A_ROW
            for way in (_by_replacing, _by_block) if sparse else (_by_block,):
                try:
                    rows, end = way(columns, block, start, last=last)
                except (csv.Error, msgspec.DecodeError, UnicodeDecodeError):
                    continue
                self._row_number += len(rows)
                return rows, end
        return self._row_by_row(columns, block, start, last=last)

    def _row_by_row(self, columns: Columns, block: bytes, start: int, *, last: bool) -> tuple[list[OrderRow], int]:
        rows: list[OrderRow] = []
        lines = Lines(block, start, last=last)
        try:
            while (cells := lines.next_row()) is not None:
                if not cells:
                    continue  # an empty line
                self._row_number += 1
                if len(cells) != len(columns):
                    problem = f"row {self._row_number} has {len(cells)} cells, the header {len(columns)}"
                    self.misfit = csv.Error(problem)
                    break
                rows.append(columns.row(cells))
        except msgspec.ValidationError as error:
            self.misfit = msgspec.ValidationError(f"row {self._row_number}: {error}")
        except (csv.Error, UnicodeDecodeError) as error:
            self.misfit = error
        return rows, lines.end


def _by_block(columns: Columns, block: bytes, start: int, *, last: bool) -> tuple[list[OrderRow], int]:
    lines = Lines(block, start, last=last)
    table = lines.rest()
    return columns.rows(table), lines.end


def _by_replacing(columns: Columns, block: bytes, start: int, *, last: bool) -> tuple[list[OrderRow], int]:
    if len(columns) == 1:
        raise csv.Error("an empty line would pass for an empty cell")
    # Of a break of two signs, the first becomes an empty array, which no cell can be, and has nothing behind it.
    ended = block.endswith(b"\r\n")
    lines = Lines(block, start, last=last)
    rows: list[bytes] = []
    while start < len(block):
        quote = block.find(b'"', start)
        end = len(block) if quote < 0 else max(start, block.rfind(b"\n", start, quote) + 1)
        if end > start:
            rows.append(_as_json(block[start : end - 1], ended=ended))
        if quote < 0:
            start = end
            break
        lines.go_to(end)
        cells = lines.next_row()
        start = lines.end
        if cells is None:
            break
        rows.append(_encode([cell or None for cell in cells] + (_BREAK if ended else [])))
    return columns.rows_of_json(b"[" + b",".join(rows) + b"]", ended=ended), start


def _as_json(rows: bytes, *, ended: bool) -> bytes:
    """Rows without quotes as arrays of strings. JSON takes no control signs, so the decoder refuses those."""
    _check_length(rows)
    if b"\\" in rows:
        rows = rows.replace(b"\\", b"\\\\")
    # Signs that stand alone are found several times as fast as those of two.
    rows = rows.replace(b",", b'","')
    if ended:
        rows = rows.replace(b"\r", b'",[],"')
    rows = b'["' + rows.replace(b"\n", b'"],["') + b'"]'
    return b"null".join(rows.split(b'""'))


def _check_length(rows: bytes) -> None:
    """Leave long cells to the csv module, which has a limit for them."""
    start = 0
    while len(rows) - start > MAX_CELL_CHARACTERS:
        start, before = rows.rfind(b"\n", start, start + MAX_CELL_CHARACTERS) + 1, start
        if start <= before:
            raise csv.Error("a row may be too long")
