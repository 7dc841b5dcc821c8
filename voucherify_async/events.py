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

    RunStarted              `upsert_all` or `import_all`; its calls come in between
    RunEnded

    JobWaitStarted          somebody awaits a job, in the task that does
    JobWaitEnded

    LookStarted             one look at the jobs that are waited for, in a task of the client's own
    Polled                  it is over
    JobSeen                 a job, as it was seen

    RateLimitPaused         nobody sends for so long

No event holds a key, a token or a body.
"""

from typing import Literal, TypeAlias

import msgspec

WaitReason: TypeAlias = Literal["rate_limit", "pool", "repeat", "retry_budget"]
"""What a call waits for, see `Waiting`."""
JobKind: TypeAlias = Literal["import", "export"]
"""The kinds of jobs."""
RunKind: TypeAlias = Literal["upsert_all", "import_all"]
"""The kinds of runs over many orders."""


class CallInfo(msgspec.Struct, frozen=True, gc=False):
    """Which call an event is about.

    Attributes:
        number: of the call within its client, from 1.
        operation: such as `orders.create`; `request` for `client.request`, `download` for an export's file.
        method, path: of the request, without its query.
        url: the whole of it, also without the query.
    """

    number: int
    operation: str
    method: str
    path: str
    url: str = ""


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
    """The limit is used up: the limiter lets no call of its clients go for so many seconds."""

    seconds: float


class LookStarted(msgspec.Struct, frozen=True):
    """One look begins at all jobs of a kind that are waited for; its calls follow.

    Attributes:
        kind: `import` or `export`.
        job_ids: of the jobs that are looked for.
    """

    kind: JobKind
    job_ids: frozenset[str]


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


class JobWaitStarted(msgspec.Struct, frozen=True):
    """A job is awaited that is not known to have ended. Exactly one `JobWaitEnded` with the same `wait` follows.

    A loop over its `snapshots()` is not told of: it may be left at any place.

    Attributes:
        wait: a number that no other wait or run of any client has: a job may be awaited more than once, also at
            the same time.
        kind: `import` or `export`.
        job_id: `aa_...` or `exp_...`.
    """

    wait: int
    kind: JobKind
    job_id: str


class JobWaitEnded(msgspec.Struct, frozen=True):
    """The job has ended, or the waiting for it.

    Attributes:
        wait, kind, job_id: as it was started.
        error: the name of the error's type, such as `ImportFailedError` or `CancelledError`; None after a success.
        elapsed: seconds.
    """

    wait: int
    kind: JobKind
    job_id: str
    error: str | None
    elapsed: float


class RunStarted(msgspec.Struct, frozen=True):
    """A run over many orders begins. Exactly one `RunEnded` with the same `run` follows.

    Attributes:
        run: a number that no other wait or run of any client has.
        kind: `upsert_all` or `import_all`.
    """

    run: int
    kind: RunKind


class RunEnded(msgspec.Struct, frozen=True):
    """A run is over, or was stopped. What earlier runs did, by its checkpoint, is counted in.

    Attributes:
        run, kind: as it was started.
        read, done, failed_count, retried, skipped: as in `BulkReport`.
        error: the name of the error's type, such as `BulkStoppedError` or `CancelledError`; None after a success.
        elapsed: seconds.
    """

    run: int
    kind: RunKind
    read: int
    done: int
    failed_count: int
    retried: int
    skipped: int
    error: str | None
    elapsed: float


Event: TypeAlias = (
    CallStarted
    | Waiting
    | AttemptStarted
    | AttemptEnded
    | CallEnded
    | RateLimitPaused
    | LookStarted
    | Polled
    | JobSeen
    | JobWaitStarted
    | JobWaitEnded
    | RunStarted
    | RunEnded
)
"""What the function may be told of."""
