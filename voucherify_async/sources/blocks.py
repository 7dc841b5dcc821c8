"""The bytes of a source, block by block, without holding up the event loop or the end of the process."""

import asyncio
import os
import stat
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import FileIO, TextIOBase
from pathlib import Path
from typing import Final, Protocol

from voucherify_async.errors import ConfigurationError, SourceError
from voucherify_async.gunzip import Gunzip

BLOCK_BYTES: Final = 64 * 1024
_GZIP_MAGIC: Final = b"\x1f\x8b"


class ByteSource(Protocol):
    """Where bytes come from."""

    def read(self, size: int, /) -> bytes:
        """The next bytes as soon as there are any, at most so many, and none at the end. Called in a thread."""
        ...

    def close(self) -> None:
        """Give back what was taken."""
        ...

    def size(self) -> int | None:
        """How many bytes there are; None if that is not known. Where it is known, reading does not wait."""
        ...


class PathSource:
    """A file by its path; it may be a named pipe. It is opened by the first read, since that may block."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: FileIO | None = None

    def read(self, size: int, /) -> bytes:
        if self._file is None:
            self._file = self._path.open("rb", buffering=0)
        return self._file.read(size)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def size(self) -> int | None:
        with suppress(OSError):
            status = self._path.stat()
            if stat.S_ISREG(status.st_mode):
                return status.st_size
        return None


class OpenSource:
    """What others opened, and will close: standard input, or a binary file object."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self.read = read

    def close(self) -> None:
        pass

    def size(self) -> int | None:
        return None


def open_source(file: object) -> OpenSource:
    """A file object. `read1` does not wait for more than there is.

    Raises:
        ConfigurationError: it is none, or one of text, or that of standard input.
    """
    if file is getattr(sys.stdin, "buffer", None):
        raise ConfigurationError("source", "is standard input, which has a name of its own: '-'")
    return _open_source(file)


def _open_source(file: object) -> OpenSource:
    read = getattr(file, "read1", None) or getattr(file, "read", None)
    if isinstance(file, TextIOBase) or read is None:
        raise ConfigurationError("source", "must be a path, '-', or a file opened in binary mode")
    return OpenSource(read)


def standard_input() -> OpenSource:
    """Standard input, by its number where it has one.

    Its buffer has a lock. A thread that waits for input would hold it when the process ends, and the interpreter
    aborts then ("could not acquire lock at interpreter shutdown", python/cpython#58114).
    """
    if sys.stdin is None:
        raise ConfigurationError("source", "there is no standard input")
    try:
        number = sys.stdin.fileno()
    except (OSError, ValueError):
        return _open_source(sys.stdin.buffer)
    return OpenSource(lambda size: os.read(number, size))


class Blocks:
    """Reads a source, and unpacks it if it is gzipped.

    A read that is under way when its waiter is cancelled goes on, and the next waiter gets what it brings.

    Args:
        source: where the bytes come from.
        gzipped: it must be; otherwise its first bytes tell.

    Attributes:
        bytes_read: so far, as they stand in the source.
    """

    def __init__(self, source: ByteSource, *, gzipped: bool) -> None:
        self.bytes_read = 0
        self._source = source
        self._gunzip = Gunzip(BLOCK_BYTES) if gzipped else None
        self._pieces: Iterator[bytes] = iter(())
        self._begun = False
        self._reading: asyncio.Future[bytes | BaseException] | None = None
        self._lock = threading.Lock()  # over the two below, for a thread that ends while its source is closed
        self._busy = False
        self._closed = False

    async def next(self) -> bytes:
        """The next block, empty at the end.

        Raises:
            OSError: the source cannot be opened or read.
            SourceError: it is no gzip, or damaged, or breaks off.
        """
        if self._reading is None:
            self._reading = self._start()
        await asyncio.wait([self._reading])
        outcome, self._reading = self._reading.result(), None
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    @property
    def bytes_total(self) -> int | None:
        """How many bytes the source has, None if that is not known."""
        return self._source.size()

    async def aclose(self) -> None:
        """Close the source. One that is blocked is left to its thread, which closes it when it comes back."""
        with self._lock:
            first, self._closed = not self._closed, True
            idle = not self._busy
        if first and idle:
            self._source.close()
        elif self._reading is None:
            pass
        elif self._source.size() is not None:
            await asyncio.wait([self._reading])
        else:
            _arrive(self._reading, b"")

    def _start(self) -> "asyncio.Future[bytes | BaseException]":
        loop = asyncio.get_running_loop()
        arrived: asyncio.Future[bytes | BaseException] = loop.create_future()
        self._busy = True

        def read() -> None:
            outcome: bytes | BaseException
            try:
                outcome = self._next_block()
            except BaseException as error:
                outcome = error
            with self._lock:
                self._busy = False
                if self._closed:
                    self._source.close()
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(_arrive, arrived, outcome)

        # Not one of a pool's threads: the end of the process would wait for it, and standard input may never end.
        threading.Thread(target=read, name="voucherify-source", daemon=True).start()
        return arrived

    def _next_block(self) -> bytes:
        if not self._begun:
            self._begun = True
            head = self._packed()
            while len(head) < len(_GZIP_MAGIC) and (more := self._packed()):
                head += more
            if self._gunzip is None and not head.startswith(_GZIP_MAGIC):
                return head
            self._gunzip = self._gunzip or Gunzip(BLOCK_BYTES)
            self._pieces = self._gunzip.pieces(head)
        if self._gunzip is None:
            return self._packed()
        return self._unpacked(self._gunzip)

    def _unpacked(self, gunzip: Gunzip) -> bytes:
        try:
            while True:
                for piece in self._pieces:
                    return piece
                packed = self._packed()
                if not packed:
                    gunzip.end()
                    return b""
                self._pieces = gunzip.pieces(packed)
        except zlib.error as error:
            raise SourceError(f"the gzip cannot be unpacked any further: {error}") from None

    def _packed(self) -> bytes:
        block = self._source.read(BLOCK_BYTES)
        if not isinstance(block, bytes):
            raise SourceError(f"gives {type(block).__name__} where it should give bytes")
        self.bytes_read += len(block)
        return block


def _arrive(future: "asyncio.Future[bytes | BaseException]", outcome: bytes | BaseException) -> None:
    if not future.done():
        future.set_result(outcome)
