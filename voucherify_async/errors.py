"""What can go wrong, as a tree.

    VoucherifyError
    ├── ConfigurationError (also ValueError)    an option or an argument is wrong; nothing was sent
    ├── ClientClosedError (also RuntimeError)   the client was closed
    ├── EventLoopError (also RuntimeError)      the client is at work on another event loop
    ├── ApiError                                the service answered with an error
    │   ├── BadRequestError          400
    │   ├── AuthenticationError      401
    │   ├── PaymentRequiredError     402
    │   ├── PermissionDeniedError    403
    │   ├── NotFoundError            404
    │   ├── ConflictError            409
    │   ├── LockedError              423
    │   ├── RateLimitError           429
    │   └── ServerError              5xx
    ├── TransportError                          no usable answer arrived
    │   ├── ConnectError                        the connection was refused, or broke
    │   └── RequestTimeoutError (also TimeoutError)
    │       └── PoolTimeoutError                no connection became free; nothing was sent this time
    ├── DecodeError                             the answer arrived and does not fit
    ├── ListingIncompleteError                  listing gave some of the orders and not all
    │   └── ListingCapError                     it reaches no further; an export does
    ├── BulkStoppedError                        a run over many orders could not go on
    ├── SourceError                             a file of orders cannot be read, or a line of it is none
    ├── WebhookError                            what came as a webhook is not taken
    │   ├── WebhookSignatureError               it is not signed with one of the secrets
    │   └── WebhookPayloadError                 it is too long, or no event
    └── JobError                                an import or export
        ├── ImportFailedError
        ├── ExportFailedError
        └── JobTimeoutError (also TimeoutError)

Every error can be pickled, and none holds a key or a token. `outcome_unknown` tells whether the service may
have done what was asked of it all the same.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from multidict import CIMultiDict

if TYPE_CHECKING:
    from voucherify_async.bulk.reports import BulkReport
    from voucherify_async.models.jobs import AsyncAction, Export, ImportResult


def _restore(
    error_type: type["VoucherifyError"], args: tuple[object, ...], state: dict[str, object]
) -> "VoucherifyError":
    error = error_type.__new__(error_type, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class VoucherifyError(Exception):
    """Anything this library raises by itself.

    Attributes:
        job_id: of the import or export that it is about; None if it is about none.
    """

    job_id: str | None = None

    def __str__(self) -> str:
        """In one line: what a caller sent comes back in what the service says, and must not write lines of its own
        into a log (CWE-117)."""
        told = self._told()
        if told.isprintable():
            return told
        return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in told)

    def _told(self) -> str:
        return super().__str__()

    # The default way of pickling calls the class with `args`, which is not how these are made.
    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, self.__dict__)


class ConfigurationError(VoucherifyError, ValueError):
    """An option or an argument is wrong. Nothing has been sent.

    `argument` names it as the caller wrote it, `"limit"` or `"timeouts.total"`.
    """

    def __init__(self, argument: str, problem: str) -> None:
        super().__init__(f"{argument}: {problem}")
        self.argument = argument


class ClientClosedError(VoucherifyError, RuntimeError):
    """The client was closed, before the call or while it was under way.

    Attributes:
        outcome_unknown: whether the service may have done what was asked.
    """

    outcome_unknown: bool = False


class EventLoopError(VoucherifyError, RuntimeError):
    """The client, or the session that was given to it, belongs to another event loop. Make one client per loop."""


class ApiError(VoucherifyError):
    """The service answered with an error status.

    Attributes:
        status: the HTTP status.
        code: the `code` of the body, usually the status again.
        key: the machine-readable kind, such as `"invalid_payload"`.
        message, details: what the service says about it.
        request_id: what Voucherify's support asks for.
        resource_id, resource_type: what could not be found or changed, if the service names it.
        headers: of the answer, without cookies and the query of a `Location`; their names match in any case.
        body: of the answer, with the tokens of download addresses taken out; empty where it could be one itself.
        method, path: of the request, the path without its query.
        attempts: how often sending the request was tried, 1 if once; 0 if it was not: there was no token to sign it
            with, or the rate limit let nothing go for longer than may be waited.
        outcome_unknown: whether the service may have done what was asked: after a 408 or a 5xx, or if an earlier
            attempt got no answer.
        retry_after: seconds to wait, as the service asks for; None if it does not say.
    """

    def __init__(
        self,
        *,
        status: int,
        code: int | None = None,
        key: str | None = None,
        message: str | None = None,
        details: str | None = None,
        request_id: str | None = None,
        resource_id: str | None = None,
        resource_type: str | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        method: str = "",
        path: str = "",
        attempts: int = 1,
        outcome_unknown: bool = False,
        retry_after: float | None = None,
    ) -> None:
        self.status = status
        self.code = code
        self.key = key
        self.message = message
        self.details = details
        self.request_id = request_id
        self.resource_id = resource_id
        self.resource_type = resource_type
        self.headers: Mapping[str, str] = CIMultiDict(headers or {})
        self.body = body
        self.method = method
        self.path = path
        self.attempts = attempts
        self.outcome_unknown = outcome_unknown
        self.retry_after = retry_after
        said = ": ".join(part for part in (key, message, details) if part)
        super().__init__(f"{status} {said}".rstrip())

    def _told(self) -> str:
        hint = "" if self.retry_after is None else f"; may be sent again in {self.retry_after:.1f} s"
        return f"{super()._told()} [{_circumstances(self, self.request_id)}]{hint}"


class BadRequestError(ApiError):
    """400: the service refuses the request as it is; `details` names what."""


class AuthenticationError(ApiError):
    """401: the keys or the token are wrong, blocked or expired."""


class PaymentRequiredError(ApiError):
    """402: the plan does not include this, or is used up."""


class PermissionDeniedError(ApiError):
    """403: the keys or the token's scope do not allow this."""


