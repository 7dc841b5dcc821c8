"""A request before it is sent, and an answer after it came."""

from collections.abc import Callable, Mapping
from typing import Any, Final, Generic, NoReturn, TypeVar

import msgspec

T = TypeVar("T")

# What decoding raises for a body that is not what it should be: bytes that are no UTF-8 and JSON that is nested
# without end have errors of their own.
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Call(msgspec.Struct, Generic[T], frozen=True, gc=False):
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
    """

    method: str
    path: str
    decode: Callable[[bytes], T]
    query: str = ""
    body: bytes | None = None
    content_type: str = "application/json"
    repeatable: bool = True
    keys_only: bool = False
    withhold_body: bool = False
    url: str | None = None
    streamed: bool = False


class ApiResponse(msgspec.Struct, Generic[T], frozen=True, gc=False):
    """An answer with its HTTP information.

    Attributes:
        data: the decoded result, as the method without `with_http_info` returns it.
        status: the HTTP status.
        headers: of the answer; their names match in any case.
        body: as received, after decompression.
        request_id: what Voucherify's support asks for, where the answer names it.
        attempts: how often the request was sent, 1 if once.
        elapsed: seconds from the call to the decoded result, with all attempts and waits.
    """

    data: T
    status: int
    headers: Mapping[str, str]
    body: bytes
    request_id: str | None
    attempts: int
    elapsed: float

    def __repr__(self) -> str:
        # Headers and body may hold tokens, and are long.
        return (
            f"<ApiResponse [{self.status}] {type(self.data).__name__}, "
            f"attempts={self.attempts}, elapsed={self.elapsed:.3f}>"
        )

    def __reduce__(self) -> NoReturn:
        raise TypeError("an ApiResponse is not pickled: its body may hold a token; pickle its data")


def nothing(body: bytes) -> None:
    """Decode an answer that has no content (204)."""


def never(body: bytes) -> NoReturn:
    """Decode an answer that is handed on unread instead."""
    raise AssertionError("a streamed answer is not decoded")


def json_decoder(expected: type[T]) -> Callable[[bytes], T]:
    """A decoder for one type, to be made once.

    It is lax where the documents are: an integral float passes for an integer. A string field takes strings
    alone, so that an id never changes its meaning.
    """
    decode: Callable[[bytes], T] = msgspec.json.Decoder(expected, strict=False).decode
    return decode


any_json: Callable[[bytes], Any] = msgspec.json.Decoder().decode
