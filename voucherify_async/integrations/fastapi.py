"""At home in FastAPI: a client that lives as long as the application, and what hands it to endpoints.

    app = FastAPI(lifespan=voucherify_lifespan)
    add_error_handlers(app)  # if you like: errors of Voucherify become answers to your callers

    @app.post("/checkout")
    async def checkout(cart: Cart, client: VoucherifyDep) -> Receipt: ...

Needs the extra `fastapi`.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, Final, TypedDict

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.requests import HTTPConnection
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from voucherify_async.client import VoucherifyClient
from voucherify_async.errors import ConfigurationError, VoucherifyError, WebhookError
from voucherify_async.integrations.jsonlines import MEDIA_TYPE, json_lines
from voucherify_async.integrations.problems import STATUSES, problem_of
from voucherify_async.models.orders import OrderRow
from voucherify_async.webhooks import SIGNATURE_HEADER, WebhookEvent, WebhookReceiver

__all__ = [
    "OrderRowsResponse",
    "VoucherifyDep",
    "VoucherifyState",
    "add_error_handlers",
    "voucherify_client",
    "voucherify_lifespan",
    "webhook_event",
]


class VoucherifyState(TypedDict):
    """What the lifespan adds to the state of the application."""

    voucherify: VoucherifyClient


@asynccontextmanager
async def voucherify_lifespan(
    app: FastAPI, *, make_client: Callable[[], VoucherifyClient] = VoucherifyClient.from_env
) -> AsyncIterator[VoucherifyState]:
    """A client while the application runs: `FastAPI(lifespan=voucherify_lifespan)`.

    It is closed when the last request has been answered. Within a lifespan of your own, pass its state on:

        @asynccontextmanager
        async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
            async with voucherify_lifespan(app) as state, open_database() as database:
                yield {**state, "database": database}

    Args:
        app: the application.
        make_client: makes the client; `VoucherifyClient.from_env` if not given. With options it is
            `partial(voucherify_lifespan, make_client=...)`.

    Raises:
        ConfigurationError: the client's keys are missing; the application does not start.
    """
    async with make_client() as client:
        yield VoucherifyState(voucherify=client)


def voucherify_client(connection: HTTPConnection) -> VoucherifyClient:
    """The client of the application, for `Depends(voucherify_client)`; also in WebSockets and mounted applications.

    In tests, `app.dependency_overrides[voucherify_client] = lambda: client` puts another in its place.

    Raises:
        ConfigurationError: the application has no `voucherify_lifespan`, or its state was not passed on.
    """
    client = getattr(connection.state, "voucherify", None)
    if not isinstance(client, VoucherifyClient):
        raise ConfigurationError("lifespan", "has no client: use voucherify_lifespan, and yield its state")
    return client


VoucherifyDep = Annotated[VoucherifyClient, Depends(voucherify_client)]
"""The same as the type of an argument: `async def checkout(client: VoucherifyDep)`."""


def add_error_handlers(app: FastAPI) -> None:
    """Answer for errors of Voucherify that endpoints let through, with a problem document (RFC 9457).

    | error | status |
    |---|---|
    | `NotFoundError` | 404 |
    | `BadRequestError` | 422 |
    | `ConflictError` | 409 |
    | `RateLimitError`, `LockedError`, `PoolTimeoutError`, `ClientClosedError` | 503 |
    | `RequestTimeoutError`, `JobTimeoutError` | 504 |
    | every other `ApiError`, `TransportError`, `JobError`; `DecodeError` | 502 |
    | `WebhookSignatureError`, `WebhookPayloadError` | 401, 400 |

    A `Retry-After` of Voucherify's is passed on. `"outcome_unknown": true` says that it may have been done all the
    same. Nothing else of the error is shown: the log `voucherify_async.integrations` has it. A `ConfigurationError`
    stays the server error that it is. A handler of your own for one of these classes goes before these.
    """
    for kind in STATUSES:
        app.exception_handlers.setdefault(kind, _answer)


async def _answer(connection: HTTPConnection, error: Exception) -> Response:
    problem = problem_of(error) if isinstance(error, VoucherifyError) else None
    # A WebSocket that was accepted has no status any more; the server closes it.
    if problem is None or connection.scope["type"] != "http":
        raise error
    return Response(problem.body, status_code=problem.status, headers=problem.headers)


class OrderRowsResponse(StreamingResponse):
    """The rows of an export as JSON Lines, sent as fast as the caller takes them.

        @app.get("/export")
        async def export(client: VoucherifyDep) -> OrderRowsResponse:
            return OrderRowsResponse(client.orders.export_rows(fields=["source_id", "total_amount"], delete=True))

    The export is made and waited for before the answer begins, so that a failure can have a status. One behind that
    breaks the answer off, which the caller can tell from its end. The rows are closed when the answer ends or the
    caller goes away.

    Args:
        rows: `client.orders.export_rows()`, or `rows()` of an export job.
    """

    media_type = MEDIA_TYPE

    def __init__(self, rows: AbstractAsyncContextManager[AsyncIterator[OrderRow]]) -> None:
        self._rows: Final = rows
        super().__init__(())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        async with self._rows as rows:
            self.body_iterator = json_lines(rows)
            await super().__call__(scope, receive, send)


def webhook_event(receiver: WebhookReceiver) -> Callable[[Request], Awaitable[WebhookEvent]]:
    """A dependency that gives the event of a webhook that Voucherify sent.

        receiver = WebhookReceiver(os.environ["VOUCHERIFY_WEBHOOK_SECRET"])

        @app.post("/webhooks/voucherify", status_code=204)
        async def voucherify(event: Annotated[WebhookEvent, Depends(webhook_event(receiver))]) -> None: ...

    What was not signed with the receiver's secrets is answered with 401, what is no event or too long with 400; the
    endpoint sees neither.
    """

    async def received(request: Request) -> WebhookEvent:
        try:
            return await receiver.receive(request.stream(), request.headers.get(SIGNATURE_HEADER))
        except WebhookError as error:
            raise HTTPException(STATUSES[type(error)], str(error)) from None

    return received
