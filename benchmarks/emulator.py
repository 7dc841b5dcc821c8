"""The emulator: what it answers in a second from one core, and what a million orders take.

It runs in a process of its own on one core, as a user starts it; the client, in another process on another core, is
the protocol by hand that `peers` has for its floor, so that the emulator is what is measured. The requests of the
mix come in shares as in real use; a listing of 100 is beside it, since most of that is bytes.
"""

import statistics
import subprocess
import sys

import msgspec

from benchmarks.beside.neutral import cores
from benchmarks.emulatorload import KINDS, Carried, Loads, Many
from benchmarks.server import Server, emulator

MILLION = 1_000_000


def in_process(server: Server, *task: str) -> bytes:
    """What `benchmarks.emulatorload` says of this server, measured from the other core."""
    command = [*cores()[1], sys.executable, "-m", "benchmarks.emulatorload"]
    command += [server.url, server.app_id, server.app_token, str(server.pid), *task]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


def loads(rounds: int, options: tuple[str, ...] = ()) -> Loads:
    """What is carried by kind, the medians of the rounds."""
    with emulator(before=cores()[0], options=options) as server:
        found = [msgspec.json.decode(in_process(server, "loads"), type=Loads) for _ in range(rounds)]
    return {
        kind: Carried(
            statistics.median(one[kind].per_second for one in found),
            statistics.median(one[kind].cpu_us for one in found),
        )
        for kind in KINDS
    }


def many(orders: int = MILLION) -> Many:
    """What this many orders take to be imported, exported and delivered."""
    with emulator(before=cores()[0]) as server:
        return msgspec.json.decode(in_process(server, "many", str(orders)), type=Many)


def run(rounds: int) -> dict[str, object]:
    """Measure, print two tables, and give the figures."""
    found = loads(rounds)
    print("| emulator on one core | requests a second | CPU of each |")
    print("|---|---|---|")
    for kind, carried in found.items():
        print(f"| {kind} | {carried.per_second:,.0f} | {carried.cpu_us:.0f} µs |")
    taken = many()
    print(f"| mixed, with {taken.orders:,} orders | {taken.mixed.per_second:,.0f} | {taken.mixed.cpu_us:.0f} µs |")
    works = {
        "imported, 2,000 at a time": taken.imported,
        "exported, until it is done": taken.done,
        f"delivered, {taken.file_bytes / 1e6:,.0f} MB of CSV in 13 columns": taken.downloaded,
    }
    print(f"\n| {taken.orders:,} orders | seconds | of CPU |")
    print("|---|---|---|")
    for name, work in works.items():
        print(f"| {name} | {work.seconds:.1f} | {work.cpu_seconds:.1f} |")
    memory = f"{taken.memory_mib:,.0f} MiB, at the most during the download {taken.peak_mib:,.0f} MiB"
    print(f"\nMemory of the emulator with the orders: {memory}.", end="\n\n")
    return {"loads": found, "many": taken}
