"""What one attempt comes to: an answer, a file that is arriving, or a failure that says what it was.

aiohttp's exceptions end here. They are not kept as causes of ours: they know the signed request.
"""

import zlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from copy import copy
from typing import Any, Final

import aiohttp
import msgspec

from voucherify_async.call import Call
from voucherify_async.errors import (
    ApiError,
    ConnectError,
    DecodeError,
    RequestTimeoutError,
    TransportError,
    VoucherifyError,
)
from voucherify_async.gunzip import Gunzip
from voucherify_async.retry import Fault, fault_of_status
from voucherify_async.secretive import Secretive
from voucherify_async.wire import decode_error, error_of_answer, without_query

_GZIP: Final = {"gzip", "x-gzip"}
_NOT_SENT: Final = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError)


class State:
    """How far a call is: what its deadline must know of it."""

    __slots__ = ("attempt", "in_flight", "maybe_done")

    def __init__(self) -> None:
        self.attempt = 0
        self.maybe_done = False  # an earlier attempt may have had its effect
        self.in_flight = False  # and so may this one


class Answer(Secretive, frozen=True, gc=False):
    """What came back. It does not show its body, which may hold a token."""

    status: int
    headers: Mapping[str, str]
    body: "bytes | Download"

    def _shown(self) -> Iterator[tuple[str, object]]:
        yield "status", self.status


class Download:
    """A file that is arriving.

    Args:
        answer: whose body is not read yet, and not unpacked.
        call: that it answers.
        within: what reading happens within, so that a closing client ends it.

    Attributes:
        length_bytes: of the whole file, None if the server does not say.
    """

    def __init__(
        self, answer: aiohttp.ClientResponse, call: Call[Any], *, within: AbstractContextManager[None, None]
    ) -> None:
        self._answer = answer
        self._call = call
        self._within = within
        self._coding = answer.headers.get("Content-Encoding", "").strip().lower() or "identity"
        # Compressed, although that was not asked for, the length is that of the bytes on the wire.
        self.length_bytes = answer.content_length if self._coding == "identity" else None
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
        with self._within:
            try:
                return await self._answer.content.readany()
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                failure = transport_error(self._call, error, attempts=1)
        raise failure

    def close(self) -> None:
        """Give the connection back, if the file has arrived, or close it."""
        if self._answer.content.at_eof():
            self._answer.release()
        else:
            self._answer.close()


class Failed(msgspec.Struct, frozen=True):
    """An attempt that failed: its error, how it failed, and how many seconds the service asks to wait."""

    error: ApiError | TransportError | DecodeError
    fault: Fault
    asked: float | None = None


def broken(call: Call[Any], error: Exception, attempt: int) -> Failed:
    """No answer, or not the whole of it."""
    if isinstance(error, RuntimeError):
        raise error  # not about the network
    fault = Fault.MAYBE_DONE
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        fault = Fault.FINAL
    elif isinstance(error, _NOT_SENT):
        fault = Fault.NOT_DONE
    return Failed(transport_error(call, error, attempts=attempt), fault)


def misfit(call: Call[Any], error: Exception, answer: Answer, attempt: int) -> Failed:
    """An answer of success that cannot be read."""
    # What is no JSON at all was broken on the way; JSON of another shape will be the same again.
    fault = Fault.FINAL if isinstance(error, msgspec.ValidationError) else Fault.MAYBE_DONE
    body = b"" if isinstance(answer.body, Download) else answer.body
    return Failed(decode_error(call, error, answer.status, answer.headers, body, attempts=attempt), fault)


def refused(call: Call[Any], answer: Answer, attempt: int, now: float) -> Failed:
    """An answer with an error status."""
    fault = fault_of_status(answer.status)
    if answer.headers.get("X-Rate-Limit-Type") == "api_calls_cycle":
        fault = Fault.FINAL  # used up for weeks, whatever Retry-After says
    body = b"" if isinstance(answer.body, Download) else answer.body
    error = error_of_answer(call, answer.status, answer.headers, body, now=now, attempts=attempt)
    return Failed(error, fault, error.retry_after)


def unsigned(error: ApiError | TransportError | DecodeError, state: State) -> VoucherifyError:
    """The error of a request for a token, told of the call that it was for: that one was not sent this time."""
    told = copy(error)
    told.attempts = state.attempt - 1
    told.outcome_unknown = state.maybe_done
    return told


def transport_error(call: Call[Any], error: Exception, *, attempts: int) -> TransportError:
    """Our error in place of aiohttp's, which is not kept as its cause: it knows the signed request."""
    kind = RequestTimeoutError if isinstance(error, TimeoutError) else ConnectError
    told = str(error)
    if isinstance(error, aiohttp.ClientResponseError):
        told = (
            f"{error.status} {' '.join(error.message.split())}"  # str() would tell the URL, with all that is in it
        )
    elif isinstance(error, aiohttp.ServerDisconnectedError) and not isinstance(error.message, str):
        told = "within its answer"  # the message is that answer's head
    if call.url:
        told = told.replace(call.url, without_query(call.url))
    return kind(
        f"{type(error).__name__}: {told}" if told else type(error).__name__,
        outcome_unknown=False,
        method=call.method,
        path=call.path,
        attempts=attempts,
    )
