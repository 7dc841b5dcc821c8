"""aiohttp's protocol, with a shorter way for an answer that arrives in one piece, as small ones do.

aiohttp makes a parser and a stream for each answer and copies its body into that, which is a fifth of what a call
costs. Here one parser reads the heads of all answers of a connection, and a body is left where it arrived. Whatever
is out of the ordinary is given to aiohttp as it came.
"""

import asyncio
from functools import partial
from typing import Any, Final, TypeAlias

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import HttpProcessingError, HttpResponseParser, RawResponseMessage

Whole: TypeAlias = tuple[RawResponseMessage, memoryview]

_HEAD_ENDS: Final = b"\r\n\r\n"
# What follows their head is none of theirs, whatever it says of a length (RFC 9112, section 6.3).
_WITHOUT_BODY: Final = frozenset({204, 304})
# As for the answers to HEAD: after the head it expects the next one. No stream of it is ever put anything into.
_HeadParser: Final = partial(HttpResponseParser, limit=0, response_with_body=False, auto_decompress=False)
# That of aiohttp 3.12 and 3.13, in C, expects the body all the same: it would take the next head for that, and stop
# the transport when the stream is full.
_GOES_ON: Final = tuple(map(int, aiohttp.__version__.split(".")[:2])) >= (3, 14)


class AnswerProtocol(ResponseHandler):
    """One connection. As long as nothing is expected, it is aiohttp's protocol and nothing else.

    Args:
        loop: that is running.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._heads = _HeadParser(self, loop)
        self._expected: asyncio.Future[Whole | None] | None = None
        self._make_future = loop.create_future
        self._most_bytes = 0

    def expect(self, most_bytes: int) -> "asyncio.Future[Whole | None]":
        """Prepare for the answer to a request that is about to be written.

        Args:
            most_bytes: of the body.

        Returns:
            The answer; None if it must be read from aiohttp (`read`), or if there is none: that says so.
        """
        self._most_bytes = most_bytes
        self._expected = expected = self._make_future()
        return expected

    def data_received(self, data: bytes) -> None:
        """Take what has arrived."""
        expected, self._expected = self._expected, None
        if expected is None or expected.done():
            super().data_received(data)
        elif (whole := self._whole(data)) is not None:
            expected.set_result(whole)
        else:
            self.set_response_params(read_until_eof=True, auto_decompress=False)
            super().data_received(data)
            expected.set_result(None)

    def _whole(self, data: bytes) -> Whole | None:
        """One answer, which is plain, and whole, and all that there is."""
        if (end := data.find(_HEAD_ENDS)) < 0:
            return None
        body_at = end + len(_HEAD_ENDS)
        if not _GOES_ON:
            self._heads = _HeadParser(self, asyncio.get_running_loop())
        try:
            messages, _, _ = self._heads.feed_data(data[:body_at])
        except HttpProcessingError:
            return None  # aiohttp finds it again, and closes the connection
        if len(messages) != 1:
            return None  # another head may end before: lines may also end in LF alone (RFC 9112, section 2.2)
        message, length = messages[0][0], len(data) - body_at
        if (
            message.headers.get("Content-Length") != str(length)
            or length > self._most_bytes
            or message.code < 200
            or (message.code in _WITHOUT_BODY and length)
            or message.chunked
            or message.should_close
            or "Content-Encoding" in message.headers
        ):
            return None
        return message, memoryview(data)[body_at:]

    def close(self) -> None:
        """Close the connection now. What is left of a request is not sent, and what still comes is not heard.

        TLS would first wait for the other side's farewell, up to 30 seconds (asyncio, `ssl_shutdown_timeout`). One
        that has fallen silent says none, so the socket of each call that was given up would outlive its turn at the
        pool, and the client.
        """
        if self.transport is not None:
            self.transport.abort()
        super().close()

    def set_exception(self, exc: BaseException, *args: Any, **kwargs: Any) -> None:
        """Note that there will be no answer, and why: the connection was lost, or it was waited for in vain."""
        super().set_exception(exc, *args, **kwargs)
        expected, self._expected = self._expected, None
        if expected is not None and not expected.done():
            expected.set_result(None)
