"""`orders export`: to a file, to standard output, or as rows in JSON."""

import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
import msgspec

from voucherify_async import BadRequestError, DownloadProgress, OrderRow, VoucherifyClient, VoucherifyError
from voucherify_async.cli.output import print_line
from voucherify_async.cli.rowtext import RowText, csv_text, json_text
from voucherify_async.cli.running import DONE, WRONG_USE, Surroundings, complain, run, say
from voucherify_async.files import PartFile

if TYPE_CHECKING:
    from voucherify_async.exportquery import OrderExportOrder

__all__ = ["Wish", "export"]

DELETING_SECONDS: Final = 10.0


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What is to be exported; see `client.orders.export_rows`."""

    fields: Sequence[str] | None = None
    filters: Mapping[str, Any] | None = None
    order: "OrderExportOrder | None" = None
    window: timedelta | None = None
    delete: bool = False


def export(wish: Wish, target: Path | None, *, as_json: bool) -> int:
    """Export orders; the exit status.

    Args:
        wish: which orders, and what of them.
        target: the file; None for standard output.
        as_json: print rows as JSON, or if there is a file, what became of it.
    """

    async def move(client: VoucherifyClient, around: Surroundings) -> None:
        if target is not None:
            told: dict[str, Any] = {"file": str(target)}
            if wish.window is None:
                told["export"] = await _download(client, around, wish, target)
            else:
                told["rows"] = await _write_rows(client, around, wish, target)
            if as_json:
                print_line(msgspec.json.encode(told))
        elif as_json:
            await _print_rows(client, around, wish, json_text())
        elif wish.window is not None:
            await _print_rows(client, around, wish, csv_text(wish.fields))
        else:
            # By way of a file: a pipe gets the whole of it or nothing, as a file does, and repeats stay unseen.
            with tempfile.TemporaryDirectory(prefix="voucherify-async-") as folder:
                copy = Path(folder) / "orders.csv"
                await _download(client, around, wish, copy)
                with copy.open("rb") as file:
                    shutil.copyfileobj(file, sys.stdout.buffer)

    async def work(client: VoucherifyClient, around: Surroundings) -> int:
        try:
            await move(client, around)
        except BadRequestError as error:  # no order failed: the service does not know a field or a filter
            complain(error)
            return WRONG_USE
        return DONE

    return run(work)


async def _download(client: VoucherifyClient, around: Surroundings, wish: Wish, target: Path) -> str:
    """The file of one export, as the service made it; the export's id."""
    with around.display() as shown, shown.step("Exporting", "bytes") as step:

        def show(progress: DownloadProgress) -> None:
            step.reach(progress.done_bytes, progress.total_bytes)

        job = await client.orders.create_export(fields=wish.fields, filters=wish.filters, order=wish.order)
        try:
            await job.download(target, on_progress=show)
        finally:
            if wish.delete:
                await _delete(client, job.id)
    return job.id


async def _delete(client: VoucherifyClient, export_id: str) -> None:
    """As well as it goes: an export that stays is no reason to lose its file, nor to hide why that failed."""
    with anyio.move_on_after(DELETING_SECONDS, shield=True) as scope:
        try:
            await client.exports.delete(export_id)
        except VoucherifyError as error:
            say(f"The export {export_id} stays at the service: {error}")
    if scope.cancelled_caught:
        say(f"The export {export_id} stays at the service: it could not be deleted in {DELETING_SECONDS:.0f} s")


async def _write_rows(client: VoucherifyClient, around: Surroundings, wish: Wish, target: Path) -> int:
    """A file of the rows of several exports; how many rows there are."""
    with PartFile(target) as part:
        count = 0
        text = csv_text(wish.fields)
        await part.write(text.head)
        with around.display() as shown, shown.step("Exporting", "rows") as step:
            async with _rows(client, wish) as rows:
                async for row in rows:
                    await part.write(text.of(row))
                    count += 1
                    step.reach(count)
        await part.commit()
    return count


async def _print_rows(client: VoucherifyClient, around: Surroundings, wish: Wish, text: RowText) -> None:
    with around.display() as shown, shown.step("Exporting", "rows") as step:
        async with _rows(client, wish) as rows:
            sys.stdout.buffer.write(text.head)
            async for row in rows:
                sys.stdout.buffer.write(text.of(row))
                step.advance()


def _rows(client: VoucherifyClient, wish: Wish) -> AbstractAsyncContextManager[AsyncIterator[OrderRow]]:
    return client.orders.export_rows(
        fields=wish.fields, filters=wish.filters, order=wish.order, window=wish.window, delete=wish.delete
    )
