"""The emulator as a command, `python -m voucherify_async emulator`: what the command line calls."""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import signal
import sqlite3
import sys

from voucherify_async.emulator.identifiers import seed_text
from voucherify_async.emulator.ratelimit import RateLimit
from voucherify_async.emulator.server import Emulator

__all__ = ["add_arguments", "run", "serve"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = (
        "Examples:\n"
        "  voucherify-async emulator --port 8080 --db orders.db\n"
        "  voucherify-async emulator --port 0 --rate-limit 100/hour --seed 1"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=_port, default=8080, help="0 for any free one (default: %(default)s)")
    parser.add_argument("--db", metavar="FILE", help="keep all state in this SQLite file")
    parser.add_argument(
        "--rate-limit", metavar="N/PERIOD", type=_rule, help="such as 2000/minute or 100/hour (default: none)"
    )
    parser.add_argument(
        "--bulk-limit", metavar="N/PERIOD", type=_rule, help="of imports, such as 10/hour (default: none)"
    )
    parser.add_argument(
        "--cycle-limit",
        metavar="N/PERIOD",
        type=_rule,
        help="of a billing cycle, such as '100000/30 days' (default: none)",
    )
    parser.add_argument(
        "--seed", type=seed_text, help="make the same ids for the same calls (default: one is chosen, and told)"
    )
    parser.add_argument(
        "--app-id", default=os.environ.get("VOUCHERIFY_APP_ID") or None, help="(default: $VOUCHERIFY_APP_ID)"
    )
    parser.add_argument(
        "--app-token",
        default=os.environ.get("VOUCHERIFY_APP_TOKEN") or None,
        help="(default: $VOUCHERIFY_APP_TOKEN, else made up, as the id)",
    )


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text[:6]) > 65_535:
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to 65535, not {text}")
    return int(text)


def _rule(text: str) -> str:
    try:
        RateLimit(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def run(args: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM; the exit status: 0, or 3 when it cannot listen or have its file."""
    # Orders stay. With Python's own thresholds the collector goes over them so often that it takes a quarter of the
    # time of an import (measured with 300,000 orders: 38 against 28 microseconds each).
    usual = gc.get_threshold()
    gc.set_threshold(50_000, 20, 20)
    try:
        asyncio.run(serve(args))
    except (OSError, sqlite3.Error) as error:
        print(f"The emulator cannot start: {error}", file=sys.stderr)
        return 3
    finally:
        gc.set_threshold(*usual)
    return 0


async def serve(args: argparse.Namespace) -> None:
    """Say where it is and what its keys are, then answer until a signal comes."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    emulator = Emulator(
        host=args.host,
        port=args.port,
        app_id=args.app_id,
        app_token=args.app_token,
        db=args.db,
        rate_limit=args.rate_limit,
        bulk_limit=args.bulk_limit,
        cycle_limit=args.cycle_limit,
        seed=args.seed,
    )
    async with emulator:
        print(f"url: {emulator.url}\napp id: {emulator.app_id}\napp token: {emulator.app_token}")
        print(f"seed: {emulator.seed}", flush=True)
        await stop.wait()
