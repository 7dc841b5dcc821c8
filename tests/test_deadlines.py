"""Many deadlines on one timer: pure but for the loop's clock, which is handed in."""

import asyncio
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from voucherify_async.deadlines import _MANY, Deadlines, Lane


class Timer:
    def __init__(self, loop: "FakeLoop", when: float, callback: Callable[[], object]) -> None:
        self.when, self.callback, self._loop = when, callback, loop

    def cancel(self) -> None:
        self._loop.timers.remove(self)


class FakeLoop:
    """As much of an event loop as has to do with time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[Timer] = []
        self.set = 0

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        timer = Timer(self, when, callback)
        self.timers.append(timer)
        self.set += 1
        return timer

    def pass_time(self, seconds: float) -> None:
        end = self.now + seconds
        while due := [timer for timer in self.timers if timer.when <= end]:
            timer = min(due, key=lambda timer: timer.when)
            self.now = max(self.now, timer.when)
            self.timers.remove(timer)
            timer.callback()
        self.now = end


def lane(loop: Any, seconds: float, expired: list[int]) -> Lane[int]:
    return Lane(loop, seconds, expired.append)


STEPS = st.lists(st.tuples(st.sampled_from(["enter", "leave", "wait"]), st.integers(0, 9)), max_size=60)


@given(STEPS)
def test_each_expires_when_it_is_due_unless_it_left_before(steps: list[tuple[str, int]]) -> None:
    loop, expired = FakeLoop(), list[int]()
    waiting, due_by_now = dict[int, float](), list[int]()
    one_lane, number = lane(loop, 5.0, expired), 0
    for step, size in steps:
        if step == "enter":
            one_lane.enter(number)
            waiting[number] = loop.now + 5.0
            number += 1
        elif step == "leave" and waiting:
            leaver = list(waiting)[size % len(waiting)]
            one_lane.leave(leaver)
            del waiting[leaver]
        elif step == "wait":
            loop.pass_time(float(size))
            due_by_now += [one for one, due in waiting.items() if due <= loop.now]
            waiting = {one: due for one, due in waiting.items() if due > loop.now}
        assert expired == due_by_now
        assert len(loop.timers) <= 1
    loop.pass_time(10.0)
    assert expired == [*due_by_now, *waiting]
    assert loop.timers == []


def test_a_thousand_that_come_and_go_share_a_timer() -> None:
    loop, expired = FakeLoop(), list[int]()
    one_lane = lane(loop, 60.0, expired)
    for number in range(1000):
        one_lane.enter(number)
        loop.pass_time(0.001)
        one_lane.leave(number)
    assert loop.set == 1
    loop.pass_time(60.0)
    assert (loop.timers, expired, loop.set) == ([], [], 1)


def test_lanes_for_which_nobody_waits_are_forgotten_and_closing_takes_all_timers_away() -> None:
    loop = FakeLoop()
    deadlines: Deadlines[int] = Deadlines(loop, lambda one: None)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    for number in range(10 * _MANY):
        deadlines.lane(1.0 + number).enter(number)
        deadlines.lane(1.0 + number).leave(number)
        loop.pass_time(1000.0)
    assert len(deadlines._lanes) <= _MANY
    deadlines.lane(1.0).enter(0)
    deadlines.lane(2.0).enter(0)
    assert len(loop.timers) == 2
    deadlines.close()
    assert loop.timers == []


async def test_a_timer_of_a_real_loop_rings() -> None:
    rung = asyncio.Event()
    Lane[int](asyncio.get_running_loop(), 0.001, lambda one: rung.set()).enter(1)
    await asyncio.wait_for(rung.wait(), 5)
