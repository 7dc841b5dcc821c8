"""How many calls go side by side, against simulated services: a closed system, as a run over many orders is one."""

import heapq
import random
from collections.abc import Callable
from statistics import median
from typing import NamedTuple, Protocol

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voucherify_async.bulk.level import START, Level


class HasLimit(Protocol):
    """`Level`, or a number that stays the same."""

    limit: int

    def settled(self, now: float, in_flight: int, repeats: int) -> None: ...


class Fixed:
    def __init__(self, limit: int) -> None:
        self.limit = limit

    def settled(self, now: float, in_flight: int, repeats: int) -> None:
        pass


class Service:
    """So many workers, each of which takes some seconds for a call, at the end of a way that takes some as well.

    Args:
        way: seconds there and back.
        work: seconds of a worker, of which there are `workers`.
        room: calls that may be there at the same time; the others are refused.
        unsteady: how far each time is from the usual one, at random: 0 not at all, 1 up to twice.
        crowding: by how much each call that is there slows down the others.
    """

    def __init__(
        self,
        *,
        way: float = 0.0,
        work: float = 0.0,
        workers: int = 1,
        room: float = float("inf"),
        unsteady: float = 0.0,
        crowding: float = 0.0,
    ) -> None:
        self.way, self.work, self.room, self.unsteady, self.crowding = way, work, room, unsteady, crowding
        self.there = 0
        self._chance = random.Random(1)
        self._free_at = [0.0] * workers
        self._mood, self._mood_until = 1.0, 0.0

    def ends_at(self, now: float) -> float:
        """When a call that arrives now is answered."""
        if now >= self._mood_until:  # what slows a machine down lasts for a while
            self._mood, self._mood_until = 1 + self.unsteady * self._chance.random(), now + 0.5
        spread = 1 + self.unsteady * self._chance.uniform(-1, 1)
        begins = max(now + self.way / 2, heapq.heappop(self._free_at))
        ends = begins + self.work * spread * self._mood * (1 + self.crowding * self.there)
        heapq.heappush(self._free_at, ends)
        return ends + self.way / 2 * spread


class Run(NamedTuple):
    """What came of it: calls per second in the second half, and the limit and repeats after each call of that."""

    per_second: float
    limits: list[int]
    repeats: int


def run(
    level: HasLimit,
    service: Service,
    *,
    seconds: float = 30.0,
    seed: int = 1,
    happens: Callable[[Service, float], None] = lambda service, now: None,
) -> Run:
    """Keep as many calls under way as the level asks for, until the time is over."""
    chance = random.Random(seed)
    events: list[tuple[float, int, int, bool]] = []  # moment, number, attempts, whether it is answered then
    number = in_flight = repeats = done = late_repeats = 0
    now, limits = 0.0, []

    def arrive(attempts: int) -> None:
        nonlocal number, repeats
        number += 1
        if service.there < service.room:
            service.there += 1
            heapq.heappush(events, (service.ends_at(now), number, attempts, True))
        else:
            repeats += 1
            wait = chance.random() * min(10.0, 0.25 * 2**attempts)
            heapq.heappush(events, (now + wait, number, attempts + 1, False))

    while now < seconds:
        happens(service, now)
        # Of calls that end at the same moment, all have ended before the next ones begin.
        while in_flight < level.limit and not (events and events[0][0] <= now):
            in_flight += 1
            arrive(0)
        now, _, attempts, answered = heapq.heappop(events)
        if not answered:
            arrive(attempts)
            continue
        service.there -= 1
        level.settled(now, in_flight, repeats)
        in_flight -= 1
        if now < seconds / 2:
            late_repeats = repeats
        else:
            done += 1
            limits.append(level.limit)
    return Run(done / (now - seconds / 2), limits, repeats - late_repeats)


