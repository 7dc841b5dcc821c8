"""`voucherify-async orders ...`: what the commands are called and what they take."""

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from voucherify_async.cli.feed import STDIN, Feed
from voucherify_async.cli.options import examples, json_object, json_option, names, pairs, period

__all__ = ["orders"]

Command = TypeVar("Command", bound=Callable[..., Any])

LIST_ORDERS = ("created_at", "-created_at", "updated_at", "-updated_at")
EXPORT_ORDERS = (*LIST_ORDERS, "status", "-status")
STATUSES = ("CREATED", "PAID", "CANCELED", "FULFILLED")


@click.group(
    no_args_is_help=False,
    epilog=examples(
        "voucherify-async orders list --limit 20",
        "voucherify-async orders sync orders.jsonl",
        "voucherify-async orders sync --help",
    ),
)
def orders() -> None:
    """Get, list, create, update, import, sync and export orders."""


@orders.command(
    epilog=examples(
        "voucherify-async orders get web-1001", "voucherify-async orders get web-1001 web-1002 | jq .total_amount"
    )
)
@click.argument("order_ids", metavar="ID...", nargs=-1, required=True)
@json_option
def get(order_ids: tuple[str, ...], *, as_json: bool) -> int:
    """Print orders, found by Voucherify's ids or by your source ids.

    They come as JSON: set out on a terminal, a line each elsewhere and with --json. Exit status 1 says that one is
    missing; the others are printed.
    """
    from voucherify_async.cli import single

    return single.get(order_ids, as_json=as_json)


@orders.command(
    "list",
    epilog=examples(
        "voucherify-async orders list",
        "voucherify-async orders list --limit 50 --order -updated_at",
        "voucherify-async orders list --all --json > orders.jsonl",
    ),
)
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=10, show_default=True, metavar="N", help="How many."
)
@click.option("--all", "everything", is_flag=True, help="All that listing reaches: 10,000. An export reaches all.")
@click.option(
    "--order",
    type=click.Choice(LIST_ORDERS),
    metavar="FIELD",
    help="created_at or updated_at, the oldest first; with a dash in front the latest. [default: created_at]",
)
@json_option
def list_(limit: int, order: Any, *, everything: bool, as_json: bool) -> int:
    """List orders: a table on a terminal, JSON Lines elsewhere and with --json."""
    from voucherify_async.cli import listing

    return listing.list_orders(None if everything else limit, order or "created_at", as_json=as_json)


def order_options(command: Command) -> Command:
    """What `create` and `update` have in common."""
    for option in reversed(
        (
            click.argument("file", metavar="[FILE]", type=click.File("rb"), required=False),
            click.option("--status", metavar="STATUS", help=", ".join(STATUSES)),
            click.option("--amount", type=int, metavar="N", help="In the smallest unit of the currency."),
            click.option(
                "--metadata",
                metavar="KEY=TEXT",
                multiple=True,
                callback=pairs(),
                help="May be given several times. Replaces the metadata of the file.",
            ),
            json_option,
        )
    ):
        command = option(command)
    return command


@orders.command(
    epilog=examples(
        "voucherify-async orders create order.json",
        "voucherify-async orders create --source-id web-1001 --status PAID --amount 20000",
        """echo '{"source_id": "web-1001", "amount": 500}' | voucherify-async orders create -""",
    )
)
@order_options
@click.option("--source-id", metavar="ID", help="Yours. It makes the command safe to repeat.")
def create(file: Any, *, as_json: bool, **fields: Any) -> int:
    """Create an order, or update the one of the same source id, and print it.

    It is a JSON object from FILE (- for standard input), options, or both: then options go before the file. A field
    name that the API does not know is refused before anything is sent.
    """
    from voucherify_async.cli import single

    return single.create(file, fields, as_json=as_json)


@orders.command(
    epilog=examples(
        "voucherify-async orders update web-1001 --status CANCELED",
        "voucherify-async orders update web-1001 changes.json",
    )
)
@click.argument("order_id", metavar="ID")
@order_options
def update(order_id: str, file: Any, *, as_json: bool, **fields: Any) -> int:
    """Change an order, and print it. What is not given stays as it is; null in a file clears a field."""
    from voucherify_async.cli import single

    return single.update(order_id, file, fields, as_json=as_json)


