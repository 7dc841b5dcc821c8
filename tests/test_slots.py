"""The turns at the pool: pure of any network."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voucherify_async.slots import Slots


async def settled() -> None:
    """Let all that can run, run."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_turns_are_handed_on_in_order() -> None:
    slots, served = Slots(1), list[int]()
    assert slots.take()
    assert not slots.take()

    async def wait(number: int) -> None:
        await slots.wait(None)
        served.append(number)

    tasks = [asyncio.create_task(wait(number)) for number in range(5)]
    await settled()
    assert slots.waiting == 5
    for done in range(5):
        slots.release()
        assert not slots.take()  # a newcomer does not overtake
        await settled()
        assert served == list(range(done + 1))
    await asyncio.gather(*tasks)
    slots.release()
    assert slots.free == 1


async def test_one_that_waits_too_long_leaves_the_line() -> None:
    slots = Slots(1)
    assert slots.take()
    with pytest.raises(TimeoutError):
        await slots.wait(0.001)
    assert slots.waiting == 0
    slots.release()
    assert slots.free == 1


async def test_those_who_give_up_in_one_moment_are_told_of_each_other() -> None:
    slots, told = Slots(1), list[int]()
    assert slots.take()

    async def wait() -> None:
        with pytest.raises(TimeoutError):
            await slots.wait(0.001)
        told.append(slots.waiting)

    await asyncio.gather(*(wait() for _ in range(4)))
    assert told == [3, 2, 1, 0]


async def test_who_gives_up_leaves_nothing_behind() -> None:
    slots = Slots(1)
    assert slots.take()
    for _ in range(20):
        with pytest.raises(TimeoutError):
            await slots.wait(0.0)
    assert len(slots._line) == 0


async def test_a_turn_that_comes_in_the_moment_of_giving_up_goes_to_the_next() -> None:
    slots = Slots(1)
    assert slots.take()
    first, second = (asyncio.create_task(slots.wait(None)) for _ in range(2))
    await settled()
    slots.release()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await asyncio.wait_for(second, 5)
    slots.release()
    assert slots.free == 1


@given(
    count=st.integers(1, 4),
    steps=st.lists(
        st.one_of(
            st.just("come"), st.just("go"), st.tuples(st.just("cancel"), st.integers(0, 30)), st.just("settle")
        ),
        max_size=60,
    ),
)
def test_no_turn_is_ever_lost_or_doubled(count: int, steps: list[str | tuple[str, int]]) -> None:
    async def run() -> None:
        slots = Slots(count)
        tasks: list[asyncio.Task[None]] = []
        holding, waited = list[int](), list[int]()

        async def come(number: int) -> None:
            if not slots.take():
                await slots.wait(None)
                waited.append(number)
            holding.append(number)

        for step in steps:
            if step == "come":
                tasks.append(asyncio.create_task(come(len(tasks))))
            elif step == "go" and holding:
                holding.pop(0)
                slots.release()
            elif step == "settle":
                await settled()
            elif isinstance(step, tuple) and tasks:
                tasks[step[1] % len(tasks)].cancel()
            assert len(holding) + slots.free <= count
        await settled()
        waiting = sum(not task.done() for task in tasks)
        assert slots.waiting == waiting
        assert waiting == 0 or slots.free == 0
        assert len(holding) + slots.free == count
        assert waited == sorted(waited)
        for _ in range(waiting):
            slots.release()
            holding.pop(0)
            await settled()
        assert all(task.done() for task in tasks)
        while holding:
            holding.pop()
            slots.release()
        assert slots.free == count

    asyncio.run(run())
