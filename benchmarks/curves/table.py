"""The tables, in Markdown."""

from collections.abc import Iterator
from itertools import groupby

from benchmarks.beside.table import rows
from benchmarks.curves.results import Curve, Curves


def short(value: float) -> str:
    """A figure as people read it."""
    if value < 1:
        return f"{value:.2g}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def curve_tables(curves: Curves) -> str:
    """A table for all curves over the same sizes."""
    groups = groupby(curves.curves, key=lambda one: (one.work, one.size))
    return "\n\n".join(_table(f"{work}: {size}", list(of)) for (work, size), of in groups)


def _table(title: str, of: list[Curve]) -> str:
    sizes = sorted({point.size for curve in of for line in curve.lines.values() for point in line})
    body = (row for curve in of for row in _lines(curve, sizes))
    return rows([title, "", *(f"{size:,}" for size in sizes)], body)


def _lines(curve: Curve, sizes: list[int]) -> Iterator[list[str]]:
    for who, line in curve.lines.items():
        costs = {point.size: short(point.median) for point in line}
        yield [curve.cost, who, *(costs.get(size, "") for size in sizes)]


def conditions(curves: Curves) -> str:
    """The machine, and what is done by hand."""
    here = curves.machine
    works: dict[str, dict[str, None]] = {}
    for one in curves.curves:
        works.setdefault(one.by_hand, {})[one.work] = None
    hand = "; ".join(f"{' and '.join(of)} with {by_hand}" for by_hand, of in works.items())
    return (
        f"{here.cpu}, {here.cores} cores, {here.system}, Python {here.python}; medians of {curves.rounds} "
        f"interleaved rounds, client and server on no core of their own. By hand: {hand}."
    )


def tables(curves: Curves) -> str:
    """All of it."""
    return f"{curve_tables(curves)}\n\n{conditions(curves)}\n"
