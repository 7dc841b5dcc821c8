"""At home in aiohttp.web: a client that lives as long as the application.

    app = web.Application(middlewares=[voucherify_problems])  # if you like: errors become answers to your callers
    app.cleanup_ctx.append(voucherify_ctx)

    async def checkout(request: web.Request) -> web.Response:
        client = request.config_dict[VOUCHERIFY]

Needs no extra: aiohttp is there. It is not imported with the client, which needs nothing of aiohttp's server.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from voucherify_async.client import VoucherifyClient
from voucherify_async.errors import VoucherifyError, WebhookPayloadError, WebhookSignatureError
from voucherify_async.integrations.jsonlines import MEDIA_TYPE, json_lines
from voucherify_async.integrations.problems import problem_of
from voucherify_async.models.orders import OrderRow
from voucherify_async.webhooks import SIGNATURE_HEADER, WebhookEvent, WebhookReceiver

__all__ = ["VOUCHERIFY", "stream_order_rows", "voucherify_ctx", "voucherify_problems", "webhook_event"]

VOUCHERIFY: Final = web.AppKey("voucherify", VoucherifyClient)
"""Where the client is: `request.config_dict[VOUCHERIFY]`, also in nested applications; `app[VOUCHERIFY]`."""


async def voucherify_ctx(
    app: web.Application, *, make_client: Callable[[], VoucherifyClient] = VoucherifyClient.from_env
) -> AsyncIterator[None]:
    """A client while the application runs: `app.cleanup_ctx.append(voucherify_ctx)`.

    It is closed when the last request has been answered, and behind the contexts that were appended after it.

    Args:
        app: the application.
        make_client: makes the client; `VoucherifyClient.from_env` if not given. With options, append
            `partial(voucherify_ctx, make_client=...)`.

    Raises:
        ConfigurationError: the client's keys are missing; the application does not start.
    """
    async with make_client() as client:
        app[VOUCHERIFY] = client
        yield


@web.middleware
async def voucherify_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A middleware that answers for errors of Voucherify which handlers let through, with problem documents.

    The statuses are those of `voucherify_async.integrations.fastapi.add_error_handlers`; what is not among them, as
    a `ConfigurationError`, and what comes when the answer has begun, goes on to aiohttp.
    """
    try:
        return await handler(request)
    except VoucherifyError as error:
        # A second head within the body of the first would look whole to the caller.
        problem = None if request.writer.output_size else problem_of(error)
        if problem is None:
            raise
        return web.Response(body=problem.body, status=problem.status, headers=problem.headers)


async def stream_order_rows(
    request: web.Request, rows: AbstractAsyncContextManager[AsyncIterator[OrderRow]]
) -> web.StreamResponse:
    """Answer with the rows of an export as JSON Lines, sent as fast as the caller takes them.

    The export is made and waited for before the answer begins, so that a failure can have a status. One behind that
    breaks the answer off, which the caller can tell from its end.

    Args:
        request: the one to answer.
        rows: `client.orders.export_rows()`, or `rows()` of an export job.

    Raises:
        whatever entering and reading the rows does.
    """
    response = web.StreamResponse(headers={"Content-Type": MEDIA_TYPE})
    async with rows as opened:
        await response.prepare(request)
        async for piece in json_lines(opened):
            await response.write(piece)
        await response.write_eof()
    return response


async def webhook_event(request: web.Request, receiver: WebhookReceiver) -> WebhookEvent:
    """The event of a webhook that Voucherify sent.

    Args:
        request: its body may be as long as the receiver takes, whatever the application's `client_max_size`.
        receiver: with the secrets of the project's webhooks.

    Raises:
        web.HTTPUnauthorized: it was not signed with the receiver's secrets.
        web.HTTPBadRequest: it is no event, or too long.
    """
    try:
        return await receiver.receive(request.content.iter_any(), request.headers.get(SIGNATURE_HEADER))
    except WebhookSignatureError as error:
        raise web.HTTPUnauthorized(text=str(error)) from None
    except WebhookPayloadError as error:
        raise web.HTTPBadRequest(text=str(error)) from None
