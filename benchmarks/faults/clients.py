"""The clients that are compared. Each does tasks and tells what its caller learns of each of them."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import aiohttp
import msgspec

from benchmarks.faults.work import Client, Outcome, Report, Task, side_by_side
from benchmarks.peers import OFFICIAL_SDK, official_sdk_python
from benchmarks.server import Server
from voucherify_async import (
    ApiError,
    DecodeError,
    NewOrder,
    OrderChanges,
    TransportError,
    VoucherifyClient,
)

PEER_TIMEOUT: Final = 5.0
NAIVE_TRIES: Final = 3
OFFICIAL_THREADS: Final = 32
OFFICIAL_SCRIPT: Final = Path(__file__).with_name("official_sdk_script.py")


async def voucherify_async(server: Server, tasks: Sequence[Task], concurrency: int) -> Report:
    """This client, with its defaults."""
    async with VoucherifyClient(server.app_id, server.app_token, base_url=server.url) as client:
        orders = client.orders.with_http_info

        async def do(task: Task) -> Outcome:
            try:
                if task.kind == "update":
                    response = await orders.update(task.key, msgspec.convert(task.body, OrderChanges))
                else:
                    response = await orders.create(msgspec.convert(task.body, NewOrder))
            except (ApiError, TransportError, DecodeError) as error:
                return Outcome("unknown" if error.outcome_unknown else "failed", error.attempts)
            return Outcome("done", response.attempts)

        return await side_by_side(tasks, concurrency, do)


async def bare_aiohttp(server: Server, tasks: Sequence[Task], concurrency: int) -> Report:
    """aiohttp as a user writes it, nothing repeated."""
    return await _by_hand(server, tasks, concurrency, tries=1)


async def naive_retry(server: Server, tasks: Sequence[Task], concurrency: int) -> Report:
    """aiohttp in the loop that many write: on any exception, try again."""
    return await _by_hand(server, tasks, concurrency, tries=NAIVE_TRIES)


async def _by_hand(server: Server, tasks: Sequence[Task], concurrency: int, *, tries: int) -> Report:
    timeout = aiohttp.ClientTimeout(total=PEER_TIMEOUT)
    async with aiohttp.ClientSession(server.url, headers=server.keys, timeout=timeout) as session:

        async def do(task: Task) -> Outcome:
            for attempt in range(1, tries + 1):
                try:
                    async with session.request(task.method, task.path, json=task.body) as answer:
                        answer.raise_for_status()
                        await answer.json()
                except Exception:
                    continue
                return Outcome("done", attempt)
            return Outcome("failed", tries)

        return await side_by_side(tasks, concurrency, do)


async def official_sdk(server: Server, tasks: Sequence[Task], concurrency: int) -> Report:
    """Voucherify's own SDK, unchanged, in threads of a process of its own; it tells no attempts."""
    python = await asyncio.to_thread(official_sdk_python)
    order = {
        "server": server._asdict(),
        "threads": min(concurrency, OFFICIAL_THREADS),
        "timeout": PEER_TIMEOUT,
        "tasks": [{"kind": task.kind, "key": task.key, "body": task.body} for task in tasks],
    }
    script = await asyncio.create_subprocess_exec(
        str(python), str(OFFICIAL_SCRIPT), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await script.communicate(json.dumps(order).encode())
    if script.returncode:
        raise RuntimeError(f"The official SDK's script ended with {script.returncode}")
    *lines, last = [json.loads(line) for line in out.splitlines()]
    return Report([Outcome(line["told"], None) for line in lines], last["seconds"])


CLIENTS: Final[dict[str, Client]] = {
    "voucherify_async": voucherify_async,
    "aiohttp": bare_aiohttp,
    "aiohttp-in-a-loop": naive_retry,
    f"voucherify-{OFFICIAL_SDK}": official_sdk,
}