SERVICES: dict[str, Callable[[], Service]] = {
    "one worker nearby": lambda: Service(way=0.0006, work=0.0004),
    "one worker far away": lambda: Service(way=0.05, work=0.0005),
    "fifty slow workers": lambda: Service(way=0.02, work=0.05, workers=50),
    "one worker, unsteady": lambda: Service(way=0.01, work=0.0005, unsteady=0.5),
    "slower when crowded": lambda: Service(way=0.01, work=0.0005, crowding=0.005),
    "refuses more than a hundred": lambda: Service(work=0.05, workers=100, room=100),
}
NUMBERS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


@pytest.mark.parametrize("kind", SERVICES)
def test_it_comes_near_to_the_best_fixed_number_with_not_many_more(kind: str) -> None:
    fixed = {limit: run(Fixed(limit), SERVICES[kind](), seconds=4) for limit in NUMBERS}
    best = max(one.per_second for one in fixed.values() if not one.repeats)
    fewest = min(limit for limit, one in fixed.items() if one.per_second >= 0.9 * best)
    found = run(Level(512), SERVICES[kind]())
    assert found.per_second >= 0.85 * best
    assert median(found.limits) <= max(2 * fewest, START)


@settings(max_examples=40)
@given(
    most=st.integers(1, 600),
    per_second=st.integers(20, 1000),
    workers=st.integers(1, 50),
    way=st.floats(0.0, 0.2),
    unsteady=st.floats(0.0, 0.5),
    seed=st.integers(0, 2**32),
)
def test_whatever_the_service_it_comes_near_to_the_best(
    most: int, per_second: int, workers: int, way: float, unsteady: float, seed: int
) -> None:
    work = workers / per_second

    def service() -> Service:
        return Service(way=way, work=work, workers=workers, unsteady=unsteady)

    enough = min(most, max(1, round(4 * per_second * (way + work))))  # more only stand in line
    seconds = max(20.0, 30 * enough / per_second)
    best = run(Fixed(enough), service(), seconds=seconds, seed=seed).per_second
    found = run(Level(most), service(), seconds=seconds, seed=seed)
    assert found.per_second >= 0.75 * best


def test_it_comes_down_when_the_service_breaks_down_and_goes_up_again_afterwards() -> None:
    limits: dict[str, list[int]] = {"before": [], "broken down": [], "afterwards": []}
    level = Level(512)

    def happens(service: Service, now: float) -> None:
        phase = "before" if now < 20 else "broken down" if now < 120 else "afterwards"
        service.room = 10 if phase == "broken down" else 200
        limits[phase].append(level.limit)

    run(level, Service(work=0.05, workers=200), seconds=180, happens=happens)
    late = {phase: median(seen[-len(seen) // 4 :]) for phase, seen in limits.items()}
    assert late["before"] >= 128
    assert late["broken down"] <= 48
    assert late["afterwards"] >= 128


def test_repeats_that_are_not_its_doing_do_not_bring_it_down() -> None:
    level, chance = Level(512), random.Random(1)

    class Unlucky(Fixed):
        def settled(self, now: float, in_flight: int, repeats: int) -> None:
            self.repeats += chance.random() < 0.2
            level.settled(now, in_flight, self.repeats)
            self.limit = level.limit

        repeats = 0

    found = run(Unlucky(level.limit), Service(way=0.05, work=0.0005))
    assert median(found.limits) >= 64


def test_a_source_that_gives_less_than_is_asked_for_changes_nothing() -> None:
    level = Level(512)
    for number in range(10_000):
        level.settled(number * 0.01, 3, 0)
    assert level.limit == START


def test_while_no_time_passes_nothing_is_judged() -> None:
    level = Level(512)
    for _ in range(10_000):
        level.settled(1.0, level.limit, 0)
    assert level.limit == START


@given(st.integers(1, 512), st.lists(st.tuples(st.floats(0.0, 10.0), st.integers(0, 600), st.integers(0, 3))))
def test_whatever_it_is_told_it_stays_within_bounds(most: int, told: list[tuple[float, int, int]]) -> None:
    level, now, repeats = Level(most), 0.0, 0
    for seconds, in_flight, again in told:
        now, repeats = now + seconds, repeats + again
        for _ in range(20):
            level.settled(now, in_flight, repeats)
            assert 1 <= level.limit <= most
