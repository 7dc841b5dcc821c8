"""Bytes of CSV to rows of cells: pure, fed with pieces that may be cut anywhere."""

import csv
from collections.abc import Iterator
from typing import Final, NamedTuple

from voucherify_async.errors import SourceError
from voucherify_async.sources.lines import MAX_LINE_BYTES, Lines

_QUOTE: Final = b'"'
_COMMA: Final = ord(",")


class Row(NamedTuple):
    """A row, which may go over several lines.

    Attributes:
        number, last_number: of its lines.
        cells: what stands in it; None if it cannot be read.
        problem: why it cannot.
    """

    number: int
    last_number: int
    cells: list[str] | None
    problem: str = ""


class Rows:
    """Cuts CSV into rows, and keeps no more than the beginning of one.

    A row that cannot be read costs no other: the ends of rows are found before anything is read of them.

    Attributes:
        unread_from: the number of the first line that was not given yet.
    """

    def __init__(self) -> None:
        self._cut = Lines()
        self._number = 0
        self._open: list[bytes] = []  # the lines of a row that goes on within quotes
        self._open_bytes = 0
        self._open_from = 0

    @property
    def unread_from(self) -> int:
        return self._open_from if self._open else self._number + 1

    def feed(self, piece: bytes, *, last: bool = False) -> Iterator[Row]:
        """The rows that are complete with this piece, without empty ones; read them to their end before the next.

        Raises:
            SourceError: a row is too long, so it cannot be told where it ends; or it is UTF-16.
        """
        for line in self._cut.feed(piece, last=last):
            self._number += 1
            if not self._open:
                self._open_from = self._number
            if line is None or self._open_bytes + len(line) > MAX_LINE_BYTES:
                raise SourceError(
                    f"is longer than {MAX_LINE_BYTES} bytes; perhaps a quote is opened and never closed",
                    line=self._open_from,
                )
            if (self._open or _QUOTE in line) and ends_within_quotes(line, within=bool(self._open)):
                self._open.append(line)
                self._open_bytes += len(line)
                continue
            if self._open:
                row = b"\n".join((*self._open, line))
                self._forget()
                yield _row(self._open_from, self._number, row)
            elif line and not line.isspace():
                yield _row(self._number, self._number, line)
        if last and self._open:
            self._forget()
            yield Row(self._open_from, self._number, None, "a quote is opened and never closed")

    def _forget(self) -> None:
        self._open.clear()
        self._open_bytes = 0


def _row(number: int, last_number: int, data: bytes) -> Row:
    try:
        (cells,) = csv.reader((data.decode(),), strict=True)
    except UnicodeDecodeError:
        return Row(number, last_number, None, "is not UTF-8")
    except csv.Error as error:
        return Row(number, last_number, None, f"is no CSV: {error}")
    return Row(number, last_number, cells)


def ends_within_quotes(line: bytes, *, within: bool) -> bool:
    """Whether the row goes on in the next line, by the rules of the csv module.

    A quote opens at the beginning of a cell alone, or right behind the one that closed it: a pair.
    """
    position, closed_at = 0, -2
    while (quote := line.find(_QUOTE, position)) >= 0:
        if within:
            within, closed_at = False, quote
        elif quote == 0 or line[quote - 1] == _COMMA or closed_at == quote - 1:
            within = True
        position = quote + 1
    return within
