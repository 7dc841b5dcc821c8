"""What is measured: the instruments of `OpenTelemetry`, and what is known of each kind of call."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from opentelemetry.metrics import Meter

from voucherify_async.events import CallInfo, WaitReason

# Low in number, as names of spans and attributes of metrics must be. What `client.request` is given has none.
# Source: OpenAPI v2018-08-01, the paths of each method's docstring.
TEMPLATES: Final[Mapping[str, str]] = {
    "orders.create": "/v1/orders",
    "orders.list": "/v1/orders",
    "orders.get": "/v1/orders/{orderId}",
    "orders.update": "/v1/orders/{orderId}",
    "orders.import_orders": "/v1/orders/import",
    "orders.create_export": "/v1/orders/export",
    "async_actions.list": "/v1/async-actions",
    "async_actions.get": "/v1/async-actions/{asyncActionId}",
    "exports.list": "/v1/exports",
    "exports.get": "/v1/exports/{exportId}",
    "exports.delete": "/v1/exports/{exportId}",
    "oauth.generate": "/v1/oauth/token",
    "oauth.introspect": "/v1/oauth/introspect",
    "oauth.revoke": "/v1/oauth/token/revoke",
    "download": "/v1/exports/{exportId}",
}

# Seconds: the advice of the conventions for `http.client.request.duration`, and on to a call's deadline.
_REQUEST_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_CALL_BUCKETS: Final = (*_REQUEST_BUCKETS, 30, 60, 120)
_ATTEMPT_BUCKETS: Final = (0, 1, 2, 3, 4, 5, 7, 10)

_WAITS: Final[Mapping[WaitReason, tuple[str, str]]] = {
    "rate_limit": ("voucherify.client.limiter.wait", "Time that a call waits until the rate limit lets it go."),
    "pool": ("voucherify.client.pool.wait", "Time that a call waits for a connection."),
    "repeat": ("voucherify.client.repeat.wait", "Time that a call waits before it is sent again."),
    "retry_budget": ("voucherify.client.retry_budget.wait", "Time that a call waits for its turn to be repeated."),
}


def request_attributes(call: CallInfo) -> Mapping[str, str | int]:
    """What spans and metrics tell of a request: few values each, nothing of whose order it is. Not to change."""
    return _attributes(call.operation, call.method, call.url.removesuffix(call.path))


@lru_cache(maxsize=256)
def _attributes(operation: str, method: str, origin: str) -> Mapping[str, str | int]:
    parts = urlsplit(origin)
    attributes: dict[str, str | int] = {
        "http.request.method": method,
        "server.address": parts.hostname or "",
        "server.port": parts.port or (443 if parts.scheme == "https" else 80),
    }
    if (template := TEMPLATES.get(operation)) is not None:
        attributes["url.template"] = template
    return attributes


class Meters:
    """The instruments.

    Args:
        meter: makes them.
    """

    def __init__(self, meter: Meter) -> None:
        self._request = meter.create_histogram(
            "http.client.request.duration",
            "s",
            "Duration of HTTP client requests.",
            explicit_bucket_boundaries_advisory=_REQUEST_BUCKETS,
        )
        self._active = meter.create_up_down_counter(
            "http.client.active_requests", "{request}", "Number of active HTTP requests."
        )
        self._call = meter.create_histogram(
            "voucherify.client.call.duration",
            "s",
            "Duration of calls, with all their attempts and waits.",
            explicit_bucket_boundaries_advisory=_CALL_BUCKETS,
        )
        self._attempts = meter.create_histogram(
            "voucherify.client.attempts",
            "{attempt}",
            "How often a call tried to send its request.",
            explicit_bucket_boundaries_advisory=_ATTEMPT_BUCKETS,
        )
        self._waits = {
            reason: meter.create_histogram(name, "s", told, explicit_bucket_boundaries_advisory=_CALL_BUCKETS)
            for reason, (name, told) in _WAITS.items()
        }

    def attempt_started(self, attributes: Mapping[str, str | int]) -> None:
        """One more request is under way."""
        self._active.add(1, attributes)

    def attempt_ended(
        self, attributes: Mapping[str, str | int], status: int | None, error: str | None, seconds: float
    ) -> None:
        """It is over."""
        self._active.add(-1, attributes)
        of_its_end = dict(attributes)
        if status is not None:
            of_its_end["http.response.status_code"] = status
        if error is not None:
            of_its_end["error.type"] = error
        self._request.record(seconds, of_its_end)

    def waited(self, operation: str, reason: WaitReason, seconds: float) -> None:
        """A wait of a call is over."""
        self._waits[reason].record(seconds, {"voucherify.operation": operation})

    def call_ended(self, operation: str, attempts: int, error: str | None, seconds: float) -> None:
        """A call has its result, or its error."""
        attributes = {"voucherify.operation": operation}
        if error is not None:
            attributes["error.type"] = error
        self._call.record(seconds, attributes)
        self._attempts.record(attempts, attributes)
