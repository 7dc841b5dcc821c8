"""What may be repeated, and how long to wait before: pure rules, no waiting done here.

A request that certainly had no effect may always be repeated. One that may have had its effect may be repeated
only if doing it twice is the same as doing it once; each `Call` says so of itself.
"""

from enum import Enum
from typing import Final

from voucherify_async.options import RetryPolicy


class Fault(Enum):
    """How an attempt failed, as far as repeating it goes."""

    NOT_DONE = "the service certainly did not do it"
    MAYBE_DONE = "the service may have done it"
    FINAL = "sending it again would change nothing"


MAY_BE_REPEATED: Final = {
    # (how it failed, whether doing it twice is the same as once): may it be sent again?
    (Fault.NOT_DONE, True): True,
    (Fault.NOT_DONE, False): True,
    (Fault.MAYBE_DONE, True): True,
    (Fault.MAYBE_DONE, False): False,
    (Fault.FINAL, True): False,
    (Fault.FINAL, False): False,
}


def fault_of_status(status: int) -> Fault:
    """How a request failed that was answered with this error status."""
    if status == 429:
        return Fault.NOT_DONE
    # 408 comes from a proxy that gave up on a request under way (RFC 9110, section 15.5.9).
    if status >= 500 or status == 408:
        return Fault.MAYBE_DONE
    return Fault.FINAL


def wait_before_repeat(
    policy: RetryPolicy,
    fault: Fault,
    *,
    attempt: int,
    repeatable: bool,
    asked: float | None,
    remaining: float | None,
    chance: float,
) -> float | None:
    """How many seconds to wait before the request is sent again; None if it is not to be.

    Args:
        policy: the client's.
        fault: how this attempt failed.
        attempt: its number, 1 for the first.
        repeatable: whether doing it twice is the same as doing it once.
        asked: seconds that the service asks to wait, None if it does not.
        remaining: seconds left until the call's deadline, None if it has none.
        chance: a number from 0 to 1, the jitter.
    """
    if attempt >= policy.max_attempts or not MAY_BE_REPEATED[fault, repeatable]:
        return None
    if asked is None:
        ceiling = min(policy.max_delay, policy.base_delay * 2.0 ** (attempt - 1))
        wait = ceiling * chance
    elif asked > policy.max_wait:
        return None
    else:
        # The service named a moment for all who wait: a little jitter keeps them from coming at once.
        wait = asked + policy.base_delay * chance
    if remaining is not None and wait >= remaining:
        return None
    return wait
