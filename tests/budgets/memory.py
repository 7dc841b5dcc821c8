"""What calls hold while they wait for their answers, and what they leave behind."""

import asyncio
import gc
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tests.budgets.server import Server
from tests.budgets.tally import Work
from tests.fakes import until

_AT_ONCE: Final = 200
_MANY: Final = 1000


async def in_flight(work: Work, server: Server) -> dict[str, float]:
    """What one call of many holds while all of them wait; its connection is there already, and is not counted."""
    with _no_collection():
        tracemalloc.start()
        try:
            for _ in range(3):  # the connections are made, and the timers of their making forgotten
                await _all_wait(work, server)
            gc.collect()
            objects, held = len(gc.get_objects()), tracemalloc.get_traced_memory()[0]
            objects_then, held_then = await _all_wait(work, server)
        finally:
            tracemalloc.stop()
    return {
        "objects": round((objects_then - objects) / _AT_ONCE, 1),
        "bytes": round((held_then - held) / _AT_ONCE),
    }


async def _all_wait(work: Work, server: Server) -> tuple[int, int]:
    """Have calls wait side by side; count the objects that the garbage collector knows, and the bytes."""

    async def call() -> None:
        await work()

    server.holding = True
    tasks = [asyncio.create_task(call()) for _ in range(_AT_ONCE)]
    await until(lambda: server.waiting == _AT_ONCE)
    counts = len(gc.get_objects()), tracemalloc.get_traced_memory()[0]
    server.holding = False
    await asyncio.gather(*tasks)
    return counts


async def left_behind(work: Work) -> dict[str, float]:
    """The memory blocks that are more after many calls than before, by call."""

    async def many() -> int:
        for _ in range(_MANY):
            await work()
        gc.collect()
        return sys.getallocatedblocks()

    with _no_collection():
        before = await many()
        return {"blocks": max(0.0, round((await many() - before) / _MANY, 1))}


@contextmanager
def _no_collection() -> Iterator[None]:
    """Nothing goes meanwhile but what nobody refers to."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
