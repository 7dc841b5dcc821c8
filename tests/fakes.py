"""Stand-ins for what the tests must control: time, chance, and a server that says exactly what it is told to."""

import asyncio
import heapq
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

T = TypeVar("T")


class FakeClock:
    """A client's clock that waits for nothing: sleeping moves it on at once."""

    def __init__(self, *, chance: float = 0.5) -> None:
        self.now = 1000.0
        self.wall_offset = 1_800_000_000.0
        self.chance = chance
        self.sleeps: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.wall_offset + self.now

    def random(self) -> float:
        return self.chance

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


class ServiceTime:
    """The client's time, as the emulator asks for it."""

    def __init__(self, clock: FakeClock) -> None:
        self.now = clock.wall


class VirtualClock:
    """A clock whose sleepers really sleep, until all tasks are idle: then it moves on to the first that wakes.

    The same tasks do the same things at the same moments each time. Only what sleeps on this clock counts: sockets
    and timers of the event loop are not waited for.
    """

    def __init__(self) -> None:
        self.now = 1000.0
        self.wall_offset = 1_800_000_000.0
        self.sleeping = 0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.wall_offset + self.now

    def random(self) -> float:
        return 0.5

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.get_running_loop().create_future()
        self._count += 1  # those of the same moment wake in the order in which they fell asleep
        heapq.heappush(self._sleepers, (self.now + max(0.0, seconds), self._count, woken))
        self.sleeping += 1
        try:
            await woken
        finally:
            self.sleeping -= 1

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do some work while time passes. Fails if all wait and nobody is ever woken."""
        task = asyncio.create_task(work)
        try:
            while not task.done():
                await self.idle()
                if not task.done():
                    self._wake_next()
            return task.result()
        finally:
            task.cancel()

    async def pass_time(self, seconds: float) -> None:
        """Let so many seconds pass."""
        await self.run(self.sleep(seconds))
        await self.idle()

    async def idle(self) -> None:
        """Let the other tasks go on until all of them wait."""
        ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]
        await asyncio.sleep(0)
        for _ in range(100_000):
            if not ready:
                return
            await asyncio.sleep(0)
        raise AssertionError("they never wait")

    def _wake_next(self) -> None:
        while self._sleepers:
            moment, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                self.now = max(self.now, moment)
                woken.set_result(None)
                return
        raise AssertionError("all wait, and nobody is ever woken")


class RawServer:
    """A server that answers each request with the next of the bytes it was given.

    An answer of None closes the connection instead; the last answer is repeated for further requests.
    """

    def __init__(self, *answers: bytes | None) -> None:
        self._answers = list(answers)
        self.requests: list[bytes] = []
        self.url = ""
        self.connections = 0

    @property
    def headers(self) -> list[dict[str, str]]:
        """The headers of each request, their names in lower case."""
        found = []
        for request in self.requests:
            lines = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
            found.append({name.lower(): value for name, _, value in (line.partition(": ") for line in lines)})
        return found

    @property
    def lines(self) -> list[str]:
        """The first line of each request."""
        return [request.partition(b"\r\n")[0].decode() for request in self.requests]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")),
                    0,
                )
                self.requests.append(head + await reader.readexactly(length))
                answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
                if answer is None:
                    return
                writer.write(answer)
                await writer.drain()
                if b"onnection: close" in answer:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def raw_server(*answers: bytes | None) -> AsyncIterator[RawServer]:
    """Run a `RawServer` on a free port."""
    server = RawServer(*answers)
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await server.serve(reader, writer)
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            tasks.discard(task)

    listener = await asyncio.start_server(connected, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listener.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await listener.wait_closed()


def http(status: int, body: bytes = b"", *headers: str, length: int | None = None) -> bytes:
    """The bytes of an answer."""
    lines = [
        f"HTTP/1.1 {status} Whatever",
        f"Content-Length: {len(body) if length is None else length}",
        "Content-Type: application/json",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def uncertified(protocol: int) -> ssl.SSLContext:
    """TLS without a certificate, which a test does not need to have."""
    context = ssl.SSLContext(protocol)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AECDH-AES256-SHA:@SECLEVEL=0")
    return context


async def until(condition: Callable[[], bool], step: Callable[[], Awaitable[object]] | None = None) -> None:
    """Let other tasks run until something holds; give up after very many turns."""
    for _ in range(100_000):
        if condition():
            return
        await (step() if step is not None else asyncio.sleep(0))
    raise AssertionError("it never came to hold")
