"""Imports and exports as things to await."""

import asyncio
import inspect
import os
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar

import msgspec

from voucherify_async.errors import (
    AuthenticationError,
    ConfigurationError,
    ExportFailedError,
    ImportFailedError,
    JobError,
    JobTimeoutError,
    PermissionDeniedError,
)
from voucherify_async.models.jobs import AsyncAction, Export, ImportResult, import_result
from voucherify_async.options import check_file, check_function, check_seconds
from voucherify_async.outcome import Download
from voucherify_async.poller import Poller, Watch
from voucherify_async.resources.exports import Exports
from voucherify_async.session import CallOptions, SessionManager

if TYPE_CHECKING:
    import polars

    from voucherify_async.exportfile import ExportRows
    from voucherify_async.resumable import ResumableDownload

S = TypeVar("S", bound=AsyncAction | Export)
R = TypeVar("R")
T = TypeVar("T")

DEFAULT_WAIT_SECONDS: Final = 3600.0


async def report(on_progress: Callable[[T], object] | None, news: T) -> None:
    """Call a user's function for progress, and await what it returns if that can be awaited."""
    if on_progress is not None:
        outcome = on_progress(news)
        if inspect.isawaitable(outcome):
            await outcome


class _Job(Generic[S, R]):
    """A job of the service's. It may be awaited by many tasks, and more than once.

    Cancelling one who waits leaves the job and the others alone.
    """

    def __init__(self, job_id: str, poller: Poller[S]) -> None:
        self.id: Final[str] = job_id
        self._poller = poller
        self._watch: Watch[S] = Watch(job_id)

    def __repr__(self) -> str:
        seen = self._watch.snapshot
        return f"<{type(self).__name__} {self.id}{f' {seen.status}' if seen is not None else ''}>"

    def __await__(self) -> Generator[Any, None, R]:
        return self.wait().__await__()

    async def wait(
        self,
        *,
        timeout: float | None = DEFAULT_WAIT_SECONDS,
        on_progress: Callable[[S], object] | None = None,
    ) -> R:
        """Wait until the job has ended.

        The first look comes at once, then the intervals grow from 0.5 to 10 seconds. All jobs of a client that
        are waited for share their requests.

        Args:
            timeout: seconds to wait, an hour if not given; None for no limit.
            on_progress: a function, async or not, called with each state that is seen, the last one included.

        Returns:
            What came of the job.

        Raises:
            ImportFailedError, ExportFailedError: the job failed.
            JobTimeoutError: the time ran out; the job goes on.
            JobError: the job cannot be followed, its cause tells why.
            ClientClosedError: the client was closed meanwhile.
            ConfigurationError: an argument does not fit.

        Repeated after a failure: looks are; the job is not started again.
        """
        check_seconds("timeout", timeout)
        check_function("on_progress", on_progress)
        snapshots = Snapshots(self._poller, self._watch, timeout, last_only=on_progress is None)
        with self._poller.telling(self._watch):
            async for snapshot in snapshots:
                await report(on_progress, snapshot)
            assert self._watch.snapshot is not None  # noqa: S101 - snapshots end with the last state, or raise
            return self._outcome(self._watch.snapshot)

    def snapshots(self, *, timeout: float | None = DEFAULT_WAIT_SECONDS) -> "Snapshots[S]":
        """The states of the job as they are seen, up to the last one: `async for state in job.snapshots()`.

        Args:
            timeout: seconds from the first look to the last, an hour if not given; None for no limit.

        Raises:
            JobTimeoutError: the time ran out; the job goes on.
            JobError: the job cannot be followed, its cause tells why.
        """
        check_seconds("timeout", timeout)
        return Snapshots(self._poller, self._watch, timeout, last_only=False)

    def _expect_in(self, seconds: float) -> None:
        """Have it looked at when it is likely to have ended, instead of at once."""
        self._watch.expected_at = self._poller.now() + seconds

    def _outcome(self, snapshot: S) -> R:
        raise NotImplementedError


