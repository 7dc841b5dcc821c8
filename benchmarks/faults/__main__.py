"""`python -m benchmarks.faults`: what becomes of calls when things go wrong, counted on the server.

- `mix`: this client and others through the same faults, a fresh emulator for each.
- `bulk`: `upsert_all` and `import_all` through the same faults, 20,000 entries each.
- `outage`: this client before, during and after an outage of five seconds.
- `limit`: this client through ten minutes of a limit, by a clock that runs eight times as fast.

Prints tables. The exit status is 1 if this client does not keep what the README promises.
"""

import argparse
import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.faults.bulk import ROUTES, BulkRun, bulk_run
from benchmarks.faults.clients import CLIENTS
from benchmarks.faults.limit import Use, use_of_limit
from benchmarks.faults.outage import OUTAGES, Outage, outage
from benchmarks.faults.run import Plan, Run, run
from benchmarks.server import emulator

MOST_LOAD: Final = 1.1
LEAST_USE: Final = 0.98
MOST_REFUSED: Final = 0.005


def arguments() -> argparse.Namespace:
    """The command line."""
    plan = Plan()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--orders", type=int, default=plan.orders, help="with a key, and as many without one")
    parser.add_argument("--updates", type=int, default=plan.updates, help="of the orders with a key")
    parser.add_argument("--concurrency", type=int, default=plan.concurrency)
    parser.add_argument("--rate", type=float, default=plan.rate, help="of the requests that go wrong, 0 to 1")
    parser.add_argument("--seed", type=int, default=1, help="of the emulators")
    parser.add_argument("--clients", default=",".join(CLIENTS), help="(default: %(default)s)")
    parser.add_argument("--parts", default=",".join(PARTS), help="(default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all counts to this file")
    args = parser.parse_args()
    if not 0 <= args.updates <= args.orders or args.orders < 1 or args.concurrency < 1 or not 0 <= args.rate <= 1:
        parser.error("one order and one call at a time at least; no more updates than orders; a rate from 0 to 1")
    args.clients = args.clients.split(",")
    args.parts = args.parts.split(",")
    if unknown := [part for part in args.parts if part not in PARTS]:
        parser.error(f"there is no part called {unknown[0]!r}, but {', '.join(PARTS)}")
    if unknown := [name for name in args.clients if name not in CLIENTS]:
        parser.error(f"there is no client called {unknown[0]!r}, but {', '.join(CLIENTS)}")
    return args


def table(runs: list[Run], plan: Plan) -> str:
    """In Markdown."""
    lines = [
        f"| client | lost of {plan.orders:,} | doubled of {plan.orders:,} | wrong of {runs[0].calls:,} "
        "| requests per call | seconds |",
        "|---|---|---|---|---|---|",
    ]
    for one in runs:
        found = one.verdict
        lines.append(
            f"| {one.client} | {found.lost:,} | {found.doubled:,} | {found.wrong:,} "
            f"| {one.requests_per_call:.2f} | {one.seconds:.1f} |"
        )
    return "\n".join(lines)


def bulk_table(runs: list[BulkRun]) -> str:
    """In Markdown."""
    lines = [
        f"| {runs[0].entries:,} entries by | lost | doubled | wrong | failed | requests | by its own account "
        "| seconds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in runs:
        found = one.verdict
        lines.append(
            f"| `{one.method}` | {found.lost:,} | {found.doubled:,} | {found.wrong + found.untold:,} "
            f"| {found.failed:,} | {found.arrived:,} | {found.sent:,} | {one.seconds:.1f} |"
        )
    return "\n".join(lines)


def outage_table(outages: list[Outage]) -> str:
    """In Markdown."""
    lines = [
        "| the service, for 5 s | requests in the 5 s before | during | of those repeats | calls | failed | lost |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {one.kind} | {one.healthy:,} | {one.during:,} ({one.ratio:.2f} times) | {one.during - one.first} "
        f"| {one.calls:,} | {one.failed} | {one.lost} |"
        for one in outages
    ]
    return "\n".join(lines)


def limit_table(uses: list[Use]) -> str:
    """In Markdown."""
    lines = ["| 2,000 a minute, ten minutes | done | of the limit | answers of 429 |", "|---|---|---|---|"]
    lines += [
        f"| {'spread' if one.spread else 'at will'} | {one.done:,} | {one.share:.1%} | {one.refused} |"
        for one in uses
    ]
    return "\n".join(lines)


def run_mix(args: argparse.Namespace) -> tuple[bool, list[Run]]:
    """Run the clients, and print what came of it."""
    plan = Plan(orders=args.orders, updates=args.updates, concurrency=args.concurrency, rate=args.rate)
    runs = []
    for name in args.clients:
        with emulator(args.seed) as server:
            one = asyncio.run(run(name, CLIENTS[name], server, plan))
        print(f"{name}: {msgspec.json.encode(one.verdict).decode()}", file=sys.stderr)
        runs.append(one)
    print(table(runs, plan), end="\n\n", flush=True)
    return all(one.client != "voucherify_async" or one.verdict.faultless for one in runs), runs


def run_bulk(args: argparse.Namespace) -> tuple[bool, list[BulkRun]]:
    """Let both kinds of bulk runs meet the faults, a fresh emulator for each."""
    runs = []
    for method in ROUTES:
        with emulator(args.seed) as server:
            one = asyncio.run(bulk_run(method, server, args.orders, args.rate))
        print(f"{method}: {msgspec.json.encode(one.verdict).decode()}", file=sys.stderr)
        runs.append(one)
    print(bulk_table(runs), end="\n\n", flush=True)
    return all(one.verdict.faultless for one in runs), runs


def run_outages() -> tuple[bool, list[Outage]]:
    """Let the service be away at a load that the largest plan allows (2,000 a minute), and at a far larger one."""
    found = [asyncio.run(outage(kind, per_second=rate)) for rate in (33, 300) for kind in OUTAGES]
    print(outage_table(found), end="\n\n", flush=True)
    return all(one.ratio <= MOST_LOAD and not one.failed and not one.lost for one in found), found


def run_limits() -> tuple[bool, list[Use]]:
    """Use a limit, both ways."""
    found = [asyncio.run(use_of_limit(spread=spread)) for spread in (False, True)]
    print(limit_table(found), end="\n\n", flush=True)
    return all(one.share >= LEAST_USE and one.refused_share < MOST_REFUSED for one in found), found


PARTS: Final[dict[str, Callable[[argparse.Namespace], tuple[bool, object]]]] = {
    "mix": run_mix,
    "bulk": run_bulk,
    "outage": lambda _: run_outages(),
    "limit": lambda _: run_limits(),
}


def main() -> int:
    """Run the parts that are asked for."""
    args = arguments()
    found = {part: PARTS[part](args) for part in args.parts}
    if args.json is not None:
        told = {part: figures for part, (_, figures) in found.items()}
        args.json.write_bytes(msgspec.json.format(msgspec.json.encode({"seed": args.seed, **told})))
    return int(not all(kept for kept, _ in found.values()))


if __name__ == "__main__":
    sys.exit(main())
