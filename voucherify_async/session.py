"""The session manager: pools connections, signs requests, and sends them. The one place that talks to aiohttp."""

import asyncio
import ssl
from collections.abc import Coroutine, Iterator, Mapping
from types import TracebackType
from typing import Any, Final, TypeVar, cast
from urllib.parse import urlsplit

import aiohttp
import msgspec
from yarl import URL

from voucherify_async.auth import Auth, SignedHeaders, key_headers_of
from voucherify_async.call import UNREADABLE, ApiResponse, Call, never
from voucherify_async.clock import Clock
from voucherify_async.errors import (
    ApiError,
    ClientClosedError,
    ConfigurationError,
    DecodeError,
    EventLoopError,
    RequestTimeoutError,
    TransportError,
    VoucherifyError,
)
from voucherify_async.models.jobs import ExportFile
from voucherify_async.options import PoolLimits, RetryPolicy, Timeouts
from voucherify_async.outcome import Answer, Download, State, broken, misfit, refused, unsigned
from voucherify_async.ratelimit import RateLimiter
from voucherify_async.retry import Fault, wait_before_repeat
from voucherify_async.secretive import Secretive
from voucherify_async.wire import (
    is_loopback,
    may_carry_keys,
    request_id_of,
    without_query,
)

T = TypeVar("T")

# The headers that a host may have which is not the API's: no keys, and nothing that a user added.
_FOR_ANYONE: Final = ("Accept", "Accept-Encoding", "User-Agent")
_CLOSED_MEANWHILE: Final = "the client was closed while the call was under way"


class CallOptions(Secretive, frozen=True, gc=False):
    """What one client, or a `with_options` view of it, asks of its calls."""

    timeouts: Timeouts
    retry: RetryPolicy
    headers: Mapping[str, str]
    limits: aiohttp.ClientTimeout

    def _shown(self) -> Iterator[tuple[str, object]]:
        # Not the headers: a user may have put anything into them.
        yield "timeouts", self.timeouts
        yield "retry", self.retry


def call_options(timeouts: Timeouts, retry: RetryPolicy, headers: Mapping[str, str]) -> CallOptions:
    """Options with what follows from them, worked out once."""
    connect = timeouts.connect
    # aiohttp's `connect` counts from the queue for a connection on, `sock_connect` one connection alone.
    queue = None if timeouts.pool is None else timeouts.pool + (connect or 0.0)
    limits = aiohttp.ClientTimeout(total=None, connect=queue, sock_connect=connect, sock_read=timeouts.read)
    return CallOptions(timeouts, retry, headers, limits)


class _OpenSession(msgspec.Struct, frozen=True):
    http: aiohttp.ClientSession
    loop: asyncio.AbstractEventLoop


class _WithinCall:
    """While a task is within this, a closing client ends what it waits for, with a `ClientClosedError`.

    As `asyncio.timeout` does, it is cancelled and the cancelling is taken back on the way out. One that comes from
    the user goes on, without its traceback: the frames below hold the signed headers.
    """

    __slots__ = ("_before", "_manager", "_task")

    def __init__(self, manager: "SessionManager") -> None:
        self._manager = manager

    def __enter__(self) -> None:
        if self._manager._closed:
            raise ClientClosedError(_CLOSED_MEANWHILE)
        task = asyncio.current_task()
        # A call within a call of the same task, such as one that signs: the outer one sees to it.
        self._task = None if task in self._manager._calls else task
        if self._task is not None:
            self._before = self._task.cancelling()
            self._manager._calls.add(self._task)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, manager = self._task, self._manager
        if task is None:
            return
        manager._calls.discard(task)
        ended = task in manager._ended
        left = self._before
        if ended:
            manager._ended.discard(task)
            left = task.uncancel()
        if isinstance(error, asyncio.CancelledError):
            error.__traceback__ = None
            if ended and left <= self._before:
                raise ClientClosedError(_CLOSED_MEANWHILE) from None