class Snapshots(Generic[S]):
    """The states of a job, one after another.

    An iterator without a body that is suspended: leaving the loop early leaves nothing behind.
    """

    def __init__(self, poller: Poller[S], watch: Watch[S], timeout: float | None, *, last_only: bool) -> None:
        self._poller = poller
        self._watch = watch
        self._timeout = timeout
        self._last_only = last_only
        self._deadline: float | None = None
        self._seen = watch.version
        self._begun = False
        self._ended = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> S:
        if self._ended:
            raise StopAsyncIteration
        if not self._begun and not self._watch.waiting:
            self._watch.start_afresh(self._poller.now())
        self._begun = True
        known = self._watch.snapshot
        if known is None or not self._poller.is_final(known):
            known = await self._news()
        self._ended = self._poller.is_final(known)
        return known

    async def _news(self) -> S:
        loop = asyncio.get_running_loop()
        if self._deadline is None and self._timeout is not None:
            self._deadline = loop.time() + self._timeout
        scope = asyncio.timeout_at(self._deadline)
        try:
            async with scope:
                news = await self._poller.news(self._watch, self._seen, last_only=self._last_only)
        except TimeoutError:
            if not scope.expired():
                raise
            raise JobTimeoutError(
                f"the job did not end within {self._timeout} s; it goes on at the service",
                job_id=self._watch.job_id,
                snapshot=self._watch.snapshot,
            ) from self._watch.trouble
        self._seen = self._watch.version
        return news


class ImportJob(_Job[AsyncAction, ImportResult]):
    """An import of orders under way: `result = await job`.

    Attributes:
        id: `aa_...`; `client.orders.import_job(id)` takes up waiting again, in another process too.
    """

    def _outcome(self, snapshot: AsyncAction) -> ImportResult:
        """The result; an import that ended with failed orders has one, an import that failed has none."""
        try:
            result = import_result(snapshot) if snapshot.result else None
        except msgspec.ValidationError as error:
            raise JobError(
                f"the import ended, but its result does not fit: {error}", job_id=self.id, snapshot=snapshot
            ) from None
        # DONE alone is no proof of success: `operation_status` may say FAILED. If it does because of the orders,
        # the counts are there to say more.
        failed = snapshot.status == "FAILED" or snapshot.operation_status == "FAILED"
        counted = result is not None and (result.done_count or result.failed_count)
        if failed and not (snapshot.status == "DONE" and counted):
            said = f": {result.message}" if result is not None and result.message else ""
            raise ImportFailedError(f"the import failed{said}", job_id=self.id, snapshot=snapshot, result=result)
        if result is None:
            raise JobError("the import ended, but tells no result", job_id=self.id, snapshot=snapshot)
        return result


class DownloadProgress(msgspec.Struct, frozen=True):
    """How far a download is.

    Attributes:
        done_bytes: that have arrived; it begins again when a file that broke off has to be begun again.
        total_bytes: None if the server does not say, or compresses the file.
    """

    done_bytes: int
    total_bytes: int | None


