"""A Redis server of one's own, that keeps nothing. As a command it makes sure that there is one to start."""

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.peers import UnavailableError
from benchmarks.system import free_port, program_of


class RedisServer:
    """A server that can be stopped, killed and started again on the same port, empty each time.

    Args:
        folder: for what it may write, which is nothing.

    Attributes:
        url: as clients take it.
    """

    def __init__(self, folder: Path) -> None:
        self._port = free_port(lasting=True)
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"redis://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it, and come back when it can be talked to.

        Raises:
            UnavailableError: it is not installed, or did not start.
        """
        command = [program_of("redis-server", package="redis-server"), "--port", str(self._port)]
        command += ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(self._folder)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if b"Ready to accept connections" in line:
                return
        raise UnavailableError("redis-server did not start")

    def kill(self) -> None:
        """End it as an accident does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.communicate()
            self._process = None

    def hang(self) -> None:
        """Let it stand still, with its connections open."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        """Let it go on."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    """Run one."""
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.kill()


def main() -> None:
    """Install it if it is not there."""
    try:
        with redis_server():
            pass
    except UnavailableError as error:
        sys.exit(f"The tests of what processes share need a Redis server: {error}")


if __name__ == "__main__":
    main()
