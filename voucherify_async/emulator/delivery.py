"""How an answer reaches the connection, whole or spoilt: the only module that touches transports."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from typing import Final

from aiohttp import web

from voucherify_async.emulator.contents import ENCODINGS, blanks, bomb, spoilt
from voucherify_async.emulator.endpoints import Answer
from voucherify_async.emulator.faults import Fault

__all__ = ["GONE", "deliver", "interrupt", "spoil", "substitute"]

_DRIP_PIECES = 10
# A client that keeps the connection takes it for the beginning of the next answer.
_UNREADABLE = b"HTTP/1.1 ???\r\n\r\n"
_log = logging.getLogger(__name__)
_ABORT_WHEN_CLOSED = struct.pack("ii", 1, 0)


async def deliver(request: web.BaseRequest, answer: Answer, headers: dict[str, str]) -> web.StreamResponse:
    """Send it."""
    if answer.body or answer.chunks is not None:
        headers["Content-Type"] = answer.content_type
    if answer.headers is not None:
        headers = _merged(headers, answer.headers)
    if answer.chunks is None:
        return web.Response(body=answer.body, status=answer.status, headers=headers)
    response = web.StreamResponse(status=answer.status, headers=headers)
    await response.prepare(request)
    try:
        for chunk in answer.chunks:
            if chunk:
                await response.write(chunk)
            # A write that needs no waiting does not let others run.
            await asyncio.sleep(0)
    except ConnectionError:
        raise
    except Exception:
        _log.exception("An answer ends half-way")
        return interrupt(request, reset=False)
    await response.write_eof()
    return response


def substitute(fault: Fault, url: str, request_id: str) -> Answer | None:
    """The answer that a fault gives in place of the service's; None when it gives none of its own."""
    if fault.kind == "redirect":
        status = fault.status if 300 <= fault.status < 400 else 302
        return Answer(status=status, headers={"Location": f"{url}/", **fault.headers})
    if fault.kind != "status":
        return None
    if fault.body is not None:
        body = fault.body.encode() if isinstance(fault.body, str) else fault.body
        return Answer(body, status=fault.status, headers=fault.headers)
    shown = {"code": fault.status, "key": "emulated_fault", "message": "Emulated fault", "request_id": request_id}
    answer = Answer.of(shown, fault.status)
    answer.headers = fault.headers
    return answer


def interrupt(request: web.BaseRequest, *, reset: bool) -> web.StreamResponse:
    """End the connection without an answer."""
    transport = request.transport
    if transport is not None:
        sock = transport.get_extra_info("socket")
        if reset and sock is not None:
            # Lingering for no time makes the kernel send RST in place of FIN (socket(7), SO_LINGER).
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT_WHEN_CLOSED)
            transport.abort()
        else:
            transport.close()
    return GONE


async def spoil(
    request: web.BaseRequest, fault: Fault, answer: Answer, headers: dict[str, str]
) -> web.StreamResponse:
    """Send the real answer so that a client should refuse it, or not use its connection again."""
    said = {"Content-Encoding": ENCODINGS[fault.kind]} if fault.kind in ENCODINGS else {}
    headers = _merged({"Content-Type": answer.content_type}, headers, answer.headers or {}, said, fault.headers)
    if fault.kind in ("bomb", "endless"):
        chunks = bomb(fault.size_bytes) if fault.kind == "bomb" else blanks(fault.size_bytes)
        # What came behind the head of a 204 would be excess.
        shown = None if answer.status == 204 else chunks
        return await deliver(request, Answer(status=answer.status, chunks=shown, headers=headers), {})
    if answer.chunks is not None:
        answer.body = b"".join(answer.chunks)
    body = spoilt(fault.kind, answer.body)
    if body is not None:
        return web.Response(body=body, status=answer.status, headers=headers)
    if fault.kind == "drip":
        return await _drip(request, fault, answer, headers)
    return await _send_by_hand(request, fault, answer, headers)


async def _send_by_hand(
    request: web.BaseRequest, fault: Fault, answer: Answer, headers: dict[str, str]
) -> web.StreamResponse:
    """What aiohttp, which knows how answers begin and end, would not send."""
    body, transport = answer.body, request.transport
    whole = fault.kind in ("hang_up", "excess")
    head = _head(answer.status, {**headers, "Content-Length": str(len(body) if whole else max(len(body), 1))})
    if transport is None:
        return GONE
    if fault.kind == "excess":
        answered = head + body
        if fault.delay:
            transport.write(answered)
            await asyncio.sleep(fault.delay)
            answered = b""
        # In one write without a delay, so that a client finds the excess as soon as the answer.
        transport.write(answered + _excess(fault))
        return _Sent(request)
    if fault.kind == "hang_up":
        transport.write(head + body)
        await asyncio.sleep(fault.delay)
    else:
        transport.write(
            head[: len(head) // 2] if fault.kind == "partial_headers" else head + body[: len(body) // 2]
        )
    return interrupt(request, reset=False)


def _excess(fault: Fault) -> bytes:
    if fault.body is None:
        return _UNREADABLE
    return fault.body.encode() if isinstance(fault.body, str) else fault.body


async def _drip(
    request: web.BaseRequest, fault: Fault, answer: Answer, headers: dict[str, str]
) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, headers=headers)
    response.content_length = len(answer.body)
    await response.prepare(request)
    size = max(1, -(-len(answer.body) // _DRIP_PIECES))
    for start in range(0, len(answer.body), size):
        await asyncio.sleep(fault.delay / _DRIP_PIECES)
        await response.write(answer.body[start : start + size])
    await response.write_eof()
    return response


def _merged(*parts: dict[str, str]) -> dict[str, str]:
    """Later parts win, however a name is written: a fault may replace any header of the service."""
    names: dict[str, str] = {}
    merged: dict[str, str] = {}
    for part in parts:
        for name, value in part.items():
            merged[names.setdefault(name.lower(), name)] = value
    return merged


def _head(status: int, headers: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} Emulated", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class _Sent(web.StreamResponse):
    """Stands where aiohttp wants a response, when the answer is on its way already and the connection goes on."""

    def __init__(self, request: web.BaseRequest) -> None:
        super().__init__()
        self._goes_on = request.keep_alive

    @property
    def keep_alive(self) -> bool:
        """Whether the client wants it to."""
        return self._goes_on

    async def prepare(self, request: web.BaseRequest) -> None:
        """Nothing is left to send."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to send."""


class _Gone(web.StreamResponse):
    """Stands where aiohttp wants a response, when there is nobody any more to send it to."""

    async def prepare(self, request: web.BaseRequest) -> None:
        """Tell aiohttp, in its own way, that the peer has gone."""
        raise ConnectionResetError


GONE: Final = _Gone()
