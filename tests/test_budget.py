"""The retry budget, and the line that those stand in who wait for it."""

import asyncio
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import FakeClock, until
from voucherify_async.budget import CAPACITY, TRICKLE_SECONDS, RetryBudget
from voucherify_async.line import Line


class HeldClock(FakeClock):
    """A clock that stands still, and whose sleepers wake when it is moved on."""

    def __init__(self) -> None:
        super().__init__()
        self._moved = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        ends_at = self.now + seconds
        while self.now < ends_at:
            await self._moved.wait()

    def move(self, seconds: float) -> None:
        self.now += seconds
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()


def emptied(clock: FakeClock) -> RetryBudget:
    budget = RetryBudget(clock)
    for _ in range(int(CAPACITY)):
        assert budget.take()
    assert not budget.take()
    return budget


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def done(tasks: Iterable[asyncio.Task[None]]) -> list[bool]:
    return [task.done() for task in tasks]


async def test_an_empty_budget_lets_one_go_each_time_in_order() -> None:
    clock = HeldClock()
    budget = emptied(clock)
    tasks = [asyncio.create_task(budget.wait()) for _ in range(3)]
    await settled()
    assert done(tasks) == [False, False, False]
    assert not budget.take()  # who comes later does not overtake
    for gone in range(1, 4):
        clock.move(TRICKLE_SECONDS)
        await settled()
        assert done(tasks) == [True] * gone + [False] * (3 - gone)


async def test_a_repeat_that_succeeds_lets_two_more_go() -> None:
    clock = HeldClock()
    budget = emptied(clock)
    tasks = [asyncio.create_task(budget.wait()) for _ in range(7)]
    await settled()
    going = 0
    clock.move(TRICKLE_SECONDS)
    for expected in (1, 3, 7):
        await settled()
        assert sum(done(tasks)) == expected
        for _ in range(expected - going):
            budget.succeeded(repeat=True)
        going = expected
    await asyncio.gather(*tasks)


async def test_first_attempts_pay_in_a_little() -> None:
    budget = emptied(FakeClock())
    for _ in range(9):
        budget.succeeded(repeat=False)
    assert not budget.take()
    for _ in range(2):
        budget.succeeded(repeat=False)
    assert budget.take()


@given(st.lists(st.sampled_from(["first", "repeat", "take"]), max_size=200))
def test_it_never_holds_more_than_its_capacity_and_never_less_than_nothing(steps: list[str]) -> None:
    budget = RetryBudget(FakeClock())
    for step in steps:
        if step == "take":
            budget.take()
        else:
            budget.succeeded(repeat=step == "repeat")
        assert 0 <= budget._balance <= CAPACITY


@given(outages=st.integers(0, 1000), chance=st.integers(2, 30))
def test_repeats_of_an_outage_are_bounded_whatever_comes(outages: int, chance: int) -> None:
    """No success: beside what it holds, one each so often and no more, however often it is asked."""
    clock = FakeClock()
    budget = RetryBudget(clock)
    granted = 0
    for turn in range(outages):
        granted += budget.take()
        if turn % chance == 0:
            clock.now += 0.1
    assert granted <= CAPACITY + (clock.now - 1000) / TRICKLE_SECONDS + 1


async def test_cancelling_who_waits_takes_nothing_and_leaves_the_others() -> None:
    clock = HeldClock()
    budget = emptied(clock)
    tasks = [asyncio.create_task(budget.wait()) for _ in range(4)]
    await settled()
    tasks[0].cancel()  # the one at the head, in its sleep
    tasks[2].cancel()
    await settled()
    clock.move(TRICKLE_SECONDS)
    await settled()
    assert done(tasks) == [True, True, True, False]
    assert [task.cancelled() for task in tasks[:3]] == [True, False, True]
    clock.move(TRICKLE_SECONDS)
    await tasks[3]
    assert budget._line.length == 0


async def test_cancelling_at_every_turn_leaves_the_line_in_order() -> None:
    for turns in range(12):
        clock = HeldClock()
        budget = emptied(clock)
        tasks = [asyncio.create_task(budget.wait()) for _ in range(3)]
        for turn in range(turns):
            if turn == 4:
                clock.move(TRICKLE_SECONDS)
            await asyncio.sleep(0)
        tasks[0].cancel()
        await settled()
        clock.move(TRICKLE_SECONDS)
        await settled()
        clock.move(TRICKLE_SECONDS)
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
        assert budget._line.length == 0
        assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


def test_a_line_begins_anew_on_another_loop() -> None:
    line = Line(FakeClock())

    async def abandoned() -> None:
        task = asyncio.ensure_future(line.stand(lambda: 1e9))
        await until(lambda: line.length == 1)
        task.cancel()

    def hangs() -> None:
        loop = asyncio.new_event_loop()
        loop.run_until_complete(abandoned())
        loop.run_until_complete(settled())
        loop.close()

    hangs()
    asyncio.run(line.stand(lambda: 0.0))
    assert line.length == 0


async def test_a_clock_that_fails_is_told() -> None:
    class Broken(FakeClock):
        async def sleep(self, seconds: float) -> None:
            raise RuntimeError("no time")

    line = Line(Broken())
    with pytest.raises(RuntimeError, match="no time"):
        await line.stand(lambda: 1.0)
    assert line.length == 0
