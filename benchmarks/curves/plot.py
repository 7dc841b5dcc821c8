"""The curves in SVG: a panel for each, the cost of a unit of work against how much work there is.

From left to right the scale is logarithmic. From bottom to top it begins at nothing, so that a flat line is a cost
that grows as the work does; where costs differ by more than twenty times, it is logarithmic too, and says so.
"""

import math
from collections.abc import Iterator
from typing import Final, Protocol
from xml.sax.saxutils import escape

from benchmarks.curves.results import BY_HAND, OURS, Curve, Curves, Point

# As in `benchmarks.beside.plot`: colours that people tell apart who see few colours (Okabe and Ito).
COLOURS: Final = {OURS: "#0072b2", BY_HAND: "#d55e00"}
COLUMNS: Final = 3
_PANEL: Final = (290, 250)
_LEFT: Final = 54
_RIGHT: Final = 26
_TOP: Final = 58
_BOTTOM: Final = 44
_HEAD: Final = 52
_LOGARITHMIC_FROM: Final = 20.0


class Scale(Protocol):
    """Where a cost is, as a part of the height from the bottom, and where lines are drawn."""

    def at(self, value: float) -> float:
        """From 0 to 1."""
        ...

    def ticks(self) -> list[float]:
        """Values."""
        ...


class Linear:
    """From nothing to the next round number above the most."""

    def __init__(self, most: float) -> None:
        self._step = next(
            step
            for power in range(math.floor(math.log10(most)) - 1, math.floor(math.log10(most)) + 2)
            for step in (10.0**power, 2 * 10.0**power, 5 * 10.0**power)
            if most / step <= 5
        )
        self._steps = math.ceil(most / self._step)

    def at(self, value: float) -> float:
        """From 0 to 1."""
        return value / (self._step * self._steps)

    def ticks(self) -> list[float]:
        """Every step."""
        return [self._step * number for number in range(self._steps + 1)]


class Logarithmic:
    """From the power of ten below the least to the one above the most."""

    def __init__(self, least: float, most: float) -> None:
        self._from = math.floor(math.log10(least))
        self._to = max(math.ceil(math.log10(most)), self._from + 1)

    def at(self, value: float) -> float:
        """From 0 to 1."""
        return (math.log10(value) - self._from) / (self._to - self._from)

    def ticks(self) -> list[float]:
        """Powers of ten."""
        return [10.0**power for power in range(self._from, self._to + 1)]


def scale_of(costs: list[float]) -> Scale:
    """The scale on which these can be told apart."""
    least, most = min(costs), max(costs)
    return Logarithmic(least, most) if most > least * _LOGARITHMIC_FROM else Linear(most)


def plot(curves: Curves) -> str:
    """The whole picture: a dot is the median of the rounds, the line through it goes from the least to the most."""
    if not curves.curves:
        raise ValueError("there is nothing to draw: the results hold no curves")
    width, panel_height = _PANEL[0] * min(COLUMNS, len(curves.curves)), _PANEL[1]
    height = _HEAD + panel_height * math.ceil(len(curves.curves) / COLUMNS)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        'font-family="system-ui, sans-serif" font-size="12">',
        "<title>What a unit of work costs as the work grows</title>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        *_head(),
    ]
    for number, curve in enumerate(curves.curves):
        row, column = divmod(number, COLUMNS)
        parts.append(f'<g transform="translate({column * _PANEL[0]} {_HEAD + row * panel_height})">')
        parts += [*_panel(curve), "</g>"]
    return "\n".join([*parts, "</svg>", ""])


def _head() -> Iterator[str]:
    what = "A flat line is a cost that grows as the work does (less is better)"
    yield f'<text x="12" y="20" font-weight="bold">{what}</text>'
    x = 17
    for name, colour in COLOURS.items():
        yield f'<circle cx="{x}" cy="38" r="4" fill="{colour}"/><text x="{x + 10}" y="42">{escape(name)}</text>'
        x += 140


def _panel(curve: Curve) -> Iterator[str]:
    points = [point for line in curve.lines.values() for point in line]
    sizes = sorted({point.size for point in points})
    scale = scale_of([cost for point in points for cost in point.costs])
    right, bottom = _PANEL[0] - _RIGHT, _PANEL[1] - _BOTTOM
    span = math.log10(sizes[-1] / sizes[0]) or 1.0

    def x_of(size: int) -> float:
        return round(_LEFT + math.log10(size / sizes[0]) / span * (right - _LEFT), 1)

    def y_of(cost: float) -> float:
        return round(bottom - scale.at(cost) * (bottom - _TOP), 1)

    kind = ", logarithmic" if isinstance(scale, Logarithmic) else ""
    yield f'<text x="12" y="22" font-weight="bold">{escape(curve.work)}</text>'
    yield f'<text x="12" y="40">{escape(curve.cost + kind)}</text>'
    for value in scale.ticks():
        y = y_of(value)
        yield f'<line x1="{_LEFT}" y1="{y}" x2="{right}" y2="{y}" stroke="#ddd"/>'
        yield f'<text x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{value:,g}</text>'
    for size in _labelled(sizes):
        yield f'<text x="{x_of(size)}" y="{bottom + 16}" text-anchor="middle">{_size(size)}</text>'
    middle = (_LEFT + right) / 2
    yield f'<text x="{middle}" y="{bottom + 33}" text-anchor="middle">{escape(curve.size)}</text>'
    for name, line in curve.lines.items():
        yield from _line(COLOURS[name], [(x_of(point.size), point) for point in line], y_of)


def _labelled(sizes: list[int]) -> list[int]:
    """Every second one, if there are many, from the last one backwards."""
    return sizes if len(sizes) <= 6 else sizes[::-2]


def _size(size: int) -> str:
    return f"{size // 1_000_000} M" if size >= 1_000_000 else f"{size:,}"


class _Height(Protocol):
    def __call__(self, cost: float, /) -> float: ...


def _line(colour: str, points: list[tuple[float, Point]], y_of: _Height) -> Iterator[str]:
    path = " ".join(f"{x},{y_of(point.median)}" for x, point in points)
    yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
    for x, point in points:
        least, most = y_of(min(point.costs)), y_of(max(point.costs))
        yield f'<line x1="{x}" y1="{least}" x2="{x}" y2="{most}" stroke="{colour}"/>'
        yield f'<circle cx="{x}" cy="{y_of(point.median)}" r="4" fill="{colour}"/>'
