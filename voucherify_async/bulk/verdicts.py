"""What an error tells of: of one order, or of the whole run. Pure."""

from typing import Final

from voucherify_async.errors import ApiError, DecodeError, RateLimitError, ServerError, TransportError

# What the service says of the order, or of the orders, that it was sent.
_OF_THE_ORDER: Final = frozenset({400, 409, 413, 422, 423})


def is_of_the_order(error: Exception) -> bool:
    """Whether the service refused what it was sent, and would take other orders."""
    if not isinstance(error, ApiError):
        return False
    # A 404 that names something: the order, or its referrer, is said to be one that is not there.
    return error.status in _OF_THE_ORDER or (error.status == 404 and error.resource_id is not None)


def is_in_doubt(error: Exception) -> bool:
    """Whether another call must tell if it is the order that the service fails at, or the service that is away."""
    return isinstance(error, (TransportError, ServerError, DecodeError)) and not isinstance(error, RateLimitError)


def retried(error: Exception) -> int:
    """How often a call that failed was sent again."""
    return max(0, getattr(error, "attempts", 1) - 1)


def sent_at_all(error: Exception) -> bool:
    """Whether a call that failed was sent: if it is made once more, that is a repeat."""
    return getattr(error, "attempts", 1) > 0


def reason_of(error: Exception) -> str:
    """Why an order failed, in a sentence."""
    return str(error) or type(error).__name__


def outcome_unknown(error: Exception) -> bool:
    """Whether the service may have done it all the same."""
    return bool(getattr(error, "outcome_unknown", False))
