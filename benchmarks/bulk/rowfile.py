"""An export of any size, and a server that has nothing else to do: `python -m benchmarks.bulk.rowfile FOLDER`."""

import asyncio
import csv
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from voucherify_async import OrderRow

ROOT = Path(__file__).parents[2]
FIELDS = OrderRow.__struct_fields__


def write_file(path: Path, rows: int) -> None:
    """An export of all thirteen fields, about 150 bytes a row; one row in twenty has metadata, in quotes."""
    chance = random.Random(rows)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow(FIELDS)
        for number in range(rows):
            amount = chance.randrange(100, 100_000)
            discount = amount // 10 if number % 3 else None
            day = f"2026-{1 + number % 12:02d}-{1 + number % 28:02d}"
            metadata = {"channel": "web", "note": f"gift, wrapped {number}"} if number % 20 == 0 else None
            writer.writerow(
                [
                    f"ord_{number:024x}",
                    f"web-{number}",
                    f"{day}T07:44:41.{number % 1000:03d}Z",
                    f"{day}T09:12:05.594Z",
                    ("PAID", "CREATED", "FULFILLED", "CANCELED")[number % 4],
                    amount,
                    discount,
                    None,
                    discount,
                    amount - (discount or 0),
                    f"cust_{number % 5000:020x}",
                    None,
                    metadata and json.dumps(metadata),
                ]
            )


async def serve(files: dict[str, Path]) -> None:
    """Serve files as exports: `exp_1000` is the one of a thousand rows."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                name = head.split(b" ", 2)[1].decode().rpartition("/")[2]
                path = files.get(name)
                if path is not None:
                    await _send_file(writer, path)
                elif name.startswith("exp_"):
                    done = {"id": name, "status": "DONE", "result": {"url": f"{url}/{name[4:]}.csv"}}
                    _send(writer, json.dumps(done).encode())
                else:
                    _send(writer, b'{"exports": []}')
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    print(url, flush=True)
    await server.serve_forever()


def _send(writer: asyncio.StreamWriter, body: bytes) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


async def _send_file(writer: asyncio.StreamWriter, path: Path) -> None:
    with path.open("rb") as file:
        length = file.seek(0, os.SEEK_END)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length)
        await writer.drain()
        await asyncio.get_running_loop().sendfile(writer.transport, file, 0)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder from another process."""
    command = [sys.executable, "-m", "benchmarks.bulk.rowfile", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


if __name__ == "__main__":
    asyncio.run(serve({path.name: path for path in Path(sys.argv[1]).iterdir()}))
