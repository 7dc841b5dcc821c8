"""Rows of an export as JSON Lines, in pieces that are worth sending."""

from collections.abc import AsyncIterable, AsyncIterator
from typing import Final

import msgspec
from msgspec.structs import asdict

from voucherify_async.models.orders import OrderRow

MEDIA_TYPE: Final = "application/x-ndjson"
_PIECE_BYTES: Final = 64 * 1024


async def json_lines(rows: AsyncIterable[OrderRow]) -> AsyncIterator[bytes]:
    """Lines of JSON, many in each piece; the next rows are read when the piece before them has been taken.

    A field that is None is left out: nobody asked for its column, or its cell is empty.
    """
    encode = msgspec.json.Encoder().encode
    piece = bytearray()
    async for row in rows:
        piece += encode({name: value for name, value in asdict(row).items() if value is not None})
        piece += b"\n"
        if len(piece) >= _PIECE_BYTES:
            yield bytes(piece)
            piece.clear()
    if piece:
        yield bytes(piece)
