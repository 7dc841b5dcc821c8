"""The commands that need no extra: users of other languages run the emulator, and newcomers the demo, at once."""

import argparse
from collections.abc import Sequence
from importlib import import_module
from typing import Final, NamedTuple

__all__ = ["COMMANDS", "run_plain"]


class PlainCommand(NamedTuple):
    """A command. Its module, imported only when it runs, has `add_arguments(parser)` and `run(args)`."""

    module: str
    short_help: str
    help: str


COMMANDS: Final = {
    "demo": PlainCommand(
        "voucherify_async.cli.demo",
        "Move a shop's orders through the client and a local emulator.",
        "Run a shop's orders through the client and a local emulator, and check that all sums agree.",
    ),
    "emulator": PlainCommand(
        "voucherify_async.emulator.command",
        "Run a local stand-in for the service.",
        "Run a local stand-in for the service, until it is interrupted.",
    ),
}


def run_plain(name: str, arguments: Sequence[str]) -> int:
    """Run a command and return its exit status.

    Args:
        name: one of `COMMANDS`.
        arguments: what stands behind its name.
    """
    command = COMMANDS[name]
    module = import_module(command.module)
    parser = argparse.ArgumentParser(
        prog=f"voucherify-async {name}",
        description=command.help,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    try:
        args = parser.parse_args(arguments)
    except SystemExit as ended:  # after `--help`, or wrong use that has been told
        return int(ended.code or 0)
    status: int = module.run(args)
    return status
