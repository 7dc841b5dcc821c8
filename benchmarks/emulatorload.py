"""`python -m benchmarks.emulatorload URL ID TOKEN PID loads|many [ORDERS]`: load an emulator; prints JSON."""

import asyncio
import itertools
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from benchmarks.beside.clients.floor import Connection
from benchmarks.bulk.orders import orders
from benchmarks.bulk.process import cpu_seconds_of, memory_mib
from benchmarks.server import Server

CONNECTIONS = 16
ORDERS = 3000
REQUESTS = 6000
IMPORTED = 2000  # in one import: the most that the service takes
# Of a hundred requests; a list of 100 is measured alone.
MIX = {"get": 40, "upsert": 25, "update": 15, "list of 20": 10, "async action": 5, "export": 5}
KINDS = ("mixed", *MIX, "list of 100")
FIELDS = [
    *(
        "id",
        "source_id",
        "created_at",
        "updated_at",
        "status",
        "amount",
        "discount_amount",
        "items_discount_amount",
    ),
    *("total_discount_amount", "total_amount", "customer_id", "referrer_id", "metadata"),
]

Numbers = Iterator[int]
Request = Callable[[int], bytes]
Result = TypeVar("Result")


class Carried(msgspec.Struct):
    """What one kind of request cost."""

    per_second: float
    cpu_us: float


Loads = dict[str, Carried]


class Taken(msgspec.Struct):
    """What one piece of work took, on the wall and of the emulator's CPU."""

    seconds: float
    cpu_seconds: float


class Many(msgspec.Struct):
    """What many orders took."""

    orders: int
    imported: Taken
    done: Taken
    downloaded: Taken
    mixed: Carried
    file_bytes: int
    memory_mib: float
    peak_mib: float


