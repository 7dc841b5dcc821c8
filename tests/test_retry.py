"""The rules of repeating."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voucherify_async import RetryPolicy
from voucherify_async.retry import MAY_BE_REPEATED, Fault, fault_of_status, wait_before_repeat

POLICY = RetryPolicy(max_attempts=4, base_delay=1.0, max_delay=3.0, max_wait=30.0)


def wait(
    fault: Fault,
    *,
    attempt: int = 1,
    repeatable: bool = True,
    asked: float | None = None,
    remaining: float | None = None,
    chance: float = 1.0,
) -> float | None:
    return wait_before_repeat(
        POLICY, fault, attempt=attempt, repeatable=repeatable, asked=asked, remaining=remaining, chance=chance
    )


def test_the_table_is_whole() -> None:
    assert set(MAY_BE_REPEATED) == {(fault, repeatable) for fault in Fault for repeatable in (True, False)}


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (400, Fault.FINAL),
        (404, Fault.FINAL),
        (302, Fault.FINAL),
        (408, Fault.MAYBE_DONE),
        (429, Fault.NOT_DONE),
        (500, Fault.MAYBE_DONE),
        (503, Fault.MAYBE_DONE),
    ],
)
def test_faults_of_statuses(status: int, fault: Fault) -> None:
    assert fault_of_status(status) is fault


def test_what_may_have_been_done_is_repeated_only_if_that_is_the_same() -> None:
    assert wait(Fault.MAYBE_DONE, repeatable=False) is None
    assert wait(Fault.MAYBE_DONE, repeatable=True) is not None
    assert wait(Fault.NOT_DONE, repeatable=False) is not None
    assert wait(Fault.FINAL, repeatable=True) is None


def test_waits_double_up_to_the_longest() -> None:
    assert [wait(Fault.NOT_DONE, attempt=attempt) for attempt in (1, 2, 3, 4)] == [1.0, 2.0, 3.0, None]


def test_jitter_goes_down_to_zero() -> None:
    assert wait(Fault.NOT_DONE, chance=0.0) == 0.0


def test_the_service_has_the_first_word() -> None:
    assert wait(Fault.NOT_DONE, asked=20.0, chance=0.0) == 20.0
    assert wait(Fault.NOT_DONE, asked=30.0) == 31.0
    assert wait(Fault.NOT_DONE, asked=30.1) is None


def test_the_deadline_has_the_last() -> None:
    assert wait(Fault.NOT_DONE, asked=20.0, remaining=10.0) is None
    assert wait(Fault.NOT_DONE, attempt=2, remaining=2.0) is None
    assert wait(Fault.NOT_DONE, attempt=2, remaining=2.1) == 2.0


@given(
    fault=st.sampled_from(Fault),
    attempt=st.integers(1, 10),
    repeatable=st.booleans(),
    asked=st.none() | st.floats(0, 1e6),
    remaining=st.none() | st.floats(-10, 1e6),
    chance=st.floats(0, 1),
)
def test_no_wait_is_ever_out_of_bounds(
    fault: Fault, attempt: int, repeatable: bool, asked: float | None, remaining: float | None, chance: float
) -> None:
    found = wait(fault, attempt=attempt, repeatable=repeatable, asked=asked, remaining=remaining, chance=chance)
    if found is None:
        return
    assert MAY_BE_REPEATED[fault, repeatable]
    assert attempt < POLICY.max_attempts
    assert found <= POLICY.max_wait + POLICY.base_delay
    assert found >= (asked or 0.0)
    assert remaining is None or found < remaining
