"""The pause that all tasks share."""

import asyncio

import pytest

from tests.fakes import FakeClock
from voucherify_async.ratelimit import SharedPause


def seen(pause: SharedPause, seconds: float) -> None:
    pause.observe(429, {"Retry-After": str(seconds)})


async def test_nobody_waits_without_a_429(clock: FakeClock) -> None:
    pause = SharedPause(clock, longest=60)
    pause.observe(200, {"Retry-After": "5", "X-Rate-Limit-Remaining": "0"})
    pause.observe(503, {"Retry-After": "5"})
    await pause.acquire()
    assert clock.sleeps == []


async def test_all_wait_until_the_same_moment(clock: FakeClock) -> None:
    pause = SharedPause(clock, longest=60)
    seen(pause, 5)
    await asyncio.gather(*(pause.acquire() for _ in range(3)))
    assert clock.now == pytest.approx(1005, abs=11)
    assert clock.sleeps[0] == 5


async def test_a_shorter_pause_does_not_shorten_a_longer_one(clock: FakeClock) -> None:
    pause = SharedPause(clock, longest=60)
    seen(pause, 30)
    seen(pause, 5)
    await pause.acquire()
    assert clock.sleeps == [30]


async def test_a_pause_that_is_prolonged_is_waited_out(clock: FakeClock) -> None:
    pause = SharedPause(clock, longest=60)
    seen(pause, 5)
    waiting = asyncio.create_task(pause.acquire())
    await asyncio.sleep(0)
    seen(pause, 10)
    await waiting
    assert clock.sleeps == [5, 10]


async def test_what_is_too_long_or_never_waited_for_makes_no_pause(clock: FakeClock) -> None:
    pause = SharedPause(clock, longest=60)
    seen(pause, 61)
    pause.observe(429, {"Retry-After": "5", "X-Rate-Limit-Type": "api_calls_cycle"})
    pause.observe(429, {})
    await pause.acquire()
    assert clock.sleeps == []


async def test_cancelling_who_waits_leaves_the_pause_to_the_others() -> None:
    clock = FakeClock()
    held = asyncio.Event()

    async def sleep(seconds: float) -> None:
        await held.wait()
        clock.now += seconds

    clock.sleep = sleep  # type: ignore[method-assign]
    pause = SharedPause(clock, longest=60)
    seen(pause, 5)
    tasks = [asyncio.create_task(pause.acquire()) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    held.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert results[1:] == [None, None]