class Load:
    """Connections to one emulator, and the requests that are sent on them."""

    def __init__(self, server: Server) -> None:
        self._pid = server.pid
        self._place = urlsplit(server.url)
        keys = "".join(f"{name}: {value}\r\n" for name, value in server.keys.items())
        self._head = f" HTTP/1.1\r\nHost: {self._place.netloc}\r\n{keys}".encode()
        self._connections: list[Connection] = []
        self._stored = ORDERS

    async def open(self) -> None:
        """Connect."""
        loop = asyncio.get_running_loop()
        host, port = self._place.hostname or "", self._place.port or 80
        for _ in range(CONNECTIONS):
            _, connection = await loop.create_connection(Connection, host, port)
            self._connections.append(connection)

    def close(self) -> None:
        """End the connections."""
        for connection in self._connections:
            connection.close()

    def asks(self, method: str, target: str, body: object = None) -> bytes:
        """A request as it is sent."""
        start = f"{method} {target}".encode() + self._head
        if body is None:
            return start + b"\r\n"
        sent = msgspec.json.encode(body)
        return start + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(sent), sent)

    async def send(self, connection: Connection, request: bytes) -> bytes:
        """Send one; the body of its answer. Raises RuntimeError when it is refused."""
        answer = await connection.ask(request)
        if answer.startswith(b'{"code"'):
            raise RuntimeError(answer.decode())
        return answer

    async def call(self, method: str, target: str, body: object = None) -> bytes:
        """One request, by itself."""
        return await self.send(self._connections[0], self.asks(method, target, body))

    async def fill(self, count: int) -> None:
        """Import this many orders; the job takes no time but the emulator's own."""
        await self.call("POST", "/_emulator/jobs", {"import_seconds": 0, "export_seconds": 0})
        made, self._stored = orders(count), count
        while rows := list(itertools.islice(made, IMPORTED)):
            answer = await self.call("POST", "/v1/orders/import", rows)
            self._action = msgspec.json.decode(answer)["async_action_id"]
        action = msgspec.json.decode(await self.call("GET", f"/v1/async-actions/{self._action}"))
        if action["result"]["failed_count"]:
            raise RuntimeError("orders were refused")

    async def export(self) -> str:
        """Make an export; the path and query of its file."""
        answer = await self.call("POST", "/v1/orders/export", {"parameters": {"fields": FIELDS}})
        self._export = msgspec.json.decode(answer)["id"]
        shown = msgspec.json.decode(await self.call("GET", f"/v1/exports/{self._export}"))
        file = urlsplit(shown["result"]["url"])
        return f"{file.path}?{file.query}"

    def kinds(self) -> dict[str, Request]:
        """How each kind of request is made from a number; half of the upserts are of new orders."""
        new = next(orders(3))

        def key(number: int) -> str:
            return f"order-{number * 7919 % self._stored}"

        def upsert(number: int) -> bytes:
            key_or_new = key(number) if number % 2 else f"new-{time.monotonic_ns()}"
            return self.asks("POST", "/v1/orders", msgspec.structs.replace(new, source_id=key_or_new))

        return {
            "get": lambda number: self.asks("GET", f"/v1/orders/{key(number)}"),
            "upsert": upsert,
            "update": lambda number: self.asks("PUT", f"/v1/orders/{key(number)}", {"metadata": {"cart": number}}),
            "list of 20": lambda number: self.asks(
                "GET", f"/v1/orders?limit=20&page={1 + number % 100}&order=-created_at"
            ),
            "list of 100": lambda number: self.asks(
                "GET", f"/v1/orders?limit=100&page={1 + number % 30}&order=-created_at"
            ),
            "async action": lambda _: self.asks("GET", f"/v1/async-actions/{self._action}"),
            "export": lambda _: self.asks("GET", f"/v1/exports/{self._export}"),
        }

    async def carried(self, make: Request, requests: int) -> Carried:
        """Send so many on all connections."""
        numbers = iter(range(requests))
        workers = (self._work(connection, make, numbers) for connection in self._connections)
        _, taken = await self.timed(asyncio.gather(*workers))
        return Carried(requests / taken.seconds, taken.cpu_seconds / requests * 1e6)

    async def timed(self, work: Awaitable[Result]) -> tuple[Result, Taken]:
        """What came of it, and what it took."""
        start, cpu = time.perf_counter(), cpu_seconds_of(self._pid)
        done = await work
        return done, Taken(time.perf_counter() - start, cpu_seconds_of(self._pid) - cpu)

    async def _work(self, connection: Connection, make: Request, numbers: Numbers) -> None:
        for number in numbers:
            await self.send(connection, make(number))

    def mixed(self) -> Request:
        """One kind after another, each as often as it is in the mix, evenly spread."""
        kinds = self.kinds()
        # 37 and 100 have no divisor in common: all hundred places come once, and no kind in one go.
        places = [kind for kind, share in MIX.items() for _ in range(share)]
        return lambda number: kinds[places[37 * number % 100]](number)

    async def download(self, target: str) -> int:
        """Read a file to its end; how many bytes came, with what frames them."""
        reader, writer = await asyncio.open_connection(self._place.hostname, self._place.port, limit=1 << 20)
        writer.write(f"GET {target} HTTP/1.1\r\nHost: {self._place.netloc}\r\nConnection: close\r\n\r\n".encode())
        count = 0
        while data := await reader.read(1 << 20):
            count += len(data)
        writer.close()
        return count


async def loads(load: Load) -> Loads:
    """What is carried, each kind by itself and mixed."""
    await load.fill(ORDERS)
    await load.export()
    kinds: dict[str, Request] = {"mixed": load.mixed(), **load.kinds()}
    found = {}
    for kind in KINDS:
        requests = REQUESTS // 6 if kind == "list of 100" else REQUESTS
        found[kind] = await load.carried(kinds[kind], requests)
    return found


async def many(load: Load, count: int, pid: int) -> Many:
    """Import, export, download."""
    _, imported = await load.timed(load.fill(count))
    target, done = await load.timed(load.export())
    memory = memory_mib(pid, "VmRSS")
    size, downloaded = await load.timed(load.download(target))
    peak = memory_mib(pid, "VmHWM")
    mixed = await load.carried(load.mixed(), REQUESTS)
    return Many(count, imported, done, downloaded, mixed, size, memory, peak)


async def main(url: str, app_id: str, app_token: str, pid: str, task: str, *count: str) -> None:
    """Do the task and print what it took."""
    load = Load(Server(url, app_id, app_token, int(pid)))
    await load.open()
    try:
        found = await (many(load, int(count[0]), int(pid)) if task == "many" else loads(load))
    finally:
        load.close()
    print(msgspec.json.encode(found).decode())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
