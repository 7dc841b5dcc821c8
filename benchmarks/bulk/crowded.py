"""`python -m benchmarks.bulk.crowded MILLISECONDS ROOM`: a service that takes its time, and has room for so many.

What is more than that it refuses with 503 at once, as services do that shed load. It prints its address.
"""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.server import Server

_STORED = b'{"id":"ord_1","object":"order"}'
_BUSY = b'{"code":503,"key":"service_unavailable","message":"Service Unavailable"}'


def _answer(status: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        status,
        len(body),
        body,
    )


class Crowded(asyncio.Protocol):
    """A connection, on which one request comes after another."""

    there = 0
    answers = (_answer(b"200 OK", _STORED), _answer(b"503 Service Unavailable", _BUSY))

    def __init__(self, seconds: float, room: int) -> None:
        self._seconds, self._room = seconds, room
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where to answer."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer when a request is there as a whole."""
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
        if len(body) < length:
            return
        self._received = body[length:]
        if Crowded.there >= self._room:
            self._transport.write(self.answers[1])
            return
        Crowded.there += 1
        asyncio.get_running_loop().call_later(self._seconds, self._done)

    def _done(self) -> None:
        Crowded.there -= 1
        self._transport.write(self.answers[0])


@contextmanager
def crowded(seconds: float, room: int) -> Iterator[Server]:
    """One in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.bulk.crowded", str(seconds), str(room)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Server(process.stdout.readline().strip(), "id", "token", pid=process.pid)
        finally:
            process.terminate()


async def serve(seconds: float, room: int) -> None:
    """Serve until the process is ended."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Crowded(seconds, room), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1]), int(sys.argv[2])))
