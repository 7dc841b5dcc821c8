"""The command line: `voucherify-async`, also `python -m voucherify_async`.

Exit status: 0 all done, 1 some orders failed or do not agree, 2 wrong use, 3 service or network failed, 130
interrupted.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final, NamedTuple

from voucherify_async.version import VERSION

__all__ = ["main"]


class _Command(NamedTuple):
    """A subcommand. Its module, imported only when it is named, has `add_arguments(parser)` and `run(args)`."""

    name: str
    module: str
    help: str


COMMANDS: Final = (
    _Command(
        "demo",
        "voucherify_async.cli.demo",
        "Run a shop's orders through the client and a local emulator, and check that all sums agree.",
    ),
    _Command(
        "emulator",
        "voucherify_async.emulator.command",
        "Run a local stand-in for the service.",
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    Args:
        argv: without the program's name; those of the process if not given.

    Raises:
        SystemExit: argparse ended it: 2 after wrong use, 0 after `--help` and `--version`.
    """
    arguments = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(
        prog="voucherify-async", description="The asyncio client for Voucherify's Orders API, on the command line."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {VERSION}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in COMMANDS:
        subparser = commands.add_parser(command.name, help=command.help, description=command.help)
        if command.name in arguments:
            module = import_module(command.module)
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run)
    args = parser.parse_args(arguments)
    try:
        status: int = args.run(args)
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130
    return status
