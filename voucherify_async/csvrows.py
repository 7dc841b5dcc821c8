"""An export's bytes to typed rows: pure, fed with pieces that may be cut anywhere.

The documents are unsure about the header: the field names in one place, `Voucher Type` in another. Names match
without regard to case, blanks and underscores.
"""

import codecs
import csv
import io
from collections.abc import Iterator
from typing import Any

import msgspec

from voucherify_async.models.orders import OrderRow

# A row of an export is a few hundred bytes; its metadata can be long, but not this long. A single cell is limited
# by the csv module, to 131,072 characters.
MAX_ROW_CHARACTERS = 1024 * 1024


def _plain(name: str) -> str:
    return name.casefold().replace(" ", "").replace("_", "")


_FIELDS = {_plain(name): name for name in OrderRow.__struct_fields__}


class CsvRows:
    """Turns the pieces of a CSV file into `OrderRow` structs, row by row, keeping only a piece at a time.

    Attributes:
        misfit: what stands behind the rows that were given last and does not fit, None if there is nothing.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._rest = ""
        self._inside_quotes = False
        self._closed_at = -1  # where a quoted cell was closed last, in the rest
        self._scanned = 0  # how much of the rest is known to hold no end of a row
        self._columns: list[tuple[str, str | None]] | None = None
        self._row_number = 0
        self.misfit: Exception | None = None

    def feed(self, piece: bytes, *, last: bool = False) -> list[OrderRow]:
        """The rows that are complete with this piece.

        Args:
            piece: the next bytes of the file.
            last: no more will come; what is left is a row.

        Raises:
            UnicodeDecodeError: the piece is not UTF-8; its rows are not given.

        And, when the good rows before it have been given:
            csv.Error: it is no CSV, or a row is longer than 1 Mi characters, or a cell than 131,072.
            msgspec.ValidationError: a cell does not fit its column; the error names both.
        """
        self._rest += self._decoder.decode(piece, final=last)
        end = len(self._rest) if last else self._end_of_whole_rows()
        whole, self._rest = self._rest[:end], self._rest[end:]
        self._scanned -= end
        self._closed_at -= end
        if len(self._rest) > MAX_ROW_CHARACTERS:
            raise csv.Error(f"row {self._row_number + 1} is longer than {MAX_ROW_CHARACTERS} characters")
        rows: list[OrderRow] = []
        try:
            rows.extend(self._rows(whole))
        except (csv.Error, msgspec.ValidationError) as error:
            # The rows before it are good, wherever the pieces were cut.
            self.misfit = error
        if not rows:
            self.check()
        return rows

    def check(self) -> None:
        """Raise what stands behind the rows that were given last, if it does not fit."""
        if self.misfit is not None:
            raise self.misfit

    def _end_of_whole_rows(self) -> int:
        """Where the last complete row ends: behind the last line break outside of quotes."""
        text, end = self._rest, 0
        position = max(self._scanned, 0)
        # Between two quotes all is inside or all is outside: look at the stretches, not at each character. A
        # doubled quote leaves and enters again at once.
        while True:
            quote = text.find('"', position)
            stretch_end = len(text) if quote < 0 else quote
            if not self._inside_quotes:
                end = max(end, text.rfind("\n", position, stretch_end) + 1)
            if quote < 0:
                self._scanned = len(text)
                return end
            # A quote opens at the beginning of a cell alone, or right behind the one that closed it: a pair.
            if self._inside_quotes:
                self._inside_quotes, self._closed_at = False, quote
            elif quote == 0 or text[quote - 1] in ",\n\r" or self._closed_at == quote - 1:
                self._inside_quotes = True
            position = quote + 1

    def _rows(self, text: str) -> Iterator[OrderRow]:
        # Lines end at "\n" alone: other line breaks of Unicode may stand in a cell without quotes.
        for cells in csv.reader(io.StringIO(text, newline="\n"), strict=True):
            if not cells:
                continue  # an empty line
            if self._columns is None:
                self._columns = [_column(name) for name in cells]
                if not any(field for field, _ in self._columns):
                    raise csv.Error(f"no column of the header is known: {','.join(cells)[:200]}")
                continue
            self._row_number += 1
            yield self._row(cells, self._columns)

    def _row(self, cells: list[str], columns: list[tuple[str, str | None]]) -> OrderRow:
        if len(cells) != len(columns):
            raise csv.Error(f"row {self._row_number} has {len(cells)} cells, the header {len(columns)}")
        fields: dict[str, Any] = {}
        metadata: dict[str, Any] = {}
        for (field, key), cell in zip(columns, cells, strict=True):
            if key is not None:
                metadata[key] = cell or None
            elif not cell:
                continue
            elif field == "metadata":
                metadata |= _json_object(cell)
            elif field:
                fields[field] = cell
        fields["metadata"] = metadata
        try:
            return msgspec.convert(fields, OrderRow, strict=False)
        except msgspec.ValidationError as error:
            raise msgspec.ValidationError(f"row {self._row_number}: {error}") from None


def _column(name: str) -> tuple[str, str | None]:
    """The field of a column, `""` if it is unknown, and the key, if it is one of metadata."""
    prefix, dot, key = name.strip().partition(".")
    if dot and _plain(prefix) == "metadata":
        return "metadata", key
    return _FIELDS.get(_plain(name.strip()), ""), None


def _json_object(cell: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(cell, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise msgspec.ValidationError(f"Expected a JSON object ({error}) - at `$.metadata`") from None
