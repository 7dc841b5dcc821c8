"""The service's errors: what an error body says, and the exception that carries it to the HTTP layer.

Bodies follow the examples of the OpenAPI documents: `code, key, message, details, request_id` and, for a resource
that is missing or there already, `resource_id, resource_type`. The guide "Errors" has keys for errors of the API's
objects alone: those of HTTP (405, 415, 429) have none.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = [
    "ServiceError",
    "bad_method",
    "bad_path",
    "bad_query",
    "bad_type",
    "duplicate",
    "forbidden",
    "invalid_payload",
    "not_found",
    "unauthorized",
]


class ServiceError(Exception):
    """An answer with an error status."""

    def __init__(
        self,
        status: int,
        key: str | None,
        message: str,
        details: str | None = None,
        *,
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(details or message)
        self.status = status
        self.key = key
        self.message = message
        self.details = details
        self.headers = headers
        self.more = more

    def body(self, request_id: str) -> dict[str, Any]:
        """The error object."""
        shown: dict[str, Any] = {"code": self.status}
        if self.key is not None:
            shown["key"] = self.key
        shown["message"] = self.message
        if self.details is not None:
            shown["details"] = self.details
        shown["request_id"] = request_id
        shown.update(self.more)
        return shown


def invalid_payload(details: str) -> ServiceError:
    """400 for a body that does not fit."""
    return ServiceError(400, "invalid_payload", "Invalid payload", details)


def bad_query(details: str) -> ServiceError:
    """400 for query parameters that do not fit."""
    return ServiceError(400, "invalid_query_params", "Invalid query params", details)


def not_found(kind: str, resource_id: str) -> ServiceError:
    """404 for a resource, as `orders.json` and `exports.json` show it."""
    return ServiceError(
        404,
        "not_found",
        "Resource not found",
        f"Cannot find {kind} with id {resource_id}",
        resource_id=resource_id,
        resource_type=kind,
    )


def duplicate(kind: str, name: str, value: str) -> ServiceError:
    """409 for what another resource has already; `campaigns.json`, `referrals.json` and others show it."""
    return ServiceError(
        409,
        "duplicate_found",
        "Duplicated resource found",
        f"Duplicated {kind} exists with {name} {value}",
        resource_id=value,
        resource_type=kind,
    )


def bad_path(path: str) -> ServiceError:
    """404 for a path that leads nowhere."""
    return ServiceError(404, "not_found", "Resource not found", f"Cannot find {path}")


def bad_method(method: str, allowed: Iterable[str]) -> ServiceError:
    """405 for a method that the path does not know, with the hint that the guide "Errors" shows."""
    *most, last = sorted(allowed)
    hint = f"{', '.join(most)} or {last}" if most else last
    details = f"{method} is not supported by this endpoint. Did you mean {hint}?"
    return ServiceError(405, None, "HTTP Method Not Allowed", details, headers={"Allow": ", ".join([*most, last])})


def bad_type(wanted: str) -> ServiceError:
    """415 for a body of another kind; its text is that of the guide "Errors", which shows no body of it."""
    return ServiceError(415, None, "Unsupported Media Type", f"Content-Type has to be {wanted}")


def unauthorized(details: str) -> ServiceError:
    """401: no keys, wrong keys, a token that is unknown or has expired."""
    return ServiceError(401, "unauthorized", "Unauthorized", details)


def forbidden(details: str) -> ServiceError:
    """403: a known caller without the permission, as `campaigns.json` and `management.json` show it."""
    return ServiceError(403, "forbidden", "Forbidden", details)
