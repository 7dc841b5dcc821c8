"""The session manager: pools connections, signs requests, and sends them. The one place that talks to aiohttp."""

import asyncio
import ssl
import zlib
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import suppress
from functools import partial
from io import BytesIO
from typing import Any, Final, TypeVar, cast

import aiohttp
from yarl import URL

from voucherify_async.auth import Auth, Signature, SignedHeaders, key_headers_of
from voucherify_async.budget import RetryBudget
from voucherify_async.call import UNREADABLE, ApiResponse, Call, never
from voucherify_async.clock import Clock
from voucherify_async.connections import BEING_SENT, new_session, sent_once
from voucherify_async.direct import DirectPath, is_known, takes
from voucherify_async.errors import (
    ApiError,
    ClientClosedError,
    ConfigurationError,
    DecodeError,
    RateLimitError,
    TransportError,
    VoucherifyError,
)
from voucherify_async.heads import Head, Heads
from voucherify_async.lifetime import CLOSED_MEANWHILE, Lifetime, Opened
from voucherify_async.models.jobs import ExportFile
from voucherify_async.options import PoolLimits, RetryPolicy, Timeouts
from voucherify_async.outcome import (
    Answer,
    Download,
    Failed,
    State,
    broken,
    crowded,
    held_back,
    incomplete,
    misfit,
    overdue,
    read_answer,
    refused,
    unsigned,
)
from voucherify_async.ratelimit import HeaderRateLimiter, RateLimiter
from voucherify_async.reporting import CallReport, Reporter
from voucherify_async.retry import Fault, wait_before_repeat
from voucherify_async.secretive import Secretive
from voucherify_async.urls import checked_download_url, may_carry_keys
from voucherify_async.wire import is_success, request_id_of

T = TypeVar("T")

# The headers that a host may have which is not the API's: no keys, and nothing that a user added.
_FOR_ANYONE: Final = ("Accept", "Accept-Encoding", "User-Agent")
_NO_HEADERS: Final[Mapping[str, str]] = {}
_LARGE_BYTES: Final = 512 * 1024
# Of the loop: one to hear of it, one to act on it, and one more to tell TLS, where the connection ends without a
# word of TLS's own, as one that is reset does (asyncio/sslproto.py, `SSLProtocol.connection_lost`).
_TURNS_TO_HEAR_OF_CLOSING: Final = 3


class CallOptions(Secretive, frozen=True, gc=False):
    """What one client, or a `with_options` view of it, asks of its calls."""

    timeouts: Timeouts
    retry: RetryPolicy
    headers: Mapping[str, str]
    heads: Heads
    limits: aiohttp.ClientTimeout

    def _shown(self) -> Iterator[tuple[str, object]]:
        # Not the headers: a user may have put anything into them.
        yield "timeouts", self.timeouts
        yield "retry", self.retry


def call_options(timeouts: Timeouts, retry: RetryPolicy, headers: Mapping[str, str]) -> CallOptions:
    """Options with what follows from them, worked out once."""
    # aiohttp's `connect` counts from its queue for a connection on, in which nobody waits here. It covers looking
    # up the name, which `sock_connect` does not.
    limits = aiohttp.ClientTimeout(total=None, connect=timeouts.connect, sock_read=timeouts.read)
    return CallOptions(timeouts, retry, headers, Heads(headers), limits)


