"""The bytes of a file that goes on where it broke off."""

import zlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from voucherify_async.clock import Clock
from voucherify_async.errors import ApiError, DecodeError, TransportError, VoucherifyError
from voucherify_async.options import RetryPolicy
from voucherify_async.outcome import Download
from voucherify_async.retry import Fault, wait_before_repeat
from voucherify_async.versions import FileVersion, part_from

# An attempt that brought so much more is no failed one: a long file gets there over a bad line. One that brought
# less counts: a line that gives a byte each time would be asked for ever.
_PROGRESS_BYTES: Final = 64 * 1024
_PARTIAL_CONTENT: Final = 206
_RANGE_NOT_SATISFIABLE: Final = 416
_UNKNOWN: Final = FileVersion(None, None, packed=False)


class ResumableDownload:
    """A file that is asked for again when it breaks off: its rest, if the server gives that, else the whole.

    Args:
        job_id: of the export.
        open_download: asks for the file, or with these headers for a part of it; it repeats by itself what fails
            before the file begins to arrive.
        retry: how often to ask again.
        clock: to wait by.
        restart: forgets what was given so far, so that the whole file may be given again. Without it, what was
            given is skipped when the whole file comes again.

    Attributes:
        done_bytes: that were given.
    """

    def __init__(
        self,
        job_id: str,
        *,
        open_download: Callable[[Mapping[str, str]], Awaitable[Download]],
        retry: RetryPolicy,
        clock: Clock,
        restart: Callable[[], None] | None = None,
    ) -> None:
        self.done_bytes = 0
        self._job_id = job_id
        self._open_download = open_download
        self._retry = retry
        self._clock = clock
        self._restart = restart
        self._download: Download | None = None
        self._version = _UNKNOWN
        self._place = 0  # in the file, of what arrives next
        self._checksum = 0  # of what was given
        self._known_checksum = 0  # of what came again
        self._furthest = 0
        self._attempts = 0
        self._failures = 0

    @property
    def length_bytes(self) -> int | None:
        """Of the whole file; None if the server does not say."""
        return self._version.length_bytes

    async def open(self) -> None:
        """Ask for the file, if it is not arriving yet.

        Raises:
            VoucherifyError: as `open_download`.
        """
        try:
            if self._download is None:
                await self._ask()
        except VoucherifyError as error:
            error.job_id = self._job_id
            raise

    async def chunk(self) -> bytes:
        """The next piece, empty at the end. Cancelled, it can be called again.

        Raises:
            ConnectError, RequestTimeoutError: the file broke off more often than `retry` allows.
            DecodeError: it came in a compression that is not known here, or is another one than before.
            ApiError: it cannot be had any more.
            ClientClosedError: the client was closed meanwhile.
        """
        try:
            while True:
                if self._download is None:
                    await self._ask()
                try:
                    return await self._next()
                except TransportError as error:
                    wait = self._wait_after(error)
                await self._clock.sleep(wait)
        except VoucherifyError as error:
            error.job_id = self._job_id
            raise

    def close(self) -> None:
        """Give the connection back, or close it. Closing twice is fine."""
        download, self._download = self._download, None
        if download is not None:
            download.close()

    async def _next(self) -> bytes:
        assert self._download is not None  # noqa: S101 - it was asked for
        while True:
            piece = await self._download.chunk()
            new = self._new_of(piece)
            if new or not piece:
                return new

    def _new_of(self, piece: bytes) -> bytes:
        """What of a piece was not given before."""
        known = min(len(piece), self.done_bytes - self._place)
        if not piece and self._place < self.done_bytes:
            raise self._changed()
        if known:
            self._place += known
            if self._by_checksum:
                self._known_checksum = zlib.crc32(piece[:known], self._known_checksum)
                if self._place == self.done_bytes and self._known_checksum != self._checksum:
                    raise self._changed()
            piece = piece[known:]
        if piece:
            self._place = self.done_bytes = self.done_bytes + len(piece)
            if self._by_checksum:
                self._checksum = zlib.crc32(piece, self._checksum)
        return piece

    @property
    def _by_checksum(self) -> bool:
        """Whether nothing but what was read can tell if a file that comes again is still the same."""
        return self._restart is None and self._version.validator is None

    def _wait_after(self, error: TransportError) -> float:
        """Close what broke off, and say how long to wait before asking again; or raise the error."""
        self.close()
        self._failures = 1 if self._place >= self._furthest + _PROGRESS_BYTES else self._failures + 1
        self._furthest = max(self._furthest, self._place)
        wait = wait_before_repeat(
            self._retry,
            Fault.NOT_DONE,
            attempt=self._failures,
            repeatable=True,
            asked=None,
            remaining=None,
            chance=self._clock.random(),
        )
        if wait is None:
            error.attempts = self._attempts
            raise error
        return wait

    async def _ask(self) -> None:
        """For the rest of the file, or for the whole of it if there is no rest to be had."""
        part = part_from(self.done_bytes, self._version)
        self._attempts += 1
        if part:
            try:
                self._download = download = await self._open_download(part)
            except ApiError as error:
                if error.status != _RANGE_NOT_SATISFIABLE:
                    raise
            else:
                if download.status != _PARTIAL_CONTENT:
                    self._begin_again(download)
                    return
                if download.start_bytes == self.done_bytes and download.version.continues(self._version):
                    self._place = self.done_bytes
                    return
                self.close()
            self._attempts += 1
        self._download = download = await self._open_download({})
        self._begin_again(download)

    def _begin_again(self, download: Download) -> None:
        """Take up the whole file."""
        self._place = self._known_checksum = 0
        if self._restart is not None:
            self._restart()
            self.done_bytes = 0
        elif self.done_bytes and not download.version.repeats(self._version):
            raise self._changed()
        if not self.done_bytes:
            self._version = download.version

    def _changed(self) -> DecodeError:
        self.close()
        return DecodeError(
            "the export's file has changed while it was read",
            status=200,
            method="GET",
            path=f"/v1/exports/{self._job_id}",
            outcome_unknown=False,
        )
