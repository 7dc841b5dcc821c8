"""`upsert_all` of 200,000 orders, with a checkpoint and without, beside a loop that is written by hand."""

from statistics import median
from typing import Final

from benchmarks.bulk.process import Taken, run_alone
from benchmarks.bulk.tasks import BY_HAND
from benchmarks.server import emulator

COUNT: Final = 200_000
COMPARED: Final = 50_000
CONTESTANTS: Final[dict[str, tuple[str, dict[str, bool]]]] = {
    f"by hand, {BY_HAND} at a time": ("by_hand", {}),
    "upsert_all": ("upsert_all", {}),
    "upsert_all with a checkpoint": ("upsert_all", {"checkpoint": True}),
}
_HAND: Final = next(iter(CONTESTANTS))


def upsert_once(who: str, count: int) -> Taken:
    """With a fresh emulator; each tenth entry is a later state of an order that was there before."""
    task, options = CONTESTANTS[who]
    with emulator() as server:
        return run_alone(task, server=server, count=count, distinct=count * 9 // 10, **options)


def run(rounds: int) -> dict[str, object]:
    """Measure, print a table, and give the figures."""
    large = {who: upsert_once(who, COUNT) for who in CONTESTANTS}
    found: dict[str, list[Taken]] = {who: [] for who in CONTESTANTS}
    for _ in range(rounds):
        for who in CONTESTANTS:
            found[who].append(upsert_once(who, COMPARED))
    print(
        f"| {COUNT:,} orders | seconds | orders a second | CPU an order | peak memory | at a time "
        f"| time over by hand | CPU over by hand |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for who, one in large.items():
        times = [each.seconds / hand.seconds for each, hand in zip(found[who], found[_HAND], strict=True)]
        costs = [each.cpu_seconds / hand.cpu_seconds for each, hand in zip(found[who], found[_HAND], strict=True)]
        print(
            f"| {who} | {one.seconds:.1f} | {one.per_second:,.0f} | {one.us(one.cpu_seconds):.0f} µs "
            f"| {one.peak_mib:.1f} MiB | {one.told.get('level', BY_HAND):.0f} "
            f"| {median(times):.2f} ({min(times):.2f} to {max(times):.2f}) "
            f"| {median(costs):.2f} ({min(costs):.2f} to {max(costs):.2f}) |"
        )
    print(f"\nThe last two columns: {COMPARED:,} orders, medians of {rounds} interleaved rounds.\n", flush=True)
    return {"large": large, "compared": found}
