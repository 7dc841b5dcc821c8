"""A plot of the results in SVG: what a call costs each client, on a logarithmic scale."""

import math
from collections.abc import Iterator
from typing import Final
from xml.sax.saxutils import escape

from benchmarks.beside.results import Found, Results

# Colours that people tell apart who see few colours (Okabe and Ito), on white and on black.
SERIES: Final = {
    "get 64": ("get", "#0072b2"),
    "create 64": ("create", "#d55e00"),
    "list 64": ("list of 100", "#009e73"),
}
_LEFT: Final = 310
_WIDTH: Final = 880
_ROW: Final = 26
_TOP: Final = 64
_RIGHT: Final = 24


class Scale:
    """Where a number of microseconds is, from left to right."""

    def __init__(self, least: float, most: float) -> None:
        self._from = math.floor(math.log10(least))
        self._to = max(math.ceil(math.log10(most)), self._from + 1)

    def at(self, value: float) -> float:
        """In pixels."""
        part = (math.log10(value) - self._from) / (self._to - self._from)
        return round(_LEFT + part * (_WIDTH - _LEFT - _RIGHT), 1)

    def ticks(self) -> Iterator[tuple[float, bool]]:
        """Where lines are drawn, and whether the line has a number."""
        for power in range(self._from, self._to + 1):
            for digit in (1, 2, 5):
                if digit == 1 or power < self._to:
                    yield digit * 10.0**power, digit == 1


def plot(results: Results) -> str:
    """The whole picture: a dot is the median of the rounds, the line through it goes from the least to the most."""
    clients = {
        name: found for name, found in results.clients.items() if any(found.loads.get(load) for load in SERIES)
    }
    spans = [of for found in clients.values() for load in SERIES if (of := span(found, load))]
    if not spans:
        raise ValueError("there is nothing to draw: no client was measured with 64 calls at a time")
    scale = Scale(min(least for least, _, _ in spans), max(most for _, _, most in spans))
    bottom = _TOP + _ROW * len(clients)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {bottom + 30}" role="img" '
        'font-family="system-ui, sans-serif" font-size="13">',
        "<title>CPU time of a call, by client</title>",
        f'<rect width="{_WIDTH}" height="{bottom + 30}" fill="#fff"/>',
        '<text x="12" y="22" font-weight="bold">CPU time of a call, 64 at a time (µs, less is better)</text>',
        *_legend(),
        *_grid(scale, bottom),
    ]
    for row, (name, found) in enumerate(clients.items()):
        parts += _row(scale, _TOP + _ROW * row + _ROW // 2, name, found)
    return "\n".join([*parts, "</svg>", ""])


def span(found: Found, load: str) -> tuple[float, float, float] | None:
    """The least, the median and the greatest CPU time of a call; None if it was not measured."""
    middle = found.median(load, "cpu_us")
    if middle is None:
        return None
    each = [one.cpu_us for one in found.loads[load]]
    return min(each), middle, max(each)


def _legend() -> Iterator[str]:
    x = _LEFT
    for label, colour in SERIES.values():
        yield f'<circle cx="{x}" cy="42" r="5" fill="{colour}"/><text x="{x + 10}" y="46">{label}</text>'
        x += 100


def _grid(scale: Scale, bottom: int) -> Iterator[str]:
    for value, numbered in scale.ticks():
        x = scale.at(value)
        yield f'<line x1="{x}" y1="{_TOP}" x2="{x}" y2="{bottom}" stroke="{"#bbb" if numbered else "#eee"}"/>'
        if numbered:
            yield f'<text x="{x}" y="{bottom + 18}" text-anchor="middle">{value:,.0f}</text>'


def _row(scale: Scale, y: int, name: str, found: Found) -> Iterator[str]:
    weight = ' font-weight="bold"' if name.startswith("voucherify_async") else ""
    yield f'<text x="{_LEFT - 12}" y="{y + 4}" text-anchor="end"{weight}>{escape(name)}</text>'
    for load, (_, colour) in SERIES.items():
        if (of := span(found, load)) is None:
            continue
        least, middle, most = map(scale.at, of)
        yield f'<line x1="{least}" y1="{y}" x2="{most}" y2="{y}" stroke="{colour}" stroke-width="2"/>'
        yield f'<circle cx="{middle}" cy="{y}" r="5" fill="{colour}"/>'