class NotFoundError(ApiError):
    """404: there is no such thing; `resource_type` and `resource_id` name it."""


class ConflictError(ApiError):
    """409: it contradicts what is there."""


class LockedError(ApiError):
    """423: something else holds it at the moment."""


class RateLimitError(ApiError):
    """429: the limit is used up. With `attempts` of 0 the client knew so, and did not even ask.

    Attributes:
        limit_type: `api_calls`, `bulk_api_calls`, `api_calls_cycle` or `webhook_calls`, where it is told.
    """

    def __init__(self, *, limit_type: str | None = None, **circumstances: Any) -> None:
        super().__init__(**circumstances)
        self.limit_type = limit_type


class ServerError(ApiError):
    """5xx: the service failed; it may have done what was asked."""


class TransportError(VoucherifyError):
    """No usable answer arrived.

    Attributes:
        outcome_unknown: whether the service may have done what was asked.
        method, path: of the request, the path without its query.
        attempts: how often sending the request was tried, also where no connection could be made.
    """

    def __init__(
        self, problem: str, *, outcome_unknown: bool, method: str = "", path: str = "", attempts: int = 1
    ) -> None:
        super().__init__(problem)
        self.outcome_unknown = outcome_unknown
        self.method = method
        self.path = path
        self.attempts = attempts

    def _told(self) -> str:
        return f"{super()._told()} [{_circumstances(self, None)}]"


class ConnectError(TransportError):
    """The connection could not be made, or broke before the answer was complete."""


class RequestTimeoutError(TransportError, TimeoutError):
    """The time for the call, or for a step of it, ran out. Its cause, if any, is the error of the last attempt."""


class PoolTimeoutError(RequestTimeoutError):
    """All connections were in use for longer than `Timeouts.pool`. The request was not sent this time.

    It is not repeated: more calls are made at the same time than `PoolLimits.max_connections` can serve.
    """


class DecodeError(VoucherifyError):
    """The answer arrived and does not fit the type that was expected.

    Attributes:
        json_path: where it does not fit, such as `$.orders[3].amount`; `$` if it is no JSON at all.
        body: the answer, with the tokens of download addresses taken out; empty where it could be one itself, and
            for the rows of an export.
        status, request_id, method, path, attempts: of the exchange.
        outcome_unknown: whether the service may have done what was asked. After a status of success it has.
    """

    def __init__(
        self,
        problem: str,
        *,
        json_path: str = "$",
        body: bytes = b"",
        status: int = 0,
        request_id: str | None = None,
        method: str = "",
        path: str = "",
        attempts: int = 1,
        outcome_unknown: bool = True,
    ) -> None:
        super().__init__(problem)
        self.json_path = json_path
        self.body = body
        self.status = status
        self.request_id = request_id
        self.method = method
        self.path = path
        self.attempts = attempts
        self.outcome_unknown = outcome_unknown

    def _told(self) -> str:
        place = "" if self.json_path == "$" else f" at {self.json_path}"
        return f"{super()._told()}{place} [{_circumstances(self, self.request_id)}]"


