"""The two ways of doing a job: with this client, and by hand with the official SDK."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.faults.fastclock import FastClock
from benchmarks.peers import official_sdk_python
from benchmarks.typical.results import Job
from voucherify_async import NewOrder, VoucherifyClient
from voucherify_async.emulator import Emulator

OURS: Final = "voucherify_async"
OFFICIAL: Final = "official SDK by hand"
_SCRIPT: Final = Path(__file__).with_name("official_sdk_script.py")


class Took(msgspec.Struct, frozen=True):
    """The seconds by the service's clock, and how many exports were awaited to their end."""

    seconds: float
    awaited: int = 0


async def voucherify_async(job: Job, emulator: Emulator, clock: FastClock) -> Took:
    """This client, as it comes."""
    async with emulator.client(clock=clock) as client:
        began = clock.monotonic()
        awaited = await _WORKS[job.work](client, job.count)
        return Took(clock.monotonic() - began, awaited)


async def _import(client: VoucherifyClient, count: int) -> int:
    await client.orders.import_all(_orders(count))
    return 0


async def _exports(client: VoucherifyClient, count: int) -> int:
    async def export() -> bool:
        return (await (await client.orders.create_export())).status == "DONE"

    return sum(await asyncio.gather(*(export() for _ in range(count))))


async def _sync(client: VoucherifyClient, count: int) -> int:
    await client.orders.upsert_all(_orders(count))
    return 0


_WORKS: Final[dict[str, Callable[[VoucherifyClient, int], Awaitable[int]]]] = {
    "import": _import,
    "exports": _exports,
    "sync": _sync,
}


def _orders(count: int) -> Iterator[NewOrder]:
    return (NewOrder(source_id=f"order-{number}", status="PAID", amount=100 + number) for number in range(count))


async def official_sdk(job: Job, emulator: Emulator, clock: FastClock) -> Took:
    """A loop over Voucherify's own SDK, in a process of its own.

    Raises:
        UnavailableError: it cannot be installed.
    """
    python = await asyncio.to_thread(official_sdk_python)
    script = await asyncio.create_subprocess_exec(
        str(python), str(_SCRIPT), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    order = {"job": job, "url": emulator.url, "app_id": emulator.app_id, "app_token": emulator.app_token}
    out, _ = await script.communicate(msgspec.json.encode(order))
    if script.returncode:
        raise RuntimeError(f"the official SDK's script ended with status {script.returncode}")
    return msgspec.json.decode(out, type=Took)


Contestant = Callable[[Job, Emulator, FastClock], Awaitable[Took]]
CONTESTANTS: Final[dict[str, Contestant]] = {OURS: voucherify_async, OFFICIAL: official_sdk}
