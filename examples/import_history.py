"""Import any number of historical orders, and report those that were not taken."""

import asyncio
from collections.abc import Iterator

from voucherify_async import BulkProgress, NewOrder, VoucherifyClient


def history() -> Iterator[NewOrder]:
    """Your own orders come here; each has a `source_id`, so that importing it twice does no harm."""
    for number in range(5000):
        yield NewOrder(source_id=f"old-{number}", status="FULFILLED", amount=1000 + number)


def show(progress: BulkProgress) -> None:
    if progress.job is not None:
        print(f"{progress.done} done, {progress.job.id} {progress.job.status} {progress.job.progress or 0} %")


async def main() -> None:
    async with VoucherifyClient.from_env() as client:
        # Should this process be killed, the next one waits for the import that was under way, and goes on.
        report = await client.orders.import_all(history(), checkpoint="import.state", on_progress=show)
        for failure in report.failed:
            print(f"{failure.key}: {failure.reason}")
        print(f"{report.done} orders imported in {report.seconds:.1f} s")


if __name__ == "__main__":
    asyncio.run(main())
