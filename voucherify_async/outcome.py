"""What one attempt comes to: an answer, a file that is arriving, or a failure that says what it was.

aiohttp's exceptions end here. They are not kept as causes of ours: they know the signed request.
"""

import math
import zlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from copy import copy
from typing import Any, Final, TypeVar

import aiohttp
import msgspec

from voucherify_async.call import Call
from voucherify_async.deadlines import Lane
from voucherify_async.errors import (
    ApiError,
    ConnectError,
    DecodeError,
    PoolTimeoutError,
    RateLimitError,
    RequestTimeoutError,
    TransportError,
    VoucherifyError,
)
from voucherify_async.gunzip import Gunzip
from voucherify_async.retry import Fault, fault_of_status
from voucherify_async.secretive import Secretive
from voucherify_async.slots import Slots
from voucherify_async.urls import without_query
from voucherify_async.versions import start_of, version_of
from voucherify_async.wire import decode_error, error_of_answer, finite_number, is_success

T = TypeVar("T")

_GZIP: Final = {"gzip", "x-gzip"}
_NOT_SENT: Final = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError)


class State:
    """How far a call is: what its deadline must know of it.

    Args:
        started: when, by the client's clock.
        total: seconds that the whole call may take, None for no limit.

    Attributes:
        attempts: how often sending the request was tried.
        in_flight: whether it is on its way, and the service may do it.
        maybe_done: whether an earlier attempt may have been done.
        status: of the last answer, None if none came.
        last: what went wrong with the last attempt.
    """

    __slots__ = ("attempts", "in_flight", "last", "maybe_done", "started", "status", "total")

    def __init__(self, started: float, total: float | None) -> None:
        self.started = started
        self.total = total
        self.attempts = 0
        self.in_flight = False
        self.maybe_done = False
        self.status: int | None = None
        self.last: ApiError | TransportError | DecodeError | None = None

    def remaining(self, now: float) -> float:
        """Seconds left until the deadline."""
        return math.inf if self.total is None else self.total - (now - self.started)

    def note(self, failed: "Failed") -> None:
        """Take up how an attempt failed, and tell its error what the attempts before may have done."""
        self.in_flight = False
        self.maybe_done = self.maybe_done or failed.fault is Fault.MAYBE_DONE
        failed.error.outcome_unknown |= self.maybe_done
        self.last = failed.error


class Answer(Secretive, frozen=True, gc=False):
    """What came back. It does not show its body, which may hold a token.

    A body that is a view lies where it arrived, and is copied only for who looks at it. `problem` says why the body
    is not the whole one, if it is not.
    """

    status: int
    headers: Mapping[str, str]
    body: "bytes | memoryview | Download"
    problem: str | None = None

    def _shown(self) -> Iterator[tuple[str, object]]:
        yield "status", self.status


async def read_answer(answer: aiohttp.ClientResponse, most_bytes: int) -> Answer:
    """An answer with its whole body. Its connection is given back, or closed if something is left on it.

    Args:
        answer: whose body is not read yet, and not unpacked.
        most_bytes: of the body as it arrives, and as it is unpacked.

    Raises:
        aiohttp.ClientError, TimeoutError, OSError, zlib.error: as `whole_body`.
    """
    try:
        body, problem = await whole_body(answer.status, answer.headers, answer.content, most_bytes)
    finally:
        if not answer.content.at_eof():
            answer.close()  # unread, it would keep its connection for ever
    return Answer(answer.status, answer.headers, body, problem)


async def whole_body(
    status: int,
    headers: Mapping[str, str],
    content: aiohttp.StreamReader,
    most_bytes: int,
    silence: Lane[Any] | None = None,
) -> tuple[bytes, str | None]:
    """A body, and why it is not the whole one if it is not. It is unpacked here: aiohttp takes a compression that
    breaks off for its end.

    Args:
        status: of the answer.
        headers: of the answer.
        content: which is not read yet, and not unpacked.
        most_bytes: of the body as it arrives, and as it is unpacked.
        silence: how long each piece may take, if nothing else sees to that.

    Raises:
        aiohttp.ClientError, TimeoutError, OSError: that of a good answer did not arrive whole.
        zlib.error: its compression is damaged or breaks off.
    """
    try:
        return await _body_and_problem(headers, content, most_bytes, silence)
    except (aiohttp.ClientError, TimeoutError, OSError, zlib.error):
        if is_success(status):
            raise  # an error status says enough without its body
    return b"", None


