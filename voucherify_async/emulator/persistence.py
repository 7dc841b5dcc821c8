"""The state in an SQLite file: one transaction a request, so that a kill at any moment loses nothing answered.

One emulator at a time has the file: it is locked while it is open. What is in memory would be old if another
emulator had had the file since it was read; the count of openings, kept in the file's `user_version`, tells. Its
`application_id` tells whose file it is, and in which format.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

__all__ = ["Journal"]

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode

_SCHEMA = """
CREATE TABLE IF NOT EXISTS things (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (kind, id)
) WITHOUT ROWID
"""
# "vou", and the format in the last byte.
_OURS: Final = 0x766F7500
_FORMAT: Final = 1


class Journal:
    """Collects what changes during a request and writes it at its end. Without a file it collects nothing."""

    def __init__(self, path: str | Path | None) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None
        self._changed: dict[tuple[str, str], Any] = {}
        self._cleared = False
        self._openings: int | None = None

    @property
    def on_disk(self) -> bool:
        """Whether there is a file."""
        return self.path is not None

    @property
    def openings(self) -> int:
        """How often the file was opened before, by any emulator; 0 for a new one, and without one."""
        return 0 if self._openings is None else self._openings - 1

    def open(self) -> None:
        """Open the file, making it if need be.

        Raises sqlite3.Error, also when another emulator has or had it, or when it is of something else.
        """
        if self.path is None or self._connection is not None:
            return
        if str(self.path) in ("", ":memory:"):
            # To SQLite these are databases that are gone when they are closed (sqlite.org/inmemorydb.html).
            raise sqlite3.OperationalError(f"{str(self.path)!r} is not the name of a file")
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=0)
        # WAL with synchronous=NORMAL survives the death of the process at any moment (sqlite.org/pragma.html); only
        # a power cut can cost the last transactions.
        try:
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._check_whose(connection)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute(_SCHEMA)
            connection.execute(f"PRAGMA application_id = {_OURS | _FORMAT}")
            self._count_opening(connection)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            connection.close()
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code == sqlite3.SQLITE_BUSY:
                raise sqlite3.OperationalError(f"{self.path} is in use by another emulator") from None
            # A message of SQLite's that quotes what is damaged need not be text.
            if code == sqlite3.SQLITE_CORRUPT or isinstance(error, UnicodeDecodeError):
                raise self._damaged(str(error)) from None
            raise
        self._connection = connection

    def _check_whose(self, connection: sqlite3.Connection) -> None:
        """Before anything is written: a database of something else stays as it is."""
        stamp = connection.execute("PRAGMA application_id").fetchone()[0]
        if stamp == _OURS | _FORMAT:
            return
        if stamp & ~0xFF == _OURS:
            raise sqlite3.DatabaseError(
                f"{self.path} is of another version of the emulator: its format is {stamp & 0xFF}, not {_FORMAT}"
            )
        if stamp or connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise sqlite3.DatabaseError(f"{self.path} is a database, but not one of an emulator")

    def _count_opening(self, connection: sqlite3.Connection) -> None:
        openings = connection.execute("PRAGMA user_version").fetchone()[0]
        if self._openings not in (None, openings):
            raise sqlite3.OperationalError(f"{self.path} has been in use by another emulator since it was read")
        self._openings = openings + 1
        # A write, which takes the lock too.
        connection.execute(f"PRAGMA user_version = {self._openings}")

    def close(self) -> None:
        """Close the file. What is not committed waits for the next commit."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Have it open meanwhile, and afterwards as it was."""
        was_open = self._connection is not None
        self.open()
        try:
            yield
        finally:
            if not was_open:
                self.close()

    def mark(self, kind: str, thing_id: str, thing: Any) -> None:
        """Note that a thing has changed; None when it is gone. Its state is read when the request ends."""
        if self.path is not None:
            self._changed[kind, thing_id] = thing

    def commit(self) -> None:
        """Write what has changed. Raises sqlite3.Error, as on a full disk: the next commit writes it then."""
        connection, changed = self._connection, self._changed
        if connection is None or not (changed or self._cleared):
            return
        connection.execute("BEGIN")
        # Commits, or takes everything back.
        with connection:
            if self._cleared:
                connection.execute("DELETE FROM things")
            connection.executemany(
                "INSERT INTO things VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body",
                ((kind, key, _body(thing)) for (kind, key), thing in changed.items() if thing is not None),
            )
            gone = [place for place, thing in changed.items() if thing is None]
            if gone:
                connection.executemany("DELETE FROM things WHERE kind = ? AND id = ?", gone)
        self._changed = {}
        self._cleared = False

    def load(self, kind: str) -> Iterator[Any]:
        """All stored things of a kind. Raises sqlite3.DatabaseError if they cannot be read."""
        for key, body in self._rows(kind):
            try:
                yield _decode(body)
            except msgspec.MsgspecError as error:
                raise self._damaged(f"the {kind} {key!r}: {error}") from None

    def load_files(self, kind: str) -> Iterator[tuple[str, bytes]]:
        """All stored files of a kind, by their id."""
        yield from self._rows(kind)

    def _rows(self, kind: str) -> list[tuple[str, bytes]]:
        if self._connection is None or self._cleared:
            return []
        try:
            return self._connection.execute("SELECT id, body FROM things WHERE kind = ?", (kind,)).fetchall()
        except sqlite3.DatabaseError as error:
            raise self._damaged(str(error)) from None

    def _damaged(self, what: str) -> sqlite3.DatabaseError:
        return sqlite3.DatabaseError(f"{self.path} is damaged: {what}")

    def clear(self) -> None:
        """Forget everything; in the file with the next commit, so that no kill leaves it half empty."""
        self._changed.clear()
        self._cleared = True


def _body(thing: Any) -> bytes:
    if isinstance(thing, bytes):
        return thing
    return _encode(thing if isinstance(thing, dict) else thing.dump())
