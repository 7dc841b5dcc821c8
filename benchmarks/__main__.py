"""`python -m benchmarks`: what the client costs and what it carries. Prints tables in Markdown.

- `calls`: single calls, beside bare aiohttp with msgspec.
- `peers`: single calls, import and decoding, beside bare aiohttp, the official SDK and others, against nginx.
- `typical`: the requests of three typical jobs, beside a loop over the official SDK.
- `curves`: what a unit of work costs as the work grows: calls at a time, orders a page, waiting jobs, rows.
- `imports`: up to 1,000,000 orders through `import_all`: time and memory as their number grows.
- `upserts`: 200,000 orders through `upsert_all`, beside a loop written by hand.
- `levels`: the concurrency that `upsert_all` finds by itself, beside fixed ones, against several services.
- `rows`: the rows of an export of 1,000,000 orders, beside csv, polars and pyarrow.
- `emulator`: what the emulator itself answers in a second from one core, and what 1,000,000 orders take.
- `processes`: eight processes on one limit of 2,000 a minute, with `RedisRateLimiter` and each by itself.

`bulk` stands for `imports`, `upserts`, `levels` and `rows`.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from benchmarks import calls, emulator
from benchmarks.beside import run as beside
from benchmarks.bulk import imports, levels, rows, upserts
from benchmarks.curves import run as curves
from benchmarks.processes import run as processes
from benchmarks.typical import run as typical

PARTS: Final[dict[str, Callable[[int], object]]] = {
    "calls": calls.run,
    "peers": beside.run,
    "typical": lambda _: typical.run(),
    "curves": curves.run,
    "imports": imports.run,
    "upserts": upserts.run,
    "levels": levels.run,
    "rows": lambda rounds: rows.run(rounds=rounds),
    "emulator": emulator.run,
    "processes": processes.run,
}
BULK: Final = ("imports", "upserts", "levels", "rows")
LONG: Final = (*BULK, "curves")


def main() -> None:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--parts", default=",".join(PARTS), help="(default: %(default)s)")
    parser.add_argument(
        "--rounds", type=int, help="(default: 3 for bulk and curves, 5 for the rest; typical has one)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to this file")
    args = parser.parse_args()
    parts = args.parts.replace("bulk", ",".join(BULK)).split(",")
    if unknown := [part for part in parts if part not in PARTS]:
        parser.error(f"there is no part called {unknown[0]!r}, but {', '.join(PARTS)} and bulk")
    found = {}
    for part in parts:
        found[part] = PARTS[part](args.rounds or (3 if part in LONG else 5))
        if args.json is not None:  # each time: what took half an hour is not to be lost with the next part
            args.json.write_bytes(msgspec.json.format(msgspec.json.encode(found)))


if __name__ == "__main__":
    main()
