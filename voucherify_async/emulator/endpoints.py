"""The endpoints: what each request does to the project and what it answers. No sockets in here.

The route table is data: method, path (a last segment `*` is an id), what carries it out, and which OAuth scopes
allow it (from the `security` of each operation in the OpenAPI documents).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from voucherify_async.emulator.checks import check_import, order_from
from voucherify_async.emulator.clock import parse_ms
from voucherify_async.emulator.exporting import check_parameters
from voucherify_async.emulator.identifiers import download_token_holds
from voucherify_async.emulator.jobs import ExportJob
from voucherify_async.emulator.problems import ServiceError, bad_query, invalid_payload, not_found
from voucherify_async.emulator.project import Project

__all__ = ["CSV", "JSON", "ROUTES", "Answer", "Call", "Endpoint", "Endpoints"]

JSON: Final = "application/json; charset=utf-8"
CSV: Final = "text/plain; charset=utf-8"
_RANGE: Final = re.compile(r"bytes=(\d+)-(\d*)")
# What `ExportsCreateRequestBody` of exports.json consists of.
_EXPORTABLE: Final = (
    "voucher",
    "redemption",
    "customer",
    "publication",
    "order",
    "points_expiration",
    "voucher_transactions",
)

_encode = msgspec.json.Encoder().encode


class Call:
    """A request as the endpoints see it."""

    __slots__ = ("body", "client_id", "form", "if_range", "key", "now", "query", "range", "request_id")

    def __init__(self, key: str, query: dict[str, str], request_id: str, now: float, client_id: str) -> None:
        self.key = key
        self.query = query
        self.request_id = request_id
        self.now = now
        self.client_id = client_id
        self.body: Any = None
        self.form: dict[str, str] = {}
        self.range: str | None = None
        self.if_range: str | None = None


class Answer:
    """An answer as the endpoints give it: a body of bytes, or of chunks that are made on the way."""

    __slots__ = ("body", "chunks", "content_type", "headers", "status")

    def __init__(
        self,
        body: bytes = b"",
        *,
        status: int = 200,
        content_type: str = JSON,
        chunks: Iterator[bytes] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.body = body
        self.status = status
        self.content_type = content_type
        self.chunks = chunks
        self.headers = headers

    @staticmethod
    def of(shown: Any, status: int = 200) -> Answer:
        """An answer of JSON."""
        return Answer(_encode(shown), status=status)


def part_of(file: bytes, asked: str | None, only_of: str | None, headers: dict[str, str]) -> Answer:
    """A file from a server that honours `Range` (one range, from a place on) and `If-Range`, as RFC 9110 has it."""
    entity_tag = f'"{hashlib.sha256(file).hexdigest()[:32]}"'
    headers = {**headers, "Accept-Ranges": "bytes", "ETag": entity_tag}
    same = only_of is None or only_of.strip() == entity_tag
    match = _RANGE.fullmatch(asked.strip()) if asked is not None and same else None
    if match is None:
        return Answer(file, content_type=CSV, headers=headers)
    start, end = int(match[1]), min(int(match[2] or len(file)), len(file) - 1)
    if start > end:
        return Answer(status=416, headers={**headers, "Content-Range": f"bytes */{len(file)}"})
    headers["Content-Range"] = f"bytes {start}-{end}/{len(file)}"
    return Answer(file[start : end + 1], status=206, content_type=CSV, headers=headers)


class Endpoints:
    """The methods that `ROUTES` names."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self.download_seconds = 3600
        self.download_ranges = False
        self.url = ""
        self.download_url: str | None = None

    def create_order(self, call: Call) -> Answer:
        """`POST /v1/orders`"""
        return Answer(self._project.orders.upsert(order_from(call.body), _ms(call.now)).encoded)

    def get_order(self, call: Call) -> Answer:
        """`GET /v1/orders/{orderId}`"""
        return Answer(self._project.orders.get(call.key).encoded)

    def update_order(self, call: Call) -> Answer:
        """`PUT /v1/orders/{orderId}`"""
        self._project.orders.get(call.key)
        return Answer(self._project.orders.update(call.key, order_from(call.body), _ms(call.now)).encoded)

    def list_orders(self, call: Call) -> Answer:
        """`GET /v1/orders`"""
        limit, page = _whole(call.query, "limit", 10, 100), _whole(call.query, "page", 1, 100)
        # Without one the newest first, as in the example of the document.
        order = _choice(
            call.query, "order", "-created_at", ("created_at", "-created_at", "updated_at", "-updated_at")
        )
        orders = self._project.orders
        shown = b",".join([record.encoded for record in orders.page(order, limit, page)])
        return Answer(b'{"object":"list","data_ref":"orders","orders":[' + shown + b'],"total":%d}' % len(orders))

    def import_orders(self, call: Call) -> Answer:
        """`POST /v1/orders/import`"""
        rows = check_import(call.body)
        jobs = self._project.jobs
        job_id = self._project.identifiers.hex_id("aa")
        jobs.add_import(job_id, call.request_id, rows, call.now)
        return Answer.of({"async_action_id": job_id})

    def get_async_action(self, call: Call) -> Answer:
        """`GET /v1/async-actions/{asyncActionId}`"""
        job = self._project.jobs.imports.get(call.key)
        if job is None:
            raise not_found("async_action", call.key)
        return Answer.of(job.shown(with_result=True))

    def list_async_actions(self, call: Call) -> Answer:
        """`GET /v1/async-actions`"""
        limit = _whole(call.query, "limit", 10, 100)
        end = _moment(call.query, "end_date")
        # Newest first: the dict is in the order in which they were made.
        chosen = []
        for job in reversed(self._project.jobs.imports.values()):
            if end is None or job.created < end:
                chosen.append(job)
                if len(chosen) > limit:
                    break
        return Answer.of(
            {
                "object": "list",
                "data_ref": "async_actions",
                "async_actions": [job.shown(with_result=False) for job in chosen[:limit]],
                "has_more": len(chosen) > limit,
            }
        )

    def create_order_export(self, call: Call) -> Answer:
        """`POST /v1/orders/export`"""
        if not isinstance(call.body, dict):
            raise invalid_payload("Property . should be object")
        parameters = check_parameters(call.body.get("parameters"))
        jobs = self._project.jobs
        export_id = self._project.identifiers.object_id("exp")
        return Answer.of(jobs.add_export(export_id, parameters, call.now).shown(None))

    def create_export(self, call: Call) -> Answer:
        """`POST /v1/exports`"""
        if not isinstance(call.body, dict):
            raise invalid_payload("Property . should be object")
        exported = call.body.get("exported_object")
        if exported not in _EXPORTABLE:
            raise invalid_payload(
                "Property .exported_object should be equal to one of the allowed values "
                f"[ {', '.join(_EXPORTABLE)} ]"
            )
        if exported != "order":
            raise invalid_payload(f"Property .exported_object: {exported} is not supported by the emulator")
        return self.create_order_export(call)

    def get_export(self, call: Call) -> Answer:
        """`GET /v1/exports/{exportId}`"""
        return Answer.of(self._show_export(self._export(call.key), call.now))

    def list_exports(self, call: Call) -> Answer:
        """`GET /v1/exports`"""
        limit, page = _whole(call.query, "limit", 10, 100), _whole(call.query, "page", 1, 100)
        order = _choice(call.query, "order", "-created_at", ("created_at", "-created_at", "status", "-status"))
        exports = list(self._project.jobs.exports.values())
        if order.endswith("status"):
            exports.sort(key=lambda export: export.status)
        if order.startswith("-"):
            exports.reverse()
        chosen = exports[(page - 1) * limit : page * limit]
        return Answer.of(
            {
                "object": "list",
                "data_ref": "exports",
                "exports": [self._show_export(export, call.now) for export in chosen],
                "total": len(exports),
            }
        )

    def delete_export(self, call: Call) -> Answer:
        """`DELETE /v1/exports/{exportId}`"""
        self._project.delete_export(self._export(call.key).id)
        return Answer(status=204)

    def download_export(self, call: Call) -> Answer:
        """`GET /v1/exports/{export_Id}?token=`"""
        project = self._project
        if not download_token_holds(call.query["token"], project.download_secret, call.key, call.now):
            raise ServiceError(401, "unauthorized", "Unauthorized")
        export = self._export(call.key)
        headers = {"Content-Disposition": f'attachment; filename="{export.id}.csv"'}
        chunks = project.file_chunks(export)
        if self.download_ranges:
            return part_of(b"".join(chunks), call.range, call.if_range, headers)
        return Answer(content_type=CSV, chunks=chunks, headers=headers)

    def generate_token(self, call: Call) -> Answer:
        """`POST /v1/oauth/token`"""
        return Answer.of(self._project.tokens.generate(call.form, call.client_id, call.now))

    def introspect_token(self, call: Call) -> Answer:
        """`POST /v1/oauth/introspect`"""
        return Answer.of(self._project.tokens.introspect(call.form, call.now))

    def revoke_token(self, call: Call) -> Answer:
        """`POST /v1/oauth/token/revoke`"""
        return Answer(status=204 if self._project.tokens.revoke(call.form, call.now) else 404)

    def _export(self, export_id: str) -> ExportJob:
        export = self._project.jobs.exports.get(export_id)
        if export is None:
            raise not_found("export", export_id)
        return export

    def _show_export(self, export: ExportJob, now: float) -> dict[str, Any]:
        if export.status != "DONE":
            return export.shown(None)
        project = self._project
        token = project.identifiers.download_token(
            project.download_secret, export.id, int(now + self.download_seconds)
        )
        return export.shown(f"{self.download_url or self.url}/v1/exports/{export.id}?token={token}")


