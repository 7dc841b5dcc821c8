"""What the client is held to, beside what a run found: the table at the head of the figures."""

from collections.abc import Iterable, Iterator
from statistics import median
from typing import Final, NamedTuple

from benchmarks.beside.contestants import (
    BARE,
    BARE_UVLOOP,
    GENERATED,
    OFFICIAL,
    OURS,
    OURS_UVLOOP,
    TUNED,
    TUNED_UVLOOP,
)
from benchmarks.beside.results import Ratio, Results, over, ratio
from benchmarks.beside.run import SLOW, SLOW_MS
from benchmarks.beside.table import NONE, rows
from benchmarks.bulk.process import Taken
from benchmarks.bulk.rowreaders import OURS as ROWS
from benchmarks.bulk.rows import Result, Run

POSSIBLE: Final = 512 / SLOW_MS * 1000
_FEW, _MANY = 10_000, 1_000_000
_CPU: Final = (
    ("get", "get 64", 1.0, 0.66),
    ("create", "create 64", 1.0, 0.66),
    ("list of 100", "list 64", 0.8, 0.7),
)
_SPEEDS: Final = (
    (OFFICIAL, "the official SDK's in 32 threads: get", "get 64", 3, 5),
    (OFFICIAL, "the official SDK's in 32 threads: create", "create 64", 4, 7),
    (OFFICIAL, "the official SDK's in 32 threads: list of 100", "list 64", 10, 11),
    (OFFICIAL, f"the official SDK's in 32 threads: get, the server takes {SLOW_MS} ms", SLOW, 14, 15),
    (GENERATED, "openapi-generator's asyncio client's: get", "get 64", 3.5, 6),
    (GENERATED, "openapi-generator's asyncio client's: create", "create 64", 4, 8),
    (GENERATED, "openapi-generator's asyncio client's: list of 100", "list 64", 9, 10),
)


class Target(NamedTuple):
    """What is to be reached, and what was found.

    Attributes:
        what: for people.
        must: the figure that it must not miss.
        aim: the figure that is better.
        found: on asyncio's loop, and on uvloop where that was measured.
        form: how a figure is written.
        at_most: whether smaller is better.
    """

    what: str
    must: float
    aim: float
    found: tuple[Ratio | None, Ratio | None]
    form: str = "{:.2f}"
    at_most: bool = True

    def row(self) -> list[str]:
        """Its cells."""
        limits = (self.form.format(limit) for limit in (self.must, self.aim))
        return [self.what, *(f"{'≤' if self.at_most else '≥'} {limit}" for limit in limits), *self._found()]

    def _found(self) -> Iterator[str]:
        for found in self.found:
            if found is None:
                yield NONE
                continue
            middle, least, most = (self.form.format(figure) for figure in found)
            spread = f" ({least} to {most})" if least != most else ""
            yield f"{middle}{spread}{self._verdict(found.median)}"

    def _verdict(self, figure: float) -> str:
        def misses(limit: float) -> bool:
            return figure > limit if self.at_most else figure < limit

        return ", missed" if misses(self.must) else ", aim missed" if misses(self.aim) else ""


def of_calls(results: Results) -> Iterator[Target]:
    """Of `peers`."""

    def both(load: str, figure: str, beside: tuple[str, str]) -> tuple[Ratio | None, Ratio | None]:
        asyncio, uvloop = beside
        return ratio(results, OURS, load, figure, asyncio), ratio(results, OURS_UVLOOP, load, figure, uvloop)

    for what, load, must, aim in _CPU:
        found = both(load, "cpu_us", (BARE, BARE_UVLOOP))
        yield Target(f"CPU of a {what} over bare aiohttp's, 64 at a time", must, aim, found)
    found = both("get 512", "p99_ms", (TUNED, TUNED_UVLOOP))
    yield Target("p99 of a get over tuned aiohttp's, 512 at a time", 1.2, 1.0, found)
    what = f"of the possible {POSSIBLE:,.0f} gets a second, the server takes {SLOW_MS} ms"
    found = _share(results, OURS), _share(results, OURS_UVLOOP)
    yield Target(what, 95, 98, found, form="{:.1f} %", at_most=False)
    for other, what, load, must, aim in _SPEEDS:
        found = both(load, "per_second", (other, other))
        yield Target(f"calls a second over {what}", must, aim, found, form="{:.1f}", at_most=False)
    client, bare = results.clients.get(OURS), results.clients.get(BARE)
    took = over(client.imported, bare.imported, "ms") if client and bare else None
    yield Target("time of the import over that of aiohttp and msgspec", 1.25, 1.1, (took, None))


def _share(results: Results, who: str) -> Ratio | None:
    found = results.clients.get(who)
    each = [load.per_second / POSSIBLE * 100 for load in found.loads.get(SLOW, [])] if found else []
    return Ratio(median(each), min(each), max(each)) if each else None


def of_rows(found: list[Result], grown: dict[int, Run]) -> Iterator[Target]:
    """Of `rows`, which measures the million twice: beside others, and as the number of rows grows."""
    ours = next(one for one in found if one.name == ROWS)
    speeds = ours.rows_per_second, grown[_MANY].rows_per_second
    speed = Ratio(median(speeds), min(speeds), max(speeds))
    what = f"typed rows a second of an export of {_MANY:,}"
    yield Target(what, 400_000, 580_000, (speed, None), form="{:,.0f}", at_most=False)
    # Not by `grown`: there the process reads the small file twenty times over, and its peak is of all of them.
    yield _growth("rows of an export", ours.extra_mib)


def of_imports(found: dict[int, list[Taken]]) -> Iterator[Target]:
    """Of `imports`."""
    many, few = (median(one.peak_mib for one in found[count]) for count in (_MANY, _FEW))
    yield _growth("orders by `import_all`", many - few)


def _growth(what: str, mib: float) -> Target:
    # The aim is that nothing is to be seen: runs of the same size differ by half a MiB.
    return Target(f"memory for {_MANY:,} {what} more than for {_FEW:,}", 60, 1, _one(mib), form="{:.1f} MiB")


def _one(figure: float) -> tuple[Ratio, None]:
    return Ratio(figure, figure, figure), None


def table(targets: Iterable[Target]) -> str:
    """The table, in Markdown."""
    return rows(["held to", "must", "aim", "asyncio", "uvloop"], (target.row() for target in targets))
