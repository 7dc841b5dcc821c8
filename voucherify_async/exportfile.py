"""The file of an export: fetched to the disk, or read as rows while it arrives."""

import csv
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from voucherify_async.clock import Clock
from voucherify_async.csvrows import CsvRows
from voucherify_async.errors import ConfigurationError, DecodeError, TransportError
from voucherify_async.files import PartFile
from voucherify_async.jobs import DownloadProgress
from voucherify_async.models.jobs import Export
from voucherify_async.models.orders import OrderRow
from voucherify_async.options import RetryPolicy
from voucherify_async.retry import Fault, wait_before_repeat
from voucherify_async.session import Download


async def write_file(
    path: Path,
    *,
    ready: Callable[[], Awaitable[Export]],
    open_download: Callable[[], Awaitable[Download]],
    retry: RetryPolicy,
    clock: Clock,
    on_progress: Callable[[DownloadProgress], object] | None,
) -> Path:
    """See `ExportJob.download`. The place is tried first: a wait for nothing helps nobody."""
    with PartFile(path) as part:
        await ready()
        attempt = 0
        while True:
            attempt += 1
            try:
                await _fetch(part, await open_download(), on_progress)
                break
            except TransportError:
                wait = wait_before_repeat(
                    retry,
                    Fault.NOT_DONE,
                    attempt=attempt,
                    repeatable=True,
                    asked=None,
                    remaining=None,
                    chance=clock.random(),
                )
                if wait is None:
                    raise
            await clock.sleep(wait)
        await part.commit()
    return path


async def _fetch(
    part: PartFile, download: Download, on_progress: Callable[[DownloadProgress], object] | None
) -> None:
    done_bytes = 0
    try:
        part.restart()
        while chunk := await download.chunk():
            await part.write(chunk)
            done_bytes += len(chunk)
            if on_progress is not None:
                on_progress(DownloadProgress(done_bytes, download.length_bytes))
    finally:
        download.close()


class ExportRows:
    """The rows of an export as they arrive, see `ExportJob.rows`."""

    def __init__(
        self,
        job_id: str,
        *,
        ready: Callable[[], Awaitable[Export]],
        open_download: Callable[[], Awaitable[Download]],
    ) -> None:
        self._job_id = job_id
        self._wait_until_ready = ready
        self._open_download = open_download
        self._download: Download | None = None
        self._csv = CsvRows()
        self._rows: deque[OrderRow] = deque()
        self._ended = False

    async def __aenter__(self) -> Self:
        await self._wait_until_ready()
        self._download = await self._open_download()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        download, self._download, self._ended = self._download, None, True
        self._rows.clear()
        if download is not None:
            download.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> OrderRow:
        while not self._rows:
            if self._ended:
                raise StopAsyncIteration
            if self._download is None:
                raise ConfigurationError("rows", "use it with a context: async with job.rows() as rows")
            piece = await self._download.chunk()
            self._ended = not piece
            try:
                self._rows.extend(self._csv.feed(piece, last=self._ended))
            except (csv.Error, msgspec.ValidationError, UnicodeDecodeError) as error:
                self._ended = True
                raise DecodeError(
                    f"the export's file does not fit: {error}",
                    status=200,
                    method="GET",
                    path=f"/v1/exports/{self._job_id}",
                    outcome_unknown=False,
                ) from None
        return self._rows.popleft()