class Endpoint:
    """One row of the route table."""

    __slots__ = ("body", "bulk", "method", "path", "run", "scopes")

    def __init__(
        self,
        method: str,
        path: str,
        run: Callable[[Endpoints, Call], Answer],
        scopes: tuple[str, ...] = (),
        *,
        body: str | None = None,
        bulk: bool = False,
    ) -> None:
        self.method = method
        self.path = path
        self.run = run
        self.scopes = scopes
        self.body = body
        self.bulk = bulk


_ORDERS: Final = ("api", "orders")
_ACTIONS: Final = ("api", "async-actions")
_EXPORTS: Final = ("api", "exports")

ROUTES: Final = (
    Endpoint("GET", "/v1/orders", Endpoints.list_orders, _ORDERS),
    Endpoint("POST", "/v1/orders", Endpoints.create_order, _ORDERS, body="json"),
    Endpoint("POST", "/v1/orders/import", Endpoints.import_orders, _ORDERS, body="json", bulk=True),
    Endpoint("POST", "/v1/orders/export", Endpoints.create_order_export, _ORDERS, body="json"),
    Endpoint("GET", "/v1/orders/*", Endpoints.get_order, _ORDERS),
    Endpoint("PUT", "/v1/orders/*", Endpoints.update_order, _ORDERS, body="json"),
    Endpoint("GET", "/v1/async-actions", Endpoints.list_async_actions, _ACTIONS),
    Endpoint("GET", "/v1/async-actions/*", Endpoints.get_async_action, _ACTIONS),
    Endpoint("GET", "/v1/exports", Endpoints.list_exports, _EXPORTS),
    Endpoint("POST", "/v1/exports", Endpoints.create_export, _EXPORTS, body="json"),
    Endpoint("GET", "/v1/exports/*", Endpoints.get_export, _EXPORTS),
    Endpoint("DELETE", "/v1/exports/*", Endpoints.delete_export, _EXPORTS),
    # No scope: these are for the keys alone (security of oauth.json).
    Endpoint("POST", "/v1/oauth/token", Endpoints.generate_token, body="form"),
    Endpoint("POST", "/v1/oauth/introspect", Endpoints.introspect_token, body="form"),
    Endpoint("POST", "/v1/oauth/token/revoke", Endpoints.revoke_token, body="form"),
)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _whole(query: dict[str, str], name: str, without: int, most: int) -> int:
    text = query.get(name)
    if text is None:
        return without
    if not text.removeprefix("-").isascii() or not text.removeprefix("-").isdigit():
        raise bad_query(f"Property .{name} should be integer")
    digits = text.removeprefix("-").lstrip("0")
    value = 0 if text.startswith("-") else int(digits[:10] or "0")
    if value < 1:
        raise bad_query(f"Property .{name} should be >= 1")
    if value > most:
        raise bad_query(f"Property .{name} should be <= {most}")
    return value


def _choice(query: dict[str, str], name: str, without: str, allowed: tuple[str, ...]) -> str:
    value = query.get(name, without)
    if value not in allowed:
        raise bad_query(f"Property .{name} should be equal to one of the allowed values [ {', '.join(allowed)} ]")
    return value


def _moment(query: dict[str, str], name: str) -> float | None:
    text = query.get(name)
    if text is None:
        return None
    try:
        return parse_ms(text) / 1000
    except (ValueError, OverflowError):
        raise bad_query(f"Property .{name} cannot be recognized as a ISO-8601 compliant date") from None
