"""What stands in the body of an answer that a fault spoils. Pure."""

from __future__ import annotations

import gzip
import re
import struct
import zlib
from collections.abc import Iterator
from typing import Final

__all__ = ["ENCODINGS", "blanks", "bomb", "spoilt"]

# What a spoilt answer says of its encoding, unless the fault's headers say something else.
ENCODINGS: Final = {
    "truncated_gzip": "gzip",
    "wrong_encoding": "gzip",
    "unknown_encoding": "zz-unknown",
    "bomb": "gzip",
}
_PIECE: Final = b" " * (64 * 1024)
_BLOCK: Final = b" " * (1024 * 1024)
# Deflated, no time, made by nobody knows what (RFC 1952, 2.3).
_GZIP_HEAD: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_QUOTED: Final = re.compile(rb'"((?:[^"\\]|\\.)*+)"(\s*:)?', re.DOTALL)


def spoilt(kind: str, body: bytes) -> bytes | None:
    """The body with a mistake in it; None for the kinds that leave it as it is."""
    if kind == "broken_json":
        return body[: len(body) // 2] or b"{"
    if kind == "truncated_gzip":
        packed = gzip.compress(body)
        return packed[: len(packed) // 2]
    if kind in ("wrong_encoding", "unknown_encoding"):
        # Of an empty body nobody could say that it is in the wrong encoding.
        return body or b"{}"
    if kind == "bad_charset":
        return _with_bad_charset(body)
    return None


def blanks(size: int) -> Iterator[bytes]:
    """`size` bytes of what JSON allows in front of a value."""
    for _ in range(size // len(_PIECE)):
        yield _PIECE
    yield _PIECE[: size % len(_PIECE)]


def bomb(size: int) -> Iterator[bytes]:
    """The same, gzipped: a thousandth of it, made in pieces that each unpack to a mebibyte at most."""
    yield _GZIP_HEAD
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    # After a full flush nothing refers to what was before it: the block can stand any number of times.
    block = packer.compress(_BLOCK) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = 0
    for _ in range(size // len(_BLOCK)):
        checksum = zlib.crc32(_BLOCK, checksum)
        yield block
    rest = _BLOCK[: size % len(_BLOCK)]
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    yield packer.compress(rest) + packer.flush()
    yield struct.pack("<II", zlib.crc32(rest, checksum), size & 0xFFFFFFFF)


def _with_bad_charset(body: bytes) -> bytes:
    """A byte that stands nowhere in UTF-8 begins each string: the one that a client reads is among them."""
    changed = _QUOTED.sub(_with_bad_byte, body)
    return changed if changed != body else b"\xff" + body[1:]


def _with_bad_byte(quoted: re.Match[bytes]) -> bytes:
    text = quoted[1]
    # Names stay; the first byte of an escape cannot go without the rest of it.
    if quoted[2] or not text or text.startswith(b"\\"):
        return quoted[0]
    return b'"\xff' + text[1:] + b'"'
