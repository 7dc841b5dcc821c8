"""What a run of `orders import` or `orders sync` is given, and the files that it keeps."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final, Literal

__all__ = ["STDIN", "Feed", "Kind", "stem"]

STDIN: Final = "-"

Kind = Literal["import", "sync"]

_SUFFIXES: Final = (".gz", ".jsonl", ".ndjson", ".json", ".csv")


@dataclass(frozen=True, kw_only=True)
class Feed:
    """What a run is given.

    Attributes:
        kind: the command.
        arguments: all of the command line, to say how to go on.
        source: a path, or `-` for standard input.
        format: `jsonl` or `csv`; None: by the name.
        columns: foreign names of columns to ours; an empty one passes the column over.
        decimals: of money in a CSV file.
        defaults: values of fields that the file has no column for.
        checkpoint: where it is kept; None: beside the run, see `checkpoint_path`.
        keep_checkpoint: whether to keep one.
        failures: where failed orders go; None: beside the run, see `failures_path`.
        strict: a line that is no order ends the run.
        as_json: the report is for machines.
        concurrency: of a sync, how many orders at a time; None: it finds out.
        max_bytes: of an import, the longest request; None: the library's.
    """

    kind: Kind
    arguments: Sequence[str]
    source: str
    format: Literal["jsonl", "csv"] | None = None
    columns: Mapping[str, str]
    decimals: int | None = None
    defaults: Mapping[str, str]
    checkpoint: Path | None = None
    keep_checkpoint: bool = True
    failures: Path | None = None
    strict: bool = False
    as_json: bool = False
    concurrency: int | None = None
    max_bytes: int | None = None

    @property
    def title(self) -> str:
        """What the run is called while it goes on."""
        doing = {"import": "Importing", "sync": "Syncing"}[self.kind]
        return f"{doing} {'standard input' if self.source == STDIN else PurePath(self.source).name}"

    @property
    def checkpoint_path(self) -> Path | None:
        """Where the checkpoint is; None: there is none. Standard input has one if it is asked for."""
        if not self.keep_checkpoint:
            return None
        if self.checkpoint is not None or self.source == STDIN:
            return self.checkpoint
        return Path(f"{stem(self.source)}.{self.kind}-state")

    @property
    def plain_file(self) -> Path | None:
        """The source, if it can be read twice: not a pipe."""
        path = Path(self.source)
        return path if self.source != STDIN and path.is_file() else None

    @property
    def failures_path(self) -> Path:
        """Where failed orders go."""
        return self.failures or Path(f"{stem(self.source)}.failed.jsonl")

    @property
    def way_on(self) -> str:
        """How to go on with a run that stopped, in a sentence."""
        command = shlex.join(["voucherify-async", *self.arguments])
        if self.checkpoint_path is None:
            return f"Nothing was kept to go on from: {command} begins anew."
        if self.source == STDIN:
            return f"To go on, give the same input again to: {command}"
        return f"To go on: {command}"


def stem(source: str) -> str:
    """The name that a run's own files begin with."""
    if source == STDIN:
        return "orders"
    name = PurePath(source).name
    for suffix in _SUFFIXES:
        shorter = name[: -len(suffix)]
        if name.lower().endswith(suffix) and shorter:
            name = shorter
    return name
