"""What a service tells its own caller when a call to Voucherify has failed: pure, for every framework.

The body is a problem document (RFC 9457). It says nothing of what Voucherify said, which was said to the service
and may show its customers' data; that goes to the log.
"""

import logging
import math
from http import HTTPStatus
from typing import Final

import msgspec

from voucherify_async.errors import (
    ApiError,
    BadRequestError,
    ClientClosedError,
    ConflictError,
    DecodeError,
    JobError,
    JobTimeoutError,
    LockedError,
    NotFoundError,
    PoolTimeoutError,
    RateLimitError,
    RequestTimeoutError,
    TransportError,
    VoucherifyError,
    WebhookPayloadError,
    WebhookSignatureError,
)

PROBLEM_TYPE: Final = "application/problem+json"

# Of an error's class and those that it comes from, the nearest counts. What stands for none of these, such as a
# `ConfigurationError`, is a mistake in the service, and stays the 500 that it is.
STATUSES: Final[dict[type[VoucherifyError], HTTPStatus]] = {
    NotFoundError: HTTPStatus.NOT_FOUND,
    # What is refused is most often what the caller sent; and it is of no use to send it again.
    BadRequestError: HTTPStatus.UNPROCESSABLE_ENTITY,
    ConflictError: HTTPStatus.CONFLICT,
    LockedError: HTTPStatus.SERVICE_UNAVAILABLE,
    # The limit is the service's: 429 would tell its caller that they have sent too much (RFC 6585, section 4).
    RateLimitError: HTTPStatus.SERVICE_UNAVAILABLE,
    # All others, also 401, 402 and 403: the keys are the service's, and its caller can do nothing about them.
    ApiError: HTTPStatus.BAD_GATEWAY,
    TransportError: HTTPStatus.BAD_GATEWAY,
    RequestTimeoutError: HTTPStatus.GATEWAY_TIMEOUT,
    PoolTimeoutError: HTTPStatus.SERVICE_UNAVAILABLE,
    DecodeError: HTTPStatus.BAD_GATEWAY,
    JobError: HTTPStatus.BAD_GATEWAY,
    JobTimeoutError: HTTPStatus.GATEWAY_TIMEOUT,
    ClientClosedError: HTTPStatus.SERVICE_UNAVAILABLE,
    WebhookSignatureError: HTTPStatus.UNAUTHORIZED,
    WebhookPayloadError: HTTPStatus.BAD_REQUEST,
}

_log = logging.getLogger(__name__)


class Problem(msgspec.Struct, frozen=True):
    """An answer to the service's caller.

    Attributes:
        status: of the answer.
        headers: `Content-Type`, and `Retry-After` where Voucherify asked for it.
        body: `type`, `title` and `status`; and `"outcome_unknown": true` where it may have been done all the same.
    """

    status: int
    headers: dict[str, str]
    body: bytes


def problem_of(error: VoucherifyError) -> Problem | None:
    """The answer for an error, which is logged; None if it is a mistake in the service itself."""
    status = next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), None)
    if status is None:
        return None
    _log.warning("answered with %d: %s", status, error)
    # "about:blank" says that the status tells all, and is named by its phrase (RFC 9457, section 4.2.1).
    said: dict[str, object] = {"type": "about:blank", "title": status.phrase, "status": status.value}
    if getattr(error, "outcome_unknown", False):
        said["outcome_unknown"] = True
    headers = {"Content-Type": PROBLEM_TYPE}
    seconds = getattr(error, "retry_after", None)
    if seconds is not None:
        headers["Retry-After"] = str(math.ceil(seconds))
    return Problem(status.value, headers, msgspec.json.encode(said))
