"""What goes over the wire and what comes back, as pure functions: URLs, headers, error bodies, redaction."""

import math
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from platform import python_version
from typing import Any, Final
from urllib.parse import SplitResult, quote, unquote, urlencode, urlsplit

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
from voucherify_async.version import VERSION

# Hosts of the clusters: the servers' list of Voucherify's OpenAPI documents, v2018-08-01.
CLUSTERS: Final = {
    "eu": "https://api.voucherify.io",
    "us": "https://us1.api.voucherify.io",
    "as": "https://as1.api.voucherify.io",
}

_ERRORS: Final[dict[int, type[ApiError]]] = {
    400: BadRequestError,
    401: AuthenticationError,
    402: PaymentRequiredError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    423: LockedError,
}

_TOKEN: Final = re.compile(rb"((?:[?&]|\\u0026|\\u003[fF])token=)[^\"&\s\\]+")
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token: RFC 9110, section 5.6.2
# RFC 1123, section 2.1, and underscores, which names of containers have.
_HOST_NAME: Final = re.compile(r"(?=.{1,254}\Z)\w[\w-]{0,62}(\.\w[\w-]{0,62})*\.?", re.ASCII)
_LOOSE_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
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
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


# --- URLs ---------------------------------------------------------------------------------------------------


def checked_base_url(url: str, *, allow_plain_http: bool) -> str:
    """The base URL without its last slash, or a `ConfigurationError` that says what is wrong with it."""
    parts = _checked_url("base_url", url)
    if "?" in url or "#" in url:
        raise ConfigurationError("base_url", "must not have a query or a fragment")
    if parts.scheme == "http" and not (allow_plain_http or is_loopback(parts.hostname or "")):
        raise ConfigurationError(
            "base_url",
            "plain http would show the keys to everyone on the way; "
            "use https, or say allow_plain_http=True if that is what you want",
        )
    return url.rstrip("/")


def checked_download_url(url: str, *, allow_plain_http: bool) -> SplitResult:
    """The parts of a file's URL, as the service gave it. The error shows none of its query, which holds a token."""
    parts = _checked_url("url", url)
    if parts.scheme == "http" and not (allow_plain_http or is_loopback(parts.hostname or "")):
        raise ConfigurationError("url", f"a download without https is refused: {without_query(url)}")
    return parts


def _checked_url(argument: str, url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except (ValueError, TypeError, AttributeError):
        raise ConfigurationError(argument, "is no URL") from None
    if parts.scheme not in _DEFAULT_PORTS or not host:
        raise ConfigurationError(argument, "must begin with https:// (or http://) and name a host")
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(argument, "must not hold a user name or a password")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ConfigurationError(argument, "must be printable ASCII without blanks")
    if not _HOST_NAME.fullmatch(host) and not _is_address(host):
        raise ConfigurationError(argument, f"names a host that there cannot be: {host[:300]}")
    return parts


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def checked_proxy(url: str | None, *, base_url: str, allow_plain_http: bool) -> str | None:
    """The URL of a proxy. The error does not repeat it: it may hold a password."""
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        usable = parts.scheme in _DEFAULT_PORTS and bool(parts.hostname) and parts.port != 0
    except (ValueError, TypeError, AttributeError):
        usable = False
    if not usable:
        raise ConfigurationError("proxy", "must begin with http:// or https:// and name a host")
    # What is plain http on this machine leaves it through a proxy elsewhere.
    if not (allow_plain_http or is_loopback(urlsplit(url).hostname or "") or not is_plain_http(base_url)):
        raise ConfigurationError("proxy", "would be shown the keys, which plain http to this machine does not hide")
    return url


def is_plain_http(url: str) -> bool:
    """Whether what is sent there is not encrypted."""
    return urlsplit(url).scheme == "http"


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its very name. What is below `localhost`, some systems ask the DNS for."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS.get(parts.scheme)


def may_carry_keys(base_url: str, url: str) -> bool:
    """Whether the keys may go to a download's URL: the API's own origin, or the download host beside it.

    `https://us1.api.voucherify.io` goes with `https://us1.download.voucherify.io` (the servers' list of the
    OpenAPI documents), and a dedicated cluster with its own in the same way.
    """
    home, target = _origin(base_url), _origin(url)
    if target == home:
        return True
    labels = (home[1] or "").split(".")
    if "api" not in labels:
        return False
    labels[labels.index("api")] = "download"
    return target == (home[0], ".".join(labels), home[2])


def quoted_id(argument: str, value: str) -> str:
    """An id as one segment of a path. Ids are the merchant's: any signs, so all are quoted."""
    if not isinstance(value, str):
        raise ConfigurationError(argument, f"must be a string, not {type(value).__name__}")
    if not value:
        raise ConfigurationError(argument, "must not be empty")
    if value in {".", ".."}:
        # Every server and proxy resolves these, quoted or not (RFC 3986, section 6.2.2.3).
        raise ConfigurationError(argument, f"{value!r} cannot be asked for by URL")
    try:
        return quote(value, safe="")
    except UnicodeEncodeError:
        raise ConfigurationError(argument, "holds a lone surrogate, which has no UTF-8") from None


def checked_path(path: str) -> str:
    """A path that a user wrote, for `client.request`: quoted where it must be, and never another host's."""
    if not isinstance(path, str) or not path.startswith("/") or path.startswith("//"):
        raise ConfigurationError("path", "must begin with one slash, as in /v1/vouchers")
    if "?" in path or "#" in path:
        raise ConfigurationError("path", "must not hold a query; give it as query={...}")
    if any(unquote(segment) in {".", ".."} for segment in path.split("/")):
        raise ConfigurationError("path", "must not hold the segments . or ..")
    if _LOOSE_PERCENT.search(path):
        raise ConfigurationError("path", "holds a % that quotes nothing; write it as %25")
    try:
        return quote(path, safe="/%:@!$&'()*+,;=~")
    except UnicodeEncodeError:
        raise ConfigurationError("path", "holds a lone surrogate, which has no UTF-8") from None


def query_string(parameters: Mapping[str, str | int | float | bool | None]) -> str:
    """The query of a URL; parameters that are None are left out."""
    for name, value in parameters.items():
        if not isinstance(value, str | int | float | None):
            raise ConfigurationError(f"query[{name!r}]", f"must be a plain value, not {type(value).__name__}")
    given = {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in parameters.items()
        if value is not None
    }
    try:
        return urlencode(given, quote_via=quote)
    except UnicodeEncodeError:
        raise ConfigurationError("query", "holds a lone surrogate, which has no UTF-8") from None


def without_tokens(body: bytes) -> bytes:
    """A body that errors can carry: the address of an export's file holds a token."""
    return _TOKEN.sub(rb"\1...", body)


def without_query(url: str) -> str:
    """A URL that can be shown: download URLs carry a token in their query."""
    base, mark, _ = url.partition("?")
    return f"{base}?..." if mark else base


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


def is_success(status: int) -> bool:
    """Whether an answer holds what was asked for. A part of it (206) was not: no request here has a `Range`."""
    return 200 <= status < 300 and status != 206


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
