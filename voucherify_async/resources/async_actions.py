"""Async actions: what the service does in the background."""

import datetime

from voucherify_async.call import Call, json_decoder
from voucherify_async.errors import ConfigurationError
from voucherify_async.models.jobs import AsyncAction, AsyncActionPage
from voucherify_async.options import check_range
from voucherify_async.resources.endpoint import Resource, WithHttpInfo, endpoint, with_http_info
from voucherify_async.urls import query_string, quoted_id

_decode_action = json_decoder(AsyncAction)
_decode_page = json_decoder(AsyncActionPage)


class AsyncActions(Resource):
    """`client.async_actions`. To wait for an import, await its job instead: `client.orders.import_job(id)`."""

    @property
    def with_http_info(self) -> "AsyncActionsWithHttpInfo":
        """The same methods, which return an `ApiResponse`."""
        return AsyncActionsWithHttpInfo(self)

    @endpoint
    def get(self, async_action_id: str) -> Call[AsyncAction]:
        """Fetch one action, with its result if it is done.

        Args:
            async_action_id: `aa_...`.

        Raises:
            NotFoundError: there is no such action.

        Repeated after a failure: yes.
        Source: OpenAPI v2018-08-01, `GET /v1/async-actions/{asyncActionId}`.
        """
        return Call("GET", f"/v1/async-actions/{quoted_id('async_action_id', async_action_id)}", _decode_action)

    @endpoint
    def list(self, *, limit: int | None = None, end_date: datetime.datetime | None = None) -> Call[AsyncActionPage]:
        """List actions, the newest first, without their results.

        Args:
            limit: 1 to 100.
            end_date: an aware datetime; only actions that were scheduled before it.

        Repeated after a failure: yes.
        Source: OpenAPI v2018-08-01, `GET /v1/async-actions`.
        """
        check_range("limit", limit, 1, 100)
        before = None if end_date is None else _zulu("end_date", end_date)
        return Call(
            "GET", "/v1/async-actions", _decode_page, query=query_string({"limit": limit, "end_date": before})
        )


class AsyncActionsWithHttpInfo(WithHttpInfo[AsyncActions]):
    """`client.async_actions.with_http_info`."""

    get = with_http_info(AsyncActions.get)
    list = with_http_info(AsyncActions.list)


def _zulu(argument: str, moment: datetime.datetime) -> str:
    """A moment as the API's examples write it: UTC, milliseconds, a Z."""
    if not isinstance(moment, datetime.datetime) or moment.utcoffset() is None:
        raise ConfigurationError(argument, "must be a datetime with a time zone")
    try:
        in_utc = moment.astimezone(datetime.UTC)
    except OverflowError:
        raise ConfigurationError(argument, "is out of the range of years in UTC") from None
    return in_utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")
