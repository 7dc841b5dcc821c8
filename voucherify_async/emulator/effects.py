"""What a test can ask afterwards: which requests came, and what they did to the orders."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from voucherify_async.emulator.store import Orders

__all__ = ["Effects", "OrderEffects", "RequestLog", "RequestRecord", "readable"]

_SECRET_HEADERS: Final = frozenset(("x-app-id", "x-app-token", "authorization", "cookie", "proxy-authorization"))
_KEPT_REQUESTS: Final = 10_000
_KEPT_BODY_BYTES: Final = 64 * 1024 * 1024


class _Named(msgspec.Struct):
    """The body of a create, as far as it says which order is meant."""

    source_id: str | None = None
    id: str | None = None


# Passes over the rest of the body: a fraction of a microsecond, so that every create can be looked into.
_names: Final = msgspec.json.Decoder(_Named).decode


class OrderEffects(msgspec.Struct, frozen=True):
    """How often one order was created, updated (by a create over it, or an update), imported (new or over it)."""

    created: int = 0
    updated: int = 0
    imported: int = 0

    @property
    def total(self) -> int:
        """All of them together."""
        return self.created + self.updated + self.imported


class Effects:
    """Counts of what happened on the server: the oracle of tests that make the network fail.

    `requests` counts by (method, route) every request that arrived, whatever became of it, `handled` those that
    were carried out, also when their answer was lost to a fault. A route is such as `/v1/orders/*`; that of a
    request for nothing that exists is `unknown`.

    `arrived` counts by order every request for it that arrived, whatever became of it: creates by the source id (or
    id) in their body, gets and updates by the key in their path as it was sent. A create whose body was not read,
    or names no order, is not in it.
    """

    def __init__(self, orders: Callable[[], Orders]) -> None:
        self._orders = orders
        self.requests: Counter[tuple[str, str]] = Counter()
        self.handled: Counter[tuple[str, str]] = Counter()
        self.arrived: Counter[str] = Counter()

    @property
    def orders(self) -> dict[str, OrderEffects]:
        """Per source id (or id, for an order without) what happened to the order."""
        return {key: OrderEffects(**counts) for key, counts in self._orders().effects().items()}

    def of(self, key: str) -> OrderEffects:
        """What happened to the order with this source id (or id): zeros, if nothing did."""
        return OrderEffects(**self._orders().effects_of(key))

    def note_create(self, body: bytes) -> None:
        """Count the arrival of a create; a body that names no order counts for nothing."""
        try:
            named = _names(body)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            return
        key = named.source_id or named.id
        if key:
            self.arrived[key] += 1

    def clear(self) -> None:
        """Forget the counts of requests."""
        self.requests.clear()
        self.handled.clear()
        self.arrived.clear()

    def dump(self) -> dict[str, Any]:
        """As `GET /_emulator/effects` answers it."""
        return {
            "requests": {f"{method} {route}": count for (method, route), count in self.requests.items()},
            "handled": {f"{method} {route}": count for (method, route), count in self.handled.items()},
            "arrived": dict(self.arrived),
            "orders": self._orders().effects(),
        }


class RequestRecord(msgspec.Struct, frozen=True):
    """A request as it came over the wire.

    `headers` has lower-case names and `***` for secrets; `status` is None when no answer was given; `body` is None
    when it was dropped to save memory, or was not read.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: dict[str, str]
    status: int | None
    body: bytes | None


class Arrival:
    """A request in the log while it is still being answered."""

    __slots__ = ("body", "headers", "method", "status", "target")

    def __init__(self, method: str, target: str, headers: Mapping[str, str]) -> None:
        self.method = method
        self.target = target
        self.headers = headers
        self.status: int | None = None
        self.body: bytes | None = None


class RequestLog:
    """The last requests, bounded in number and in bytes. What is shown is made only when somebody looks."""

    def __init__(self) -> None:
        self._kept: deque[Arrival] = deque(maxlen=_KEPT_REQUESTS)
        self._with_body: deque[Arrival] = deque(maxlen=_KEPT_REQUESTS)
        self._bytes = 0

    def arrive(self, method: str, target: str, headers: Mapping[str, str]) -> Arrival:
        """Note a request."""
        arrival = Arrival(method, target, headers)
        self._kept.append(arrival)
        return arrival

    def keep_body(self, arrival: Arrival, body: bytes) -> None:
        """Note its body, and let go of old ones if there are too many bytes."""
        arrival.body = body
        if not body:
            return
        if len(self._with_body) == _KEPT_REQUESTS:
            self._bytes -= len(self._with_body[0].body or b"")
        self._with_body.append(arrival)
        self._bytes += len(body)
        while self._bytes > _KEPT_BODY_BYTES and self._with_body:
            oldest = self._with_body.popleft()
            self._bytes -= len(oldest.body or b"")
            oldest.body = None

    def records(self) -> list[RequestRecord]:
        """The last requests, oldest first."""
        return [_record(arrival) for arrival in self._kept]

    def clear(self) -> None:
        """Forget them."""
        self._kept.clear()
        self._with_body.clear()
        self._bytes = 0


def readable(text: str) -> str:
    """What came over the wire as text; bytes that are no UTF-8 stand in it as `\\xff`."""
    return text if text.isascii() else text.encode(errors="surrogateescape").decode(errors="backslashreplace")


def _record(arrival: Arrival) -> RequestRecord:
    path, _, query = arrival.target.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True)
    return RequestRecord(
        method=arrival.method,
        path=path,
        query=tuple((name, "***" if name == "token" else value) for name, value in pairs),
        headers={
            name.lower(): "***" if name.lower() in _SECRET_HEADERS else readable(value)
            for name, value in arrival.headers.items()
        },
        status=arrival.status,
        body=arrival.body,
    )
