"""The file of a checkpoint: records are appended and never changed, so that a kill at any byte leaves a good file.

What a killed process has written is in the file, whether or not it was synced. After a power failure the last
records may be missing or unreadable, and what they told of is done once more.
"""

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Final, Literal, TypeAlias

import msgspec

from voucherify_async.bulk.reports import OrderFailure
from voucherify_async.call import UNREADABLE
from voucherify_async.errors import ConfigurationError

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows has no such lock; two runs on one file are not noticed there
    fcntl = None  # type: ignore[assignment]

RunKind: TypeAlias = Literal["upsert_all", "import_all"]

_FORMAT: Final = 1
# Nothing in a checkpoint is secret, but reasons may quote customers' data.
_MODE: Final = 0o600


class Begun(msgspec.Struct, frozen=True, array_like=True, tag="voucherify-async checkpoint"):
    """The first record."""

    format: int
    kind: str


class Done(msgspec.Struct, frozen=True, array_like=True, tag="done"):
    """An order was stored."""

    position: int
    key_sum: int
    retried: int


class Failed(msgspec.Struct, frozen=True, array_like=True, tag="failed"):
    """An order failed."""

    position: int
    key_sum: int
    retried: int
    failure: OrderFailure


class Sent(msgspec.Struct, frozen=True, array_like=True, tag="sent"):
    """The entries up to `end` are about to be imported; without keys, they must not be sent again blindly."""

    end: int
    key_sum: int


class NotSent(msgspec.Struct, frozen=True, array_like=True, tag="not sent"):
    """The entries that were about to be imported certainly were not."""


class Accepted(msgspec.Struct, frozen=True, array_like=True, tag="accepted"):
    """The entries up to `end` are being imported."""

    end: int
    key_sum: int
    job_id: str


class Settled(msgspec.Struct, frozen=True, array_like=True, tag="settled"):
    """All entries up to `end` are imported, or have failed."""

    end: int
    key_sum: int
    done: int
    failed_count: int
    retried: int
    failed: list[OrderFailure]


Record: TypeAlias = Done | Failed | Sent | NotSent | Accepted | Settled

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Begun | Record).decode


class Journal:
    """The records of one run, in a file that no other run uses meanwhile.

    Args:
        path: made if it is not there.
        kind: of run; a checkpoint of another is refused.
        replay: is given each record that is there already.

    Raises:
        ConfigurationError: the file is in use, or no checkpoint of this kind of run.
        OSError: it cannot be read or written.
    """

    def __init__(self, path: Path, kind: RunKind, replay: Callable[[Record], None]) -> None:
        self.path = path
        self._broken: OSError | None = None
        self._file = _locked(path)
        try:
            self._take_up(Begun(_FORMAT, kind), replay)
        except BaseException:
            self._file.close()
            raise

    def _take_up(self, begun: Begun, replay: Callable[[Record], None]) -> None:
        first, good = _encode(begun) + b"\n", 0
        with self.path.open("rb") as lines:
            for line in lines:
                try:
                    record = _decode(line) if line.endswith(b"\n") else None
                except UNREADABLE:
                    record = None
                if not good:
                    self._check_first(line, first, record)
                elif record is None or isinstance(record, Begun):
                    break
                else:
                    replay(record)
                if record is None:
                    break
                good += len(line)
        # A record that broke off would spoil the next one; what it told of is done again.
        self._file.truncate(good)
        if not good:
            self._write(first)

    def _check_first(self, line: bytes, first: bytes, record: Begun | Record | None) -> None:
        if isinstance(record, Begun) and record.format == _FORMAT and line != first:
            raise ConfigurationError("checkpoint", f"is one of {record.kind}: {self.path}")
        # Killed while it wrote its first record, a run has sent nothing yet.
        if not first.startswith(line):
            raise ConfigurationError("checkpoint", f"is no checkpoint that this version can read: {self.path}")

    def append(self, record: Record) -> None:
        """Write a record.

        Raises:
            OSError: it could not be written whole, or one before it.
        """
        self._write(_encode(record) + b"\n")

    def _write(self, line: bytes) -> None:
        if self._broken is not None:  # behind half a record nothing can be read
            raise self._broken
        try:
            written = self._file.write(line)
        except OSError as error:
            self._broken = error
            raise
        if written != len(line):
            self._broken = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
            raise self._broken

    def remove(self) -> None:
        """The run has ended: there is nothing to go on with."""
        self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Leave the file for a run to come. Closing twice is fine."""
        self._file.close()


def _locked(path: Path) -> FileIO:
    """Open the file for appending, for this run alone."""
    # A pipe would keep the opening waiting, and a device the reading.
    if path.exists() and not path.is_file() and not path.is_dir():
        raise ConfigurationError("checkpoint", f"must be a file, and no pipe or device: {path}")
    while True:
        file = FileIO(path, "a", opener=lambda name, flags: os.open(name, flags, _MODE))
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A run that ended just now may have removed it between the two steps.
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                    return file
        except BlockingIOError as error:  # by which a caller tells it from a wrong file: later, it may do
            file.close()
            raise ConfigurationError("checkpoint", f"is in use by another run: {path}") from error
        except BaseException:
            file.close()
            raise
        file.close()
