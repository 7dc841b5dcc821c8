"""The tree of errors."""

import copy
import inspect
import pickle
from collections.abc import Iterator
from typing import Any

import pytest

import voucherify_async
from voucherify_async import (
    ApiError,
    AsyncAction,
    BadRequestError,
    BulkReport,
    BulkStoppedError,
    ClientClosedError,
    ConfigurationError,
    ConnectError,
    DecodeError,
    EventLoopError,
    Export,
    ExportFailedError,
    ExportFile,
    ImportFailedError,
    ImportFailure,
    ImportResult,
    JobError,
    JobTimeoutError,
    ListingCapError,
    ListingIncompleteError,
    PoolTimeoutError,
    RateLimitError,
    RequestTimeoutError,
    SourceError,
    TransportError,
    VoucherifyError,
    WebhookError,
    WebhookPayloadError,
    WebhookSignatureError,
    errors,
)

TREE = {
    "BadRequestError": 400,
    "AuthenticationError": 401,
    "PaymentRequiredError": 402,
    "PermissionDeniedError": 403,
    "NotFoundError": 404,
    "ConflictError": 409,
    "LockedError": 423,
    "RateLimitError": 429,
    "ServerError": 500,
}
SAID: dict[str, Any] = {
    "code": 7,
    "key": "k",
    "message": "m",
    "details": "d",
    "request_id": "v-1",
    "resource_id": "o-1",
    "resource_type": "order",
    "headers": {"Content-Type": "application/json"},
    "body": b"{}",
    "method": "POST",
    "path": "/v1/orders",
    "attempts": 3,
    "outcome_unknown": True,
}


def one_of_each() -> Iterator[VoucherifyError]:
    for name, status in TREE.items():
        if name != "RateLimitError":
            yield getattr(voucherify_async, name)(status=status, **SAID)
    yield RateLimitError(status=429, retry_after=7.5, limit_type="api_calls", **SAID)
    yield ApiError(status=418)
    yield TransportError("broke", outcome_unknown=False)
    yield ConnectError("broke", outcome_unknown=True, method="GET", path="/v1/x", attempts=2)
    yield RequestTimeoutError("late", outcome_unknown=True)
    yield PoolTimeoutError("crowded", outcome_unknown=False, attempts=0)
    yield DecodeError("odd", json_path="$.x", body=b"?", status=200, request_id="v-1", method="GET", path="/v1/x")
    report = BulkReport(read=3, done=1, failed=[], failed_count=0, retried=0, skipped=0, seconds=1.5)
    yield BulkStoppedError(OSError("no space"), report=report)
    yield ListingIncompleteError(total=250, reached=249)
    yield ListingCapError(total=12_000, reached=10_000)
    yield SourceError("has neither a source_id nor an id", line=7, source="orders.csv")
    action = AsyncAction(id="aa_1", status="FAILED", progress=3)
    result = ImportResult(done_count=1, failed_count=1, failed=[ImportFailure(source_id="o-1", reason="r")])
    yield JobError("lost", job_id="aa_1")
    yield ImportFailedError("failed", job_id="aa_1", snapshot=action, result=result)
    yield ExportFailedError("failed", job_id="exp_1", snapshot=Export(id="exp_1", status="ERROR"))
    yield JobTimeoutError("late", job_id="aa_1", snapshot=action)
    yield ConfigurationError("limit", "must be from 1 to 100, not 0")
    yield ClientClosedError("closed")
    yield EventLoopError("elsewhere")
    yield WebhookError("odd")
    yield WebhookSignatureError("forged")
    yield WebhookPayloadError("no JSON")
    yield VoucherifyError("something")


ALL = list(one_of_each())


def test_there_is_one_of_each() -> None:
    public = {cls for _, cls in inspect.getmembers(errors, inspect.isclass) if cls.__module__ == errors.__name__}
    assert {type(error) for error in ALL} == public
    for cls in public:
        assert issubclass(cls, VoucherifyError)
        assert getattr(voucherify_async, cls.__name__) is cls
        assert cls.__name__ in (errors.__doc__ or "")


