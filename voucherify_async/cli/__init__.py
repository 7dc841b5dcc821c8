"""The command line: `voucherify-async`, also `python -m voucherify_async`.

Exit status: 0 all done, 1 some orders failed or do not agree, 2 wrong use, 3 service or network failed, 130
interrupted, 141 nobody reads the output any more, 143 terminated.
"""

import os
import sys
from collections.abc import Sequence

from voucherify_async.cli.plain import COMMANDS, run_plain

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    Args:
        argv: without the program's name; those of the process if not given.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        status = _run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        _discard_output()
        return 141  # as a program that the signal of a closed pipe ends
    except OSError as error:  # of standard output, which may be a file on a full disk
        _discard_output()
        print(f"voucherify-async: {error}", file=sys.stderr)
        return 3
    return status


def _run(arguments: list[str]) -> int:
    if arguments and arguments[0] in COMMANDS:
        return run_plain(arguments[0], arguments[1:])
    try:
        from voucherify_async.cli.app import run_app  # noqa: PLC0415 - of an extra, which `emulator` does without
    except ModuleNotFoundError as error:
        if error.name not in {"click", "rich"}:
            raise
        print(
            f"voucherify-async: {error.name} is not installed; the command line needs the extra `cli`:\n"
            "    pip install 'voucherify-async[cli]'\n"
            f"{' and '.join(f'`{name}`' for name in COMMANDS)} do without it.",
            file=sys.stderr,
        )
        return 2
    return run_app(arguments)


def _discard_output() -> None:
    """Have the interpreter's last flush go nowhere: it would complain once more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
