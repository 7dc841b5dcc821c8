"""Files that are there whole, or not at all."""

import asyncio
import errno
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

from anyio.to_thread import run_sync

T = TypeVar("T")

_BUFFER_BYTES: Final = 1024 * 1024


class PartFile:
    """A file that is written beside its place and moved there when it is complete.

    Leaving the context without `commit` removes what was written and leaves the target as it was. A link stays one:
    what it points to is replaced.

    Args:
        target: where the file goes; its folder must be there.

    Raises:
        OSError: the target is a folder, a pipe or a device, or its folder is not there or cannot be written to; on
            entering.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self._place = Path(os.path.realpath(target))
        # In the same folder: renaming does not go across file systems. Without the target's name, which may be as
        # long as names can be.
        self._part = self._place.parent / f".{secrets.token_hex(8)}.part"
        self._buffer = bytearray()

    def __enter__(self) -> Self:
        if self._place.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(self.target))
        if self._place.exists() and not self._place.is_file():
            raise OSError(errno.EINVAL, "It is a pipe or a device, not to be replaced by a file", str(self.target))
        self._file = self._part.open("xb", buffering=0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._part.unlink(missing_ok=True)

    def restart(self) -> None:
        """Forget what was written so far."""
        self._buffer.clear()
        self._file.seek(0)
        self._file.truncate()

    async def write(self, data: bytes) -> None:
        """Append; the disk is written to in a thread, in larger pieces."""
        self._buffer += data
        if len(self._buffer) >= _BUFFER_BYTES:
            await self._flush()

    async def commit(self) -> None:
        """Bring everything to the disk and put the file in its place."""
        await self._flush()
        await in_thread(self._replace)

    async def _flush(self) -> None:
        data, self._buffer = self._buffer, bytearray()
        await in_thread(self._write_all, data)

    def _write_all(self, data: bytearray) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]

    def _replace(self) -> None:
        os.fsync(self._file.fileno())
        self._file.close()
        self._part.replace(self._place)
        # The rename itself is on the disk only when the folder is. Windows has no way to say so, and no need.
        if os.name == "posix":
            folder = os.open(self._place.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


async def in_thread(work: Callable[..., T], *args: object) -> T:
    """Do blocking work in a thread, and wait for it even if cancelled: what it works on must not go away."""
    thread = asyncio.ensure_future(run_sync(work, *args))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        while not thread.done():
            with suppress(asyncio.CancelledError):  # once is enough: it is raised below
                await asyncio.wait([thread])
        raise
