"""`orders import` and `orders sync`: a file of orders into the service."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from voucherify_async import BulkProgress, BulkReport, BulkStoppedError, NewOrder, VoucherifyClient
from voucherify_async.cli.expected import count_lines, expected_orders
from voucherify_async.cli.failurefile import FailureFile
from voucherify_async.cli.feed import STDIN, Feed
from voucherify_async.cli.outcome import BadLineStop, Outcome
from voucherify_async.cli.output import print_line
from voucherify_async.cli.progress import Display, Step
from voucherify_async.cli.running import WRONG_USE, Surroundings, complain, run, say
from voucherify_async.cli.stoppable import StoppableSource
from voucherify_async.resources.orders import MAX_IMPORT_BYTES
from voucherify_async.sources import BadLine, OrderReader, read_orders

__all__ = ["run_feed"]


def run_feed(feed: Feed) -> int:
    """Run `orders import` or `orders sync`; the exit status."""

    async def work(client: VoucherifyClient, around: Surroundings) -> int:
        try:
            outcome = await _outcome(client, feed, around)
        except asyncio.CancelledError:
            say(feed.way_on)
            raise
        if feed.as_json:
            print_line(msgspec.json.encode(outcome.document()))
        else:
            print("\n".join(outcome.lines()))
        if outcome.problem is not None:
            sys.stdout.flush()
            complain(outcome.problem)
            if outcome.status != WRONG_USE:  # the same command would end the same way
                say(feed.way_on)
        return outcome.status

    return run(work)


async def _outcome(client: VoucherifyClient, feed: Feed, around: Surroundings) -> Outcome:
    checkpoint = feed.checkpoint_path
    resumed = checkpoint is not None and checkpoint.exists()
    if resumed:
        say(f"Going on from {checkpoint}.")
    with FailureFile(feed.failures_path, go_on=resumed) as failures, around.display() as shown:
        async with _reader(feed, shown) as reader, _lines_of(feed.plain_file) as all_lines:

            def begin() -> None:
                if (kept := failures.begin()) is not None:
                    shown.say(f"Orders that failed in an older run are in {kept} now.")

            source = StoppableSource(reader, on_first=begin)

            def ask_to_stop() -> None:
                shown.say("Stopping: what is under way is finished first. Once more, and it ends at once.")
                source.stop()

            stopped_by: BaseException | None = None
            try:
                with around.interruption.asks(ask_to_stop), shown.step(feed.title, "orders") as step:
                    report = await _feed(client, feed, source, failures, _shower(step, reader, all_lines))
            except BulkStoppedError as error:
                report, stopped_by = error.report, error.__cause__ or error
                if checkpoint is not None and not resumed and not report.read:
                    checkpoint.unlink(missing_ok=True)  # there is nothing to go on from
    return Outcome(
        feed=feed,
        report=report,
        bad_lines=reader.bad_lines,
        stopped_by=stopped_by,
        signal=around.interruption.signal,
    )


async def _feed(
    client: VoucherifyClient,
    feed: Feed,
    source: StoppableSource[NewOrder],
    failures: FailureFile,
    show: Callable[[BulkProgress], object],
) -> BulkReport:
    if feed.kind == "sync":
        return await client.orders.upsert_all(
            source,
            concurrency=feed.concurrency,
            checkpoint=feed.checkpoint_path,
            on_progress=show,
            on_failure=failures.put,
        )
    return await client.orders.import_all(
        source,
        checkpoint=feed.checkpoint_path,
        on_progress=show,
        on_failure=failures.put,
        max_bytes=feed.max_bytes or MAX_IMPORT_BYTES,
    )


def _reader(feed: Feed, shown: Display) -> OrderReader:
    name = "standard input" if feed.source == STDIN else feed.source

    def on_bad_line(bad: BadLine) -> None:
        named = f" (order {bad.key})" if bad.key and bad.key not in bad.reason else ""
        shown.say(f"{name}: {bad}{named}")
        if feed.strict:
            raise BadLineStop

    return read_orders(
        feed.source,
        format=feed.format,
        columns={column: field or None for column, field in feed.columns.items()} or None,
        decimals=feed.decimals,
        defaults=feed.defaults or None,
        on_bad_line=on_bad_line,
    )


def _shower(
    step: Step, reader: OrderReader, all_lines: "asyncio.Task[int] | None"
) -> Callable[[BulkProgress], object]:
    """What shows how far a run is."""

    def show(progress: BulkProgress) -> None:
        reached = progress.done + progress.failed_count
        if progress.job is not None:  # of an import, many orders are under way at once
            reached += progress.in_flight * (progress.job.progress or 0) // 100
        total = expected_orders(reader.orders, reader.lines, _known(all_lines))
        note = f"{progress.failed_count:,} failed" if progress.failed_count else ""
        step.reach(reached, total, note=note, per_second=progress.per_second)

    return show


def _known(counting: "asyncio.Task[int] | None") -> int | None:
    if counting is None or not counting.done() or counting.cancelled() or counting.exception() is not None:
        return None
    return counting.result()


@asynccontextmanager
async def _lines_of(path: Path | None) -> "AsyncIterator[asyncio.Task[int] | None]":
    """Count the lines of a file meanwhile."""
    if path is None:
        yield None
        return
    counting = asyncio.create_task(count_lines(path))
    try:
        yield counting
    finally:
        counting.cancel()
        await asyncio.wait([counting])
        if not counting.cancelled():
            counting.exception()  # the reader tells of it
