"""The headers of a request: merged, checked and written out once while the keys and options stay the same. Pure."""

from collections.abc import Mapping
from typing import Final, NoReturn

from voucherify_async.auth import SignedHeaders
from voucherify_async.wire import is_plain_header

# What frames a request. A way of signing that brings one of these asks for more than is written here.
_FRAMING: Final = frozenset(
    {
        *("connection", "content-length", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding"),
        *("upgrade", "proxy-authorization", "proxy-connection"),
    }
)


class Head:
    """The headers of a request, which it does not show.

    Attributes:
        headers: as a mapping.
        lines: as they are sent, each with its end; None if they hold what cannot be written without a second look.
    """

    __slots__ = ("headers", "lines")

    def __init__(self, headers: SignedHeaders) -> None:
        self.headers = headers
        self.lines = _written(headers)

    def __repr__(self) -> str:
        return "<head>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("the head of a request is not pickled")


class Heads:
    """Makes the heads of requests with the same headers of their own, and keeps the last of each kind.

    Args:
        own: headers that all of them have.
    """

    __slots__ = ("_kept", "_own")

    def __init__(self, own: Mapping[str, str]) -> None:
        self._own = own
        # By the type of the body. What signed it is compared by what it holds: a user's may be changed in place.
        self._kept: dict[str | None, tuple[dict[str, str], Head]] = {}

    def head(self, signed: Mapping[str, str], content_type: str | None) -> Head:
        """The head of a request.

        Args:
            signed: what signs it.
            content_type: of the body, None without one.
        """
        kept = self._kept.get(content_type)
        if kept is not None and kept[0] == signed:
            return kept[1]
        headers = SignedHeaders({**self._own, **signed})
        if content_type is not None:
            headers["Content-Type"] = content_type
        head = Head(headers)
        self._kept[content_type] = SignedHeaders(signed), head
        return head


def _written(headers: Mapping[str, str]) -> bytes | None:
    for name, value in headers.items():
        if not is_plain_header(name, value) or name.lower() in _FRAMING:
            return None
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode("ascii")