class SessionManager:
    """Owns the connections of a client and sends its calls.

    Making one does nothing; the session is opened by the first call, and belongs to that call's event loop.
    """

    def __init__(
        self,
        *,
        base_url: str,
        auth: Auth,
        options: CallOptions,
        pool: PoolLimits,
        rate_limiter: RateLimiter,
        clock: Clock,
        session: aiohttp.ClientSession | None = None,
        ssl_context: ssl.SSLContext | None = None,
        proxy: str | None = None,
        trust_env: bool = False,
        allow_plain_http: bool = False,
    ) -> None:
        self.clock = clock
        self.base_url = base_url
        self._auth = auth
        self._options = options
        self._pool = pool
        self._limiter = rate_limiter
        self._injected = session
        # True stands for aiohttp's own verifying context, of which there is one per process.
        self._ssl: ssl.SSLContext | bool = ssl_context or True
        self._proxy = proxy
        self._trust_env = trust_env
        self._allow_plain_http = allow_plain_http
        self._open: _OpenSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()  # ours
        self._calls: set[asyncio.Task[Any]] = set()  # users' tasks that are within a call
        self._ended: set[asyncio.Task[Any]] = set()  # those whose call a closing client has ended
        self._closed = False
        self._closing: asyncio.Task[None] | None = None

    # --- Sending --------------------------------------------------------------------------------------------

    async def send(self, call: Call[T], options: CallOptions | None = None) -> ApiResponse[T]:
        """Send a call, again if it may be and need be, and decode its answer.

        Raises:
            ApiError: the service answered with an error status; its subclass tells which.
            ConnectError, RequestTimeoutError: no answer arrived.
            DecodeError: the answer does not fit.
            ClientClosedError, EventLoopError: the client cannot be used here.
        """
        options = options or self._options
        http = self._session()
        state = State()
        deadline = asyncio.timeout(options.timeouts.total)
        with _WithinCall(self):
            try:
                async with deadline:
                    return await self._attempts(http, call, options, state)
            except TimeoutError as error:
                if isinstance(error, VoucherifyError) or not deadline.expired():
                    raise
        # Not raised where it was caught: the frames below hold the signed headers.
        raise RequestTimeoutError(
            f"no answer within {options.timeouts.total} s",
            outcome_unknown=state.maybe_done or state.in_flight,
            method=call.method,
            path=call.path,
            attempts=state.attempt,
        )

    async def _attempts(
        self, http: aiohttp.ClientSession, call: Call[T], options: CallOptions, state: State
    ) -> ApiResponse[T]:
        """THE loop: wait for the limiter, sign, send, decode; or ask the rules of `retry` what to do."""
        clock, total = self.clock, options.timeouts.total
        started = clock.monotonic()
        renewed = False
        while True:
            state.attempt += 1
            state.in_flight = False
            await self._limiter.acquire()
            try:
                signed = await self._sign(call)
            except (ApiError, TransportError, DecodeError) as error:
                raise unsigned(error, state) from None
            state.in_flight = True
            try:
                answer = await self._exchange(http, call, options, signed)
            except (aiohttp.ClientError, TimeoutError, OSError, RuntimeError) as error:
                if self._closed or http.closed:
                    raise ClientClosedError(_CLOSED_MEANWHILE) from None
                failed = broken(call, error, state.attempt)
            else:
                self._limiter.observe(answer.status, answer.headers)
                if 200 <= answer.status < 300:
                    try:
                        return ApiResponse(
                            cast(T, answer.body) if isinstance(answer.body, Download) else call.decode(answer.body),
                            answer.status,
                            answer.headers,
                            b"" if isinstance(answer.body, Download) else answer.body,
                            request_id_of(answer.headers),
                            state.attempt,
                            clock.monotonic() - started,
                        )
                    except UNREADABLE as error:
                        failed = misfit(call, error, answer, state.attempt)
                else:
                    if answer.status == 401 and signed and not renewed and not call.keys_only:
                        renewed = True
                        if self._auth.rejected(signed):
                            continue
                    failed = refused(call, answer, state.attempt, clock.wall())
            state.in_flight = False
            state.maybe_done = state.maybe_done or failed.fault is Fault.MAYBE_DONE
            failed.error.outcome_unknown |= state.maybe_done
            wait = wait_before_repeat(
                options.retry,
                failed.fault,
                attempt=state.attempt,
                repeatable=call.repeatable,
                asked=failed.asked,
                remaining=None if total is None else total - (clock.monotonic() - started),
                chance=clock.random(),
            )
            if wait is None:
                raise failed.error
            await clock.sleep(wait)

    async def _exchange(
        self, http: aiohttp.ClientSession, call: Call[Any], options: CallOptions, signed: Mapping[str, str]
    ) -> Answer:
        """One request and its answer: where aiohttp is touched."""
        target = call.url or f"{self.base_url}{call.path}{'?' if call.query else ''}{call.query}"
        headers = SignedHeaders({**options.headers, **signed})
        if call.body is not None:
            headers["Content-Type"] = call.content_type
        if call.streamed:
            # A length then counts the bytes of the file itself, and one that breaks off is noticed.
            headers |= {"Accept": "*/*", "Accept-Encoding": "identity"}
            if not signed:
                headers = SignedHeaders({name: headers[name] for name in _FOR_ANYONE if name in headers})
        answer = await http.request(
            call.method,
            URL(target, encoded=True),
            data=call.body,
            headers=headers,
            allow_redirects=False,
            raise_for_status=False,
            timeout=options.limits,
            ssl=self._ssl,
            proxy=self._proxy,
            auto_decompress=not call.streamed,
        )
        if call.streamed and 200 <= answer.status < 300:
            return Answer(answer.status, answer.headers, Download(answer, call, within=_WithinCall(self)))
        return Answer(answer.status, answer.headers, await answer.read())

    async def download(self, file: ExportFile, options: CallOptions) -> Download:
        """Ask for a file, and come back when it begins to arrive. The caller closes it.

        Raises:
            ConfigurationError: its address is none, or plain http, which was not allowed.
            ApiError, ConnectError, RequestTimeoutError: as `send`. It is repeated as any GET is.
        """
        call = _download_call(file, allow_plain_http=self._allow_plain_http)
        return (await self.send(call, options)).data

    async def _sign(self, call: Call[Any]) -> Mapping[str, str]:
        if call.keys_only:
            return key_headers_of(self._auth)
        if call.url is not None and not may_carry_keys(self.base_url, call.url):
            return {}
        return await self._auth.headers(self)

    # --- Life -----------------------------------------------------------------------------------------------

    def _session(self) -> aiohttp.ClientSession:
        """The session of the running loop, opened if there is none yet."""
        loop = asyncio.get_running_loop()
        if self._open is not None and self._open.loop is loop:
            return self._open.http
        if self._closed:
            raise ClientClosedError("the client is closed; make a new one")
        if self._open is not None and (self._injected is not None or self._open.loop.is_running()):
            raise EventLoopError("the client belongs to another event loop; make one client for each loop")
        # aiohttp keeps the loop to itself, and its own complaint comes late and does not name the cause.
        if self._injected is not None and getattr(self._injected, "_loop", loop) is not loop:
            raise EventLoopError("the session that was given belongs to another event loop")
        # A loop that has ended took its connections and tasks with it: start afresh on this one.
        self._tasks = {task for task in self._tasks if task.get_loop() is loop}
        self._calls.clear()
        http = self._injected if self._injected is not None else self._new_session()
        self._open = _OpenSession(http, loop)
        return self._open.http

    def _new_session(self) -> aiohttp.ClientSession:
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._pool.max_connections, keepalive_timeout=self._pool.keepalive
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=self._trust_env,
        )
        # By itself it sends a GET, PUT or DELETE again when a kept connection turns out to be closed, unseen by the
        # retry rules, the limiter and `attempts`. There is no public way to say no (aiohttp 3.14.5, client.py).
        session._retry_connection = False
        return session

    def spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Start a task that is cancelled when the client is closed."""
        if self._closed:
            work.close()
            raise ClientClosedError("the client is closed; make a new one")
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # told to those who wait; if nobody does any more, it is nobody's concern

    async def aclose(self) -> None:
        """End all calls and tasks and close the connections; an injected session stays open."""
        loop = asyncio.get_running_loop()
        if self._open is not None and self._open.loop is not loop and not self._open.loop.is_closed():
            raise EventLoopError("the client belongs to another event loop; close it there")
        self._closed = True
        if self._closing is None or self._closing.get_loop() is not loop:
            self._closing = loop.create_task(self._close_all())
        # Half a clean-up would leave sockets behind: who is cancelled while waiting for it does not end it.
        await asyncio.shield(self._closing)

    async def _close_all(self) -> None:
        opened, self._open = self._open, None
        loop = asyncio.get_running_loop()
        tasks = [task for task in self._tasks if task.get_loop() is loop]
        for task in tasks:
            task.cancel()
        for call in self._calls.difference(tasks):
            if call.get_loop() is loop:
                self._ended.add(call)
                call.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if opened is not None and opened.loop is loop and self._injected is None:
            await opened.http.close()


def _download_call(file: ExportFile, *, allow_plain_http: bool) -> Call[Download]:
    url = file.url or ""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigurationError("url", f"is none: {error}") from None
    plain = parts.scheme == "http" and (allow_plain_http or is_loopback(host or ""))
    if not host or not (parts.scheme == "https" or plain):
        raise ConfigurationError("url", f"a download without https is refused: {without_query(url)}")
    return Call("GET", parts.path, never, url=url, streamed=True, withhold_body=True)
