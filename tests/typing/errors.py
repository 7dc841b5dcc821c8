"""What is raised, and what it says."""

from collections.abc import Mapping
from typing import assert_type

from voucherify_async import (
    ApiError,
    AsyncAction,
    AuthenticationError,
    BadRequestError,
    BulkReport,
    BulkStoppedError,
    ClientClosedError,
    ConfigurationError,
    ConflictError,
    ConnectError,
    DecodeError,
    EventLoopError,
    Export,
    ExportFailedError,
    ImportFailedError,
    ImportResult,
    JobError,
    JobTimeoutError,
    ListingCapError,
    ListingIncompleteError,
    LockedError,
    NotFoundError,
    PaymentRequiredError,
    PermissionDeniedError,
    PoolTimeoutError,
    RateLimitError,
    RequestTimeoutError,
    ServerError,
    SourceError,
    TransportError,
    VoucherifyClient,
    VoucherifyError,
    WebhookError,
    WebhookPayloadError,
    WebhookSignatureError,
)


async def caught(client: VoucherifyClient) -> None:
    try:
        await client.orders.get("web-1")
    except RateLimitError as error:
        assert_type(error.limit_type, str | None)
        assert_type(error.retry_after, float | None)
    except ApiError as error:
        of_api(error)
    except (ConnectError, RequestTimeoutError) as error:
        of_transport(error)
    except VoucherifyError as error:
        assert_type(error.job_id, str | None)
        error.status  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue] # noqa: B018


def of_api(error: ApiError) -> None:
    assert_type(error.status, int)
    assert_type(error.code, int | None)
    for said in (error.key, error.message, error.details, error.request_id, error.resource_id, error.resource_type):
        assert_type(said, str | None)
    assert_type(error.headers, Mapping[str, str])
    assert_type(error.body, bytes)
    assert_type((error.method, error.path), tuple[str, str])
    assert_type(error.attempts, int)
    assert_type(error.outcome_unknown, bool)
    assert_type(error.retry_after, float | None)
    error.limit_type  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue] # noqa: B018


def of_transport(error: TransportError) -> None:
    assert_type((error.method, error.path), tuple[str, str])
    assert_type(error.attempts, int)
    assert_type(error.outcome_unknown, bool)


def of_decoding(error: DecodeError) -> None:
    assert_type(error.json_path, str)
    assert_type(error.body, bytes)
    assert_type(error.status, int)
    assert_type(error.outcome_unknown, bool)


def of_jobs(error: JobError, failed: ImportFailedError) -> None:
    assert_type(error.job_id, str)
    assert_type(error.snapshot, AsyncAction | Export | None)
    assert_type(failed.result, ImportResult | None)


def of_runs(stopped: BulkStoppedError, listing: ListingIncompleteError, source: SourceError) -> None:
    assert_type(stopped.report, BulkReport)
    assert_type(listing.total, int | None)
    assert_type(listing.reached, int)
    assert_type((source.problem, source.line, source.source), tuple[str, int | None, str | None])


def of_use(error: ConfigurationError, closed: ClientClosedError) -> None:
    assert_type(error.argument, str)
    assert_type(closed.outcome_unknown, bool)


# The tree: what catches the one on the left catches those on the right.
API: list[type[ApiError]] = [
    *(
        BadRequestError,
        AuthenticationError,
        PaymentRequiredError,
        PermissionDeniedError,
        NotFoundError,
        ConflictError,
    ),
    *(LockedError, RateLimitError, ServerError),
]
TRANSPORT: list[type[TransportError]] = [ConnectError, RequestTimeoutError, PoolTimeoutError]
JOB: list[type[JobError]] = [ImportFailedError, ExportFailedError, JobTimeoutError]
TIMEOUT: list[type[TimeoutError]] = [RequestTimeoutError, PoolTimeoutError, JobTimeoutError]
VALUE: type[ValueError] = ConfigurationError
RUNTIME: list[type[RuntimeError]] = [ClientClosedError, EventLoopError]
WEBHOOK: list[type[WebhookError]] = [WebhookSignatureError, WebhookPayloadError]
LISTING: type[ListingIncompleteError] = ListingCapError
ALL: list[type[VoucherifyError]] = [
    *(ApiError, TransportError, DecodeError, JobError, ListingIncompleteError, BulkStoppedError, SourceError),
    *(ConfigurationError, ClientClosedError, EventLoopError),
]
WRONG: type[TransportError] = DecodeError  # type: ignore[assignment] # pyright: ignore[reportAssignmentType]
