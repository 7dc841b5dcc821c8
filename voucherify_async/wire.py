"""What goes over the wire and what comes back, as pure functions: headers, waits, error bodies."""

import math
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from platform import python_version
from typing import Any, Final

import msgspec
from aiohttp import __version__ as aiohttp_version

from voucherify_async.call import Call
from voucherify_async.errors import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ConflictError,
    DecodeError,
    LockedError,
    NotFoundError,
    PaymentRequiredError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
)
from voucherify_async.urls import without_query, without_tokens
from voucherify_async.version import VERSION

_ERRORS: Final[dict[int, type[ApiError]]] = {
    400: BadRequestError,
    401: AuthenticationError,
    402: PaymentRequiredError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    423: LockedError,
}

_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token: RFC 9110, section 5.6.2
# What a request is framed and routed by, and what signs it.
_OWN_HEADERS: Final = {
    *("authorization", "x-app-id", "x-app-token"),
    *(
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
    ),
    *("te", "trailer", "transfer-encoding", "upgrade"),
}

# A `Date` has whole seconds, and may have taken one to get here.
_CLOCKS_AGREE_SECONDS: Final = 2.0
_NO_MOMENT: Final = 1e11  # Unix seconds of the year 5138; more are milliseconds, or nonsense


# --- Headers ------------------------------------------------------------------------------------------------


def client_headers(api_version: str, app_info: str | None) -> dict[str, str]:
    """The headers that say who is calling, the same for every request of a client."""
    agent = f"voucherify-async/{VERSION} aiohttp/{aiohttp_version} Python/{python_version()}"
    return {
        "Accept": "application/json",
        "Accept-Encoding": "gzip",  # what is unpacked here, see `outcome.read_answer`
        "User-Agent": f"{agent} {app_info}" if app_info else agent,
        "X-Voucherify-API-Version": checked_header_value("api_version", api_version),
        "X-Voucherify-Channel": "Python-SDK",
    }


def checked_header_name(argument: str, name: str) -> str:
    """The name of a header that a user may add."""
    if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
        raise ConfigurationError(argument, f"{name!r} is no name of a header")
    if name.lower() in _OWN_HEADERS or name.lower().startswith("proxy-"):
        raise ConfigurationError(argument, f"{name} is set by the client itself")
    return name


def checked_header_value(argument: str, value: str) -> str:
    """A value that can stand in a header. The error does not repeat it: it may be a key."""
    if not isinstance(value, str) or not value or not value.isascii() or not value.isprintable():
        raise ConfigurationError(argument, "must be a string of printable ASCII signs, and not empty")
    return value


def is_plain_header(name: object, value: object) -> bool:
    """Whether a header can be written as it is, and is one header and no more."""
    return (
        isinstance(name, str)
        and isinstance(value, str)
        and _HEADER_NAME.fullmatch(name) is not None
        and value.isascii()
        and value.isprintable()
    )


def service_time(headers: Mapping[str, str], now: float) -> float:
    """What time it is for the service that sent an answer, in Unix seconds.

    Our own time, which is finer than the `Date` of an answer (RFC 9110, section 6.6.1), unless that shows that our
    clock is off. Moments that the service names are to be compared with its own clock.

    Args:
        headers: of the answer, just arrived.
        now: Unix seconds, by our clock.
    """
    if (text := headers.get("Date")) is not None:
        try:
            theirs = parsedate_to_datetime(text).timestamp()
        except (ValueError, OverflowError):
            return now
        if abs(theirs - now) > _CLOCKS_AGREE_SECONDS:
            return theirs
    return now


def asked_wait(status: int, headers: Mapping[str, str], now: float) -> float | None:
    """How many seconds the service asks to wait, None if it does not.

    Args:
        status: of the answer.
        headers: `Retry-After` in seconds or as a date (RFC 9110, section 10.2.3) comes first, then, after
            a 429, `X-Rate-Limit-Retry` in Unix seconds (Voucherify's guide on limits).
        now: Unix seconds.
    """
    if (text := headers.get("Retry-After")) is not None:
        if (seconds := finite_number(text)) is not None:
            return max(0.0, seconds)
        try:
            return max(0.0, parsedate_to_datetime(text).timestamp() - service_time(headers, now))
        except (ValueError, OverflowError):
            pass  # not a date either: as if it were not there
    moment = finite_number(headers.get("X-Rate-Limit-Retry")) if status == 429 else None
    if moment is not None and moment < _NO_MOMENT:
        return max(0.0, moment - service_time(headers, now))
    return None


