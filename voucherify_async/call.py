"""A request before it is sent, and an answer after it came."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Generic, NoReturn, TypeVar

import msgspec

from voucherify_async.secretive import NeverPickled, Secretive

T = TypeVar("T")

# What decoding raises for a body that is not what it should be: bytes that are no UTF-8 and JSON that is nested
# without end have errors of their own.
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Call(Secretive, Generic[T], frozen=True, gc=False):
    """One request to the API, described in full but for the keys.

    Attributes:
        method: in capitals.
        path: from `/v1` on, quoted.
        decode: makes the result from the body of an answer.
        query: encoded, without the question mark.
        body: encoded.
        content_type: of the body.
        repeatable: whether doing it twice is the same as doing it once.
        keys_only: signed with the application's keys, whatever the client's `auth` is.
        withhold_body: the answer may hold a token, so errors do not carry it.
        url: the whole URL, for a file that is not below the base URL; else None.
        streamed: the answer is handed on unread, as a `Download`.
        part: headers that ask for a part of a file; empty for the whole.
        bulk: the service may count it against a limit of its own, which its answer would then tell of.
        keep_body: the caller looks at the body of the answer, besides what it holds.
    """

    method: str
    path: str
    decode: Callable[[bytes | memoryview], T]
    query: str = ""
    body: bytes | None = None
    content_type: str = "application/json"
    repeatable: bool = True
    keys_only: bool = False
    withhold_body: bool = False
    url: str | None = None
    streamed: bool = False
    part: Mapping[str, str] = {}
    bulk: bool = False
    keep_body: bool = False

    def _shown(self) -> Iterator[tuple[str, object]]:
        yield "method", self.method
        yield "path", self.path


class ApiResponse(NeverPickled, Generic[T], frozen=True, gc=False):
    """An answer with its HTTP information.

    Attributes:
        data: the decoded result, as the method without `with_http_info` returns it.
        status: the HTTP status.
        headers: of the answer; their names match in any case.
        body: as received, after decompression.
        request_id: what Voucherify's support asks for, where the answer names it.
        attempts: how often sending the request was tried, 1 if once.
        elapsed: seconds from the call to the decoded result, with all attempts and waits.
    """

    data: T
    status: int
    headers: Mapping[str, str]
    body: bytes
    request_id: str | None
    attempts: int
    elapsed: float

    def _shown(self) -> Iterator[tuple[str, object]]:
        # Headers and body may hold tokens, and are long.
        yield "status", self.status
        yield "data", type(self.data).__name__
        yield "attempts", self.attempts
        yield "elapsed", round(self.elapsed, 6)


def nothing(body: bytes | memoryview) -> None:
    """Decode an answer that has no content (204)."""


def never(body: bytes | memoryview) -> NoReturn:
    """Decode an answer that is handed on unread instead."""
    raise AssertionError("a streamed answer is not decoded")


def json_decoder(expected: type[T]) -> Callable[[bytes | memoryview], T]:
    """A decoder for one type, to be made once.

    It is msgspec's lax mode, since the documents are lax: an integral float passes for an integer, and so does a
    number in a string. A string field takes strings alone, so that an id never changes its meaning.
    """
    decode: Callable[[bytes | memoryview], T] = msgspec.json.Decoder(expected, strict=False).decode
    return decode


any_json: Callable[[bytes | memoryview], Any] = msgspec.json.Decoder().decode
