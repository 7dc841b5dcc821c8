"""Addresses, as pure functions: which are taken, which may be shown the keys, and what of them can be told."""

import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, quote, unquote, urlsplit

from voucherify_async.errors import ConfigurationError

# Hosts of the clusters: the servers' list of Voucherify's OpenAPI documents, v2018-08-01.
CLUSTERS: Final = {
    "eu": "https://api.voucherify.io",
    "us": "https://us1.api.voucherify.io",
    "as": "https://as1.api.voucherify.io",
}

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
# RFC 1123, section 2.1, and underscores, which names of containers have.
_HOST_NAME: Final = re.compile(r"(?=.{1,254}\Z)\w[\w-]{0,62}(\.\w[\w-]{0,62})*\.?", re.ASCII)
_UNRESERVED: Final = re.compile(r"[A-Za-z0-9_.~-]*")  # RFC 3986, section 2.3
_PLAIN: Final = (str, int, float, type(None))
_LOOSE_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_TOKEN: Final = re.compile(rb"((?:[?&]|\\u0026|\\u003[fF])token=)[^\"&\s\\]+")


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
        return _quoted(value)
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
    given = []
    try:
        for name, value in parameters.items():
            if not isinstance(value, _PLAIN):
                raise ConfigurationError(f"query[{name!r}]", f"must be a plain value, not {type(value).__name__}")
            if type(value) is int:
                given.append(f"{_quoted(name)}={value}")
            elif value is not None:
                text = str(value).lower() if isinstance(value, bool) else str(value)
                given.append(f"{_quoted(name)}={_quoted(text)}")
    except UnicodeEncodeError:
        raise ConfigurationError("query", "holds a lone surrogate, which has no UTF-8") from None
    return "&".join(given)


def _quoted(text: str) -> str:
    return text if _UNRESERVED.fullmatch(text) else quote(text, safe="")


def without_tokens(body: bytes) -> bytes:
    """A body that errors can carry: the address of an export's file holds a token."""
    return _TOKEN.sub(rb"\1...", body)


def without_query(url: str) -> str:
    """A URL that can be shown: download URLs carry a token in their query."""
    base, mark, _ = url.partition("?")
    return f"{base}?..." if mark else base