class ListingIncompleteError(VoucherifyError):
    """Listing gave all orders that it showed, but not all that there are; an export reaches them all.

    Orders were changed faster than they could be listed, or the service counts more of them than it lists.

    Attributes:
        total: how many orders there are; None if the service does not tell.
        reached: how many of them listing gave.
    """

    problem = "and does not show the others"

    def __init__(self, *, total: int | None, reached: int) -> None:
        of_all = "" if total is None else f" of {total}"
        super().__init__(
            f"listing gave {reached}{of_all} orders {self.problem}; "
            "client.orders.export_rows() and create_export() reach them all"
        )
        self.total = total
        self.reached = reached


class ListingCapError(ListingIncompleteError):
    """Listing reaches 10,000 orders and no more; an export reaches them all.

    `client.orders.export_rows()` reads all orders in one go, `client.orders.create_export()` gives the job to wait
    for. The orders that listing reaches were given before this was raised.
    """

    problem = "and reaches no more"


class BulkStoppedError(VoucherifyError):
    """A run over many orders could not go on. What was under way was finished first.

    The run goes on when it is called again with the same source and its checkpoint, which stays. `__cause__` is
    what stopped it: the service that is away or refuses the keys, a limit that leaves no room for longer than may
    be waited, a disk that is full, or what the source or a function of the caller's raised.

    Attributes:
        report: what came of it until then.
    """

    def __init__(self, cause: Exception, *, report: "BulkReport") -> None:
        name = "" if isinstance(cause, VoucherifyError) else f"{type(cause).__name__}: "
        super().__init__(
            f"stopped with {report.done} of {report.read} orders done, {report.failed_count} failed: {name}{cause}"
        )
        self.report = report


class SourceError(VoucherifyError):
    """A file of orders cannot be read on, or a line of it is no order and nobody asked to be told of such lines.

    Attributes:
        problem: what is wrong.
        line: the number of the line, from 1; where reading broke off, of the first that was not read; None if it is
            about no line.
        source: the name of the file, where it has one.
    """

    def __init__(self, problem: str, *, line: int | None = None, source: str | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.line = line
        self.source = source

    def _told(self) -> str:
        line = None if self.line is None else f"line {self.line}"
        place = ", ".join(part for part in (self.source, line) if part)
        return f"{place}: {self.problem}" if place else self.problem


class WebhookError(VoucherifyError):
    """What came as a webhook is not taken. Whoever sent it need not be Voucherify."""


class WebhookSignatureError(WebhookError):
    """It is not signed, or not with one of the secrets, or it was changed on its way."""


class WebhookPayloadError(WebhookError):
    """It is longer than is taken, or no JSON object. Events of unknown types are none of this: they pass."""


class JobError(VoucherifyError):
    """An import or export could not be followed to its end; the job itself may be well and going on.

    Attributes:
        job_id: take up waiting again with `client.orders.import_job(job_id)` or `export_job(job_id)`.
        snapshot: the last state seen of it, None if there was none.
    """

    def __init__(self, problem: str, *, job_id: str, snapshot: "AsyncAction | Export | None" = None) -> None:
        super().__init__(problem)
        self.job_id: str = job_id  # pyright: ignore[reportIncompatibleVariableOverride] - always has one
        self.snapshot = snapshot

    def _told(self) -> str:
        seen = "" if self.snapshot is None else f", last seen {self.snapshot.status}"
        return f"{super()._told()} [job {self.job_id}{seen}]"


class ImportFailedError(JobError):
    """The import failed; or some of its orders did, and `raise_for_failures` was asked to say so.

    Attributes:
        result: which orders failed and why, where the service told.
    """

    def __init__(
        self,
        problem: str,
        *,
        job_id: str,
        snapshot: "AsyncAction | None" = None,
        result: "ImportResult | None" = None,
    ) -> None:
        super().__init__(problem, job_id=job_id, snapshot=snapshot)
        self.result = result


class ExportFailedError(JobError):
    """The export ended with an error."""


class JobTimeoutError(JobError, TimeoutError):
    """The time for waiting ran out. The job itself goes on at the service."""


def _circumstances(error: ApiError | TransportError | DecodeError, request_id: str | None) -> str:
    parts = [f"{error.method} {error.path}".strip()]
    if request_id:
        parts.append(f"request {request_id}")
    parts.append("1 attempt" if error.attempts == 1 else f"{error.attempts} attempts")
    if error.outcome_unknown and error.method != "GET":
        parts.append("the service may have done it")
    return ", ".join(part for part in parts if part)
