"""A server that answers whenever the client's event loop looks what has arrived, so that nothing is left to chance.

Both ends of a connection are real and live in one thread. Before the loop looks, all that was sent until then is
answered as a whole: every run takes the same turns and the same reads.
"""

import selectors
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from benchmarks.beside.standin import ORDER, ORDERS, answer_to

_SEND_BUFFER_BYTES: Final = 1024 * 1024  # a page goes out in one piece
_WINDOW_SECONDS: Final = 1800  # it does not end meanwhile


class AnsweringSelector(selectors.DefaultSelector):
    """A selector that lets a server answer before it looks."""

    def __init__(self, answer: Callable[[], None]) -> None:
        super().__init__()
        self._answer = answer

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Answer, then look."""
        self._answer()
        return super().select(timeout)


class Server:
    """Gives a page of 100 orders to a listing and an order to all else, with headers of a limit that leaves room.

    Attributes:
        url: where it listens.
        holding: whether requests are left without an answer.
    """

    def __init__(self) -> None:
        limits = (
            "X-Rate-Limit-Limit: 2000\r\nX-Rate-Limit-Remaining: 1999\r\n"
            f"X-Rate-Limit-Retry: {int(time.time()) + _WINDOW_SECONDS}\r\n"
        ).encode()
        self._answers = {plain: plain.replace(b"\r\n", b"\r\n" + limits, 1) for plain in (ORDER, ORDERS)}
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._listener.setblocking(False)
        self._received: dict[socket.socket, bytes] = {}
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.holding = False

    @property
    def waiting(self) -> int:
        """How many requests have no answer yet."""
        return sum(bool(received) for received in self._received.values())

    def answer(self) -> None:
        """Take what has arrived, and answer it if it is not to be held."""
        with suppress(BlockingIOError):
            while True:
                connection, _ = self._listener.accept()
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
                connection.setblocking(False)
                self._received[connection] = b""
        for connection in self._received:
            with suppress(BlockingIOError):
                self._received[connection] += connection.recv(65536)
            if self.holding:
                continue
            answer, self._received[connection] = answer_to(self._received[connection])
            if answer is not None:
                connection.sendall(self._answers[answer])

    def close(self) -> None:
        """End all connections."""
        for one in (self._listener, *self._received):
            one.close()
