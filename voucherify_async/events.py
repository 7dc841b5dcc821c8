"""What happens inside a client, step by step, for `VoucherifyClient(on_event=...)`: the base of metrics and traces.

The function is called at once, in the task whose call it is, so that it sees its context variables and may begin
and end spans. It must be quick, and must not be a coroutine function. What it raises is logged and goes no further.
Only `Waiting` for the rate limit is told outside of the task, in the loop's next turn: with a copy of its context
variables, and with no current task.

    CallStarted
        Waiting             for the rate limit, a connection, the next attempt or the retry budget
        AttemptStarted      a request goes out
        AttemptEnded        with its status, or with what went wrong
        ...                 again, if it is repeated
    CallEnded

    RateLimitPaused         nobody sends for so long
    Polled                  one look at the jobs that are waited for
    JobSeen                 a job, as it was seen

No event holds a key, a token or a body.
"""

from typing import Literal, TypeAlias

import msgspec

WaitReason: TypeAlias = Literal["rate_limit", "pool", "repeat", "retry_budget"]
JobKind: TypeAlias = Literal["import", "export"]


class CallInfo(msgspec.Struct, frozen=True, gc=False):
    """Which call an event is about.

    Attributes:
        number: of the call within its client, from 1.
        operation: such as `orders.create`; `request` for `client.request`, `download` for an export's file.
        method, path: of the request, without its query.
    """

    number: int
    operation: str
    method: str
    path: str


class CallStarted(msgspec.Struct, frozen=True):
    """A method was called, and its arguments are in order. Exactly one `CallEnded` follows."""

    call: CallInfo


class Waiting(msgspec.Struct, frozen=True):
    """A call begins to wait.

    Attributes:
        reason: `rate_limit` until a request may be sent; `pool` for a connection; `repeat` before the next attempt;
            `retry_budget` for its turn to be repeated.
        seconds: how long, where that is known.
        attempts: how often sending the request was tried so far.
        error: the name of the last attempt's error; None before the first one.
    """

    call: CallInfo
    reason: WaitReason
    seconds: float | None
    attempts: int
    error: str | None = None


class AttemptStarted(msgspec.Struct, frozen=True):
    """A request goes out.

    Attributes:
        attempt: its number, 1 for the first.
    """

    call: CallInfo
    attempt: int


class AttemptEnded(msgspec.Struct, frozen=True):
    """An answer came, or none.

    Attributes:
        attempt: its number.
        status: of the answer; None if none came.
        error: the name of the error's type; None if the answer is a good one.
        headers: of the answer, those that tell of sizes, limits and the request's id.
        elapsed: seconds.
    """

    call: CallInfo
    attempt: int
    status: int | None
    error: str | None
    headers: dict[str, str]
    elapsed: float


class CallEnded(msgspec.Struct, frozen=True):
    """A call has its result, or its error.

    Attributes:
        attempts: how often sending the request was tried.
        status: of the last answer; None if none came.
        error: the name of the error's type, such as `RateLimitError` or `CancelledError`; None after a success.
        outcome_unknown: whether the service may have done it all the same. False after a success.
        elapsed: seconds, with all attempts and waits.
    """

    call: CallInfo
    attempts: int
    status: int | None
    error: str | None
    outcome_unknown: bool
    elapsed: float


class RateLimitPaused(msgspec.Struct, frozen=True):
    """The limit is used up: a `HeaderRateLimiter` lets no call of its clients go for so many seconds."""

    seconds: float


class Polled(msgspec.Struct, frozen=True):
    """One look at all jobs of a kind that are waited for.

    Attributes:
        kind: `import` or `export`.
        jobs: how many were looked for.
        requests: how many calls that took.
    """

    kind: JobKind
    jobs: int
    requests: int


class JobSeen(msgspec.Struct, frozen=True):
    """The state of a job.

    Attributes:
        kind: `import` or `export`.
        job_id: `aa_...` or `exp_...`.
        status: as the service names it; `ACCEPTED` when the request that starts it was answered.
        progress: 0 to 100, for imports whose progress is told; else None.
    """

    kind: JobKind
    job_id: str
    status: str | None
    progress: int | None


Event: TypeAlias = (
    CallStarted | Waiting | AttemptStarted | AttemptEnded | CallEnded | RateLimitPaused | Polled | JobSeen
)
