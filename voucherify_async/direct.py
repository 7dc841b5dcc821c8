"""Small requests straight over aiohttp's connector and parser, without its session, request and response objects.

Those are two thirds of what a call costs with aiohttp (3.14.5: 97 µs a call, 37 µs this way). The connections, TLS,
names and the parser stay aiohttp's. Not all that is used of it is documented, so it is used with the versions that
the tests ran with, and any other goes by `ClientSession.request`.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError, HttpResponseParser, RawResponseMessage
from yarl import URL

from voucherify_async.call import Call
from voucherify_async.deadlines import Deadlines, Lane
from voucherify_async.heads import Head
from voucherify_async.idle import IdleConnections
from voucherify_async.outcome import Answer, State, whole_body
from voucherify_async.protocol import AnswerProtocol

# A body up to this is handed to the transport in one piece, as aiohttp does; a longer one needs flow control.
LONGEST_BODY: Final = 64 * 1024
_TRIED_WITH: Final = frozenset({(3, 12), (3, 13), (3, 14)})
_NEEDED: Final = {
    # And `headers`, which only an object has.
    aiohttp.ClientRequest: ("request_info", "url"),
    aiohttp.TCPConnector: ("connect", "closed"),
    Connection: ("protocol", "release", "close"),
    ResponseHandler: (
        "set_response_params",
        "data_received",
        "read",
        "is_connected",
        "should_close",
        "set_exception",
        "close",
        "transport",
    ),
    HttpResponseParser: ("feed_data",),
    RawResponseMessage: ("code", "headers", "chunked", "should_close"),
    aiohttp.StreamReader: ("at_eof", "readany", "set_exception"),
}


def is_known(version: str = aiohttp.__version__) -> bool:
    """Whether this version of aiohttp is one that was tried, and has what is needed."""
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    return (
        numbers in _TRIED_WITH
        and all(hasattr(kind, name) for kind, names in _NEEDED.items() for name in names)
        # What `connections` puts its own in place of; only an object has it.
        and "_factory" in aiohttp.BaseConnector.__init__.__code__.co_names
    )


def takes(call: Call[Any], head: Head) -> bool:
    """Whether a request is plain and small enough for the direct path."""
    return not call.streamed and head.lines is not None and (call.body is None or len(call.body) <= LONGEST_BODY)


class DirectPath:
    """Sends requests to one origin over the connections of a session of ours.

    Args:
        session: whose connector is used.
        base_url: where to.
        ssl: as aiohttp takes it.
        keepalive: seconds for which an idle connection is kept.
    """

    def __init__(self, session: aiohttp.ClientSession, base_url: str, ssl: Any, keepalive: float) -> None:
        loop, url = asyncio.get_running_loop(), URL(base_url, encoded=True)
        assert session.connector is not None  # noqa: S101 - it is ours, and has just been opened
        self._connector = session.connector
        # Tells the connector where to; it is never sent.
        self._target = aiohttp.ClientRequest("GET", url, loop=loop, session=session, ssl=ssl)
        self._prefix = url.raw_path.rstrip("/")
        self._version_and_host = f" HTTP/1.1\r\nHost: {self._target.headers['Host']}\r\n".encode("ascii")
        self._silences: Deadlines[Any] = Deadlines(loop, _end_silence)
        self._idle = IdleConnections(loop, keepalive)

    async def exchange(
        self,
        call: Call[Any],
        head: Head,
        state: State,
        *,
        limits: aiohttp.ClientTimeout,
        answered: Callable[[Mapping[str, str]], None] | None,
        most_bytes: int,
    ) -> Answer:
        """Send a request, and come back with its answer. Its connection is kept if nothing is left on it.

        Args:
            call: whose body is at most `LONGEST_BODY` bytes.
            head: with lines.
            state: learns when a connection takes the request, and of the answer's status.
            limits: `connect` and `sock_read` of them.
            answered: told of the headers as soon as they are there.
            most_bytes: of the body, as it arrives and as it is unpacked.

        Raises:
            aiohttp.ClientError, TimeoutError, OSError, zlib.error: no answer, or a good one that is not whole.
        """
        target = f"{self._prefix}{call.path}?{call.query}" if call.query else f"{self._prefix}{call.path}"
        if not (target.isascii() and target.isprintable()) or " " in target:
            raise ValueError("the path holds signs that cannot stand in a request")
        if (connection := self._idle.take()) is None:
            connection = await self._connected(limits)
        silence = None if limits.sock_read is None else self._silences.lane(limits.sock_read)
        try:
            protocol, transport = _alive(connection)
            expected = protocol.expect(most_bytes)
            state.in_flight = True
            transport.write(self._written(call, target, head))
            if silence is not None:
                silence.enter(protocol)
            try:
                message, content = await expected or await _final_head(protocol, silence)
            finally:
                if silence is not None:
                    silence.leave(protocol)
            state.status = message.code
            if answered is not None:
                answered(message.headers)
            if isinstance(content, memoryview):
                answer, left = Answer(message.code, message.headers, content), False
            else:
                body, problem = await whole_body(message.code, message.headers, content, most_bytes, silence)
                answer, left = Answer(message.code, message.headers, body, problem), not content.at_eof()
        except HttpProcessingError as error:
            connection.close()
            # As aiohttp's own does.
            raise aiohttp.ClientResponseError(
                self._target.request_info, (), status=error.code, message=error.message
            ) from None
        except BaseException:
            connection.close()
            raise
        if left or protocol.should_close:
            connection.close()  # what is left would be taken for the next answer; or the server wants it so
        else:
            self._idle.keep(connection)
        return answer

    async def _connected(self, limits: aiohttp.ClientTimeout) -> Connection:
        if self._connector.closed:
            raise aiohttp.ClientConnectionError("Connector is closed")
        try:
            return await self._connector.connect(self._target, [], limits)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError(f"Connection timeout to host {self._target.url}") from error

    def _written(self, call: Call[Any], target: str, head: Head) -> bytes:
        """A request as it goes over the wire. It holds the keys, so no frame keeps it."""
        begin, body = f"{call.method} {target}".encode("ascii"), call.body
        assert head.lines is not None  # noqa: S101 - see `exchange`
        if body is not None:
            length = b"Content-Length: %d\r\n\r\n" % len(body)
            return b"".join((begin, self._version_and_host, head.lines, length, body))
        length = b"\r\n" if call.method == "GET" else b"Content-Length: 0\r\n\r\n"
        return b"".join((begin, self._version_and_host, head.lines, length))

    def give_back(self) -> None:
        """Let the session use an idle connection: if it made one more instead, there might be too many."""
        self._idle.give_back()

    def close(self) -> None:
        """Take the timers away. The connections are the session's, also the idle ones from now on."""
        self._silences.close()
        self._idle.close()


async def _final_head(
    protocol: AnswerProtocol, silence: Lane[Any] | None
) -> tuple[RawResponseMessage, aiohttp.StreamReader]:
    """What aiohttp makes of an answer that is not plain and whole; those that lead up to it are passed over."""
    while True:
        message, content = await protocol.read()
        if not 100 <= message.code < 200 or message.code == 101:
            return message, content
        if silence is not None:  # it is alive, and the next head has as long as the first
            silence.leave(protocol)
            silence.enter(protocol)


def _alive(connection: Connection) -> tuple[AnswerProtocol, asyncio.Transport]:
    protocol = connection.protocol
    if isinstance(protocol, AnswerProtocol):
        transport = protocol.transport
        if transport is not None and not transport.is_closing():
            return protocol, transport
    raise aiohttp.ClientConnectionResetError("the connection was lost before the request")


def _end_silence(waiting: Any) -> None:
    """Fail what waits for the next piece of an answer, with the error of aiohttp's own timer."""
    waiting.set_exception(aiohttp.SocketTimeoutError("Timeout on reading data from socket"))