def feed_options(command: Command) -> Command:
    """What `import` and `sync` have in common."""
    for option in reversed(
        (
            click.argument("source", metavar="FILE", type=click.Path(exists=True, dir_okay=False, allow_dash=True)),
            click.option("--format", type=click.Choice(["jsonl", "csv"]), help="Instead of what the name says."),
            click.option(
                "--column",
                "columns",
                metavar='"NAME=FIELD"',
                multiple=True,
                callback=pairs(last=True),
                help="A column of another name is this field; without a FIELD it is passed over.",
            ),
            click.option(
                "--decimals",
                type=click.IntRange(0, 6),
                metavar="N",
                help="Money in the CSV has so many: with 2, 12.95.",
            ),
            click.option(
                "--default",
                "defaults",
                metavar='"FIELD=VALUE"',
                multiple=True,
                callback=pairs(),
                help="For a field that the CSV file has no column for.",
            ),
            click.option("--strict", is_flag=True, help="Stop at the first line that is no order."),
            click.option(
                "--failures",
                type=click.Path(dir_okay=False, path_type=Path),
                help="Where orders that failed go, to be fed in again. [default: <name>.failed.jsonl]",
            ),
            click.option(
                "--checkpoint",
                type=click.Path(dir_okay=False, path_type=Path),
                help="What is done is kept here while it runs. [default: <name>.<command>-state, none for -]",
            ),
            click.option("--no-checkpoint", is_flag=True, help="Keep none: a run that stops begins anew."),
            json_option,
        )
    ):
        command = option(command)
    return command


@orders.command(
    "import",
    epilog=examples(
        "voucherify-async orders import history.jsonl.gz",
        "voucherify-async orders import history.csv --decimals 2 --default status=FULFILLED",
        'voucherify-async orders import shop.csv --column "InvoiceNo=source_id" --column "Comment="',
    ),
)
@feed_options
@click.option(
    "--max-bytes", type=click.IntRange(1), metavar="N", help="The longest request. It has at most 2,000 orders."
)
def import_(**given: Any) -> int:
    """Import the orders of a file as history, 2,000 a request: no webhooks, no events.

    The file is JSON Lines or CSV, gzipped or not; - is standard input. A line that is no order is reported with its
    number. Orders that failed go to a JSON Lines file that can be fed in again. Ctrl-C stops cleanly, and the same
    command goes on; after kill -9 too.
    """
    return _run("import", **given)


@orders.command(
    epilog=examples(
        "voucherify-async orders sync orders.jsonl",
        "zcat shop.csv.gz | voucherify-async orders sync - --format csv --decimals 2",
        "voucherify-async orders sync orders.failed.jsonl    # what failed before",
    )
)
@feed_options
@click.option(
    "--concurrency", type=click.IntRange(1), metavar="N", help="Orders at a time. [default: as many as go well]"
)
def sync(**given: Any) -> int:
    """Create or update each order of a file, many at a time.

    The file is JSON Lines or CSV, gzipped or not; - is standard input. Entries of one order are sent in their
    sequence. A line that is no order is reported with its number. Orders that failed go to a JSON Lines file that
    can be fed in again. Ctrl-C stops cleanly, and the same command goes on; after kill -9 too.
    """
    return _run("sync", **given)


def _run(kind: Any, *, no_checkpoint: bool, **given: Any) -> int:
    feed = Feed(
        kind=kind,
        arguments=click.get_current_context().find_root().obj,
        keep_checkpoint=not no_checkpoint,
        **given,
    )
    if no_checkpoint and feed.checkpoint is not None:
        raise click.UsageError("give either --checkpoint or --no-checkpoint")
    from voucherify_async.cli import feeding, places

    if problem := places.misplaced(feed):
        raise click.UsageError(problem)

    return feeding.run_feed(feed)


@orders.command(
    epilog=examples(
        "voucherify-async orders export -o orders.csv",
        "voucherify-async orders export --fields source_id,total_amount,metadata.channel --order -created_at",
        """voucherify-async orders export --fields amount --filter '{"junction": "and", "status": """
        """{"conditions": {"$in": ["PAID"]}}}' --json | jq .amount""",
    )
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True),
    default=STDIN,
    metavar="FILE",
    help="Where the CSV goes: the whole file, or none. [default: -, standard output]",
)
@click.option(
    "--fields",
    metavar="A,B",
    callback=names,
    help="Columns, metadata.X for one key. [default: id,source_id,status]",
)
@click.option(
    "--filter",
    "filters",
    metavar="JSON",
    callback=json_object,
    help="Which orders, as `filters` of the API has it.",
)
@click.option(
    "--order",
    type=click.Choice(EXPORT_ORDERS),
    metavar="FIELD",
    help="created_at, updated_at or status; a dash in front turns it.",
)
@click.option("--delete", is_flag=True, help="Delete the export at the service afterwards.")
@click.option(
    "--window",
    callback=period,
    metavar="7d",
    help="Export by windows of created_at so long, one after the other: for very large projects.",
)
@json_option
def export(
    output: str,
    fields: list[str] | None,
    filters: dict[str, Any] | None,
    order: Any,
    window: datetime.timedelta | None,
    *,
    delete: bool,
    as_json: bool,
) -> int:
    """Export orders: CSV as the service gives it, or with --json rows as JSON Lines.

    With -o FILE and --json the file is CSV, and what is printed tells of it.
    """
    if output != STDIN and not Path(output).resolve().parent.is_dir():
        raise click.BadParameter(f"there is no folder for {output}", param_hint="--output")
    from voucherify_async.cli import exporting

    return exporting.export(
        exporting.Wish(fields=fields, filters=filters, order=order, window=window, delete=delete),
        None if output == STDIN else Path(output),
        as_json=as_json,
    )