@pytest.mark.parametrize("error", ALL, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("copied", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy])
def test_every_error_can_be_pickled_and_copied(error: VoucherifyError, copied: Any) -> None:
    again = copied(error)
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert again.args == error.args
    assert vars(again) == vars(error)


def test_statuses_and_their_errors() -> None:
    for name, status in TREE.items():
        error = getattr(voucherify_async, name)(status=status)
        assert isinstance(error, ApiError)
        assert error.status == status


def test_errors_of_the_standard_library_catch_ours() -> None:
    assert issubclass(RequestTimeoutError, TimeoutError)
    assert issubclass(JobTimeoutError, TimeoutError)
    assert issubclass(RequestTimeoutError, TransportError)
    assert issubclass(ConnectError, TransportError)
    assert issubclass(ConfigurationError, ValueError)


def test_an_error_says_what_happened_and_whether_it_took_effect() -> None:
    text = str(BadRequestError(status=400, **SAID))
    assert text == "400 k: m: d [POST /v1/orders, request v-1, 3 attempts, the service may have done it]"
    assert str(ConnectError("broke", outcome_unknown=False)) == "broke [1 attempt]"
    # There is nothing that a GET could have done.
    assert str(ConnectError("broke", outcome_unknown=True, method="GET", path="/x")) == "broke [GET /x, 1 attempt]"
    assert "job aa_1, last seen FAILED" in str(
        ImportFailedError("failed", job_id="aa_1", snapshot=AsyncAction(id="aa_1", status="FAILED"))
    )
    assert "10000 of 12000 orders" in str(ListingCapError(total=12_000, reached=10_000))
    assert "gave 10000 orders" in str(ListingCapError(total=None, reached=10_000))
    for listing_error in (ListingCapError, ListingIncompleteError):
        assert "create_export" in str(listing_error(total=12_000, reached=10_000))


def test_the_text_of_an_error_is_one_line_whatever_a_service_says() -> None:
    odd = "no\nERROR all is lost\r\x1b[2J\u2028 \u00e4"
    shown = r"no\nERROR all is lost\r\x1b[2J\u2028 ä"
    error = BadRequestError(status=400, message=odd, request_id=odd)
    assert str(error) == f"400 {shown} [request {shown}, 1 attempt]"
    assert error.message == odd
    assert str(JobError(f"it failed: {error}", job_id=odd)).count(shown) == 3
    assert str(SourceError(odd, line=1)) == f"line 1: {shown}"


def test_a_pickled_snapshot_has_no_token() -> None:
    export = Export(id="exp_1", status="DONE", result=ExportFile(url="https://h/v1/exports/exp_1?token=secret"))
    error = JobError("lost", job_id="exp_1", snapshot=export)
    assert "secret" not in repr(export) + str(error) + repr(vars(error))
    pickled = pickle.dumps(error)
    assert b"secret" not in pickled
    again = pickle.loads(pickled).snapshot.result
    assert again.url == "https://h/v1/exports/exp_1"
    assert copy.deepcopy(export).result == copy.copy(export).result == export.result


def test_raise_for_failures() -> None:
    ImportResult(done_count=2).raise_for_failures()
    result = ImportResult(done_count=1, failed_count=2, job_id="aa_1")
    with pytest.raises(
        ImportFailedError, match=r"2 of 3 orders were not imported: no reason told \[job aa_1\]"
    ) as caught:
        result.raise_for_failures()
    assert caught.value.result is result
    many = ImportResult(failed=[ImportFailure(source_id=f"o-{number}", reason="no") for number in range(9)])
    with pytest.raises(ImportFailedError, match=r"9 of 9 .*: o-0: no; o-1: no; o-2: no; \.\.\. "):
        many.raise_for_failures()
