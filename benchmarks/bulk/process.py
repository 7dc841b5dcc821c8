"""Work in a process of its own, so that the time and the memory it takes are its own."""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import msgspec


class Taken(msgspec.Struct):
    """What some work took.

    Attributes:
        orders: that were moved.
        seconds: of the wall clock.
        cpu_seconds: of this process.
        peak_mib: the most memory that the process ever had.
        server_cpu_seconds: of the emulator's process, if it has one.
        told: what else is to be known.
    """

    orders: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_mib: float = 0.0
    server_cpu_seconds: float = 0.0
    told: dict[str, float] = {}

    @property
    def per_second(self) -> float:
        """Orders."""
        return self.orders / self.seconds

    def us(self, seconds: float) -> float:
        """Microseconds for each order."""
        return seconds / self.orders * 1e6

    @classmethod
    @contextmanager
    def measured(cls, server_pid: int = 0) -> Iterator[Self]:
        """Measure what is done inside."""
        taken = cls()
        wall, cpu, server = time.perf_counter(), time.process_time(), cpu_seconds_of(server_pid)
        yield taken
        taken.seconds, taken.cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu
        taken.server_cpu_seconds, taken.peak_mib = cpu_seconds_of(server_pid) - server, _peak_mib()


def run_alone(task: str, **arguments: Any) -> Taken:
    """Do one of the `tasks` in a fresh process."""
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.bulk.tasks", task],
        input=json.dumps(arguments),
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return msgspec.json.decode(run.stdout, type=Taken)


def cpu_seconds_of(pid: int) -> float:
    """Of another process, where the system tells (proc(5), stat)."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        return 0.0
    user, system = stat.read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / 100


def memory_mib(pid: int | str, name: str) -> float:
    """Of a process, such as `VmHWM`, where the system tells (proc(5), status); 0 elsewhere."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return 0.0
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
    return int(lines[name].split()[0]) / 1024


def _peak_mib() -> float:
    """VmHWM where there is one: what `getrusage` tells begins with the memory of the parent that it forked from."""
    if peak_mib := memory_mib("self", "VmHWM"):
        return peak_mib
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024**2 if sys.platform == "darwin" else peak / 1024
