"""The session manager: pools connections, signs requests, and sends them. The one place that talks to aiohttp."""

import asyncio
import ssl
from collections.abc import Coroutine, Mapping
from typing import Any, NamedTuple, TypeVar, cast
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
    ConnectError,
    DecodeError,
    EventLoopError,
    RequestTimeoutError,
    TransportError,
    VoucherifyError,
)
from voucherify_async.options import PoolLimits, RetryPolicy, Timeouts
from voucherify_async.ratelimit import RateLimiter
from voucherify_async.retry import Fault, fault_of_status, wait_before_repeat
from voucherify_async.wire import (
    asked_wait,
    decode_error,
    error_of_answer,
    is_loopback,
    may_carry_keys,
    request_id_of,
    without_query,
)

T = TypeVar("T")


class CallOptions(msgspec.Struct, frozen=True, gc=False):
    """What one client, or a `with_options` view of it, asks of its calls."""

    timeouts: Timeouts
    retry: RetryPolicy
    headers: Mapping[str, str]
    limits: aiohttp.ClientTimeout


def call_options(timeouts: Timeouts, retry: RetryPolicy, headers: Mapping[str, str]) -> CallOptions:
    """Options with what follows from them, worked out once."""
    connect = timeouts.connect
    # aiohttp's `connect` counts from the queue for a connection on, `sock_connect` one connection alone.
    queue = None if timeouts.pool is None or connect is None else timeouts.pool + connect
    limits = aiohttp.ClientTimeout(total=None, connect=queue, sock_connect=connect, sock_read=timeouts.read)
    return CallOptions(timeouts, retry, headers, limits)


class _OpenSession(NamedTuple):
    http: aiohttp.ClientSession
    loop: asyncio.AbstractEventLoop


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
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    # --- Sending --------------------------------------------------------------------------------------------

    # One loop, in one place, to be read from top to bottom: that is worth more than a low count of branches.
    async def send(  # noqa: PLR0912, PLR0915
        self, call: Call[T], options: CallOptions | None = None
    ) -> ApiResponse[T]:
        """Send a call, again if it may be and need be, and decode its answer.

        Raises:
            ApiError: the service answered with an error status; its subclass tells which.
            ConnectError, RequestTimeoutError: no answer arrived.
            DecodeError: the answer does not fit.
            ClientClosedError, EventLoopError: the client cannot be used here.
        """
        options = options or self._options
        clock, total = self.clock, options.timeouts.total
        http = self._session()
        url = URL(call.url or f"{self.base_url}{call.path}{'?' if call.query else ''}{call.query}", encoded=True)
        started = clock.monotonic()
        attempt = 0
        maybe_done = False  # an earlier attempt may have had its effect
        in_flight = False  # and so may this one
        renewed = False
        deadline = asyncio.timeout(total)
        try:
            async with deadline:
                while True:
                    attempt += 1
                    in_flight = False
                    await self._limiter.acquire()
                    signed = await self._sign(call)
                    headers = SignedHeaders({**options.headers, **signed})
                    if call.body is not None:
                        headers["Content-Type"] = call.content_type
                    in_flight = True
                    try:
                        answer = await http.request(
                            call.method,
                            url,
                            data=call.body,
                            headers=headers,
                            allow_redirects=False,
                            raise_for_status=False,
                            timeout=options.limits,
                            ssl=self._ssl,
                            proxy=self._proxy,
                        )
                        status = answer.status
                        unread = call.streamed and 200 <= status < 300
                        body = b"" if unread else await answer.read()
                    except (aiohttp.ClientError, TimeoutError, OSError, RuntimeError) as error:
                        if self._closed or http.closed:
                            raise ClientClosedError("the client was closed while the call was under way") from None
                        failed = _broken(call, error, attempt)
                    else:
                        self._limiter.observe(status, answer.headers)
                        if 200 <= status < 300:
                            try:
                                data = cast(T, Download(answer, call)) if unread else call.decode(body)
                                elapsed = clock.monotonic() - started
                                request_id = request_id_of(answer.headers)
                                return ApiResponse(data, status, answer.headers, body, request_id, attempt, elapsed)
                            except UNREADABLE as error:
                                failed = _misfit(call, error, answer, body, attempt)
                        else:
                            if status == 401 and not renewed and not call.keys_only:
                                renewed = True
                                if self._auth.rejected(signed):
                                    continue
                            failed = _refused(call, answer, body, attempt, clock.wall())
                    in_flight = False
                    maybe_done = maybe_done or failed.fault is Fault.MAYBE_DONE
                    failed.error.outcome_unknown |= maybe_done
                    wait = wait_before_repeat(
                        options.retry,
                        failed.fault,
                        attempt=attempt,
                        repeatable=call.repeatable,
                        asked=failed.asked,
                        remaining=None if total is None else total - (clock.monotonic() - started),
                        chance=clock.random(),
                    )
                    if wait is None:
                        raise failed.error
                    await clock.sleep(wait)
        except TimeoutError as error:
            if isinstance(error, VoucherifyError) or not deadline.expired():
                raise
            raise RequestTimeoutError(
                f"no answer within {total} s",
                outcome_unknown=maybe_done or in_flight,
                method=call.method,
                path=call.path,
                attempts=attempt,
            ) from None

    async def download(self, url: str, options: CallOptions) -> "Download":
        """Ask for a file, and come back when it begins to arrive. The caller closes it.

        Raises:
            ConfigurationError: the URL is plain http, and that was not allowed.
            ApiError, ConnectError, RequestTimeoutError: as `send`. It is repeated as any GET is.
        """
        target = urlsplit(url)
        if target.scheme != "https" and not (self._allow_plain_http or is_loopback(target.hostname or "")):
            raise ConfigurationError("url", f"a download without https is refused: {without_query(url)}")
        call: Call[Download] = Call("GET", target.path, never, url=url, streamed=True, withhold_body=True)
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
        # A loop that has ended took its connections with it: start afresh on this one.
        self._tasks.clear()
        self._open = _OpenSession(self._injected or self._new_session(), loop)
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
        task.add_done_callback(self._tasks.discard)
        return task

    async def aclose(self) -> None:
        """Cancel the client's tasks and close its connections; an injected session stays open."""
        self._closed = True
        opened, self._open = self._open, None
        if opened is None or opened.loop.is_closed():
            return
        if opened.loop is not asyncio.get_running_loop():
            self._open = opened
            raise EventLoopError("the client belongs to another event loop; close it there")
        import anyio  # noqa: PLC0415 - 2 ms that importing the package need not cost

        # Shielded: half a clean-up would leave sockets behind.
        with anyio.CancelScope(shield=True):
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._injected is None:
                await opened.http.close()


