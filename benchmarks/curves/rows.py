"""10,000 rows of an export to 1,000,000: time and memory, each run in a process of its own."""

import sys
import tempfile
from pathlib import Path
from typing import Final

from benchmarks.bulk.rowfile import served, write_file
from benchmarks.bulk.rowreaders import OURS as BY_ROWS
from benchmarks.bulk.rows import run_once
from benchmarks.curves.results import BY_HAND, OURS, Costs, Curve, curves_of

SIZES: Final = (10_000, 100_000, 1_000_000)
READERS: Final = {OURS: BY_ROWS, BY_HAND: "`csv.DictReader`, convert"}
_WARM: Final = 1_000


def run(rounds: int, sizes: tuple[int, ...] = SIZES) -> list[Curve]:
    """Measure, in interleaved rounds."""
    time, memory = Costs(), Costs()
    with tempfile.TemporaryDirectory() as place:
        for size in {_WARM, *sizes}:
            write_file(Path(place, f"{size}.csv"), size)
        with served(Path(place)) as url:
            for _ in range(rounds):
                for size in sizes:
                    for who, reader in READERS.items():
                        # Small files are over before the machine has taken notice, so they are read more often.
                        passes = max(1, min(5, sizes[-1] // 2 // size))
                        found = run_once(Path(sys.executable), reader, url, size, passes)
                        time.add(who, size, found.cpu_us_per_row)
                        memory.add(who, size, found.peak_mib)
    return curves_of(
        {"CPU of a row, µs": time, "peak memory of the process, MiB": memory},
        work="rows of an export",
        size="rows",
        by_hand="aiohttp, `csv.DictReader` and `msgspec.convert`",
    )
