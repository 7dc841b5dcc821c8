"""Something between a client and an emulator, which makes a service of it that does things otherwise."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
from aiohttp import web
from yarl import URL

from voucherify_async.emulator import Emulator

__all__ = ["Alter", "Passing", "Proxy"]

_OF_THE_CONNECTION: Final = frozenset(("content-length", "transfer-encoding", "connection", "host"))


@dataclass
class Passing:
    """An answer on its way; it may be changed."""

    method: str
    path: str
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def content(self) -> Any:
        """What the JSON of it says; None if it is none."""
        return (
            json.loads(self.body) if self.headers.get("Content-Type", "").startswith("application/json") else None
        )


Alter = Callable[[Passing], None]


class Proxy:
    """Passes everything on to the emulator as it came, and calls `alter` with each answer."""

    def __init__(self, emulator: Emulator, alter: Alter) -> None:
        self._emulator = emulator
        self._alter = alter
        self._runner: web.ServerRunner | None = None
        self.url = ""
        self.statuses: list[int] = []

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession()
        self._runner = web.ServerRunner(web.Server(self._pass_on, access_log=None), shutdown_timeout=0.01)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self._emulator.download_url = self.url
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._runner is not None
        await self._runner.cleanup()
        await self._session.close()
        await asyncio.sleep(0)

    async def _pass_on(self, request: web.BaseRequest) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _OF_THE_CONNECTION}
        async with self._session.request(
            request.method,
            URL(self._emulator.url + request.raw_path, encoded=True),
            headers=headers,
            data=await request.read(),
            allow_redirects=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        ) as answer:
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in _OF_THE_CONNECTION}
            passing = Passing(request.method, request.path, answer.status, kept, await answer.read())
        self.statuses.append(passing.status)
        self._alter(passing)
        return web.Response(status=passing.status, headers=passing.headers, body=passing.body)