async def _body_and_problem(
    headers: Mapping[str, str], content: aiohttp.StreamReader, most_bytes: int, silence: Lane[Any] | None
) -> tuple[bytes, str | None]:
    coding, length = _coding(headers), finite_number(headers.get("Content-Length"))
    gunzip = Gunzip() if coding in _GZIP else None
    if gunzip is None and coding != "identity":
        return b"", f"it came in a compression that was not asked for: {coding[:40]}"
    if length is not None and length > most_bytes:
        return b"", f"it is larger than {most_bytes} bytes"
    pieces: list[bytes] = []
    size, begun = 0, False
    while packed := await heard_in_time(content, content.readany, silence):
        begun = True
        for piece in (packed,) if gunzip is None else gunzip.pieces(packed):
            pieces.append(piece)
            size += len(piece)
            if size > most_bytes:
                return b"", f"it is larger than {most_bytes} bytes"
    if gunzip is not None and begun:  # an answer without content, such as a 204, has nothing to unpack
        gunzip.end()
    return b"".join(pieces), None


async def heard_in_time(waiting: Any, read: Callable[[], Awaitable[T]], silence: Lane[Any] | None) -> T:
    """What is read next, unless it is silent for too long: then `waiting` is made to fail."""
    if silence is None:
        return await read()
    silence.enter(waiting)
    try:
        return await read()
    finally:
        silence.leave(waiting)


def _coding(headers: Mapping[str, str]) -> str:
    return headers.get("Content-Encoding", "").strip().lower() or "identity"


class Download:
    """A file that is arriving.

    Args:
        answer: whose body is not read yet, and not unpacked.
        call: that it answers.
        within: makes what each reading happens within, so that a closing client ends it.
        release: gives back the turn at the pool, once.

    Attributes:
        version: of the file.
        start_bytes: where in the file that begins which arrives; None if it is a part that does not say.
    """

    def __init__(
        self,
        answer: aiohttp.ClientResponse,
        call: Call[Any],
        *,
        within: Callable[[], AbstractContextManager[object, None]],
        release: Callable[[], None],
    ) -> None:
        self._answer = answer
        self._call = call
        self._within = within
        self._release: Callable[[], None] | None = release
        self._coding = _coding(answer.headers)
        self.status = answer.status
        # Compressed, although that was not asked for, lengths and places are those of the bytes on the wire.
        self.version = version_of(answer.headers, answer.content_length, packed=self._coding != "identity")
        self.start_bytes = start_of(answer.headers) if answer.status == 206 else 0
        self._gunzip = Gunzip() if self._coding in _GZIP else None
        self._unpacked: Iterator[bytes] = iter(())

    async def chunk(self) -> bytes:
        """The next piece, empty at the end.

        Raises:
            ConnectError, RequestTimeoutError: the file broke off.
            DecodeError: it came in a compression that is not known here.
            ClientClosedError: the client was closed meanwhile.
        """
        if self._gunzip is None:
            if self._coding != "identity":
                raise DecodeError(
                    f"the file came in a compression that was not asked for: {self._coding[:40]}",
                    method="GET",
                    path=self._call.path,
                    outcome_unknown=False,
                )
            return await self._arriving()
        try:
            while (piece := next(self._unpacked, None)) is None:
                packed = await self._arriving()
                if not packed:
                    self._gunzip.end()
                    return b""
                self._unpacked = self._gunzip.pieces(packed)
        except zlib.error as error:
            problem = f"the file's compression is broken: {error}"
            raise ConnectError(problem, outcome_unknown=False, method="GET", path=self._call.path) from None
        return piece

    async def _arriving(self) -> bytes:
        with self._within():
            try:
                return await self._answer.content.readany()
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                failure = transport_error(self._call, error, attempts=1)
        raise failure

    def close(self) -> None:
        """Give the connection back, if the file has arrived, or close it. Closing twice is fine."""
        if self._answer.content.at_eof():
            self._answer.release()
        else:
            self._answer.close()
        release, self._release = self._release, None
        if release is not None:
            release()


class Failed(msgspec.Struct, frozen=True):
    """An attempt that failed.

    Attributes:
        error: what is raised if it is not repeated.
        fault: how it failed.
        asked: seconds that the service asks to wait.
        limited: whether the limiter holds all back until the service's limit lets it.
    """

    error: ApiError | TransportError | DecodeError
    fault: Fault
    asked: float | None = None
    limited: bool = False


