"""Options check themselves when they are made."""

import math
from collections.abc import Callable

import pytest

from voucherify_async import ConfigurationError, PoolLimits, RetryPolicy, Timeouts


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (lambda: Timeouts(total=-1), "timeouts.total"),
        (lambda: Timeouts(total=0), "timeouts.total"),
        (lambda: Timeouts(connect=math.inf), "timeouts.connect"),
        (lambda: Timeouts(read=math.nan), "timeouts.read"),
        (lambda: Timeouts(pool="5"), "timeouts.pool"),  # type: ignore[arg-type]
        (lambda: Timeouts(total=True), "timeouts.total"),
        (lambda: PoolLimits(max_connections=0), "pool.max_connections"),
        (lambda: PoolLimits(max_connections=1.5), "pool.max_connections"),  # type: ignore[arg-type]
        (lambda: PoolLimits(keepalive=-1), "pool.keepalive"),
        (lambda: RetryPolicy(max_attempts=0), "retry.max_attempts"),
        (lambda: RetryPolicy(base_delay=-1), "retry.base_delay"),
        (lambda: RetryPolicy(max_delay=0), "retry.max_delay"),
        (lambda: RetryPolicy(max_wait=math.inf), "retry.max_wait"),
    ],
)
def test_a_bad_option_is_named(make: Callable[[], object], argument: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert caught.value.argument == argument
    assert str(caught.value).startswith(argument)
    assert isinstance(caught.value, ValueError)


def test_options_are_frozen() -> None:
    with pytest.raises(AttributeError, match="immutable"):
        Timeouts().total = 5  # type: ignore[misc]


def test_no_call_waits_for_ever_by_default() -> None:
    for name in Timeouts.__struct_fields__:
        limit = getattr(Timeouts(), name)
        assert 0 < limit < 600


def test_no_limit_can_be_asked_for() -> None:
    assert Timeouts(total=None).total is None
