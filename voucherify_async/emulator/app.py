"""HTTP: which request goes where, who may do what, and how errors look. What happens then is in `endpoints.py`.

aiohttp's low-level server and a route table of its own, since raw paths matter here (an order's id may hold any
character, percent-encoded) and since every microsecond of routing counts for all requests.

Guesses, where the documents are silent: one word of any kind may stand in front of a key; downloads need no keys
(their token is enough) and do not count against the rate limit; that a path (404) or a method on it (405) does not
exist is said before the keys are looked at (401); a body that is missing is a 400, one that is too large a 413 (its
key is that of the guide "Errors").
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import re
from email.utils import formatdate
from functools import lru_cache
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

import msgspec
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from voucherify_async.emulator.control import Control
from voucherify_async.emulator.delivery import GONE, deliver, interrupt, spoil, substitute
from voucherify_async.emulator.effects import Arrival, Effects, RequestLog, readable
from voucherify_async.emulator.endpoints import ROUTES, Answer, Call, Endpoint, Endpoints
from voucherify_async.emulator.faults import Fault, Faults
from voucherify_async.emulator.problems import (
    ServiceError,
    bad_method,
    bad_path,
    bad_type,
    forbidden,
    invalid_payload,
    unauthorized,
)
from voucherify_async.emulator.project import Project
from voucherify_async.emulator.store import Orders

__all__ = ["MAX_BODY_BYTES", "MAX_LINE_BYTES", "App"]

MAX_BODY_BYTES: Final = 64 * 1024 * 1024
# An order with a very long source id has a very long path.
MAX_LINE_BYTES: Final = 1024 * 1024
_log: Final = logging.getLogger(__name__)
_decode = msgspec.json.Decoder().decode

_NONE: Final[dict[str, Endpoint]] = {}
_EXACT: Final[dict[str, dict[str, Endpoint]]] = {}
_BY_KEY: Final[dict[str, dict[str, Endpoint]]] = {}
for _route in ROUTES:
    _table = _BY_KEY if _route.path.endswith("/*") else _EXACT
    _table.setdefault(_route.path.removesuffix("/*"), {})[_route.method] = _route
# The documents have the same path twice: with a token it is the file, without one the export.
_SHOW_EXPORT: Final = _BY_KEY["/v1/exports"]["GET"]
_CREATE_ORDER: Final = _EXACT["/v1/orders"]["POST"]
_ONE_ORDER: Final = "/v1/orders/*"
_DOWNLOAD: Final = Endpoint("GET", "/v1/exports/*?token", Endpoints.download_export)

# Generated clients put a prefix and a blank in front of keys when they are told to.
_PREFIXED: Final = re.compile(r"\S+ +(\S+)")
_FORM: Final = "application/x-www-form-urlencoded"


class Errand:
    """A request on its way through here."""

    __slots__ = ("arrival", "asked", "endpoint", "key", "path", "place", "request", "request_id")

    arrival: Arrival

    def __init__(self, request: web.BaseRequest, path: str, query: str, request_id: str) -> None:
        self.request = request
        self.path = path
        self.request_id = request_id
        self.asked = dict(parse_qsl(query, keep_blank_values=True)) if query else {}
        self.endpoint, self.key = _find(request.method, path)
        if "token" in self.asked and self.endpoint is _SHOW_EXPORT:
            self.endpoint = _DOWNLOAD
        self.place = (request.method, self.endpoint.path if self.endpoint is not None else "unknown")


class App:
    """The server's request handler."""

    def __init__(self, project: Project, endpoints: Endpoints, faults: Faults, app_id: str, app_token: str) -> None:
        self.project = project
        self.endpoints = endpoints
        self.faults = faults
        self.app_id = app_id
        self.app_token = app_token
        self.effects = Effects(self._orders_now)
        self.log = RequestLog()
        self.control: Control | None = None

    def _orders_now(self) -> Orders:
        self.project.now()
        return self.project.orders

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        target = _target(request.raw_path)
        path, _, query = target.partition("?")
        if path == "/_emulator" or path.startswith("/_emulator/"):
            return await self._handle_control(request, path)
        errand = Errand(request, path, query, self.project.identifiers.request_id())
        errand.arrival = self.log.arrive(request.method, target, request.headers)
        self.effects.requests[errand.place] += 1
        if errand.place[1] == _ONE_ORDER:
            self.effects.arrived[errand.key] += 1
        try:
            fault = self.faults.take(request.method, path) if len(self.faults) else None
            if fault is not None:
                return await self._misbehave(errand, fault)
            return await self._send(errand, await self._answer(errand))
        except ConnectionError:
            return GONE
        except ServiceError as problem:
            return await self._send(errand, _refusal(problem, errand.request_id))
        except Exception:
            return await self._send(errand, _breakdown(errand.request_id))

    async def _misbehave(self, errand: Errand, fault: Fault) -> web.StreamResponse:
        before, delaying = fault.moment == "before", fault.kind == "delay"
        answer: Answer | None = None
        body: bytes | None = None
        if before:
            body = await self._read(errand)
        else:
            answer = await self._answer(errand)
        if fault.delay and fault.kind not in ("drip", "hang_up", "excess"):
            await asyncio.sleep(fault.delay)
        if fault.kind in ("drop", "reset"):
            return interrupt(errand.request, reset=fault.kind == "reset")
        instead = substitute(fault, self.endpoints.url, errand.request_id)
        if instead is not None:
            return await self._send(errand, instead)
        if delaying:
            if answer is None and errand.request.transport is None:
                # A request that is still delayed when its client goes away has no effect.
                raise ConnectionResetError
            return await self._send(errand, answer or await self._answer(errand, body))
        if answer is None:
            answer = Answer.of({"code": 502, "key": "emulated_fault", "message": "Emulated fault"}, 502)
        if fault.kind != "partial_headers":
            errand.arrival.status = answer.status
        return await spoil(errand.request, fault, answer, self._headers(errand.request_id))

    async def _send(self, errand: Errand, answer: Answer) -> web.StreamResponse:
        errand.arrival.status = answer.status
        return await deliver(errand.request, answer, self._headers(errand.request_id))

    def _headers(self, request_id: str) -> dict[str, str]:
        now = self.project.clock.now()
        headers = self.project.limits.api_calls.headers(now)
        headers["Date"] = _http_date(int(now))
        headers["X-Request-Id"] = request_id
        return headers

    async def _read(self, errand: Errand) -> bytes:
        body = await _body(errand.request)
        self.log.keep_body(errand.arrival, body)
        if errand.endpoint is _CREATE_ORDER:
            self.effects.note_create(body)
        return body

    async def _answer(self, errand: Errand, body: bytes | None = None) -> Answer:
        """Carry it out; `body` is what has been read of it, if it has."""
        try:
            return self._carry_out(errand, await self._read(errand) if body is None else body)
        except ServiceError as problem:
            return _refusal(problem, errand.request_id)
        finally:
            # Whatever happened, also what the clock has done to jobs, is on disk before anybody is told of it.
            self.project.commit()

    def _carry_out(self, errand: Errand, body: bytes) -> Answer:
        request, endpoint = errand.request, errand.endpoint
        if endpoint is None:
            raise _no_route(request.method, errand.path)
        now = self.project.now()
        call = Call(errand.key, errand.asked, errand.request_id, now, self.app_id)
        if endpoint is _DOWNLOAD:
            call.range, call.if_range = request.headers.get("Range"), request.headers.get("If-Range")
        else:
            self._admit(request, endpoint, now)
            self.project.limits.take(now, bulk=endpoint.bulk)
        if endpoint.body == "json":
            call.body = _json(request, body)
        elif endpoint.body == "form":
            call.form = _form(request, body)
        answer = endpoint.run(self.endpoints, call)
        self.effects.handled[errand.place] += 1
        return answer

    def _admit(self, request: web.BaseRequest, endpoint: Endpoint, now: float) -> None:
        headers = request.headers
        bearer = headers.get("Authorization")
        app_id, app_token = headers.get("X-App-Id"), headers.get("X-App-Token")
        if bearer is not None and app_id is None and endpoint.scopes:
            scheme, _, token = bearer.partition(" ")
            if scheme.lower() != "bearer":
                raise unauthorized("The Authorization header has to be a Bearer token")
            if not self.project.tokens.scopes(token.strip(), now).intersection(endpoint.scopes):
                raise forbidden(f"The OAuth token needs one of the scopes: {', '.join(endpoint.scopes)}")
            return
        if app_id is None or app_token is None:
            raise unauthorized("X-App-Id and X-App-Token headers are required")
        if not (_matches(app_id, self.app_id) and _matches(app_token, self.app_token)):
            raise unauthorized("Invalid X-App-Id or X-App-Token")

    async def _handle_control(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        assert self.control is not None  # noqa: S101 - the server sets it before the first request
        try:
            answer = self.control.handle(request.method, path, await _body(request))
            self.project.commit()
        except ConnectionError:
            return GONE
        except ServiceError as problem:
            answer = _refusal(problem, self.project.identifiers.request_id())
        except Exception:
            answer = _breakdown(self.project.identifiers.request_id())
        return await deliver(request, answer, {})


@lru_cache(maxsize=1)
def _http_date(seconds: int) -> str:
    """The emulator's time, which need not be the machine's, as HTTP writes it (RFC 9110, section 5.6.7)."""
    return formatdate(seconds, usegmt=True)


def _target(raw: str) -> str:
    """Path and query as they were sent; proxies and some clients send a whole URL (RFC 9112, absolute-form)."""
    target = readable(raw)
    if target.startswith("/"):
        return target
    _, scheme, rest = target.partition("://")
    _, slash, path = rest.partition("/")
    return slash + path if scheme else target


async def _body(request: web.BaseRequest) -> bytes:
    if "Expect" in request.headers and request.transport is not None:
        # aiohttp answers this in its applications only; curl sends it with large bodies, and waits.
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        problem = None
    except (HttpProcessingError, web.RequestPayloadError) as error:
        problem = error
    # aiohttp 3.13 gives up unpacking by an error that 3.12 does not know.
    if problem is None or type(problem.__cause__ or problem).__name__ == "DecompressSizeError":
        details = f"At most {MAX_BODY_BYTES} bytes"
        raise ServiceError(413, "query_too_large", "Payload too large", details)
    raise invalid_payload(f"The body cannot be read: {problem}")


def _find(method: str, path: str) -> tuple[Endpoint | None, str]:
    """The endpoint and the decoded id. An order may be called `import`: GET and PUT mean the order then."""
    endpoint = _EXACT.get(path, _NONE).get(method)
    if endpoint is not None:
        return endpoint, ""
    parent, _, key = path.rpartition("/")
    endpoint = _BY_KEY.get(parent, _NONE).get(method) if key else None
    return endpoint, unquote(key)


def _no_route(method: str, path: str) -> ServiceError:
    parent, _, key = path.rpartition("/")
    allowed = sorted({**_EXACT.get(path, _NONE), **(_BY_KEY.get(parent, _NONE) if key else _NONE)})
    return bad_method(method, allowed) if allowed else bad_path(path)


def _matches(sent: str, wanted: str) -> bool:
    prefixed = _PREFIXED.fullmatch(sent) if " " in sent else None
    plain = prefixed[1] if prefixed is not None else sent
    return hmac.compare_digest(plain.encode(errors="surrogateescape"), wanted.encode())


def _json(request: web.BaseRequest, body: bytes) -> Any:
    if _nothing_sent(request, body):
        raise invalid_payload("The request has no body")
    content_type = request.content_type
    if content_type != "application/json" and not content_type.endswith("+json"):
        raise bad_type("application/json")
    try:
        return _decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise invalid_payload(f"The body is not JSON: {error}") from None


def _form(request: web.BaseRequest, body: bytes) -> dict[str, str]:
    if _nothing_sent(request, body):
        return {}
    if request.content_type != _FORM:
        raise bad_type(_FORM)
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def _nothing_sent(request: web.BaseRequest, body: bytes) -> bool:
    """Then something is missing (400): a type that was not named cannot be one that is not supported (415)."""
    return not body and "Content-Type" not in request.headers


def _refusal(problem: ServiceError, request_id: str) -> Answer:
    answer = Answer.of(problem.body(request_id), problem.status)
    answer.headers = problem.headers
    return answer


def _breakdown(request_id: str) -> Answer:
    """For a mistake of the emulator's own."""
    _log.exception("Request %s cannot be answered", request_id)
    return _refusal(ServiceError(500, "internal_error", "Internal server error"), request_id)
