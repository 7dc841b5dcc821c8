"""What a request costs when there are many orders: counted in comparisons and bytes, never in seconds."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voucherify_async.emulator import timeindex
from voucherify_async.emulator.exporting import file_chunks
from voucherify_async.emulator.store import OrderRecord
from voucherify_async.emulator.timeindex import FULL, TimeIndex

MANY = 50_000


class Counted(int):
    """A time that counts how often it is compared."""

    compared = 0

    def __eq__(self, other: object) -> bool:
        Counted.compared += 1
        return int(self) == other

    def __lt__(self, other: int) -> bool:
        Counted.compared += 1
        return int(self) < other

    __hash__ = int.__hash__


def filled(count: int) -> tuple[TimeIndex[OrderRecord], list[OrderRecord]]:
    """An index of records, one a millisecond."""
    index: TimeIndex[OrderRecord] = TimeIndex()
    records = [OrderRecord(f"ord_{number}", number) for number in range(count)]
    for record in records:
        index.add(Counted(record.sequence), record)
    return index, records


def test_a_page_compares_no_orders_and_copies_no_listing() -> None:
    index, records = filled(MANY)
    Counted.compared = 0
    tracemalloc.start()
    try:
        last = index.page(9_900, 100, descending=True)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert last == records[-9_901:-10_001:-1]
    assert Counted.compared == 0
    assert peak < 8 * 1024, "one copy of the listing would be 400 KB"


def test_a_change_moves_one_block_at_most() -> None:
    index, records = filled(MANY)
    Counted.compared = 0
    record = records[MANY // 2]
    index.remove(Counted(record.sequence), record)
    index.add(Counted(MANY), record)
    # Two binary searches for each: twice the digits of 50,000 in the binary system, at two comparisons a step.
    assert 0 < Counted.compared < 100
    assert index.page(0, 1, descending=True) == [record]
    assert max(len(block) for block in index._blocks) <= FULL


@given(
    changes=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 20)), max_size=60),
    start=st.integers(0, 12),
    count=st.integers(1, 12),
    full=st.integers(2, 4),
)
def test_blocks_are_one_sorted_list(changes: list[tuple[int, int]], start: int, count: int, full: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timeindex, "FULL", full)
        index: TimeIndex[OrderRecord] = TimeIndex()
        records = [OrderRecord(f"ord_{number}", number) for number in range(10)]
        times: dict[int, int] = {}
        for number, at_ms in changes:
            if number in times:
                index.remove(times[number], records[number])
            times[number] = at_ms
            index.add(at_ms, records[number])
        again: TimeIndex[OrderRecord] = TimeIndex()
        again.fill((at_ms, records[number]) for number, at_ms in times.items())
    wanted = [records[number] for number in sorted(times, key=lambda number: (times[number], number))]
    for one in (index, again):
        assert all(one._blocks)
        assert one.page(start, count, descending=False) == wanted[start : start + count]
        assert one.page(start, count, descending=True) == wanted[::-1][start : start + count]


def test_a_long_export_takes_no_more_memory_than_a_short_one() -> None:
    order: dict[str, Any] = {"id": "ord_1", "status": "PAID", "metadata": {"channel": "web" * 50}}
    fields = {"fields": ["id", "status", "metadata"]}

    def peak(count: int) -> tuple[int, int]:
        orders = [order] * count
        tracemalloc.start()
        try:
            size = sum(len(chunk) for chunk in file_chunks(orders, lambda _: True, fields))
            return size, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    (short, little), (long, much) = peak(1_000), peak(20_000)
    assert long > 19 * short
    # Eight bytes for each order that was chosen, growing by an eighth beyond what is needed; nothing of its row.
    assert much - little < 20_000 * 8 * 2.5
