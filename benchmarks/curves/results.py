"""What was found, as it is kept in JSON."""

from statistics import median
from typing import Final

import msgspec

from benchmarks.beside.results import Machine

OURS: Final = "voucherify_async"
BY_HAND: Final = "by hand"


class Point(msgspec.Struct, frozen=True):
    """What a unit of work cost at one size, in each round."""

    size: int
    costs: list[float]

    @property
    def median(self) -> float:
        """Of all rounds."""
        return median(self.costs)


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """A cost against the size of the work.

    Attributes:
        work: what is done.
        size: what is counted from left to right.
        cost: of which unit, and in which unit.
        by_hand: what the line of that name is.
        lines: of both clients, from the least size to the greatest.
    """

    work: str
    size: str
    cost: str
    by_hand: str
    lines: dict[str, list[Point]]


class Curves(msgspec.Struct):
    """All of a run."""

    machine: Machine
    rounds: int
    curves: list[Curve]


class Costs:
    """Costs as they come, round by round, until they are made a curve of."""

    def __init__(self) -> None:
        self._found: dict[str, dict[int, list[float]]] = {}

    def add(self, client: str, size: int, cost: float) -> None:
        """Note the cost of a round."""
        self._found.setdefault(client, {}).setdefault(size, []).append(cost)

    def curve(self, *, work: str, size: str, cost: str, by_hand: str) -> Curve:
        """All that was noted."""
        lines = {
            client: [Point(size, costs) for size, costs in sorted(self._found[client].items())]
            for client in (OURS, BY_HAND)
        }
        return Curve(work=work, size=size, cost=cost, by_hand=by_hand, lines=lines)


def curves_of(costs: dict[str, Costs], *, work: str, size: str, by_hand: str) -> list[Curve]:
    """A curve for each kind of cost of the same work."""
    return [found.curve(work=work, size=size, cost=cost, by_hand=by_hand) for cost, found in costs.items()]
