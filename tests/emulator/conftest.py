"""A stopped clock, an emulator on it, and plain HTTP to talk to it: no part of our client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from yarl import URL

from voucherify_async.emulator import Clock, Emulator

NOON = 1_700_000_000.0


class Reply:
    """An answer, read."""

    def __init__(self, status: int, headers: Any, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


async def send_raw(emulator: Emulator, request: bytes) -> bytes:
    """All bytes of the answer to a request that is sent as it stands, `Connection: close` among its headers."""
    reader, writer = await asyncio.open_connection(emulator.host, emulator.port)
    writer.write(request)
    try:
        return await reader.read()
    finally:
        writer.close()


class Api:
    """Requests with the emulator's keys; paths are sent as they are written."""

    def __init__(self, emulator: Emulator, session: aiohttp.ClientSession) -> None:
        self.emulator = emulator
        self.session = session

    @property
    def keys(self) -> dict[str, str]:
        return {"X-App-Id": self.emulator.app_id, "X-App-Token": self.emulator.app_token}

    async def __call__(self, method: str, path: str, *, keys: bool = True, **options: Any) -> Reply:
        headers = {**(self.keys if keys else {}), **options.pop("headers", {})}
        url = URL(path if path.startswith("http") else self.emulator.url + path, encoded=True)
        async with self.session.request(method, url, headers=headers, allow_redirects=False, **options) as response:
            return Reply(response.status, response.headers, await response.read())

    async def post(self, path: str, body: Any, **options: Any) -> Reply:
        return await self("POST", path, json=body, **options)

    async def put(self, path: str, body: Any, **options: Any) -> Reply:
        return await self("PUT", path, json=body, **options)

    async def get(self, path: str, **options: Any) -> Reply:
        return await self("GET", path, **options)

    async def create(self, **order: Any) -> Any:
        reply = await self.post("/v1/orders", order)
        assert reply.status == 200, reply.text
        return reply.json

    async def export(self, clock: Clock, **parameters: Any) -> str:
        reply = await self.post("/v1/orders/export", {"parameters": parameters} if parameters else {})
        assert reply.status == 200, reply.text
        clock.advance(60)
        shown = (await self.get(f"/v1/exports/{reply.json['id']}")).json
        assert shown["status"] == "DONE"
        return (await self.get(shown["result"]["url"], keys=False)).text


@pytest.fixture
def clock() -> Clock:
    return Clock(NOON)


@pytest.fixture
async def emulator(clock: Clock) -> AsyncIterator[Emulator]:
    async with Emulator(clock=clock, seed=7) as running:
        yield running


@pytest.fixture
async def api(emulator: Emulator) -> AsyncIterator[Api]:
    async with aiohttp.ClientSession() as session:
        yield Api(emulator, session)


@pytest.fixture
async def on() -> AsyncIterator[Callable[[Any], Api]]:
    """Plain HTTP to any emulator, also one of another process."""
    async with aiohttp.ClientSession() as session:
        yield lambda emulator: Api(emulator, session)