def broken(call: Call[Any], error: Exception, attempt: int, *, in_flight: bool = True) -> Failed:
    """No answer, or not the whole of it; surely not done if it was not even in flight."""
    if isinstance(error, RuntimeError):
        raise error.with_traceback(None) from None  # not about the network; aiohttp's frames hold the headers
    fault = Fault.MAYBE_DONE
    if isinstance(error, aiohttp.ClientConnectorCertificateError) or _refused_by_proxy(error):
        fault = Fault.FINAL
    elif not in_flight or isinstance(error, _NOT_SENT):
        fault = Fault.NOT_DONE
    return Failed(transport_error(call, error, attempts=attempt), fault)


def _refused_by_proxy(error: Exception) -> bool:
    return isinstance(error, aiohttp.ClientHttpProxyError) and error.status < 500


def misfit(call: Call[Any], error: Exception, answer: Answer, attempt: int) -> Failed:
    """An answer of success that cannot be read."""
    # What is no JSON at all was broken on the way; JSON of another shape will be the same again.
    fault = Fault.FINAL if isinstance(error, msgspec.ValidationError) else Fault.MAYBE_DONE
    return Failed(
        decode_error(call, str(error), answer.status, answer.headers, _body_of(answer), attempts=attempt), fault
    )


def incomplete(call: Call[Any], answer: Answer, attempt: int) -> Failed:
    """An answer of success whose body was not taken; it would be the same again."""
    error = decode_error(call, answer.problem or "", answer.status, answer.headers, b"", attempts=attempt)
    return Failed(error, Fault.FINAL)


def refused(call: Call[Any], answer: Answer, attempt: int, now: float) -> Failed:
    """An answer with an error status."""
    fault = fault_of_status(answer.status)
    kind = answer.headers.get("X-Rate-Limit-Type") or "api_calls"
    if answer.status == 429 and kind == "api_calls_cycle":
        fault = Fault.FINAL  # used up for weeks, whatever Retry-After says
    error = error_of_answer(call, answer.status, answer.headers, _body_of(answer), now=now, attempts=attempt)
    # A wait of none, or for a limit of its own, is one that the limiter lets nobody else share.
    limited = answer.status == 429 and kind == "api_calls" and bool(error.retry_after)
    return Failed(error, fault, error.retry_after, limited)


def _body_of(answer: Answer) -> bytes:
    return b"" if isinstance(answer.body, Download) else bytes(answer.body)


def held_back(error: RateLimitError, call: Call[Any], state: State) -> RateLimitError:
    """The error of a limiter, told of the call that it did not let go."""
    told = copy(error)
    told.method, told.path = call.method, call.path
    told.attempts, told.outcome_unknown = state.attempts, state.maybe_done
    return told


def unsigned(error: ApiError | TransportError | DecodeError, state: State) -> VoucherifyError:
    """The error of a request for a token, told of the call that it was for: that one was not sent this time."""
    told = copy(error)
    told.attempts = state.attempts
    told.outcome_unknown = state.maybe_done
    return told


def overdue(call: Call[Any], state: State) -> RequestTimeoutError:
    """The error of a call whose deadline has come."""
    last = "" if state.last is None else f"; what went wrong before: {state.last}"
    return RequestTimeoutError(
        f"no answer within {state.total} s{last}",
        outcome_unknown=state.maybe_done or state.in_flight,
        method=call.method,
        path=call.path,
        attempts=state.attempts,
    )


def crowded(call: Call[Any], state: State, slots: Slots, waited: float | None) -> PoolTimeoutError:
    """The error of a call that got no connection."""
    return PoolTimeoutError(
        f"none of {slots.count} connections became free within {waited} s, and {slots.waiting} more calls wait",
        outcome_unknown=state.maybe_done,
        method=call.method,
        path=call.path,
        attempts=state.attempts,
    )


def transport_error(call: Call[Any], error: Exception, *, attempts: int) -> TransportError:
    """Our error in place of aiohttp's, which is not kept as its cause: it knows the signed request."""
    kind = RequestTimeoutError if isinstance(error, TimeoutError) else ConnectError
    told = f"the answer's compression is damaged: {error}" if isinstance(error, zlib.error) else str(error)
    if isinstance(error, aiohttp.ClientResponseError):
        told = (
            f"{error.status} {' '.join(error.message.split())}"  # str() would tell the URL, with all that is in it
        )
    elif isinstance(error, aiohttp.ServerDisconnectedError) and not isinstance(error.message, str):
        told = "within its answer"  # the message is that answer's head
    told = without_query(told)  # aiohttp may tell the URL, and in another spelling than it was given
    return kind(
        f"{type(error).__name__}: {told}" if told else type(error).__name__,
        outcome_unknown=False,
        method=call.method,
        path=call.path,
        attempts=attempts,
    )
