"""Import historical orders in several requests, and wait for all of them at once."""

import asyncio
from collections.abc import Iterator

from voucherify_async import AsyncAction, ImportFailedError, NewOrder, VoucherifyClient

CHUNK = 500


def history() -> Iterator[NewOrder]:
    """Your own orders come here; each has a `source_id`, so that importing it twice does no harm."""
    for number in range(1200):
        yield NewOrder(source_id=f"old-{number}", status="FULFILLED", amount=1000 + number)


def show(action: AsyncAction) -> None:
    print(f"{action.id} {action.status} {action.progress or 0} %")


async def main() -> None:
    orders = list(history())
    async with VoucherifyClient.from_env() as client:
        jobs = [
            await client.orders.import_orders(orders[start : start + CHUNK])
            for start in range(0, len(orders), CHUNK)
        ]
        # Should this process end here, client.orders.import_job(id) takes up the waiting in another one.
        print("started", *(job.id for job in jobs))
        results = await asyncio.gather(*(job.wait(timeout=600, on_progress=show) for job in jobs))
        for result in results:
            try:
                result.raise_for_failures()
            except ImportFailedError as error:
                print(error, *(f"{failure.source_id}: {failure.reason}" for failure in result.failed))
        print(f"{sum(result.done_count for result in results)} orders imported")


if __name__ == "__main__":
    asyncio.run(main())
