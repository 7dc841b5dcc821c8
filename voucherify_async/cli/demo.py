"""`voucherify-async demo`: a shop's orders through the client and back, against an emulator of its own.

Some orders are placed one by one and followed up, as in a shop that is open; the rest is imported as its history.
Then everything is exported and compared with what was sent, to the penny.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from voucherify_async import VoucherifyClient, VoucherifyError
from voucherify_async.cli.acts import Acts, by_source_id
from voucherify_async.cli.agreement import money
from voucherify_async.cli.progress import Display, display
from voucherify_async.cli.retail import RetailFileError
from voucherify_async.cli.sources import Source, from_file, made_up
from voucherify_async.emulator import Emulator
from voucherify_async.events import AttemptStarted, Event

__all__ = ["Outcome", "add_arguments", "play", "report", "run"]

ORDERS: Final = 3000
LIVE: Final = 1000
SHOWN_PROBLEMS: Final = 20


@dataclass(frozen=True)
class Outcome:
    """What came of a demo.

    Attributes:
        rows: in the export.
        requests: that reached the service, repeated ones and looks at jobs included.
        repeats: how many were sent again.
        seconds: from the first request to the last.
        problems: what did not agree.
    """

    rows: int
    requests: int
    repeats: int
    seconds: float
    problems: list[str]


class Repeats:
    """Counts the requests that a client sends again."""

    def __init__(self) -> None:
        self.total = 0

    def count(self, event: Event) -> None:
        """Look at what a client does."""
        self.total += isinstance(event, AttemptStarted) and event.attempt > 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = "Examples:\n  voucherify-async demo\n  voucherify-async demo --data online-retail.csv.gz"
    parser.add_argument(
        "--seed", type=int, default=1, help="what the orders are made up from (default: %(default)s)"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--orders", type=_count, default=ORDERS, metavar="N", help="how many (default: %(default)s)")
    what.add_argument(
        "--data", type=Path, metavar="FILE", help="real ones, from a CSV file of line items such as Online Retail"
    )


def _count(text: str) -> int:
    if not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 on, not {text!r}")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Run the demo and print its report; the exit status."""
    try:
        source = made_up(args.orders, args.seed) if args.data is None else from_file(args.data)
    except RetailFileError as error:
        return _failed(f"{args.data}: {error}", 2)
    except OSError as error:
        return _failed(str(error), 2)
    print(_paragraphs([source.title, *source.notes]), flush=True)
    print()
    try:
        with display() as shown:
            outcome = asyncio.run(play(source, Emulator(seed=args.seed), shown))
    except (VoucherifyError, OSError) as error:
        return _failed(f"the service or the network failed: {error}", 3)
    print()
    print(_paragraphs(report(source, outcome)))
    return 1 if outcome.problems else 0


def _failed(message: str, status: int) -> int:
    print(f"voucherify-async demo: {message}", file=sys.stderr)
    return status


async def play(source: Source, emulator: Emulator, shown: Display) -> Outcome:
    """Play all the acts against an emulator, which is started for it and stopped.

    Raises:
        VoucherifyError: the service or the network failed for good.
        OSError: the emulator cannot listen, or the export's file cannot be written.
    """
    orders = source.orders
    live_count = min(LIVE, -(-len(orders) // 3))
    history, live = orders[:-live_count], orders[-live_count:]
    async with emulator:
        started = time.perf_counter()
        repeats = Repeats()
        client = VoucherifyClient(
            emulator.app_id, emulator.app_token, base_url=emulator.url, on_event=repeats.count
        )
        async with client:
            acts = Acts(client, shown)
            await acts.place(live)
            await acts.follow_up(live)
            await acts.get(live)
            await acts.list(live)
            await acts.import_history(history)
            with tempfile.TemporaryDirectory(prefix="voucherify-async-") as folder:
                rows = await acts.export(orders, Path(folder) / "orders.csv")
        seconds = time.perf_counter() - started
        requests = emulator.effects.requests.total()
    return Outcome(rows, requests, repeats.total, seconds, [*source.problems, *acts.problems])


def report(source: Source, outcome: Outcome) -> list[str]:
    """The report, a paragraph each."""
    bookings = by_source_id(source.orders).values()
    worth = sum(booking.amount or 0 for booking in bookings)
    canceled = sum(booking.amount or 0 for booking in bookings if booking.status == "CANCELED")
    items = sum(len(order.items or ()) for order in source.orders)
    lines = [
        f"orders    {len(source.orders):,} sent with {items:,} items, {outcome.rows:,} exported",
        f"worth     {money(worth)}, of which {money(canceled)} were canceled",
        f"requests  {outcome.requests:,}, of which {outcome.repeats:,} were repeats",
        f"seconds   {outcome.seconds:.1f}",
    ]
    if not outcome.problems:
        return [*lines, "agreed    everything: the amount of each order to the penny, its status and its metadata"]
    problems = outcome.problems[:SHOWN_PROBLEMS]
    lines += [f"disagreed {len(outcome.problems):,} times:", *(f"- {problem}" for problem in problems)]
    more = len(outcome.problems) - len(problems)
    return [*lines, f"- and {more:,} more"] if more else lines


def _paragraphs(texts: list[str]) -> str:
    width = min(shutil.get_terminal_size().columns, 110)
    return "\n".join(textwrap.fill(text, width, subsequent_indent="    ") for text in texts)
