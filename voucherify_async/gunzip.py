"""Unpacking gzip as it arrives: pure, in pieces of bounded size, and not taking a broken end for the end.

aiohttp's own unpacking takes a compression that breaks off for a whole one.
"""

import zlib
from collections.abc import Iterator
from typing import Final

_PIECE_BYTES: Final = 1024 * 1024
_GZIP_ALONE: Final = 31  # zlib's `wbits` for a gzip header and nothing else


class Gunzip:
    """Unpacks the members of a gzip stream (RFC 1952 allows several, one behind another).

    Args:
        piece_bytes: how long a piece may be, 1 MiB if not given.
    """

    def __init__(self, piece_bytes: int = _PIECE_BYTES) -> None:
        self._piece_bytes = piece_bytes
        self._member = zlib.decompressobj(wbits=_GZIP_ALONE)

    def pieces(self, packed: bytes) -> Iterator[bytes]:
        """What the next bytes unpack to, a piece at a time; read it to its end before the next call.

        Raises:
            zlib.error: it is no gzip, or damaged.
        """
        more = False
        while packed or more:
            if self._member.eof:
                packed = packed.lstrip(b"\0")  # padding behind a member
                if not packed:
                    return
                self._member = zlib.decompressobj(wbits=_GZIP_ALONE)
            unpacked = self._member.decompress(packed, self._piece_bytes)
            more = len(unpacked) == self._piece_bytes and not self._member.eof
            packed = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            if unpacked:
                yield unpacked

    def end(self) -> None:
        """Say that there is no more.

        Raises:
            zlib.error: a member is not complete.
        """
        if not self._member.eof:
            raise zlib.error("it breaks off")
