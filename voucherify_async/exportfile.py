"""The file of an export: fetched to the disk, or read as rows while it arrives."""

import csv
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from voucherify_async.csvrows import CsvRows
from voucherify_async.errors import ConfigurationError, DecodeError, VoucherifyError
from voucherify_async.files import PartFile
from voucherify_async.jobs import DownloadProgress, report
from voucherify_async.models.jobs import Export
from voucherify_async.models.orders import OrderRow
from voucherify_async.resumable import ResumableDownload

# What is made of so many fits a processor's caches: of larger pieces, rows come a fifth more slowly.
_PIECE_BYTES: Final = 64 * 1024

NOT_FITTING: Final = (csv.Error, msgspec.ValidationError, UnicodeDecodeError)


async def write_file(
    path: Path,
    *,
    ready: Callable[[], Awaitable[Export]],
    resumable: Callable[[Callable[[], None]], ResumableDownload],
    on_progress: Callable[[DownloadProgress], object] | None,
) -> Path:
    """See `ExportJob.download`. The place is tried first: a wait for nothing helps nobody."""
    with PartFile(path) as part:
        await ready()
        download = resumable(part.restart)
        try:
            await download.open()
            while piece := await download.chunk():
                await part.write(piece)
                await report(on_progress, DownloadProgress(download.done_bytes, download.length_bytes))
        finally:
            download.close()
        await part.commit()
    return path


class ExportRows:
    """The rows of an export as they arrive, see `ExportJob.rows`."""

    def __init__(
        self,
        job_id: str,
        *,
        ready: Callable[[], Awaitable[Export]],
        resumable: Callable[[], ResumableDownload],
    ) -> None:
        self._job_id = job_id
        self._wait_until_ready = ready
        self._resumable = resumable
        self._download: ResumableDownload | None = None
        self._begin()

    def _begin(self) -> None:
        self._csv = CsvRows()
        self._arrived = b""  # and not read yet
        self._ready: Iterator[OrderRow] = iter(())
        self._ended = False

    async def __aenter__(self) -> Self:
        if self._download is not None:
            raise ConfigurationError("rows", "are being read already; ask the job for rows() of their own")
        self._begin()
        await self._wait_until_ready()
        download = self._resumable()
        await download.open()
        self._download = download
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        download, self._download, self._ended = self._download, None, True
        self._ready, self._arrived = iter(()), b""
        if download is not None:
            download.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> OrderRow:
        for row in self._ready:  # the shortest way to the next one, if it is there
            return row
        return await self._next()

    async def _next(self) -> OrderRow:
        if rows := await self.next_rows():
            self._ready = iter(rows)
            return next(self._ready)
        raise StopAsyncIteration

    async def next_rows(self) -> list[OrderRow]:
        """The next rows, as many as come together; none at the end.

        Raises:
            ApiError, ConnectError, RequestTimeoutError, DecodeError, ClientClosedError: as `ExportJob.rows`.
        """
        rows: list[OrderRow] = []
        while not rows and not self._ended:
            if self._download is None:
                raise ConfigurationError("rows", "use it with a context: async with job.rows() as rows")
            try:
                self._csv.check()
                arrived = self._arrived or await self._download.chunk()
                piece, self._arrived = arrived[:_PIECE_BYTES], arrived[_PIECE_BYTES:]
                rows = self._csv.feed(piece, last=not piece)
                self._ended = not piece and not self._csv.misfit
            except NOT_FITTING as error:
                self._ended = True
                raise does_not_fit(self._job_id, error) from None
            except VoucherifyError:
                self._ended = True
                raise
        return rows


def does_not_fit(job_id: str, error: Exception) -> DecodeError:
    """The error for a file with something in it that does not fit."""
    problem, marker, place = str(error).rpartition(" - at `")
    misfit = DecodeError(
        f"the export's file does not fit: {problem or place}",
        json_path=place.rstrip("`") if marker else "$",
        status=200,
        method="GET",
        path=f"/v1/exports/{job_id}",
        outcome_unknown=False,
    )
    misfit.job_id = job_id
    return misfit
