"""The part `curves` of `python -m benchmarks`."""

import sys
import time

import msgspec

from benchmarks.beside.run import machine
from benchmarks.curves import calls, rows, waiting
from benchmarks.curves.results import Curves
from benchmarks.curves.table import tables


def measure(rounds: int) -> Curves:
    """Measure all of them."""
    found = []
    for part in (calls, waiting, rows):
        began = time.monotonic()
        found += part.run(rounds)
        print(f"curves: {part.__name__}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    here = msgspec.structs.replace(machine("the emulator in a process of its own"), pinned=False)
    return Curves(machine=here, rounds=rounds, curves=found)


def run(rounds: int) -> Curves:
    """Measure, print tables, and give the figures."""
    curves = measure(rounds)
    print(tables(curves), flush=True)
    return curves
