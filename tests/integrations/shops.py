"""The example services as processes of their own, and callers who drive them."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp

from benchmarks.system import free_port
from tests.fakes import until
from tests.snippets import ROOT
from voucherify_async.emulator import Emulator

SECRET: Final = "a-secret-of-webhooks"
# Each prints that it runs when it does, to standard output or error.
COMMANDS: Final = {
    "fastapi": ["-m", "uvicorn", "with_fastapi:app", "--no-access-log", "--app-dir", ".", "--port"],
    "aiohttp": ["with_aiohttp.py"],
}
# uvicorn dies of the signal when all is done, aiohttp takes it for the word to end.
STATUSES: Final = {"fastapi": -signal.SIGTERM, "aiohttp": 0}


class Shop:
    """A service that runs, and what it prints.

    Attributes:
        url: where it is.
        session: to call it with; each call may have a connection of its own.
    """

    def __init__(self, kind: str, url: str, process: asyncio.subprocess.Process) -> None:
        self.url = url
        self._kind = kind
        self._process = process
        self._printed: list[str] = []
        self._reading = asyncio.create_task(self._read())
        self.session = aiohttp.ClientSession(
            url, connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=120)
        )

    @property
    def printed(self) -> str:
        """What it printed until now."""
        return "".join(self._printed)

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self._printed.append(line.decode())

    async def started(self) -> None:
        """Wait until it answers."""
        await until(lambda: "unning on http" in self.printed or self._reading.done(), lambda: asyncio.sleep(0.002))
        assert "unning on http" in self.printed, self.printed

    def terminate(self) -> None:
        """Tell it to end."""
        self._process.terminate()

    async def ended(self) -> None:
        """Wait until it has ended, in good order."""
        assert await self._process.wait() == STATUSES[self._kind], self.printed
        await self._reading
        for complaint in ("Traceback", "Unclosed", "Error", "Warning", "never awaited", "never retrieved"):
            assert complaint not in self.printed, self.printed

    async def aclose(self) -> None:
        """Have it gone, whatever it does."""
        await self.session.close()
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        await self._reading

    async def checkout(self, number: str, quantity: int = 1) -> int:
        """Buy something; the status of the answer, which is checked."""
        cart = {"number": number, "items": [{"sku": "tea", "quantity": quantity, "price": 250}]}
        async with self.session.post("/checkout", json=cart) as answer:
            said: dict[str, Any] = await answer.json(content_type=None)
            if answer.status == 200:
                assert said == {"number": number, "status": "CREATED", "total": 250 * quantity}
            else:
                assert said["status"] == answer.status
            return answer.status


@asynccontextmanager
async def running(kind: str, emulator: Emulator, folder: Path) -> AsyncIterator[Shop]:
    """A service that is told to end when the test has not done so, and must do it well."""
    port = str(free_port())
    command = [*COMMANDS[kind], *([port] if kind == "fastapi" else [])]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", *command),
        cwd=ROOT / "examples" / "shop",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={
            **os.environ,
            "VOUCHERIFY_APP_ID": emulator.app_id,
            "VOUCHERIFY_APP_TOKEN": emulator.app_token,
            "VOUCHERIFY_BASE_URL": emulator.url,
            "VOUCHERIFY_WEBHOOK_SECRET": SECRET,
            "SHOP_FOLDER": str(folder),
            "PORT": port,
            "PYTHONUNBUFFERED": "1",
        },
    )
    shop = Shop(kind, f"http://127.0.0.1:{port}", process)
    try:
        await shop.started()
        yield shop
        if process.returncode is None:
            shop.terminate()
        await shop.ended()
    finally:
        await shop.aclose()


async def at_a_rate(
    per_second: float, count: int, call: Callable[[int], Awaitable[int]]
) -> list[tuple[int, float]]:
    """Make so many calls, each at its time, however long the others take: their statuses and seconds."""
    loop = asyncio.get_running_loop()
    begun = loop.time()

    async def timed(number: int) -> tuple[int, float]:
        began = loop.time()
        return await call(number), loop.time() - began

    tasks = []
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            await asyncio.sleep(max(0.0, begun + number / per_second - loop.time()))
            tasks.append(group.create_task(timed(number)))
    return [task.result() for task in tasks]
