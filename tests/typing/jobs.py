"""Imports and exports: waiting for them, and what they give."""

import datetime
from pathlib import Path
from typing import Any, assert_type

import polars

from voucherify_async import (
    AsyncAction,
    DownloadProgress,
    Export,
    ExportFile,
    ExportJob,
    ImportFailure,
    ImportJob,
    ImportResult,
    OrderRow,
    VoucherifyClient,
)


def seen(action: AsyncAction) -> None:
    assert_type(action.progress, int | None)


async def seen_in_time(export: Export) -> None:
    assert_type(export.status, str | None)


async def import_of(client: VoucherifyClient) -> None:
    job = client.orders.import_job("aa_1")
    assert_type(job, ImportJob)
    assert_type(job.id, str)
    assert_type(await job, ImportResult)
    async for action in job.snapshots(timeout=None):
        assert_type(action, AsyncAction)
        assert_type(action.result, dict[str, Any] | None)
    result = await job.wait(timeout=5, on_progress=seen)
    assert_type(result, ImportResult)
    assert_type(result.done_count, int)
    assert_type(result.failed, list[ImportFailure])
    assert_type(result.failed[0].reason, str | None)
    result.raise_for_failures()
    await job.wait(5)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    await job.wait(timeout="5")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    await job.wait(on_progress=seen_in_time)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    await job.download("orders.csv")  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]


async def export_of(client: VoucherifyClient) -> None:
    job = client.orders.export_job("exp_1")
    assert_type(job, ExportJob)
    export = await job
    assert_type(export, Export)
    assert_type(export.result, ExportFile | None)
    assert_type(await job.wait(on_progress=seen_in_time), Export)
    async for snapshot in job.snapshots():
        assert_type(snapshot, Export)
    assert_type(await job.to_polars(timeout=60), polars.DataFrame)
    await job.rows()  # type: ignore[misc] # pyright: ignore[reportGeneralTypeIssues]


async def file_of(job: ExportJob) -> None:
    def arrived(progress: DownloadProgress) -> None:
        assert_type(progress.done_bytes, int)
        assert_type(progress.total_bytes, int | None)

    assert_type(await job.download("orders.csv", timeout=None, on_progress=arrived), Path)
    assert_type(await job.download(Path("orders.csv")), Path)
    await job.download()  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    await job.download(open("orders.csv"))  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] # noqa: ASYNC230, SIM115


async def rows_of(job: ExportJob) -> None:
    async with job.rows(timeout=60) as rows:
        async for row in rows:
            assert_type(row, OrderRow)
            assert_type(row.source_id, str | None)
            assert_type(row.amount, int | None)
            assert_type(row.created_at, datetime.datetime | None)
            assert_type(row.metadata, dict[str, Any])
    for _ in job.rows():  # type: ignore[attr-defined] # pyright: ignore[reportGeneralTypeIssues]
        pass
