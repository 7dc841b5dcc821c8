"""Whether the files of a run are where they can be, told before anything is sent."""

import os
import sys
from contextlib import suppress
from pathlib import Path

from voucherify_async.cli.feed import STDIN, Feed

__all__ = ["misplaced"]


def misplaced(feed: Feed) -> str | None:
    """What is wrong with where a run keeps its checkpoint and its failed orders; None if nothing is."""
    checkpoint, failures = feed.checkpoint_path, feed.failures_path
    for path, option in ((checkpoint, "--checkpoint"), (failures, "--failures")):
        if path is None:
            continue
        if not path.resolve().parent.is_dir():
            return f"there is no folder for {path}"
        if _is_read(path, feed.source):
            return f"{path} is read from: give another file with {option}"
    if checkpoint is None:
        return None
    if checkpoint.exists() and not checkpoint.is_file():  # read, and removed in the end, it would be
        return f"{checkpoint} is a pipe or a device: --no-checkpoint keeps none"
    if checkpoint.resolve() == failures.resolve():
        return f"{checkpoint} cannot be both: the checkpoint is removed when the run ends, and the failures stay"
    return None


def _is_read(path: Path, source: str) -> bool:
    """Whether the orders come from this file, be it by way of standard input."""
    with suppress(OSError, ValueError, AttributeError):  # one of them is not there
        read = os.fstat(sys.stdin.fileno()) if source == STDIN else os.stat(source)
        return path.is_file() and os.path.samestat(read, path.stat())
    return False
