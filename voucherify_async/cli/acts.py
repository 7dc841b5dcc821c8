"""What the demo does with its orders, one act after another, all of it through the public client."""

import asyncio
import csv
import json
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from voucherify_async import (
    ApiResponse,
    AsyncAction,
    DownloadProgress,
    ExportJob,
    ImportFailedError,
    ImportJob,
    NewOrder,
    NotFoundError,
    OrderChanges,
    VoucherifyClient,
)
from voucherify_async.cli.agreement import Booking, booked, disagreements
from voucherify_async.cli.progress import Display

__all__ = ["Acts"]

SIDE_BY_SIDE: Final = 64
PAGE: Final = 100
GETS: Final = 200
# A request may import 2,000 orders; with fewer there are several jobs to wait for.
IMPORT: Final = 500

T = TypeVar("T")
Answer = Coroutine[Any, Any, ApiResponse[T]]


class Acts:
    """The acts. What does not agree is noted, and the play goes on.

    Attributes:
        problems: what did not agree, a sentence each.
        repeats: how many of the acts' requests were sent again.
    """

    def __init__(self, client: VoucherifyClient, display: Display) -> None:
        self.problems: list[str] = []
        self.repeats = 0
        self._orders = client.orders
        self._display = display

    async def place(self, orders: Sequence[NewOrder]) -> None:
        """Create the orders one by one, many at the same time; each begins as CREATED."""

        async def create(order: NewOrder) -> None:
            new = msgspec.structs.replace(order, status="CREATED")
            await self._data(self._orders.with_http_info.create(new))

        await self._each(f"Creating one by one, {SIDE_BY_SIDE} at a time", "orders", orders, create)

    async def follow_up(self, orders: Sequence[NewOrder]) -> None:
        """Update the orders to the status that they have in the end: paid, fulfilled or canceled."""

        async def update(order: NewOrder) -> None:
            changes = OrderChanges(status=order.status)
            try:
                await self._data(self._orders.with_http_info.update(order.key or "", changes))
            except NotFoundError:
                self.problems.append(f"update: order {order.key} is missing")

        changed = [order for order in orders if order.status != "CREATED"]
        await self._each("Updating the status", "orders", changed, update)

    async def get(self, orders: Sequence[NewOrder]) -> None:
        """Get some of the orders, and compare."""
        some = orders[:: max(1, len(orders) // GETS)]
        seen: list[Booking] = []

        async def get(order: NewOrder) -> None:
            try:
                stored = await self._data(self._orders.with_http_info.get(order.key or ""))
            except NotFoundError:
                return  # the comparison names it
            seen.append(booked(stored))

        await self._each("Getting some back", "orders", some, get)
        self._compare(by_source_id(some), seen, "get")

    async def page_through(self, orders: Sequence[NewOrder]) -> None:
        """List all orders by pages, and compare."""
        seen: list[Booking] = []

        async def fetch(number: int) -> None:
            call = self._orders.with_http_info.list(limit=PAGE, page=number, order="-created_at")
            seen.extend(booked(order) for order in (await self._data(call)).orders)

        pages = range(1, -(-len(orders) // PAGE) + 1)
        await self._each("Listing", "pages", pages, fetch)
        self._compare(by_source_id(orders), seen, "list")

    async def import_history(self, orders: Sequence[NewOrder]) -> None:
        """Import the orders in several requests, and wait for the jobs side by side."""
        batches = [orders[start : start + IMPORT] for start in range(0, len(orders), IMPORT)]
        finished = [0] * len(batches)
        with self._display.step(f"Importing, {IMPORT} a request", "orders", len(orders)) as step:

            async def follow(number: int, job: ImportJob) -> None:
                def show(action: AsyncAction) -> None:
                    finished[number] = len(batches[number]) * (action.progress or 0) // 100
                    step.reach(sum(finished))

                result = await job.wait(on_progress=show)
                try:
                    result.raise_for_failures()
                except ImportFailedError as error:
                    self.problems.append(f"import: {error}")
                    self.problems += [f"import: order {one.source_id}: {one.reason}" for one in result.failed]

            jobs = [await self._data(self._orders.with_http_info.import_orders(batch)) for batch in batches]
            await _together(follow(number, job) for number, job in enumerate(jobs))

    async def export(self, orders: Sequence[NewOrder], path: Path) -> int:
        """Export everything, download the file, read it, stream its rows too, and compare. How many rows it has."""
        sent = by_source_id(orders)
        call = self._orders.with_http_info.create_export(
            fields=["source_id", "created_at", "status", "amount", "metadata"], order="created_at"
        )
        job: ExportJob = await self._data(call)
        with self._display.step("Exporting and downloading", "bytes") as step:

            def show(progress: DownloadProgress) -> None:
                step.reach(progress.done_bytes, progress.total_bytes)

            await job.wait()
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

    async def _data(self, answer: Answer[T]) -> T:
        response = await answer
        self.repeats += response.attempts - 1
        return response.data

    async def _each(self, title: str, unit: str, items: Sequence[T], work: Callable[[T], Awaitable[None]]) -> None:
        with self._display.step(title, unit, len(items)) as step:
            queue = iter(items)

            async def worker() -> None:
                for item in queue:
                    await work(item)
                    step.advance()

            await _together(worker() for _ in range(SIDE_BY_SIDE))

    def _compare(self, sent: Mapping[str, Booking], seen: Iterable[Booking], place: str) -> None:
        self.problems += disagreements(sent, seen, place)


def by_source_id(orders: Iterable[NewOrder]) -> dict[str, Booking]:
    """What the service ought to have."""
    return {order.key or "": booked(order) for order in orders}


def in_file(path: Path) -> Iterator[Booking]:
    """The orders in a downloaded export, read without the client's help."""
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, strict=True):
            amount = int(row["amount"]) if row["amount"] else None
            yield Booking(row["source_id"], amount, row["status"], json.loads(row["metadata"]))


async def _together(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Wait for all; the first error ends the others, and is raised as it is."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
