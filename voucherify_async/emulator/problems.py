"""The service's errors: what an error body says, and the exception that carries it to the HTTP layer.

Bodies follow the examples of the OpenAPI documents: `code, key, message, details, request_id` and, for a missing
resource, `resource_id, resource_type`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = [
    "ServiceError",
    "bad_method",
    "bad_path",
    "bad_query",
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
        key: str,
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
        shown: dict[str, Any] = {"code": self.status, "key": self.key, "message": self.message}
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


def bad_path(path: str) -> ServiceError:
    """404 for a path that leads nowhere."""
    return ServiceError(404, "not_found", "Resource not found", f"Cannot find {path}")


def bad_method(method: str, allowed: Iterable[str]) -> ServiceError:
    """405 for a method that the path does not know."""
    listed = ", ".join(sorted(allowed))
    details = f"{method} is not one of {listed}"
    return ServiceError(405, "method_not_allowed", "Method not allowed", details, headers={"Allow": listed})


def unauthorized(details: str) -> ServiceError:
    """401: no keys, wrong keys, a token that is unknown or has expired."""
    return ServiceError(401, "unauthorized", "Unauthorized", details)


def forbidden(details: str) -> ServiceError:
    """403: a known caller without the permission. The documents show none; the shape is that of the 401."""
    return ServiceError(403, "forbidden", "Forbidden", details)
