"""The least that can be done: a protocol by hand that knows this server, without limits, timeouts or checks."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import cast
from urllib.parse import urlsplit

import msgspec

from benchmarks.beside.answers import KEYS, new_order
from benchmarks.beside.clients.tuned import LightOrder, LightPage, codecs

__all__ = ["IMPORT", "codecs", "open_calls"]

IMPORT = "import asyncio, msgspec"
_LENGTH = b"Content-Length: "


class Connection(asyncio.Protocol):
    """A connection, on which one request comes after another."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where to write."""
        # uvloop's is none of asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)
        self._loop = asyncio.get_running_loop()
        self._received = b""
        self._parts: list[bytes] = []
        self._missing = 0

    def ask(self, request: bytes) -> asyncio.Future[bytes]:
        """Send it; the body of the answer will come."""
        self._answer: asyncio.Future[bytes] = self._loop.create_future()
        self._transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        """Find out how long the body is, and wait for that."""
        if self._missing:
            self._parts.append(data)
            self._missing -= len(data)
        else:
            self._received += data
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return
            at = self._received.find(_LENGTH) + len(_LENGTH)
            length = int(self._received[at : self._received.find(b"\r", at)])
            body = self._received[end + 4 :]
            self._parts, self._missing, self._received = [body], length - len(body), b""
        if not self._missing:
            self._answer.set_result(b"".join(self._parts))

    def close(self) -> None:
        """End it."""
        self._transport.close()


@asynccontextmanager
async def open_calls(url: str) -> AsyncIterator[dict[str, Callable[[int], Awaitable[object]]]]:
    """The three calls."""
    place = urlsplit(url)
    host, port = place.hostname or "", place.port or 80
    order, page = msgspec.json.Decoder(LightOrder), msgspec.json.Decoder(LightPage)
    head = f" HTTP/1.1\r\nHost: {place.netloc}\r\nX-App-Id: id\r\nX-App-Token: token\r\n".encode()
    posted = b"POST /v1/orders" + head + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
    free: deque[Connection] = deque()
    loop = asyncio.get_running_loop()

    async def ask(request: bytes) -> bytes:
        connection = free.pop() if free else None
        if connection is None:
            _, connection = await loop.create_connection(Connection, host, port)
        body = await connection.ask(request)
        free.append(connection)
        return body

    async def get(number: int) -> object:
        return order.decode(await ask(b"GET /v1/orders/bench-%d%b\r\n" % (number % KEYS, head)))

    async def create(number: int) -> object:
        body = msgspec.json.encode(new_order(number))
        return order.decode(await ask(posted % (len(body), body)))

    async def list_page(number: int) -> object:
        return page.decode(await ask(b"GET /v1/orders?limit=100&page=%d%b\r\n" % (1 + number % 100, head)))

    try:
        yield {"get": get, "create": create, "list": list_page}
    finally:
        for connection in free:
            connection.close()
