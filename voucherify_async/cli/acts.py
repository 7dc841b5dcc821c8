"""What the demo does with its orders, one act after another, all of it through the public client."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from voucherify_async import (
    BulkProgress,
    DownloadProgress,
    NewOrder,
    NotFoundError,
    OrderChanges,
    OrderFailure,
    VoucherifyClient,
)
from voucherify_async.cli.agreement import Booking, booked, disagreements
from voucherify_async.cli.progress import Display, Step

__all__ = ["Acts"]

GETS: Final = 200


class Acts:
    """The acts. What does not agree is noted, and the play goes on.

    Attributes:
        problems: what did not agree, a sentence each.
    """

    def __init__(self, client: VoucherifyClient, display: Display) -> None:
        self.problems: list[str] = []
        self._orders = client.orders
        self._display = display

    async def place(self, orders: Sequence[NewOrder]) -> None:
        """Create the orders one by one, many at the same time; each begins as CREATED."""
        new = [msgspec.structs.replace(order, status="CREATED") for order in orders]
        with self._display.step("Creating one by one", "orders", len(new)) as step:
            await self._orders.upsert_all(new, on_progress=_shown_by(step), on_failure=self._note)

    async def follow_up(self, orders: Sequence[NewOrder]) -> None:
        """Update the orders, one after another, to the status that they have in the end."""
        changed = [order for order in orders if order.status != "CREATED"]
        with self._display.step("Updating the status", "orders", len(changed)) as step:
            for order in changed:
                try:
                    await self._orders.update(order.key or "", OrderChanges(status=order.status))
                except NotFoundError:
                    self.problems.append(f"update: order {order.key} is missing")
                step.advance()

    async def get(self, orders: Sequence[NewOrder]) -> None:
        """Get some of the orders, one after another, and compare."""
        some = orders[:: max(1, len(orders) // GETS)]
        seen: list[Booking] = []
        with self._display.step("Getting some back", "orders", len(some)) as step:
            for order in some:
                with suppress(NotFoundError):  # the comparison names it
                    seen.append(booked(await self._orders.get(order.key or "")))
                step.advance()
        self._compare(by_source_id(some), seen, "get")

    async def list(self, orders: Sequence[NewOrder]) -> None:
        """List all orders, and compare."""
        seen: list[Booking] = []
        with self._display.step("Listing", "orders", len(orders)) as step:
            async with self._orders.iterate(order="-created_at") as listed:
                async for order in listed:
                    seen.append(booked(order))
                    step.advance()
        self._compare(by_source_id(orders), seen, "list")

    async def import_history(self, orders: Sequence[NewOrder]) -> None:
        """Import the orders, as many in a request as it takes, and wait for the jobs."""
        with self._display.step("Importing", "orders", len(orders)) as step:
            await self._orders.import_all(orders, on_progress=_shown_by(step), on_failure=self._note)

    async def export(self, orders: Sequence[NewOrder], path: Path) -> int:
        """Export everything, download the file, read it, stream its rows too, and compare. How many rows it has."""
        sent = by_source_id(orders)
        job = await self._orders.create_export(
            fields=["source_id", "created_at", "status", "amount", "metadata"], order="created_at"
        )
        with self._display.step("Exporting and downloading", "bytes") as step:

            def show(progress: DownloadProgress) -> None:
                step.reach(progress.done_bytes, progress.total_bytes)

            await job.download(path, on_progress=show)
        self._compare(sent, in_file(path), "downloaded file")
        seen = []
        with self._display.step("Streaming the rows", "rows", len(sent)) as step:
            async with job.rows() as rows:
                async for row in rows:
                    seen.append(booked(row))
                    step.reach(len(seen))
        self._compare(sent, seen, "streamed rows")
        return len(seen)

    def _note(self, failure: OrderFailure) -> None:
        self.problems.append(f"order {failure.key}: {failure.reason}")

    def _compare(self, sent: Mapping[str, Booking], seen: Iterable[Booking], place: str) -> None:
        self.problems += disagreements(sent, seen, place)


def _shown_by(step: Step) -> Callable[[BulkProgress], None]:
    def show(progress: BulkProgress) -> None:
        under_way = 0 if progress.job is None else progress.in_flight * (progress.job.progress or 0) // 100
        step.reach(progress.done + progress.failed_count + under_way)

    return show


def by_source_id(orders: Iterable[NewOrder]) -> dict[str, Booking]:
    """What the service ought to have."""
    return {order.key or "": booked(order) for order in orders}


def in_file(path: Path) -> Iterator[Booking]:
    """The orders in a downloaded export, read without the client's help."""
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, strict=True):
            amount = int(row["amount"]) if row["amount"] else None
            yield Booking(row["source_id"], amount, row["status"], json.loads(row["metadata"]))
