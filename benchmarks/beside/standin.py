"""`python -m benchmarks.beside.standin MILLISECONDS`: fixed answers, each after so long. It prints its address.

For what nginx cannot do by itself: take its time.
"""

import asyncio
import contextlib
import importlib
import sys
from typing import cast

from benchmarks.beside.answers import LIST, ONE


def response(body: bytes) -> bytes:
    """With its head."""
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


ORDER = response(ONE)
ORDERS = response(LIST)


def answer_to(received: bytes) -> tuple[bytes | None, bytes]:
    """The answer to the first request in what was received, if it is whole, and what comes after it."""
    head, end, rest = received.partition(b"\r\n\r\n")
    if not end:
        return None, received
    lowered = head.lower()
    length = int(lowered.partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
    if len(rest) < length:
        return None, received
    listed = lowered.startswith((b"get /v1/orders?", b"get /v1/orders "))
    return (ORDERS if listed else ORDER), rest[length:]


class Standin(asyncio.Protocol):
    """A connection, on which one request comes after another."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where to answer."""
        # uvloop's is none of asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer when a request is there as a whole."""
        answer, self._received = answer_to(self._received + data)
        if answer is None:
            return
        if self._seconds:
            asyncio.get_running_loop().call_later(self._seconds, self._transport.write, answer)
        else:
            self._transport.write(answer)


async def serve(seconds: float) -> None:
    """Serve until the process is ended."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Standin(seconds), "127.0.0.1", 0, backlog=4096)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


def main() -> None:
    """Serve, on uvloop where it is there."""
    with contextlib.suppress(ImportError):
        asyncio.set_event_loop_policy(importlib.import_module("uvloop").EventLoopPolicy())
    asyncio.run(serve(float(sys.argv[1]) / 1000))


if __name__ == "__main__":
    main()
