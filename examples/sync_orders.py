"""Keep any number of orders up to date. Killed on the way, it goes on where it was when it is started again."""

import asyncio
from collections.abc import Iterator

from voucherify_async import BulkProgress, BulkStoppedError, NewOrder, OrderFailure, VoucherifyClient


def changes() -> Iterator[NewOrder]:
    """Your own orders come here. Two entries of one order are sent in this sequence, others side by side."""
    for number in range(500):
        yield NewOrder(source_id=f"live-{number}", status="CREATED", amount=number)
        if number % 2:
            yield NewOrder(source_id=f"live-{number}", status="PAID")


def show(progress: BulkProgress) -> None:
    print(f"{progress.done} done, {progress.failed_count} failed, {progress.per_second:.0f} a second")


def note(failure: OrderFailure) -> None:
    print(f"{failure.key}: {failure.reason}")


async def main() -> None:
    async with VoucherifyClient.from_env() as client:
        try:
            report = await client.orders.upsert_all(
                changes(), checkpoint="sync.state", on_progress=show, on_failure=note
            )
        except BulkStoppedError as error:  # the service is away, say; start it again later
            print(error, error.report)
            raise
        page = await client.orders.list(limit=1, order="-created_at")
        print(f"{report.done} of {report.read} entries done, {page.total} orders stored")


if __name__ == "__main__":
    asyncio.run(main())