def finite_number(text: str | None) -> float | None:
    """A header's value as a number; None if it is none, or not there."""
    try:
        number = float(text) if text is not None else None
    except ValueError:
        return None
    # "inf" and "nan" are numbers to float(), and no time to wait.
    return number if number is not None and math.isfinite(number) else None


def is_success(status: int, *, part: bool = False) -> bool:
    """Whether an answer holds what was asked for. A part of it (206) does so if the request had a `Range`."""
    return 200 <= status < 300 and (status != 206 or part)


# --- Answers that are errors --------------------------------------------------------------------------------


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """The id that Voucherify's support asks for, where a header names it."""
    return headers.get("X-Request-Id")


def error_of_answer(
    call: Call[Any],
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: float,
    attempts: int,
) -> ApiError:
    """The error that an answer stands for, with all that the service said."""
    said = _error_body(without_tokens(body))
    circumstances: dict[str, Any] = {
        "status": status,
        "code": said.get("code"),
        "key": said.get("key"),
        "message": said.get("message") or _plain_message(status, headers, body),
        "details": said.get("details"),
        "request_id": said.get("request_id") or request_id_of(headers),
        "resource_id": said.get("resource_id"),
        "resource_type": said.get("resource_type"),
        "headers": _shareable(headers),
        "body": b"" if call.withhold_body else without_tokens(body),
        "method": call.method,
        "path": call.path,
        "attempts": attempts,
        "retry_after": asked_wait(status, headers, now),
    }
    if status == 429:
        return RateLimitError(limit_type=headers.get("X-Rate-Limit-Type"), **circumstances)
    return _ERRORS.get(status, ServerError if status >= 500 else ApiError)(**circumstances)


def _shareable(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of an answer that errors can carry."""
    return {
        name: without_query(value) if name.lower() in {"location", "content-location"} else value
        for name, value in headers.items()
        if name.lower() != "set-cookie"
    }


def _error_body(body: bytes) -> dict[str, Any]:
    """The fields of an error body that have the type they should have; a proxy may answer with anything."""
    try:
        fields = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    if not isinstance(fields, dict):
        return {}
    said: dict[str, Any] = {
        name: value for name, value in fields.items() if isinstance(value, str) and name != "code"
    }
    if (details := fields.get("details")) is not None and not isinstance(details, str):
        said["details"] = msgspec.json.encode(details).decode()
    if isinstance(code := fields.get("code"), int) and not isinstance(code, bool):
        said["code"] = code
    # A validation rule's own message is what its author wants the customer to see.
    nested = fields.get("error")
    if isinstance(nested, dict) and isinstance(rule := nested.get("message"), str) and rule != said.get("message"):
        said["message"] = ": ".join(part for part in (said.get("message"), rule) if part)
    return said


def _plain_message(status: int, headers: Mapping[str, str], body: bytes) -> str:
    if 300 <= status < 400:
        return "the answer is a redirect, which is never followed: keys do not go where an answer points"
    kind = headers.get("Content-Type", "").partition(";")[0] or "no type"
    return f"an answer of {len(body)} bytes of {kind}, not an error of the API"


def decode_error(
    call: Call[Any], problem: str, status: int, headers: Mapping[str, str], body: bytes, *, attempts: int
) -> DecodeError:
    """The error for an answer of success whose body does not fit."""
    said, marker, json_path = problem.rpartition(" - at `")
    return DecodeError(
        f"the answer does not fit: {said or json_path}",
        json_path=json_path.rstrip("`") if marker else "$",
        body=b"" if call.withhold_body else without_tokens(body),
        status=status,
        request_id=request_id_of(headers),
        method=call.method,
        path=call.path,
        attempts=attempts,
    )
