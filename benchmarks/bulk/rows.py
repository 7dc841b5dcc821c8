"""`python -m benchmarks.bulk.rows`: the rows of an export, read over HTTP by this client and in other ways.

The file comes from a server in a process of its own. Each contestant has a process of its own too, so that its peak
of memory (VmHWM) is its own. Rounds are interleaved, and the medians compared. What makes `OrderRow` structs is
told apart from what makes columns: that is another thing, through which no loop has gone yet.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from benchmarks.bulk.rowfile import ROOT, served, write_file
from benchmarks.bulk.rowreaders import CONTESTANTS, OURS
from benchmarks.peers import HOME

PEERS = ("polars==2.1.0", "pyarrow==26.0.1")


class Run(NamedTuple):
    """What one process found: the median of its passes, and its peak of memory."""

    rows_per_second: float
    cpu_us_per_row: float
    peak_mib: float


class Result(NamedTuple):
    """A contestant's medians over all rounds, and its peak of memory above that of a run with 10,000 rows."""

    name: str
    comes_to: str
    rows_per_second: float
    cpu_us_per_row: float
    extra_mib: float


def contest(name: str, url: str, rows: int, passes: int) -> Run:
    """Within a contestant's process: read the rows so many times, once before to be warm."""

    async def read(count: int) -> tuple[float, float]:
        wall, cpu = time.perf_counter(), time.process_time()
        found = await CONTESTANTS[name].read(url, count)
        assert found == count, (found, count)
        return time.perf_counter() - wall, time.process_time() - cpu

    asyncio.run(read(1000))
    taken = [asyncio.run(read(rows)) for _ in range(passes)]
    wall, cpu = (statistics.median(column) for column in zip(*taken, strict=True))
    status = Path("/proc/self/status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    return Run(rows / wall, cpu / rows * 1e6, peak / 1024)


def run_once(python: Path, name: str, url: str, rows: int, passes: int = 1) -> Run:
    """Start a contestant's process and wait for what it found."""
    command = [str(python), "-m", "benchmarks.bulk.rows", "--contestant", name, "--url", url]
    command += ["--rows", str(rows), "--passes", str(passes)]
    answer = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": str(ROOT)}, cwd=ROOT, capture_output=True, check=False, text=True
    )
    if answer.returncode:
        raise RuntimeError(f"{name}: {answer.stderr}")
    return Run(*json.loads(answer.stdout))


def peers_python() -> Path | None:
    """An interpreter with polars and pyarrow, and what this client needs; None if it cannot be had."""
    home = HOME / "frames"
    python, ready = home / "bin" / "python", home / ".installed"
    if not ready.exists():
        try:
            subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)
            # Of what this client needs, the same versions as it has here.
            ours = [f"{name}=={version(name)}" for name in ("aiohttp", "msgspec", "anyio")]
            subprocess.run([python, "-m", "pip", "install", "--quiet", *PEERS, *ours], check=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        ready.touch()
    return python


def compare(url: str, rows: int, rounds: int) -> list[Result]:
    """All contestants, in interleaved rounds."""
    peers = peers_python()
    if peers is None:
        print("polars and pyarrow could not be installed; they are left out")
    pythons = {
        name: python
        for name, contestant in CONTESTANTS.items()
        if (python := Path(sys.executable) if contestant.needs is None else peers) is not None
    }
    found: dict[str, list[Run]] = {name: [] for name in pythons}
    for _ in range(rounds):
        for name, python in pythons.items():
            found[name].append(run_once(python, name, url, rows))
    results = []
    for name, runs in found.items():
        small = run_once(pythons[name], name, url, 10_000)
        speed, cpu, peak = _medians(runs)
        results.append(Result(name, CONTESTANTS[name].comes_to, speed, cpu, peak - small.peak_mib))
    return results


def growth(url: str, sizes: tuple[int, ...], rounds: int) -> dict[int, Run]:
    """This client with files of several sizes: medians over all rounds."""
    runs: dict[int, list[Run]] = {size: [] for size in sizes}
    for _ in range(rounds):
        for size in sizes:
            # Small files are over before the machine has taken notice, so they are read more often.
            passes = max(1, min(20, 200_000 // size))
            runs[size].append(run_once(Path(sys.executable), OURS, url, size, passes))
    return {size: Run(*_medians(found)) for size, found in runs.items()}


def _medians(runs: list[Run]) -> list[float]:
    return [statistics.median(column) for column in zip(*runs, strict=True)]


def run(rows: int = 1_000_000, rounds: int = 3) -> tuple[list[Result], dict[int, Run]]:
    """Measure, and print two tables."""
    sizes = tuple(sorted({10_000, rows // 10, rows}))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for size in {1000, *sizes}:
            write_file(folder / f"{size}.csv", size)
        mib = (folder / f"{rows}.csv").stat().st_size / 2**20
        with served(folder) as url:
            results = compare(url, rows, rounds)
            grown = growth(url, sizes, rounds)
    print(f"| {rows:,} rows, {mib:.0f} MiB | comes to | rows a second | CPU per row | MiB more than with 10,000 |")
    print("|---|---|---|---|---|")
    for name, comes_to, speed, cpu, extra in results:
        print(f"| {name} | {comes_to} | {speed:,.0f} | {cpu:.2f} µs | {extra:.0f} |")
    print(f"\n| {OURS} | rows a second | CPU per row | peak | each row more |\n|---|---|---|---|---|")
    before, taken = 0, 0.0
    for size, one in grown.items():
        # What a file costs before its first row would hide in small ones whether the rest is linear.
        more = (size / one.rows_per_second - taken) / (size - before) * 1e6
        before, taken = size, size / one.rows_per_second
        print(
            f"| {size:,} | {one.rows_per_second:,.0f} | {one.cpu_us_per_row:.2f} µs | {one.peak_mib:.0f} MiB | "
            f"{more:.2f} µs |"
        )
    return results, grown


def main() -> None:
    """Measure; or be a contestant of such a run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bulk.rows", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--contestant", help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--passes", type=int, default=1, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.contestant is not None:
        print(json.dumps(contest(given.contestant, given.url, given.rows, given.passes)))
    else:
        run(given.rows, given.rounds)


if __name__ == "__main__":
    main()
