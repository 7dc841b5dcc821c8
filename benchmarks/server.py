"""An emulator in a process of its own."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple


class Server(NamedTuple):
    """Where the emulator is, its keys, and its process if that is known."""

    url: str
    app_id: str
    app_token: str
    pid: int = 0

    @property
    def keys(self) -> dict[str, str]:
        """The headers that sign a request."""
        return {"X-App-Id": self.app_id, "X-App-Token": self.app_token}


@contextmanager
def emulator(seed: int = 1, *, before: Sequence[str] = (), options: Sequence[str] = ()) -> Iterator[Server]:
    """Start one as a user does, and stop it.

    Args:
        seed: of its ids.
        before: what to put in front of its command, such as `taskset -c 1`.
        options: more of its command line.
    """
    command = [*before, sys.executable, "-m", "voucherify_async", "emulator", "--port", "0", "--seed", str(seed)]
    command += options
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url, app_id, app_token = (process.stdout.readline().partition(": ")[2].strip() for _ in range(3))
            yield Server(url, app_id, app_token, process.pid)
        finally:
            process.terminate()
