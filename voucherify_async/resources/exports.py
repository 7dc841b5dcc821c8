"""Exports: files that the service writes. An export of orders is made by `client.orders.create_export`."""

from typing import Literal

from voucherify_async.call import Call, json_decoder, nothing
from voucherify_async.models.jobs import Export, ExportPage
from voucherify_async.options import check_choice, check_range
from voucherify_async.resources.endpoint import Resource, WithHttpInfo, endpoint, with_http_info
from voucherify_async.urls import query_string, quoted_id

ExportListOrder = Literal["created_at", "-created_at", "status", "-status"]

_decode_export = json_decoder(Export)
_decode_page = json_decoder(ExportPage)


class Exports(Resource):
    """`client.exports`. To wait for one, await its job instead: `client.orders.export_job(id)`."""

    @property
    def with_http_info(self) -> "ExportsWithHttpInfo":
        """The same methods, which return an `ApiResponse`."""
        return ExportsWithHttpInfo(self)

    @endpoint
    def get(self, export_id: str) -> Call[Export]:
        """Fetch one export, with the address of its file if it is done.

        Args:
            export_id: `exp_...`.

        Raises:
            NotFoundError: there is no such export.

        Repeated after a failure: yes.
        Source: OpenAPI v2018-08-01, `GET /v1/exports/{exportId}`.
        """
        return Call("GET", f"/v1/exports/{quoted_id('export_id', export_id)}", _decode_export)

    @endpoint
    def list(
        self, *, limit: int | None = None, page: int | None = None, order: ExportListOrder | None = None
    ) -> Call[ExportPage]:
        """List exports of all kinds.

        Args:
            limit: 1 to 100 a page; the service gives 10 without.
            page: 1 to 100.
            order: what they are sorted by; a dash in front turns it round.

        Repeated after a failure: yes.
        Source: OpenAPI v2018-08-01, `GET /v1/exports`.
        """
        check_range("limit", limit, 1, 100)
        check_range("page", page, 1, 100)
        check_choice("order", order, ExportListOrder)
        query = query_string({"limit": limit, "page": page, "order": order})
        return Call("GET", "/v1/exports", _decode_page, query=query)

    @endpoint
    def delete(self, export_id: str) -> Call[None]:
        """Delete an export and its file.

        Args:
            export_id: `exp_...`.

        Raises:
            NotFoundError: there is no such export. After an attempt that got no answer (`attempts` above 1) it
                may have been deleted by that one.

        Repeated after a failure: yes.
        Source: OpenAPI v2018-08-01, `DELETE /v1/exports/{exportId}`.
        """
        return Call("DELETE", f"/v1/exports/{quoted_id('export_id', export_id)}", nothing)


class ExportsWithHttpInfo(WithHttpInfo[Exports]):
    """`client.exports.with_http_info`."""

    get = with_http_info(Exports.get)
    list = with_http_info(Exports.list)
    delete = with_http_info(Exports.delete)
