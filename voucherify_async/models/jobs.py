"""Imports and exports under way, and what comes of them (OpenAPI v2018-08-01: async-actions.json, exports.json)."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from voucherify_async.errors import ImportFailedError
from voucherify_async.models.orders import AwareTime
from voucherify_async.secretive import Secretive
from voucherify_async.urls import without_query


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
    """The result of a finished import.

    `failed` is read as an array, as an object, as objects by key, or as nothing: its schema says object, its
    description and its example an array.

    Raises:
        msgspec.ValidationError: a count is no number, or `failed` none of these.
    """
    fields = {name: value for name, value in (action.result or {}).items() if value is not None}
    failed = fields.pop("failed", [])
    if isinstance(failed, dict):
        one = not failed.keys().isdisjoint({"source_id", "reason"})
        failed = [failed] if one else [_keyed_failure(key, value) for key, value in failed.items()]
    result = msgspec.convert({**fields, "job_id": action.id}, ImportResult, strict=False)
    return msgspec.structs.replace(result, failed=msgspec.convert(_with_text(failed), list[ImportFailure]))


def _with_text(failed: object) -> object:
    """The failures with their values as strings: an id may come as a number."""
    if not isinstance(failed, list):
        return failed
    return [
        {name: value if value is None else str(value) for name, value in failure.items()}
        if isinstance(failure, dict)
        else failure
        for failure in failed
    ]


def _keyed_failure(key: str, value: object) -> object:
    if isinstance(value, dict):
        return value
    return {"source_id": key, "reason": value}


class ExportFile(Secretive, frozen=True, kw_only=True, gc=False):
    """Where the file of a finished export is. Its address holds a token, which is neither shown nor pickled.

    Attributes:
        url: on the download host, with `?token=`. Without the token, after it was pickled.
    """

    url: str | None = None

    def _shown(self) -> Iterator[tuple[str, object]]:
        yield "url", self.url and without_query(self.url)

    def __copy__(self) -> "ExportFile":
        return self

    def __deepcopy__(self, memo: object) -> "ExportFile":
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _export_file, (self.url and self.url.partition("?")[0],)


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
