"""`python -m benchmarks.faults`: this client and others through the same faults, a fresh emulator for each.

Prints a table. The exit status is 1 if this client lost, doubled or told anything that is not so.
"""

import argparse
import asyncio
import sys
from pathlib import Path

import msgspec

from benchmarks.faults.clients import CLIENTS
from benchmarks.faults.run import Plan, Run, run
from benchmarks.server import emulator


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
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all counts to this file")
    args = parser.parse_args()
    if not 0 <= args.updates <= args.orders or args.orders < 1 or args.concurrency < 1 or not 0 <= args.rate <= 1:
        parser.error("one order and one call at a time at least; no more updates than orders; a rate from 0 to 1")
    args.clients = args.clients.split(",")
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


def main() -> int:
    """Run the clients, and print what came of it."""
    args = arguments()
    plan = Plan(orders=args.orders, updates=args.updates, concurrency=args.concurrency, rate=args.rate)
    runs = []
    for name in args.clients:
        with emulator(args.seed) as server:
            one = asyncio.run(run(name, CLIENTS[name], server, plan))
        print(f"{name}: {msgspec.json.encode(one.verdict).decode()}", file=sys.stderr)
        runs.append(one)
    print(table(runs, plan))
    if args.json is not None:
        args.json.write_bytes(
            msgspec.json.format(msgspec.json.encode({"plan": plan, "seed": args.seed, "runs": runs}))
        )
    return int(any(one.client == "voucherify_async" and not one.verdict.faultless for one in runs))


if __name__ == "__main__":
    sys.exit(main())
