"""Bytes to lines: pure, fed with pieces that may be cut anywhere."""

import codecs
from typing import Final

from voucherify_async.errors import SourceError

# An order has at most 500 items; with a good 16 KB for each it is still one.
MAX_LINE_BYTES: Final = 8 * 1024 * 1024


class Lines:
    """Cuts bytes into lines, and keeps no more than the beginning of one.

    Lines end at "\\n" alone: other line breaks of Unicode may stand in a string. A byte order mark goes.
    """

    def __init__(self) -> None:
        self._kept: list[bytes] = []
        self._kept_bytes = 0
        self._begun = False

    def feed(self, piece: bytes, *, last: bool = False) -> list[bytes | None]:
        """The lines that are complete with this piece, without their ends; None for one that is too long.

        Args:
            piece: the next bytes.
            last: no more will come; what is left is a line.

        Raises:
            SourceError: it is UTF-16.
        """
        *complete, rest = piece.split(b"\n")
        lines: list[bytes | None] = list(complete)
        if complete:
            lines[0] = self._take(complete[0])
        self._keep(rest)
        if last and self._kept_bytes:
            lines.append(self._take(b""))
        if lines and not self._begun:
            self._begun = True
            lines[0] = _without_mark(lines[0])
        return lines

    def _keep(self, beginning: bytes) -> None:
        self._kept_bytes += len(beginning)
        if self._kept_bytes > MAX_LINE_BYTES:
            self._kept.clear()
        elif beginning:
            self._kept.append(beginning)

    def _take(self, end: bytes) -> bytes | None:
        self._keep(end)
        line = b"".join(self._kept) if self._kept_bytes <= MAX_LINE_BYTES else None
        self._kept.clear()
        self._kept_bytes = 0
        return line


def _without_mark(line: bytes | None) -> bytes | None:
    if line is None:
        return None
    if line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise SourceError("is UTF-16; it must be UTF-8", line=1)
    return line.removeprefix(codecs.BOM_UTF8)
