"""What callers of a service are told, and what they are not."""

import json
import logging
from typing import Any

import pytest

from tests.test_errors import ALL
from voucherify_async import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    BulkStoppedError,
    ConfigurationError,
    EventLoopError,
    ListingCapError,
    ListingIncompleteError,
    NotFoundError,
    RateLimitError,
    RequestTimeoutError,
    ServerError,
    SourceError,
    VoucherifyError,
    WebhookError,
)
from voucherify_async.integrations.problems import problem_of

# Mistakes of the service itself, or nothing that a caller waits for.
OWN = {
    BulkStoppedError,
    ConfigurationError,
    EventLoopError,
    ListingCapError,
    ListingIncompleteError,
    SourceError,
    VoucherifyError,
    WebhookError,
}


def told(error: VoucherifyError) -> dict[str, Any]:
    problem = problem_of(error)
    assert problem is not None
    assert problem.headers["Content-Type"] == "application/problem+json"
    said: dict[str, Any] = json.loads(problem.body)
    assert said["status"] == problem.status
    assert said["type"] == "about:blank"
    return said


@pytest.mark.parametrize("error", ALL, ids=lambda error: type(error).__name__)
def test_every_error_is_answered_or_a_mistake_of_the_service(error: VoucherifyError) -> None:
    assert (problem_of(error) is None) == (type(error) in OWN)


@pytest.mark.parametrize(
    ("error", "status", "title"),
    [
        (NotFoundError(status=404), 404, "Not Found"),
        (BadRequestError(status=400), 422, None),
        (AuthenticationError(status=401), 502, "Bad Gateway"),
        (ApiError(status=418), 502, "Bad Gateway"),
        (RateLimitError(status=429), 503, "Service Unavailable"),
        (RequestTimeoutError("late", outcome_unknown=False), 504, "Gateway Timeout"),
    ],
)
def test_statuses(error: VoucherifyError, status: int, title: str | None) -> None:
    said = told(error)
    assert said == {"type": "about:blank", "title": title or said["title"], "status": status}


def test_the_outcome_is_told() -> None:
    assert told(ServerError(status=500, outcome_unknown=True))["outcome_unknown"] is True
    assert told(RequestTimeoutError("late", outcome_unknown=True))["outcome_unknown"] is True


def test_a_wait_is_passed_on_in_whole_seconds() -> None:
    problem = problem_of(RateLimitError(status=429, retry_after=7.2))
    assert problem is not None
    assert problem.headers["Retry-After"] == "8"


def test_nothing_of_the_answer_is_shown_but_logged(caplog: pytest.LogCaptureFixture) -> None:
    error = BadRequestError(
        status=400, message="zoe@example.com is known", details="d-7", request_id="v-7", body=b"b-7", path="/p-7"
    )
    with caplog.at_level(logging.WARNING, "voucherify_async.integrations"):
        said = json.dumps(told(error))
    assert not [part for part in ("zoe", "d-7", "v-7", "b-7", "p-7") if part in said]
    assert "answered with 422" in caplog.text
    assert "v-7" in caplog.text


def test_what_a_caller_sent_writes_no_lines_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "voucherify_async.integrations"):
        told(NotFoundError(status=404, message="no order 7\nERROR\x1b[2J\u2028Zoë"))
    (record,) = caplog.records
    assert r"no order 7\nERROR\x1b[2J\u2028Zoë" in record.getMessage()
