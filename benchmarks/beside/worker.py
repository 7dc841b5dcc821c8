"""`python -m benchmarks.beside.worker CLIENT [--uvloop]`: one client in a process of its own.

Says `{}` when it is ready; then reads a request a line, as JSON, and writes what it found. Foreign interpreters run
it, so it needs nothing but what comes with Python, and uvloop where it is asked for.
"""

import argparse
import asyncio
import contextlib
import gc
import importlib
import itertools
import json
import sys
import threading
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.beside.answers import LIST, ONE, PAGE

Call = Callable[[int], Awaitable[object]]
_KEPT_PAGES = 20
# The first calls of a client open connections: some open one for each at once, others as they are needed.
_WARM_UPS = 2


class Load:
    """How long each call of a load took, and what they took together."""

    def __init__(self, seconds: float) -> None:
        self.taken: list[float] = []
        self.per_second = 0.0
        gc.collect()
        forget_peak()
        self._cpu, self._begin = time.process_time(), time.perf_counter()
        self.until = self._begin + seconds

    def worker_ended(self, calls: int, at: float) -> None:
        """Add what one worker did, by the time that it took itself: the last calls of all overlap less and less."""
        self.per_second += calls / (at - self._begin)

    def result(self) -> dict[str, float]:
        """In figures; called when the last call is done."""
        cpu = time.process_time() - self._cpu
        taken, calls = sorted(self.taken), len(self.taken)
        return {
            "calls": calls,
            "per_second": self.per_second,
            "cpu_us": cpu / calls * 1e6,
            "p50_ms": taken[calls // 2] * 1000,
            "p99_ms": taken[min(calls - 1, calls * 99 // 100)] * 1000,
            "peak_mib": peak_mib(),
        }


async def side_by_side(call: Call, concurrency: int, seconds: float) -> dict[str, float]:
    """Call for so long, so many at a time, after each has been warmed up."""
    numbers = itertools.count()
    for _ in range(_WARM_UPS):
        await asyncio.gather(*(call(next(numbers)) for _ in range(concurrency)))
    load = Load(seconds)

    async def worker() -> None:
        taken, until, clock = load.taken.append, load.until, time.perf_counter
        now = clock()
        calls = 0
        while not calls or now < until:
            begin = now
            await call(next(numbers))
            now = clock()
            taken(now - begin)
            calls += 1
        load.worker_ended(calls, now)

    await asyncio.gather(*(worker() for _ in range(concurrency)))
    return load.result()


def in_threads(call: Callable[[int], object], threads: int, seconds: float) -> dict[str, float]:
    """The same with a client that blocks."""
    numbers = itertools.count()
    warm = threading.Barrier(threads + 1)
    go = threading.Event()
    ending = threading.Lock()
    loads: list[Load] = []

    def worker() -> None:
        try:
            for _ in range(_WARM_UPS):
                call(next(numbers))
        except BaseException:
            warm.abort()
            raise
        warm.wait()
        go.wait()
        (load,) = loads
        now = time.perf_counter()
        calls = 0
        while not calls or now < load.until:
            begin = now
            call(next(numbers))
            now = time.perf_counter()
            load.taken.append(now - begin)
            calls += 1
        with ending:
            load.worker_ended(calls, now)

    running = [threading.Thread(target=worker, daemon=True) for _ in range(threads)]
    for thread in running:
        thread.start()
    warm.wait()
    loads.append(Load(seconds))
    go.set()
    for thread in running:
        thread.join()
    return loads[0].result()


def measure(client: Any, call: str, url: str, concurrency: int, seconds: float) -> dict[str, float]:
    """One load, with a client that is opened for it."""
    if hasattr(client, "open_calls_in_threads"):
        with client.open_calls_in_threads(url) as calls:
            return in_threads(calls[call], min(concurrency, client.THREADS), seconds)

    async def work() -> dict[str, float]:
        async with client.open_calls(url) as calls:
            return await side_by_side(calls[call], concurrency, seconds)

    return asyncio.run(work())


def measure_codecs(client: Any, seconds: float) -> dict[str, float]:
    """Microseconds to decode an order and a page, and to make and encode a body; bytes of a decoded order."""
    codecs = client.codecs()
    found = {
        "order_us": each_us(lambda _: codecs["order"](ONE), seconds),
        "page_us": each_us(lambda _: codecs["page"](LIST), seconds),
        "body_us": each_us(codecs["body"], seconds),
    }
    gc.collect()
    tracemalloc.start()
    kept = [codecs["page"](LIST) for _ in range(_KEPT_PAGES)]
    found["order_bytes"] = tracemalloc.get_traced_memory()[0] / (PAGE * len(kept))
    tracemalloc.stop()
    return found


def each_us(work: Callable[[int], object], seconds: float) -> float:
    """How long it takes, by the CPU's clock."""
    work(0)
    gc.collect()
    begin = now = time.process_time()
    done = 0
    while now - begin < seconds:
        for _ in range(10):
            work(done)
            done += 1
        now = time.process_time()
    return (now - begin) / done * 1e6


def forget_peak() -> None:
    """Let the system find the peak of the memory anew (proc(5), clear_refs), where it can."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_mib() -> float:
    """The most memory that the process has had (proc(5), VmHWM), 0 where the system does not tell."""
    status = Path("/proc/self/status")
    lines: Iterator[str] = iter(status.read_text().splitlines() if status.exists() else ())
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0.0)


def main() -> None:
    """Answer until there are no more questions."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.beside.worker", description=__doc__)
    parser.add_argument("client")
    parser.add_argument("--uvloop", action="store_true")
    args = parser.parse_args()
    client = importlib.import_module(f"benchmarks.beside.clients.{args.client}")
    if args.uvloop:
        # By its name: it is no part of the project's environment, where types are checked.
        asyncio.set_event_loop_policy(importlib.import_module("uvloop").EventLoopPolicy())
    print("{}", flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        work = measure_codecs if "call" not in request else measure
        print(json.dumps(work(client, **request)), flush=True)


if __name__ == "__main__":
    main()
