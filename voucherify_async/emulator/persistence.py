"""The state in an SQLite file: one transaction a request, so that a kill at any moment loses nothing answered.

One emulator at a time has the file: it is locked while it is open. What is in memory would be old if another
emulator had had the file since it was read; the count of openings, kept in the file's `user_version`, tells.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


class Journal:
    """Collects what changes during a request and writes it at its end. Without a file it collects nothing."""

    def __init__(self, path: str | Path | None) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._changed: dict[tuple[str, str], Any] = {}
        self._openings: int | None = None

    @property
    def on_disk(self) -> bool:
        """Whether there is a file."""
        return self._path is not None

    def open(self) -> None:
        """Open the file, making it if need be. Raises sqlite3.Error, also when another emulator has or had it."""
        if self._path is None or self._connection is not None:
            return
        connection = sqlite3.connect(self._path, isolation_level=None, timeout=0)
        # WAL with synchronous=NORMAL survives the death of the process at any moment (sqlite.org/pragma.html); only
        # a power cut can cost the last transactions.
        try:
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute(_SCHEMA)
            self._count_opening(connection)
        except sqlite3.Error as error:
            connection.close()
            if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
                raise sqlite3.OperationalError(f"{self._path} is in use by another emulator") from None
            raise
        self._connection = connection

    def _count_opening(self, connection: sqlite3.Connection) -> None:
        openings = connection.execute("PRAGMA user_version").fetchone()[0]
        if self._openings not in (None, openings):
            raise sqlite3.OperationalError(f"{self._path} has been in use by another emulator since it was read")
        self._openings = openings + 1
        # A write, which takes the lock too.
        connection.execute(f"PRAGMA user_version = {self._openings}")

    def close(self) -> None:
        """Write what is left and close the file."""
        self.commit()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def mark(self, kind: str, thing_id: str, thing: Any) -> None:
        """Note that a thing has changed; None when it is gone. Its state is read when the request ends."""
        if self._path is not None:
            self._changed[kind, thing_id] = thing

    def commit(self) -> None:
        """Write what has changed."""
        if not self._changed or self._connection is None:
            return
        changed, self._changed = self._changed, {}
        cursor = self._connection.cursor()
        cursor.execute("BEGIN")
        cursor.executemany(
            "INSERT INTO things VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body",
            ((kind, key, _body(thing)) for (kind, key), thing in changed.items() if thing is not None),
        )
        gone = [place for place, thing in changed.items() if thing is None]
        if gone:
            cursor.executemany("DELETE FROM things WHERE kind = ? AND id = ?", gone)
        cursor.execute("COMMIT")

    def load(self, kind: str) -> Iterator[Any]:
        """All stored things of a kind."""
        for _, body in self._rows(kind):
            yield _decode(body)

    def load_files(self, kind: str) -> Iterator[tuple[str, bytes]]:
        """All stored files of a kind, by their id."""
        yield from self._rows(kind)

    def _rows(self, kind: str) -> list[tuple[str, bytes]]:
        if self._connection is None:
            return []
        return self._connection.execute("SELECT id, body FROM things WHERE kind = ?", (kind,)).fetchall()

    def clear(self) -> None:
        """Forget everything."""
        self._changed.clear()
        was_open = self._connection is not None
        self.open()
        if self._connection is not None:
            self._connection.execute("DELETE FROM things")
        if not was_open:
            self.close()


def _body(thing: Any) -> bytes:
    if isinstance(thing, bytes):
        return thing
    return _encode(thing if isinstance(thing, dict) else thing.dump())
