"""CSV cut into rows by the csv module, a block of bytes at a time: pure."""

import csv
import io
from typing import Final

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class Lines:
    """The rows of a block, as the csv module cuts them.

    Attributes:
        end: where the row that was given last ends.
    """

    def __init__(self, block: bytes, start: int, *, last: bool) -> None:
        self._file = io.BytesIO(block)
        self._last = last
        # Lines end at "\n" alone: other line breaks of Unicode may stand in a cell without quotes.
        self._reader = csv.reader(map(bytes.decode, self._file), strict=True)
        self.go_to(start)

    def go_to(self, start: int) -> None:
        """Go on with the row that begins there."""
        self._file.seek(start)
        self.end = start

    def next_row(self) -> list[str] | None:
        """The cells of the next row; None if there is none, or none that is complete."""
        try:
            cells = next(self._reader, None)
        except csv.Error as error:
            self._check_cut_off(error)
            return None
        self.end = self._file.tell()
        return cells

    def rest(self) -> list[list[str]]:
        """The cells of all rows that are left and complete, without empty lines."""
        table: list[list[str]] = []
        tell = self._file.tell
        try:
            for cells in self._reader:
                self.end = tell()
                if cells:
                    table.append(cells)
        except csv.Error as error:
            self._check_cut_off(error)
        return table

    def _check_cut_off(self, error: csv.Error) -> None:
        """Raise the error, unless it is about a row that goes on in the next block: one that ends within quotes."""
        # The module tells that from other errors in its words alone.
        if self._last or str(error) != "unexpected end of data":
            raise error


def header_of(block: bytes, *, last: bool) -> tuple[list[str] | None, int]:
    """The names in the first row of a file that is not empty, and where it ends; None and 0 if it is still to come.

    Raises:
        csv.Error: it is no CSV.
        UnicodeDecodeError: it is not UTF-8.
    """
    lines = Lines(block, len(_BYTE_ORDER_MARK) if block.startswith(_BYTE_ORDER_MARK) else 0, last=last)
    while (cells := lines.next_row()) is not None:
        if cells:
            return cells, lines.end
    return None, 0
