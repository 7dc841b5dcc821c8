"""Sessions of aiohttp with their habits put right: none repeats a request unseen, ours tell when one goes out."""

from contextvars import ContextVar
from functools import partial
from typing import Any, Final

import aiohttp

from voucherify_async.direct import is_known
from voucherify_async.heap import keep_reads_in_the_heap
from voucherify_async.outcome import State
from voucherify_async.protocol import AnswerProtocol

# The call whose request is handed to aiohttp, so that it learns when a connection takes it.
BEING_SENT: Final[ContextVar[State | None]] = ContextVar("voucherify_async_being_sent", default=None)


def new_session(*, keepalive: float, trust_env: bool) -> aiohttp.ClientSession:
    """A session of the client's own, on the running loop.

    Args:
        keepalive: seconds for which an idle connection is kept.
        trust_env: whether to look for a proxy in the environment.
    """
    keep_reads_in_the_heap()
    session = aiohttp.ClientSession(
        # Whose turn it is, `Slots` decides; see there.
        connector=_Connector(limit=0, keepalive_timeout=keepalive),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=trust_env,
    )
    # By itself it sends a GET, PUT or DELETE again when a kept connection turns out to be closed, unseen by the
    # retry rules, the limiter and `attempts`. There is no public way to say no (aiohttp 3.14.5, client.py).
    session._retry_connection = False
    return session


class _Connector(aiohttp.TCPConnector):
    """Tells a call when its request goes out: until then the service cannot have done it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if is_known():
            # There is no public way to choose it (aiohttp 3.14.5, connector.py).
            self._factory: Any = partial(AnswerProtocol, loop=self._loop)

    async def connect(self, *args: Any, **kwargs: Any) -> Any:
        connection = await super().connect(*args, **kwargs)
        if (protocol := connection.protocol) is not None and protocol.should_close:
            # Bytes came while it was kept, which aiohttp would take for the beginning of the next answer.
            connection.close()
            raise aiohttp.ClientConnectionError("the connection was spoiled before it was used")
        if (state := BEING_SENT.get()) is not None:
            state.in_flight = True
        return connection


def sent_once(session: aiohttp.ClientSession) -> list[aiohttp.ClientMiddlewareType]:
    """What keeps a user's session from sending a request again by itself, behind what the user put there."""
    unanswered = False

    async def refuse_another(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        nonlocal unanswered
        if unanswered:
            raise aiohttp.ServerDisconnectedError("the connection was lost while the request was under way")
        unanswered = True
        answer = await handler(request)
        unanswered = False  # who sends again after an answer means it, such as aiohttp's DigestAuthMiddleware
        return answer

    # Those of a request go in place of the session's, which have no public name (aiohttp 3.14.5, client.py).
    return [*getattr(session, "_middlewares", ()), refuse_another]