class Download:
    """A file that is arriving.

    Attributes:
        length_bytes: of the whole file, None if the server does not say.
    """

    def __init__(self, answer: aiohttp.ClientResponse, call: Call[Any]) -> None:
        self._answer = answer
        self._call = call
        # With a content coding, the header counts the bytes on the wire, not those of the file.
        coded = "Content-Encoding" in answer.headers
        self.length_bytes = None if coded else answer.content_length

    async def chunk(self) -> bytes:
        """The next piece, empty at the end.

        Raises:
            ConnectError, RequestTimeoutError: the file broke off.
        """
        try:
            return await self._answer.content.readany()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _transport_error(self._call, error, attempts=1) from None

    def close(self) -> None:
        """Give the connection back, if the file has arrived, or close it."""
        if self._answer.content.at_eof():
            self._answer.release()
        else:
            self._answer.close()


class _Failed(NamedTuple):
    """An attempt that failed: its error, how it failed, and how many seconds the service asks to wait."""

    error: ApiError | TransportError | DecodeError
    fault: Fault
    asked: float | None = None


def _broken(call: Call[Any], error: Exception, attempt: int) -> _Failed:
    """No answer, or not the whole of it."""
    if isinstance(error, RuntimeError):
        raise error  # not about the network
    not_sent = isinstance(error, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError))
    return _Failed(
        _transport_error(call, error, attempts=attempt), Fault.NOT_DONE if not_sent else Fault.MAYBE_DONE
    )


def _misfit(
    call: Call[Any], error: Exception, answer: aiohttp.ClientResponse, body: bytes, attempt: int
) -> _Failed:
    """An answer of success that cannot be read."""
    # What is no JSON at all was broken on the way; JSON of another shape will be the same again.
    fault = Fault.FINAL if isinstance(error, msgspec.ValidationError) else Fault.MAYBE_DONE
    return _Failed(decode_error(call, error, answer.status, answer.headers, body, attempts=attempt), fault)


def _refused(call: Call[Any], answer: aiohttp.ClientResponse, body: bytes, attempt: int, now: float) -> _Failed:
    """An answer with an error status."""
    fault = fault_of_status(answer.status)
    if answer.headers.get("X-Rate-Limit-Type") == "api_calls_cycle":
        fault = Fault.FINAL  # used up for weeks, whatever Retry-After says
    error = error_of_answer(call, answer.status, answer.headers, body, now=now, attempts=attempt)
    return _Failed(error, fault, asked_wait(answer.status, answer.headers, now))


def _transport_error(call: Call[Any], error: Exception, *, attempts: int) -> TransportError:
    kind = RequestTimeoutError if isinstance(error, TimeoutError) else ConnectError
    problem = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    failure = kind(
        problem.replace(call.url, without_query(call.url)) if call.url else problem,
        outcome_unknown=False,
        method=call.method,
        path=call.path,
        attempts=attempts,
    )
    failure.__cause__ = _without_frames(error) if call.url is None else None
    return failure


def _without_frames(error: BaseException) -> BaseException:
    """The error and its causes without their frames, whose variables hold the signed headers."""
    link: BaseException | None = error
    while link is not None:
        link.__traceback__ = None
        link = link.__cause__ or link.__context__
    return error