class ExportJob(_Job[Export, Export]):
    """An export of orders under way: `export = await job`, `await job.download(path)`, `async with job.rows()`.

    Attributes:
        id: `exp_...`; `client.orders.export_job(id)` takes up waiting again, in another process too.
    """

    def __init__(
        self,
        job_id: str,
        poller: Poller[Export],
        session: SessionManager,
        options: CallOptions,
    ) -> None:
        super().__init__(job_id, poller)
        self._session = session
        self._options = options
        self._renewed: Export | None = None  # with a token that is younger than the one that was waited for

    async def download(
        self,
        path: str | os.PathLike[str],
        *,
        timeout: float | None = DEFAULT_WAIT_SECONDS,
        on_progress: Callable[[DownloadProgress], object] | None = None,
    ) -> Path:
        """Write the export's file to `path`: the whole file, or none.

        It waits for the export first if need be. The file is written beside its place under another name, and
        renamed when it is complete and on the disk; a file that was there before stays until then.

        Args:
            path: where to; a file that exists is replaced. A pipe or a device is refused.
            timeout: seconds to wait for the export, an hour if not given; None for no limit. While the file
                arrives, `Timeouts.read` applies.
            on_progress: a function, async or not, called with the bytes so far, as they arrive.

        Returns:
            The path.

        Raises:
            ConfigurationError: an argument does not fit.
            ExportFailedError, JobTimeoutError, JobError: as `wait`.
            ApiError, ConnectError, RequestTimeoutError, DecodeError: the file could not be fetched.
            ClientClosedError: the client was closed meanwhile.
            OSError: it could not be written.

        Repeated after a failure: yes. A file that breaks off goes on where it was, if the server gives parts of
        files, else it is begun again. Each time, the client's `RetryPolicy` says how often; an attempt that brought
        64 KiB or more is no failed one.
        Source: OpenAPI v2018-08-01, `GET /v1/exports/{export_Id}` on the download host.
        """
        from voucherify_async.exportfile import write_file  # noqa: PLC0415 - spares importing it with the client

        check_file("path", path)
        check_function("on_progress", on_progress)
        return await write_file(
            Path(path),
            ready=lambda: self.wait(timeout=timeout),
            resumable=self._resumable,
            on_progress=on_progress,
        )

    def rows(self, *, timeout: float | None = DEFAULT_WAIT_SECONDS) -> "ExportRows":
        """Stream the export's rows: `async with job.rows() as rows: async for row in rows: ...`.

        It waits for the export first if need be, and keeps one piece of the file in memory at a time.

        Args:
            timeout: seconds to wait for the export, an hour if not given; None for no limit.

        Raises:
            ExportFailedError, JobTimeoutError, JobError: as `wait`, on entering.
            ApiError, ConnectError, RequestTimeoutError: the file could not be fetched.
            DecodeError: the file does not fit; the error names the row, if it is a cell that does not. Or the file
                is another one when it is asked for again.
            ClientClosedError: the client was closed meanwhile.

        Repeated after a failure: yes. A file that breaks off goes on where it was, if the server gives parts of
        files; else it is asked for again, and what was read of it is skipped. How often, see `download`.
        Source: OpenAPI v2018-08-01, `GET /v1/exports/{export_Id}` on the download host.
        """
        from voucherify_async.exportfile import ExportRows  # noqa: PLC0415 - spares importing it with the client

        check_seconds("timeout", timeout)
        return ExportRows(self.id, ready=lambda: self.wait(timeout=timeout), resumable=self._resumable)

    async def to_polars(self, *, timeout: float | None = DEFAULT_WAIT_SECONDS) -> "polars.DataFrame":
        """Read the export into a polars frame. Needs the extra: `pip install 'voucherify-async[polars]'`.

        It waits for the export first if need be. Beside the frame, a few megabytes of the file are in memory at a
        time. The work is done in a thread, so that the event loop goes on.

        Args:
            timeout: seconds to wait for the export, an hour if not given; None for no limit.

        Returns:
            A frame with the columns of the file that are known, in its order and named as the fields of `OrderRow`:
            money as `Int64`, times as `Datetime("us", "UTC")`, all else as `String`: so `metadata`, which is JSON,
            and `metadata.X`. An empty cell is null.

        Raises:
            ImportError: polars is not installed; nothing was sent.
            ExportFailedError, JobTimeoutError, JobError: as `wait`.
            ApiError, ConnectError, RequestTimeoutError, DecodeError, ClientClosedError: as `rows`.

        Repeated after a failure: yes, as `rows`.
        Source: OpenAPI v2018-08-01, `GET /v1/exports/{export_Id}` on the download host.
        """
        from voucherify_async.frames import read_frame  # noqa: PLC0415 - needs an extra

        check_seconds("timeout", timeout)
        return await read_frame(self.id, ready=lambda: self.wait(timeout=timeout), resumable=self._resumable)

    def _resumable(self, restart: Callable[[], None] | None = None) -> "ResumableDownload":
        from voucherify_async.resumable import ResumableDownload  # noqa: PLC0415 - as above

        return ResumableDownload(
            self.id,
            open_download=self._open,
            retry=self._options.retry,
            clock=self._session.clock,
            restart=restart,
        )

    async def _open(self, part: Mapping[str, str]) -> Download:
        """Ask for the file or a part of it, with a fresh token if the one in its address has expired."""
        export = self._renewed or await self.wait()
        try:
            return await self._download(export, part)
        except (AuthenticationError, PermissionDeniedError):  # hosts differ in what they call it
            self._renewed = await Exports(self._session, self._options).get(self.id)
        return await self._download(self._renewed, part)

    async def _download(self, export: Export, part: Mapping[str, str]) -> Download:
        if export.result is None or not export.result.url:
            raise JobError("the export is done, but names no file", job_id=self.id, snapshot=export)
        try:
            return await self._session.download(export.result, self._options, part)
        except ConfigurationError as error:
            raise JobError(
                f"the export names a file that is not fetched: {error}", job_id=self.id, snapshot=export
            ) from None

    def _outcome(self, snapshot: Export) -> Export:
        if snapshot.status != "DONE":
            raise ExportFailedError("the export failed", job_id=self.id, snapshot=snapshot)
        return snapshot
