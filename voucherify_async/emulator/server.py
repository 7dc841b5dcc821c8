"""`Emulator`: the server, started and stopped, and everything a test may turn or read."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, Unpack

from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage
from aiohttp.web_protocol import RequestHandler

from voucherify_async.emulator.app import MAX_BODY_BYTES, MAX_LINE_BYTES, App
from voucherify_async.emulator.clock import Clock
from voucherify_async.emulator.control import Control
from voucherify_async.emulator.effects import Effects, RequestRecord
from voucherify_async.emulator.endpoints import Endpoints
from voucherify_async.emulator.faults import Faults
from voucherify_async.emulator.identifiers import seed_text
from voucherify_async.emulator.jobs import ImportEnd
from voucherify_async.emulator.project import Project, TimeSource

if TYPE_CHECKING:
    from voucherify_async import ClientOptions, VoucherifyClient

__all__ = ["Emulator"]

Seconds = TypeVar("Seconds", int, float)
_LONGEST: Final = 10**10
_HTTP_URL: Final = re.compile(r"https?://[^/?#\s]+[^?#\s]*")


class Emulator:
    """A local stand-in for the service, with a state of its own.

    ```python
    async with Emulator() as emulator:
        async with emulator.client() as client: ...
    ```

    - `host`, `port`: where to listen; port 0 is any free one, and the same again after a stop and a start.
    - `app_id`, `app_token`: the keys; made up from the seed when not given.
    - `db`: an SQLite file that keeps everything but what a test has scripted or counted: faults, `effects.requests`
      and its like, `requests`, failures that jobs are to have. Without it the state lives as long as this object.
    - `rate_limit`: of API calls, such as `2000/minute` or `100/hour`; without it nothing is refused.
    - `bulk_limit`, `cycle_limit`: of imports, such as `10/hour`, and of API calls in a billing cycle, such as
      `100000/30 days`; the same.
    - `seed`: the same seed gives the same ids and tokens for the same calls in the same sequence, in each process;
      7 and "7" are the same. Without it the one of `db` holds, or one is chosen: the attribute `seed` tells it.
    - `clock`: a `Clock` (real time without one), or anything with `now()`. `db` keeps how it stands if it is not
      given.
    - `import_seconds`, `export_seconds`: how long one job takes; None is natural: an import of one order 0.05 s, of
      2,000 about 0.3 s; an export 0.05 s, of 100,000 orders about 1 s. A change holds for jobs that begin later.
    - `oauth_expires_in`, `download_seconds`: how long tokens hold, in seconds.
    - `download_url`: the base of download links when it is not `url`, such as `http://localhost:8080`.
    - `download_ranges`: whether downloads have an `ETag` and honour `Range` and `If-Range`; of the service this is
      not known.

    `effects`, `requests` and `faults` are what tests look at and turn. Everything can also be done over HTTP, see
    `voucherify_async.emulator.control`.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        app_id: str | None = None,
        app_token: str | None = None,
        db: str | Path | None = None,
        rate_limit: str | None = None,
        bulk_limit: str | None = None,
        cycle_limit: str | None = None,
        seed: int | str | None = None,
        clock: TimeSource | None = None,
        import_seconds: float | None = None,
        export_seconds: float | None = None,
        oauth_expires_in: int = 900,
        download_seconds: int = 3600,
        download_url: str | None = None,
        download_ranges: bool = False,
    ) -> None:
        self.host = host
        self.port = port
        self._project = project = Project(clock, seed, db)
        self.clock: TimeSource = project.clock
        self._first_seed = project.seed
        try:
            # Drawn in any case, so that giving a key does not change what the seed makes of the rest.
            made_id, made_token = project.identifiers.uuid(), project.identifiers.uuid()
            self.app_id = project.setting("app_id", made_id, given=app_id or None)
            self.app_token = project.setting("app_token", made_token, given=app_token or None)
            self.faults = Faults(project.identifiers.chances)
            self._endpoints = Endpoints(project)
            self._app = App(project, self._endpoints, self.faults, self.app_id, self.app_token)
            self._app.control = Control(self)
            self.rate_limit = rate_limit
            self.bulk_limit = bulk_limit
            self.cycle_limit = cycle_limit
            project.take_up_limits()
            self.import_seconds = import_seconds
            self.export_seconds = export_seconds
            self.oauth_expires_in = oauth_expires_in
            self.download_seconds = download_seconds
            self.download_url = download_url
            self.download_ranges = download_ranges
        except BaseException:
            project.journal.close()  # as it was: who is refused changes no key, and ends no window
            raise
        project.close()
        self._runner: web.ServerRunner | None = None
        self._changing = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        state = "running" if self.running else "stopped"
        return f"<Emulator {self.url} seed {self.seed} {state}>"

    @property
    def seed(self) -> str:
        """What ids, keys and tokens are made from: as it was given, or as it was chosen."""
        return self._project.seed

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def running(self) -> bool:
        """Whether it listens."""
        return self._runner is not None

    async def start(self) -> None:
        """Begin to listen; nothing happens if it does already. Raises OSError if the port is taken.

        One that is cancelled leaves it stopped.
        """
        if self._runner is not None:
            return
        try:
            await _to_its_end(self._start())
        except asyncio.CancelledError:
            await self.aclose()
            raise

    async def _start(self) -> None:
        async with self._changing:
            if self._runner is None:
                await self._listen()

    async def _listen(self) -> None:
        self._project.journal.open()
        # Frees a block larger than those of 256 KiB that asyncio reads into, which glibc then no longer takes from
        # the kernel and gives back at each read (mallopt(3), M_MMAP_THRESHOLD).
        bytes(4 * 1024 * 1024)
        loop = asyncio.get_running_loop()

        def make_request(
            message: RawRequestMessage,
            payload: StreamReader,
            protocol: RequestHandler,
            writer: AbstractStreamWriter,
            task: asyncio.Task[None],
        ) -> web.BaseRequest:
            return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=MAX_BODY_BYTES)

        server = web.Server(
            self._app.handle, request_factory=make_request, access_log=None, max_line_size=MAX_LINE_BYTES
        )
        # Clients that keep their connections are not waited for, nor are answers that are being delayed.
        runner = web.ServerRunner(server, shutdown_timeout=0.01)
        await runner.setup()
        try:
            site = web.TCPSite(runner, self.host, self.port)
            await site.start()
        except BaseException:  # a host or port that cannot be one is no OSError
            await runner.cleanup()
            self._project.close()
            raise
        self._runner = runner
        self.port = runner.addresses[0][1]
        self._endpoints.url = self.url

    async def aclose(self) -> None:
        """Stop listening and end all connections; nothing happens if it has. The state stays for another start.

        One that is cancelled does all of it, too.
        """
        await _to_its_end(self._stop())

    async def _stop(self) -> None:
        async with self._changing:
            runner, self._runner = self._runner, None
            if runner is not None:
                # A connection that was just accepted is known to the server some turns of the loop later. If that
                # ends before, asyncio leaves it open (base_events.py, `Server._attach`).
                for _ in range(3):
                    await asyncio.sleep(0)
                await runner.cleanup()
                # Transports close in the next turn of the loop; a caller may be about to end it.
                await asyncio.sleep(0)
                self._project.close()

    def client(self, **overrides: Unpack[ClientOptions]) -> VoucherifyClient:
        """A client with this emulator's keys and address; `overrides` are options of `VoucherifyClient`."""
        from voucherify_async import VoucherifyClient  # noqa: PLC0415 - the emulator shares nothing with the client

        given: ClientOptions = {"base_url": self.url}
        if "auth" not in overrides:
            given |= {"app_id": self.app_id, "app_token": self.app_token}
        return VoucherifyClient(**(given | overrides))

    @property
    def effects(self) -> Effects:
        """What happened: requests by (method, route), and per order how often it was created, updated, imported."""
        return self._app.effects

    @property
    def requests(self) -> list[RequestRecord]:
        """The last requests, oldest first, without secrets; those under `/_emulator/` are not among them."""
        return self._app.log.records()

    @property
    def rate_limit(self) -> str | None:
        """Of API calls, such as `2000/minute`; None for no limit. Setting it begins a new window."""
        return self._project.limits.api_calls.rule

    @rate_limit.setter
    def rate_limit(self, rule: str | None) -> None:
        self._project.limits.api_calls.begin(rule)

    @property
    def bulk_limit(self) -> str | None:
        """Of imports, such as `10/hour`; None for no limit. Setting it begins a new window."""
        return self._project.limits.bulk_calls.rule

    @bulk_limit.setter
    def bulk_limit(self, rule: str | None) -> None:
        self._project.limits.bulk_calls.begin(rule)

    @property
    def cycle_limit(self) -> str | None:
        """Of API calls in a billing cycle, such as `100000/30 days`; None for none. Setting it begins a cycle."""
        return self._project.limits.cycle.rule

    @cycle_limit.setter
    def cycle_limit(self, rule: str | None) -> None:
        self._project.limits.cycle.begin(rule)

    @property
    def import_seconds(self) -> float | None:
        """How long an import takes that begins from now on; None: by its size."""
        return self._project.jobs.import_seconds

    @import_seconds.setter
    def import_seconds(self, seconds: float | None) -> None:
        self._project.jobs.import_seconds = None if seconds is None else _seconds(seconds, "A job takes")

    @property
    def export_seconds(self) -> float | None:
        """How long an export takes that begins from now on; None: by the number of orders."""
        return self._project.jobs.export_seconds

    @export_seconds.setter
    def export_seconds(self, seconds: float | None) -> None:
        self._project.jobs.export_seconds = None if seconds is None else _seconds(seconds, "A job takes")

    @property
    def oauth_expires_in(self) -> int:
        """How many seconds a new OAuth token holds."""
        return self._project.tokens.expires_in

    @oauth_expires_in.setter
    def oauth_expires_in(self, seconds: int) -> None:
        self._project.tokens.expires_in = _seconds(seconds, "A token holds")

    @property
    def download_seconds(self) -> int:
        """How many seconds a new download link holds."""
        return self._endpoints.download_seconds

    @download_seconds.setter
    def download_seconds(self, seconds: int) -> None:
        self._endpoints.download_seconds = _seconds(seconds, "A link holds")

    @property
    def download_url(self) -> str | None:
        """The base of download links; None: `url`."""
        return self._endpoints.download_url

    @download_url.setter
    def download_url(self, url: str | None) -> None:
        if url is not None and _HTTP_URL.fullmatch(url) is None:
            raise ValueError(f"The base of download links is an http or https URL, not {url!r}")
        self._endpoints.download_url = url

    @property
    def download_ranges(self) -> bool:
        """Whether downloads have an `ETag` and honour `Range` and `If-Range`."""
        return self._endpoints.download_ranges

    @download_ranges.setter
    def download_ranges(self, honoured: bool) -> None:
        self._endpoints.download_ranges = honoured

    @property
    def jobs_paused(self) -> bool:
        """Whether jobs stand still."""
        return self._project.paused

    def pause_jobs(self) -> None:
        """Let no job get on, until `resume_jobs`."""
        self._project.pause_jobs()

    def resume_jobs(self) -> None:
        """Let jobs go on from where they were paused."""
        self._project.resume_jobs()

    def fail_next_import(self, message: str = "Internal error", *, status: ImportEnd = "FAILED") -> None:
        """Let the next import that is made apply nothing and end in this status, with this message in its result.

        `DONE` is for the case that the action is done and its `operation_status` is FAILED.
        """
        self._project.jobs.fail_next_import(message, status)

    def fail_next_export(self) -> None:
        """Let the next export that is made end in ERROR."""
        self._project.jobs.fail_next_export()

    def reset(self, seed: int | str | None = None) -> None:
        """Back to the beginning: no orders, jobs, tokens, faults, counts; the first seed again unless one is given.

        Keys, address, speed of jobs and limits stay as they are set; a clock that can be set shows the real time.
        """
        next_seed = self._first_seed if seed is None else seed_text(seed)
        speeds = (self.import_seconds, self.export_seconds, self.oauth_expires_in)
        limits = (self.rate_limit, self.bulk_limit, self.cycle_limit)
        project = self._project
        with project.journal.opened():
            if isinstance(self.clock, Clock):
                self.clock.reset()
            project.begin_anew(next_seed, self.app_id, self.app_token)
            self.import_seconds, self.export_seconds, self.oauth_expires_in = speeds
            self.faults.clear()
            self.faults.chances = project.identifiers.chances
            self.rate_limit, self.bulk_limit, self.cycle_limit = limits
            self._app.effects.clear()
            self._app.log.clear()
            # Last: on a full disk all has begun anew but the file, which follows with the next request.
            project.commit()


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Half of it, as when the caller is cancelled, would leave a socket that listens or a file that is locked."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError as cancelled:
        await asyncio.wait([task])
        raise cancelled from task.exception()


def _seconds(seconds: Seconds, what: str) -> Seconds:
    if not 0 <= seconds <= _LONGEST:
        raise ValueError(f"{what} 0 to {_LONGEST} seconds, not {seconds}")
    return seconds
