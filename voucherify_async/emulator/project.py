"""All that one project of the service holds, put together, and saved if there is a file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from voucherify_async.emulator.catalogue import Catalogue, Kind
from voucherify_async.emulator.clock import Clock
from voucherify_async.emulator.exporting import file_chunks
from voucherify_async.emulator.filters import Predicate, compile_filters
from voucherify_async.emulator.identifiers import Identifiers, chosen_seed, seed_text
from voucherify_async.emulator.jobs import ExportJob, Jobs
from voucherify_async.emulator.oauth import Tokens
from voucherify_async.emulator.persistence import Journal
from voucherify_async.emulator.ratelimit import Limits
from voucherify_async.emulator.store import Orders

__all__ = ["Project", "TimeSource"]


class TimeSource(Protocol):
    """Anything that tells the Unix time in seconds."""

    def now(self) -> float:
        """The Unix time in seconds."""
        ...


class Project:
    """Orders, customers, products, jobs and tokens, moved on by the clock.

    A `clock` that is given belongs to who gave it; one of its own is kept in the file, too. So is how far the rate
    limit is used up, and whether jobs stand still. What a test has scripted is not.
    """

    def __init__(self, clock: TimeSource | None, seed: int | str | None, db: str | Path | None) -> None:
        # Here, so that a wrong one is not taken for damage of the file.
        given_seed = None if seed is None else seed_text(seed)
        own_clock = Clock()
        self.clock: TimeSource = own_clock if clock is None else clock
        self._own_clock = own_clock if clock is None else None
        self.limits = Limits()
        self.journal = Journal(db)
        self.journal.open()
        try:
            with self._damage_named():
                self._begin(self.setting("seed", chosen_seed(), given=given_seed), self.journal.openings)
                self._restore()
        except BaseException:
            self.journal.close()
            raise

    def _begin(self, seed: str, opening: int) -> None:
        """Make the empty state."""
        mark = self.journal.mark
        self.seed = seed
        self.identifiers = Identifiers(seed, opening)
        self.catalogue = Catalogue(self.identifiers, mark)
        self.orders = Orders(self.identifiers, self.catalogue, mark)
        self.jobs = Jobs(self.orders, mark, self._keep_file)
        self.tokens = Tokens(self.identifiers, mark)
        self._snapshots: dict[str, tuple[list[dict[str, Any]], Predicate]] = {}
        self._files: dict[str, bytes] = {}
        self._paused_at: float | None = None
        self._standing: dict[str, Any] | None = None
        self.download_secret = self.setting("download_secret", self.identifiers.uuid())

    def begin_anew(self, seed: str, app_id: str, app_token: str) -> None:
        """Forget everything but the keys; in the file with the next commit."""
        self.journal.clear()
        self._begin(self.setting("seed", seed), 0)
        # The keys are drawn before anything else: the same calls give the same tokens again.
        self.setting("app_id", self.identifiers.uuid(), given=app_id)
        self.setting("app_token", self.identifiers.uuid(), given=app_token)

    def _restore(self) -> None:
        """Take up what the file holds."""
        journal = self.journal
        kinds: tuple[Kind, ...] = ("customer", "product", "sku")
        for kind in kinds:
            for thing in journal.load(kind):
                self.catalogue.restore(kind, thing)
        self.orders.restore(journal.load("order"))
        rows = {kept["id"]: kept["rows"] for kept in journal.load("rows")}
        self.jobs.restore(list(journal.load("import")), rows, list(journal.load("export")))
        self._files = dict(journal.load_files("file"))
        for token in journal.load("token"):
            self.tokens.restore(token)
        for standing in journal.load("standing"):
            self._standing = standing
            self._paused_at = standing["paused_at"]
            if self._own_clock is not None and standing["clock"] is not None:
                self._own_clock.take_up(standing["clock"])

    def setting(self, name: str, without: str, *, given: str | None = None) -> str:
        """What is given, else what is stored, else `without`; the file has it from the next commit on."""
        stored = next((one["value"] for one in self.journal.load("setting") if one["name"] == name), None)
        value = given
        if value is None:
            value = without if stored is None else str(stored)
        if value != stored:
            self.journal.mark("setting", name, {"name": name, "value": value})
        return value

    def take_up_limits(self) -> None:
        """Go on with the windows that were under way when the file was closed."""
        if self._standing is not None:
            with self._damage_named():
                self.limits.take_up(self._standing["windows"])

    @contextmanager
    def _damage_named(self) -> Iterator[None]:
        """What is stored and does not fit is damage of the file."""
        try:
            yield
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise sqlite3.DatabaseError(f"{self.journal.path} is damaged: {error!r}") from error

    def commit(self) -> None:
        """Write what has changed, the standing of the clock and the limits with it. Raises sqlite3.Error."""
        if self.journal.on_disk:
            standing = {
                "clock": None if self._own_clock is None else self._own_clock.standing,
                "paused_at": self._paused_at,
                "windows": self.limits.standing,
            }
            if standing != self._standing:
                self._standing = standing
                self.journal.mark("standing", "standing", standing)
        self.journal.commit()

    def close(self) -> None:
        """Write what is left and close the file. Raises sqlite3.Error."""
        try:
            self.commit()
        finally:
            self.journal.close()

    def now(self) -> float:
        """The time, all jobs brought up to it."""
        now = self.clock.now()
        self.jobs.advance(now if self._paused_at is None else self._paused_at)
        return now

    def pause_jobs(self) -> None:
        """Stop the time for jobs."""
        if self._paused_at is None:
            self._paused_at = self.now()

    def resume_jobs(self) -> None:
        """Let it go on."""
        if self._paused_at is not None:
            self.jobs.postpone(self._paused_at, self.clock.now())
            self._paused_at = None

    @property
    def paused(self) -> bool:
        """Whether jobs stand still."""
        return self._paused_at is not None

    def _keep_file(self, export: ExportJob, at: float) -> None:
        snapshot, holds = self.orders.snapshot(), compile_filters(export.parameters.get("filters"), at)
        if self.journal.on_disk:
            # The old states of the orders will not be there after a restart, so the file itself is stored, at once:
            # that takes a moment for very many orders (measured: 2 s for 100,000 with all fields).
            self._files[export.id] = b"".join(file_chunks(snapshot, holds, export.parameters))
            self.journal.mark("file", export.id, self._files[export.id])
        else:
            self._snapshots[export.id] = (snapshot, holds)

    def file_chunks(self, export: ExportJob) -> Iterator[bytes]:
        """The CSV of an export that is done."""
        stored = self._files.get(export.id)
        if stored is not None:
            yield stored
            return
        yield from file_chunks(*self._snapshots[export.id], export.parameters)

    def delete_export(self, export_id: str) -> None:
        """Forget an export and its file."""
        self.jobs.delete_export(export_id)
        self._snapshots.pop(export_id, None)
        self.journal.mark("export", export_id, None)
        if self._files.pop(export_id, None) is not None:
            self.journal.mark("file", export_id, None)
