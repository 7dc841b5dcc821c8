"""What the shop still has to tell Voucherify: changes in a file, so that none is lost with the process."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from voucherify_async import BadLine, NewOrder, OrderFailure, VoucherifyClient, VoucherifyError, read_orders

log = logging.getLogger("shop")


class Outbox:
    """Takes changes at once, and sends them in the background. It belongs to one process.

    Args:
        folder: where its files are.
    """

    def __init__(self, folder: Path) -> None:
        self._waiting = folder / "outbox.jsonl"
        self._sending = folder / "sending.jsonl"
        self._checkpoint = folder / "sending.state"

    def put(self, change: NewOrder) -> None:
        """Keep a change. When this returns, it outlives the process."""
        with self._waiting.open("ab") as file:
            file.write(msgspec.json.encode(change) + b"\n")

    @asynccontextmanager
    async def sync(self, client: VoucherifyClient, *, every: float = 1.0) -> AsyncIterator[None]:
        """Send what is there, every so many seconds. What is under way at the end goes on with the next start."""
        task = asyncio.create_task(self._send_for_ever(client, every))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _send_for_ever(self, client: VoucherifyClient, every: float) -> None:
        while True:
            try:
                await self._send(client)
            except (VoucherifyError, OSError) as error:  # the service is away, the disk is full: later, then
                log.warning("not all is sent: %s", error)
            await asyncio.sleep(every)

    async def _send(self, client: VoucherifyClient) -> None:
        if not self._sending.exists():  # else it is of a run that was not finished
            if not self._waiting.exists():
                return
            self._waiting.rename(self._sending)
        changes = read_orders(self._sending, on_bad_line=_note)
        async with changes:
            await client.orders.upsert_all(changes, checkpoint=self._checkpoint, on_failure=_note)
        self._sending.unlink()


def _note(lost: OrderFailure | BadLine) -> None:
    log.error("not taken: %s", lost)
