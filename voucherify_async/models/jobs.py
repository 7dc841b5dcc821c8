"""Imports and exports under way, and what comes of them (OpenAPI v2018-08-01: async-actions.json, exports.json)."""

from typing import Any

import msgspec
from msgspec import Struct

from voucherify_async.errors import ImportFailedError
from voucherify_async.models.orders import AwareTime
from voucherify_async.wire import without_query


class AsyncAction(Struct, frozen=True, kw_only=True, gc=False):
    """Something that the service does in the background, such as an import.

    Attributes:
        id: `aa_...`.
        type: `ORDERS.IMPORT` for an import of orders.
        status: `ENQUEUED`, `IN_PROGRESS`, `DONE` or `FAILED`.
        operation_status: `SUCCESS`, `FAILED` or `UNKNOWN`: how it ended, where that is told.
        progress: 0 to 100.
        processing_time: milliseconds.
        result: what came of it, by type; lists of actions do not have it.
    """

    id: str
    type: str | None = None
    status: str | None = None
    operation_status: str | None = None
    created_at: AwareTime | None = None
    updated_at: AwareTime | None = None
    request_id: str | None = None
    processing_time: int | None = None
    progress: int | None = None
    result: dict[str, Any] | None = None
    object: str | None = None


class AsyncActionPage(Struct, frozen=True, kw_only=True, gc=False):
    """Async actions, the newest first. `has_more` says whether there are older ones."""

    async_actions: list[AsyncAction]
    has_more: bool | None = None
    object: str | None = None
    data_ref: str | None = None


class ImportFailure(Struct, frozen=True, kw_only=True, gc=False):
    """An order that was not imported.

    Attributes:
        source_id: which; None where the service does not say.
        reason: why.
    """

    source_id: str | None = None
    reason: str | None = None


class ImportResult(Struct, frozen=True, kw_only=True, gc=False):
    """What came of an import.

    Attributes:
        done_count, failed_count: numbers of orders.
        failed: the orders that were not imported, with the reason for each.
        message: the service's own summary.
        job_id: of the import.
    """

    done_count: int = 0
    failed_count: int = 0
    failed: list[ImportFailure] = []
    message: str | None = None
    job_id: str = ""

    def raise_for_failures(self) -> None:
        """Make failed orders an error.

        Raises:
            ImportFailedError: at least one order was not imported; the error's `result` is this one.
        """
        if self.failed_count or self.failed:
            count = max(self.failed_count, len(self.failed))
            named = "; ".join(f"{failure.source_id}: {failure.reason}" for failure in self.failed[:3])
            more = "; ..." if count > 3 else ""
            raise ImportFailedError(
                f"{count} of {self.done_count + count} orders were not imported: {named or 'no reason told'}{more}",
                job_id=self.job_id,
                result=self,
            )


def import_result(action: AsyncAction) -> ImportResult:
    """The result of a finished import. `failed` is read as an array, as an object or as nothing.

    The document's schema says object, its description and example an array.

    Raises:
        msgspec.ValidationError: it is neither.
    """
    fields = dict(action.result or {})
    failed = fields.get("failed")
    if isinstance(failed, dict):
        fields["failed"] = [failed] if failed else []
    given = {name: value for name, value in fields.items() if value is not None}
    return msgspec.convert({**given, "job_id": action.id}, ImportResult, strict=False)


class ExportFile(Struct, frozen=True, kw_only=True, gc=False):
    """Where the file of a finished export is. Its address holds a token, so it does not show or pickle it.

    Attributes:
        url: on the download host, with `?token=`.
    """

    url: str | None = None

    def __repr__(self) -> str:
        return f"ExportFile(url={without_query(self.url) if self.url else None!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _export_file, (without_query(self.url) if self.url else None,)


def _export_file(url: str | None) -> ExportFile:
    return ExportFile(url=url)


class Export(Struct, frozen=True, kw_only=True, gc=False):
    """An export.

    Attributes:
        id: `exp_...`.
        status: `SCHEDULED`, `IN_PROGRESS`, `DONE` or `ERROR`.
        exported_object: `order`, or another kind that was exported in other ways.
        channel: where it was asked for, such as `API`.
        parameters: fields, filters and order, as they were asked for.
        result: where the file is, when it is there.
        user_id: who asked for it on the dashboard.
    """

    id: str
    status: str | None = None
    created_at: AwareTime | None = None
    exported_object: str | None = None
    channel: str | None = None
    parameters: dict[str, Any] | None = None
    result: ExportFile | None = None
    user_id: str | None = None
    object: str | None = None


class ExportPage(Struct, frozen=True, kw_only=True, gc=False):
    """A page of the list of exports. `total` is how many there are."""

    exports: list[Export]
    total: int | None = None
    object: str | None = None
    data_ref: str | None = None
