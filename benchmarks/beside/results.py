"""What was found, as it is kept in JSON, and the figures that are drawn from it."""

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

import msgspec


class Load(msgspec.Struct, frozen=True):
    """What one load came to: calls a second, CPU a call, how long a call took, and the process's peak memory."""

    calls: int
    per_second: float
    cpu_us: float
    p50_ms: float
    p99_ms: float
    peak_mib: float


class Codecs(msgspec.Struct, frozen=True):
    """Microseconds to decode an order and a page of 100, to make and encode a body; bytes of a decoded order."""

    order_us: float
    page_us: float
    body_us: float
    order_bytes: float


class Import(msgspec.Struct, frozen=True):
    """What a fresh interpreter takes to import a package."""

    ms: float
    mib: float
    modules: int


class Found(msgspec.Struct):
    """What was found of one client.

    Attributes:
        beside: the client whose figures its ratios are taken over.
        versions: of its packages.
        loads: of each round, by call and concurrency, as in `get 64`; `slow get 512` is of the slow server.
        codecs: of each round.
        imported: of each round.
    """

    beside: str
    versions: dict[str, str] = {}
    loads: dict[str, list[Load]] = {}
    codecs: list[Codecs] = []
    imported: list[Import] = []

    def median(self, load: str, figure: str) -> float | None:
        """Of all rounds; None if it was not measured."""
        rounds = self.loads.get(load)
        return median(getattr(one, figure) for one in rounds) if rounds else None


class Machine(msgspec.Struct, frozen=True):
    """Where it was measured."""

    cpu: str
    cores: int
    system: str
    python: str
    server: str
    pinned: bool


class Results(msgspec.Struct):
    """All of a run. `missing` says why a client could not be measured."""

    machine: Machine
    rounds: int
    clients: dict[str, Found]
    missing: dict[str, str] = {}


class Ratio(NamedTuple):
    """The median of the ratios of all rounds, the least and the greatest."""

    median: float
    least: float
    most: float


def ratio(results: Results, client: str, load: str, figure: str, beside: str | None = None) -> Ratio | None:
    """A client's figure over another's, round by round; None where either is not there.

    Args:
        results: of a run.
        client: whose.
        load: by call and concurrency.
        figure: of the load.
        beside: the other; None for the one that it is set beside.
    """
    found = results.clients.get(client)
    other = found and results.clients.get(beside or found.beside)
    if not found or not other:
        return None
    return over(found.loads.get(load, []), other.loads.get(load, []), figure)


def over(ours: Sequence[object], theirs: Sequence[object], figure: str) -> Ratio | None:
    """A figure over another, round by round, as far as both have rounds; None without any.

    One of them may have the first rounds alone: what takes long is not done in all.
    """
    each = [getattr(one, figure) / getattr(base, figure) for one, base in zip(ours, theirs, strict=False)]
    return Ratio(median(each), min(each), max(each)) if each else None