class SessionManager:
    """Owns the connections of a client and sends its calls.

    Making one does nothing; the session is opened by the first call, and belongs to that call's event loop.

    Attributes:
        repeats: how many requests were sent again, or wait to be.
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
        reporter: Reporter,
        session: aiohttp.ClientSession | None = None,
        ssl_context: ssl.SSLContext | None = None,
        proxy: str | None = None,
        trust_env: bool = False,
        allow_plain_http: bool = False,
        max_body_bytes: int,
    ) -> None:
        self.clock = clock
        self.base_url = base_url
        self.reporter = reporter
        self.repeats = 0
        self._auth = auth
        self._options = options
        self._limiter = rate_limiter
        # Without a coroutine in between, which one of the user's own must have.
        self._goes_at_once = rate_limiter.goes_at_once if type(rate_limiter) is HeaderRateLimiter else _never
        self._budget = RetryBudget(clock)
        # True stands for aiohttp's own verifying context, of which there is one per process.
        self._ssl: ssl.SSLContext | bool = ssl_context or True
        self._proxy = proxy
        self._allow_plain_http = allow_plain_http
        self._max_body_bytes = max_body_bytes
        self._keepalive = pool.keepalive
        self._injected = session is not None
        self._life = Lifetime(
            partial(new_session, keepalive=pool.keepalive, trust_env=trust_env),
            self._direct_path if proxy is None and not trust_env and is_known() else lambda session: None,
            injected=session,
            connections=pool.max_connections,
        )

    # --- Sending --------------------------------------------------------------------------------------------

    async def send(
        self, call: Call[T], options: CallOptions | None = None, operation: str = "request"
    ) -> ApiResponse[T]:
        """Send a call, again if it may be and need be, and decode its answer.

        Args:
            call: what to send.
            options: in place of the client's own.
            operation: its name, for events.

        Raises:
            ApiError: the service answered with an error status; its subclass tells which.
            ConnectError, RequestTimeoutError: no answer arrived.
            DecodeError: the answer does not fit.
            ClientClosedError, EventLoopError: the client cannot be used here.
        """
        options = options or self._options
        opened = self._life.opened()
        state = State(self.clock.monotonic(), options.timeouts.total)
        emit = self.reporter.emit
        if emit is None:
            return await self._within_deadline(opened, call, options, state, None)
        info = self.reporter.call_info(operation, call.method, call.path, call.url or self.base_url + call.path)
        with CallReport(emit, info, state, self.clock) as report:
            return await self._within_deadline(opened, call, options, state, report)

    async def _within_deadline(
        self, opened: Opened, call: Call[T], options: CallOptions, state: State, report: CallReport | None
    ) -> ApiResponse[T]:
        within = self._life.call(None if state.total is None else opened.deadlines.lane(state.total))
        try:
            with within:
                return await self._attempts(opened, call, options, state, report)
        except TimeoutError:
            if not within.timed_out:
                raise
        except ClientClosedError as error:
            error.outcome_unknown = state.maybe_done or state.in_flight
            raise
        # Not raised where it was caught: the frames below hold the signed headers.
        raise overdue(call, state) from state.last

    async def _attempts(  # noqa: PLR0912 - all that may happen to an attempt, in one place
        self, opened: Opened, call: Call[T], options: CallOptions, state: State, report: CallReport | None
    ) -> ApiResponse[T]:
        """THE loop: sign, wait for the limiter, send, decode; or ask the rules of `retry` what to do."""
        renewed = paid = False
        while True:
            try:
                signed = await self._sign(call)
            except (ApiError, TransportError, DecodeError) as error:
                raise unsigned(error, state) from None
            renewable = False
            if not (call.streamed or self._goes_at_once()):  # the download host has no part in the API's limit
                await self._let_go(call, options.retry, state, report)
            try:
                answer = await self._exchange(call, options, signed, state, report)
            except VoucherifyError:
                raise  # no connection became free, or the client may not be used any more
            except (aiohttp.ClientError, TimeoutError, OSError, RuntimeError, zlib.error) as error:
                closed = self._life.closed or opened.http.closed
                failed = None if closed else broken(call, error, state.attempts, in_flight=state.in_flight)
            except Exception as error:  # such as one of a tracing function of the user's session
                raise error.with_traceback(None) from None  # aiohttp's frames hold the headers
            else:
                outcome = self._judged(call, answer, state)
                if not isinstance(outcome, Failed):
                    self._budget.succeeded(repeat=paid)
                    if report is not None:
                        report.attempt_ended(None)
                    return outcome
                failed = outcome
                if failed.fault is Fault.FINAL:  # a no is an answer too: the service is well
                    self._budget.succeeded(repeat=paid)
                    renewable = answer.status == 401 and bool(signed.headers) and not renewed and not call.keys_only
            if failed is None:  # not raised where it was caught: the frames below hold the signed headers
                raise ClientClosedError(CLOSED_MEANWHILE)
            state.note(failed)
            if report is not None:
                report.attempt_ended(failed.error)
            if renewable and self._auth.rejected(signed.headers):
                renewed, paid = True, False
                continue
            paid = await self._wait_to_repeat(call, options.retry, failed, state, report)

    def _judged(self, call: Call[T], answer: Answer, state: State) -> ApiResponse[T] | Failed:
        """What an answer comes to."""
        if not is_success(answer.status, part=bool(call.part)):
            return refused(call, answer, state.attempts, self.clock.wall())
        if answer.problem is not None:
            return incomplete(call, answer, state.attempts)
        try:
            return ApiResponse(
                cast(T, answer.body) if isinstance(answer.body, Download) else call.decode(answer.body),
                answer.status,
                answer.headers,
                bytes(answer.body) if call.keep_body and not isinstance(answer.body, Download) else b"",
                request_id_of(answer.headers),
                state.attempts,
                self.clock.monotonic() - state.started,
            )
        except UNREADABLE as error:
            return misfit(call, error, answer, state.attempts)

    async def _wait_to_repeat(
        self, call: Call[Any], policy: RetryPolicy, failed: Failed, state: State, report: CallReport | None
    ) -> bool:
        """Wait until the call may be sent again, and say whether the budget paid for it; or raise its error."""
        wait = wait_before_repeat(
            policy,
            failed.fault,
            attempt=state.attempts,
            repeatable=call.repeatable,
            asked=failed.asked,
            remaining=state.remaining(self.clock.monotonic()),
            chance=self.clock.random(),
        )
        if wait is None:
            raise failed.error
        self.repeats += 1
        if report is not None:
            report.waiting("repeat", wait)
        await self.clock.sleep(wait)
        if failed.limited:
            return False  # the limiter sees to these
        if not self._budget.take():
            if report is not None:
                report.waiting("retry_budget", None)
            await self._budget.wait()  # as long as the deadline lets it
        return True

    async def _let_go(self, call: Call[Any], policy: RetryPolicy, state: State, report: CallReport | None) -> None:
        """Wait until the limiter lets a request go. Errors of a user's limiter are the user's."""
        # Told in the loop's next turn, which comes before it is let go only if it has to wait.
        telling = (
            None if report is None else asyncio.get_running_loop().call_soon(report.waiting, "rate_limit", None)
        )
        try:
            await self._limiter.acquire(min(policy.max_wait, state.remaining(self.clock.monotonic())))
        except RateLimitError as error:
            raise held_back(error, call, state) from None
        finally:
            if telling is not None:
                telling.cancel()

    async def _exchange(
        self,
        call: Call[Any],
        options: CallOptions,
        signed: Signature,
        state: State,
        report: CallReport | None,
    ) -> Answer:
        """One request and its answer, when a connection is free; the limiter is told of it."""
        if call.streamed:
            return await self._request(call, options, signed, state, report)
        status, headers = None, _NO_HEADERS
        try:
            answer = await self._request(call, options, signed, state, report)
            if not call.bulk or answer.status == 429:
                status, headers = answer.status, answer.headers
            return answer
        finally:
            self._limiter.observe(status, headers)

    async def _request(
        self,
        call: Call[Any],
        options: CallOptions,
        signed: Signature,
        state: State,
        report: CallReport | None,
    ) -> Answer:
        # Before a turn is taken: what a user's own way of signing gave may be no headers at all.
        head = options.heads.head(signed.headers, None if call.body is None else call.content_type)
        opened = self._life.opened()
        slots = opened.slots
        if not slots.take():
            if report is not None:
                report.waiting("pool", None)
            try:
                await slots.wait(options.timeouts.pool)
            except TimeoutError:
                raise crowded(call, state, slots, options.timeouts.pool) from None
        handed_on = False
        try:
            if not call.repeatable:
                # A kept connection that the server has closed already must not be taken for this one.
                for _ in range(_TURNS_TO_HEAR_OF_CLOSING):
                    await asyncio.sleep(0)
            state.attempts += 1
            state.in_flight = self._injected  # ours says when a connection takes it
            state.status = None
            if report is not None:
                report.attempt_started()
            answered = None if report is None else report.answered
            if opened.direct is not None and takes(call, head):
                return await opened.direct.exchange(
                    call, head, state, limits=options.limits, answered=answered, most_bytes=self._max_body_bytes
                )
            if opened.direct is not None:
                opened.direct.give_back()
            answer = await self._by_session(opened.http, call, options, head, state, with_keys=bool(signed.headers))
            if answered is not None:
                answered(answer.headers)
            if call.streamed and is_success(answer.status, part=bool(call.part)):
                download = Download(answer, call, within=self._life.call, release=slots.release)
                handed_on = True
                return Answer(answer.status, answer.headers, download)
            return await read_answer(answer, self._max_body_bytes)
        finally:
            if not handed_on:
                slots.release()

    async def _by_session(
        self,
        http: aiohttp.ClientSession,
        call: Call[Any],
        options: CallOptions,
        head: Head,
        state: State,
        *,
        with_keys: bool,
    ) -> aiohttp.ClientResponse:
        """The way of all requests that the direct path does not take."""
        headers = head.headers
        if call.streamed:
            # A length then counts the bytes of the file itself, and one that breaks off is noticed.
            headers = SignedHeaders({**headers, "Accept": "*/*", "Accept-Encoding": "identity"})
            if not with_keys:
                headers = SignedHeaders({name: headers[name] for name in _FOR_ANYONE if name in headers})
            headers |= call.part
        being_sent = BEING_SENT.set(state)
        try:
            answer = await http.request(
                call.method,
                URL(call.url or f"{self.base_url}{call.path}{'?' if call.query else ''}{call.query}", encoded=True),
                # aiohttp warns of large bodies that are written in one go, and not without reason.
                data=call.body if call.body is None or len(call.body) <= _LARGE_BYTES else BytesIO(call.body),
                headers=headers,
                allow_redirects=False,
                raise_for_status=False,
                timeout=options.limits,
                ssl=self._ssl,
                proxy=self._proxy,
                auto_decompress=False,
                middlewares=sent_once(http) if self._injected else None,
            )
        finally:
            with suppress(ValueError):  # a task that nobody ends is cleared away outside its context
                BEING_SENT.reset(being_sent)
        state.status = answer.status
        return answer

    def _direct_path(self, session: aiohttp.ClientSession) -> DirectPath:
        return DirectPath(session, self.base_url, self._ssl, self._keepalive)

    async def download(
        self, file: ExportFile, options: CallOptions, part: Mapping[str, str] = _NO_HEADERS
    ) -> Download:
        """Ask for a file, and come back when it begins to arrive. The caller closes it.

        Args:
            file: where it is.
            options: of the client, or of a view of it.
            part: headers that ask for a part of it.

        Raises:
            ConfigurationError: its address is none, or plain http, which was not allowed.
            ApiError, ConnectError, RequestTimeoutError: as `send`. It is repeated as any GET is.
        """
        call = _download_call(file, part, allow_plain_http=self._allow_plain_http)
        return (await self.send(call, options, "download")).data

    async def _sign(self, call: Call[Any]) -> Signature:
        if call.keys_only:
            return Signature(key_headers_of(self._auth))
        if call.url is not None and not may_carry_keys(self.base_url, call.url):
            return Signature({})
        try:
            return Signature(await self._auth.headers(self))
        except ConfigurationError as error:  # a token that cannot be one, say
            raise error.with_traceback(None) from None

    # --- Life -----------------------------------------------------------------------------------------------

    def belong_here(self) -> None:
        """Make sure that the client may be used on the running loop.

        Raises:
            ClientClosedError, EventLoopError: it may not.
        """
        self._life.opened()

    def most_at_once(self) -> int:
        """How many requests the pool can serve at the same time.

        Raises:
            ClientClosedError, EventLoopError: the client may not be used here.
        """
        return self._life.opened().slots.count

    def spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Start a task that is cancelled when the client is closed."""
        return self._life.spawn(work)

    async def aclose(self) -> None:
        """End all calls and tasks and close the connections; an injected session stays open."""
        await self._life.aclose()


def _never() -> bool:
    return False


def _download_call(file: ExportFile, part: Mapping[str, str], *, allow_plain_http: bool) -> Call[Download]:
    url = file.url or ""
    parts = checked_download_url(url, allow_plain_http=allow_plain_http)
    return Call("GET", parts.path, never, url=url, streamed=True, part=part, withhold_body=True)
