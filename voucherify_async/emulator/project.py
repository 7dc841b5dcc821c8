"""All that one project of the service holds, put together, and saved if there is a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from voucherify_async.emulator.catalogue import Catalogue, Kind
from voucherify_async.emulator.exporting import file_chunks
from voucherify_async.emulator.filters import Predicate, compile_filters
from voucherify_async.emulator.identifiers import Identifiers
from voucherify_async.emulator.jobs import ExportJob, Jobs
from voucherify_async.emulator.oauth import Tokens
from voucherify_async.emulator.persistence import Journal
from voucherify_async.emulator.store import Orders

__all__ = ["Project", "TimeSource"]


class TimeSource(Protocol):
    """Anything that tells the Unix time in seconds."""

    def now(self) -> float:
        """The Unix time in seconds."""
        ...


class Project:
    """Orders, customers, products, jobs and tokens, moved on by the clock."""

    def __init__(self, clock: TimeSource, seed: int | str | None, db: str | Path | None) -> None:
        self.clock = clock
        self.journal = Journal(db)
        self.journal.open()
        self.download_secret = ""
        self._paused_at: float | None = None
        self.begin(seed)

    def begin(self, seed: int | str | None) -> None:
        """Make the empty state, then take up what the file holds."""
        mark = self.journal.mark
        self.identifiers = Identifiers(seed)
        self.catalogue = Catalogue(self.identifiers, mark)
        self.orders = Orders(self.identifiers, self.catalogue, mark)
        self.jobs = Jobs(self.orders, mark, self._keep_file)
        self.tokens = Tokens(self.identifiers, mark)
        self._snapshots: dict[str, tuple[list[dict[str, Any]], Predicate]] = {}
        self._files: dict[str, bytes] = {}
        self._paused_at = None
        self._restore()

    def begin_anew(self, seed: int | str | None, app_id: str, app_token: str) -> None:
        """Forget everything but the keys."""
        self.journal.clear()
        self.begin(seed)
        # The keys of a seeded emulator are drawn before anything else: the same calls give the same tokens again.
        self.setting("app_id", self.identifiers.uuid(), given=app_id)
        self.setting("app_token", self.identifiers.uuid(), given=app_token)

    def _restore(self) -> None:
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
        self.download_secret = self.setting("download_secret", self.identifiers.uuid())

    def setting(self, name: str, without: str, *, given: str | None = None) -> str:
        """A setting that is kept in the file: what is given, else what is stored, else `without`."""
        stored = next((one["value"] for one in self.journal.load("setting") if one["name"] == name), None)
        value = given or stored or without
        if value != stored:
            self.journal.mark("setting", name, {"name": name, "value": value})
            self.journal.commit()
        return str(value)

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
