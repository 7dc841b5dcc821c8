"""`import_all` of 10,000 to 1,000,000 orders: does the time grow as their number does, and does the memory not?"""

import json
from statistics import median
from typing import Final
from urllib.request import Request, urlopen

from benchmarks.bulk.process import Taken, run_alone
from benchmarks.server import Server, emulator

COUNTS: Final = (10_000, 100_000, 1_000_000)


def import_once(count: int) -> Taken:
    """With a fresh emulator, whose jobs are done as soon as they are looked at."""
    with emulator() as server:
        at_once(server)
        return run_alone("import_all", server=server, count=count)


def at_once(server: Server) -> None:
    """Let jobs take no time: what is measured is not the wait for them."""
    body = json.dumps({"import_seconds": 0}).encode()
    with urlopen(Request(f"{server.url}/_emulator/jobs", data=body)):
        pass


def run(rounds: int) -> dict[str, object]:
    """Measure, print a table, and give the figures."""
    found: dict[int, list[Taken]] = {count: [] for count in COUNTS}
    for _ in range(rounds):
        for count in COUNTS:
            found[count].append(import_once(count))
    print(
        "| import_all of | seconds | µs an order | client CPU | emulator CPU | growth of time | of CPU "
        "| peak memory |"
    )
    print("|---|---|---|---|---|---|---|---|")
    least = found[COUNTS[0]]
    for count, runs in found.items():
        each = [
            median(one.us(seconds) for one, seconds in zip(runs, of, strict=True))
            for of in (
                [one.seconds for one in runs],
                [one.cpu_seconds for one in runs],
                [one.server_cpu_seconds for one in runs],
            )
        ]
        print(
            f"| {count:,} orders | {median(one.seconds for one in runs):.1f} "
            f"| {each[0]:.0f} | {each[1]:.1f} µs | {each[2]:.0f} µs "
            f"| {growth(runs, least, 'seconds'):.2f} | {growth(runs, least, 'cpu_seconds'):.2f} "
            f"| {median(one.peak_mib for one in runs):.1f} MiB |"
        )
    print(flush=True)
    return {f"{count}": runs for count, runs in found.items()}


def growth(runs: list[Taken], least: list[Taken], what: str) -> float:
    """Per order, over the same with the fewest orders; the median of the rounds."""
    return median(
        one.us(getattr(one, what)) / few.us(getattr(few, what)) for one, few in zip(runs, least, strict=True)
    )
