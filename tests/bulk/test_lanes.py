"""Lanes: entries of one order never side by side, and never in another sequence."""

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from tests.bulk.entries import entry
from voucherify_async.bulk.entries import Entry
from voucherify_async.bulk.lanes import Lanes

NAMES = st.sampled_from(["a", "b", "c"])
ORDERS = st.tuples(NAMES, st.none() | NAMES).map(lambda names: {"source_id": names[0], "id": names[1] or UNSET})


@given(st.lists(ORDERS, max_size=30), st.randoms(use_true_random=False), st.integers(1, 8))
def test_entries_that_share_a_name_go_one_after_another(
    orders: list[dict[str, Any]], chance: random.Random, side_by_side: int
) -> None:
    lanes = Lanes()
    under_way: list[Entry] = []
    settled: list[Entry] = []
    coming = [entry(position, **names) for position, names in enumerate(orders)]
    everyone = list(coming)
    while coming or under_way or lanes.ready:
        if coming and chance.random() < 0.5:
            lanes.add(coming.pop(0))
        while lanes.ready and len(under_way) < side_by_side:
            started = lanes.ready.popleft()
            earlier = [one for one in everyone[: started.position] if one.names & started.names]
            assert all(one in settled for one in earlier)
            under_way.append(started)
        if under_way and (not coming or chance.random() < 0.5):
            ended = under_way.pop(chance.randrange(len(under_way)))
            lanes.settle(ended)
            settled.append(ended)
    assert sorted(one.position for one in settled) == list(range(len(orders)))
    assert lanes.waiting == 0
    assert not lanes._last_of


def test_what_may_be_sent_first_came_first() -> None:
    lanes = Lanes()
    for position in range(5):
        lanes.add(entry(position, source_id=f"o-{position}"))
    assert [one.position for one in lanes.ready] == [0, 1, 2, 3, 4]


def test_an_entry_with_both_names_holds_up_both() -> None:
    lanes = Lanes()
    both = entry(0, source_id="s", id="i")
    lanes.add(both)
    lanes.add(entry(1, source_id="s"))
    lanes.add(entry(2, id="i"))
    lanes.ready.popleft()
    assert not lanes.ready
    lanes.settle(both)
    assert [one.position for one in lanes.ready] == [1, 2]
