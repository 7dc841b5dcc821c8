"""The concurrency that `upsert_all` finds by itself, beside fixed ones, against services of several kinds.

Orders per second are those of the second half of a run, when the number has been found.
"""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from statistics import median
from typing import Final, TypeAlias
from urllib.request import Request, urlopen

from benchmarks.bulk.crowded import crowded
from benchmarks.bulk.process import Taken, run_alone
from benchmarks.server import Server, emulator

FIXED: Final = (1, 8, 64, 512)
SECONDS: Final = 3.0
# It has to find the number first: so long a run is still a short one.
SECONDS_TO_FIND: Final = 10.0
ROOM: Final = 100
MINUTES: Final = 2
SPEED: Final = 16.0

Concurrency: TypeAlias = int | None


@contextmanager
def delayed(seconds: float) -> Iterator[Server]:
    """An emulator that takes so long for each request."""
    with emulator() as server:
        fault = json.dumps({"kind": "delay", "delay": seconds, "times": None}).encode()
        with urlopen(Request(f"{server.url}/_emulator/faults", data=fault)):
            pass
        yield server


def services() -> dict[str, AbstractContextManager[Server]]:
    """Fresh ones."""
    return {
        "as fast as it is": emulator(),
        "takes 50 ms": delayed(0.05),
        f"takes 50 ms, refuses more than {ROOM} at once": crowded(0.05, ROOM),
    }


def within_limit(concurrency: Concurrency, *, spread: bool) -> Taken:
    """With a limit of requests. It lets go by whole minutes: no half of the run is like the other."""
    taken = run_alone(
        "upsert_within_limit",
        per_minute=2000,
        minutes=MINUTES,
        speed=SPEED,
        spread=spread,
        concurrency=concurrency,
    )
    taken.told["per_second"] = taken.per_second
    return taken


def run(rounds: int) -> dict[str, object]:
    """Measure, print a table, and give the figures."""
    found: dict[str, dict[Concurrency, list[Taken]]] = {}
    for _ in range(rounds):
        for service in services():
            for concurrency in (*FIXED, None):
                seconds = SECONDS if concurrency else SECONDS_TO_FIND
                with services()[service] as server:
                    taken = run_alone("upsert_for", server=server, seconds=seconds, concurrency=concurrency)
                found.setdefault(service, {}).setdefault(concurrency, []).append(taken)
    # What a limit leaves does not depend on the machine.
    for service, spread in (("2,000 a minute", False), ("2,000 a minute, spread", True)):
        found[service] = {number: [within_limit(number, spread=spread)] for number in (*FIXED, None)}
    print(
        f"| orders a second; the service | {' | '.join(map(str, FIXED))} | found by itself | of the best "
        "| its level | sent again per 1,000 (512) |"
    )
    print("|---" * (len(FIXED) + 5) + "|")
    for service, by_concurrency in found.items():
        best = max(_rate(by_concurrency[number]) for number in FIXED)
        own = by_concurrency[None]
        print(
            f"| {service} | {' | '.join(f'{_rate(by_concurrency[number]):,.0f}' for number in FIXED)} "
            f"| {_rate(own):,.0f} | {_rate(own) / best:.0%} | {median(one.told['level'] for one in own):.0f} "
            f"| {_again(own):.0f} ({_again(by_concurrency[512]):.0f}) |"
        )
    print(flush=True)
    return {
        service: {str(number or "auto"): runs for number, runs in by_concurrency.items()}
        for service, by_concurrency in found.items()
    }


def _rate(runs: list[Taken]) -> float:
    return median(one.told["per_second"] for one in runs)


def _again(runs: list[Taken]) -> float:
    return median(one.told["again"] / one.orders * 1000 for one in runs)
