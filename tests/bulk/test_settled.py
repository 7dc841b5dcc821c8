"""Which entries are settled, and whether they are those of the source."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bulk.entries import entry
from voucherify_async import ConfigurationError
from voucherify_async.bulk.settled import Settled


@given(st.permutations(range(12)), st.integers(0, 12))
def test_just_those_are_settled_that_were(positions: list[int], count: int) -> None:
    settled = Settled()
    for position in positions[:count]:
        settled.add(position, 100 + position)
    done = set(positions[:count])
    assert [position for position in range(12) if settled.has(entry(position, 100 + position))] == sorted(done)
    assert settled.mark == next(position for position in range(13) if position not in done)
    assert len(settled._beyond) == len([position for position in done if position > settled.mark])


@given(st.permutations(range(6)), st.integers(1, 6), st.integers(0, 5))
def test_another_source_is_noticed(positions: list[int], count: int, differs_from: int) -> None:
    settled = Settled()
    for position in positions[:count]:
        settled.add(position, 100 + position)
    # The sum is of all keys up to an entry: from the first that differs on, all sums do.
    sums = [100 + position + (position >= differs_from) for position in range(6)]

    def go_through() -> None:
        for position in range(6):
            settled.has(entry(position, sums[position]))

    if max(positions[:count]) < differs_from:
        go_through()
        return
    with pytest.raises(ConfigurationError, match="belongs to another source") as caught:
        go_through()
    assert caught.value.argument == "checkpoint"


def test_a_source_that_ends_sooner_is_noticed() -> None:
    settled = Settled()
    settled.add(0, 7)
    settled.add(2, 9)
    settled.check_end(3)
    with pytest.raises(ConfigurationError, match="ends sooner"):
        settled.check_end(2)
    settled.reach(5, 1)
    with pytest.raises(ConfigurationError, match="ends sooner"):
        settled.check_end(4)
