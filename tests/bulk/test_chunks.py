"""The chunker never loses, reorders or exceeds."""

import asyncio
from itertools import pairwise

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tests.bulk.entries import entry
from voucherify_async import NewOrder, OrderItem
from voucherify_async.bulk.chunks import Chunk, Chunker
from voucherify_async.bulk.entries import Entry


def cut(entries: list[Entry], most_orders: int, most_bytes: int, until: int | None = None) -> list[Chunk]:
    async def all_chunks() -> list[Chunk]:
        coming = iter(entries)

        async def next_entry() -> Entry | None:
            return next(coming, None)

        chunker = Chunker(next_entry, most_orders=most_orders, most_bytes=most_bytes)
        found = []
        chunk = await chunker.next(until)
        while chunk is not None:
            found.append(chunk)
            chunk = await chunker.next()
        return found

    return asyncio.run(all_chunks())


KEYS = st.lists(st.text("abü", min_size=1, max_size=40), max_size=40)


@given(KEYS, st.integers(1, 10), st.integers(1, 300))
def test_all_arrive_in_sequence_and_within_bounds(keys: list[str], most_orders: int, most_bytes: int) -> None:
    entries = [entry(position, source_id=key) for position, key in enumerate(keys)]
    chunks = cut(entries, most_orders, most_bytes)
    sent = [order for chunk in chunks for order in msgspec.json.decode(chunk.body(), type=list[NewOrder])]
    assert [order.source_id for order in sent] == keys
    for chunk in chunks:
        assert 1 <= len(chunk.parts) <= most_orders
        assert len(chunk.body()) <= most_bytes or len(chunk.parts) == 1
    # Each is as large as it may be: with the first order of the next one it would exceed.
    for chunk, following in pairwise(chunks):
        grown = len(chunk.body()) + len(following.parts[0].json) + 1
        assert len(chunk.parts) == most_orders or grown > most_bytes


@given(KEYS.filter(bool), st.integers(1, 10), st.integers(1, 300), st.data())
def test_the_first_ends_where_an_earlier_run_cut_it(
    keys: list[str], most_orders: int, most_bytes: int, data: st.DataObject
) -> None:
    entries = [entry(position, position, source_id=key) for position, key in enumerate(keys)]
    until = data.draw(st.integers(1, len(keys)))
    first, *others = cut(entries, most_orders, most_bytes, until)
    assert (first.end, first.key_sum) == (until, until - 1)
    assert [part.entry for chunk in (first, *others) for part in chunk.parts] == entries


def test_orders_that_do_not_fit_take_room_as_well() -> None:
    unfit = [entry(position, source_id="o", items=[OrderItem()] * 501) for position in range(10)]
    chunks = cut(unfit, 100, 5_000)
    assert [len(chunk.parts) for chunk in chunks] == [3, 3, 3, 1]
    for part in chunks[0].parts:
        # They would keep the JSON beside the order.
        assert part.problem is not None
        assert (part.problem.__traceback__, part.problem.__context__) == (None, None)
    odd = entry(0, source_id="\ud800")
    assert cut([odd], 100, 5_000)[0].parts[0].size == 0


@given(st.lists(st.booleans(), min_size=2, max_size=20).filter(lambda fits: sum(fits) > 1))
def test_halves_are_the_whole(fits: list[bool]) -> None:
    unfit = [OrderItem()] * 501
    entries = [
        entry(position, source_id="o") if fit else entry(position, source_id="o", items=unfit)
        for position, fit in enumerate(fits)
    ]
    (chunk,) = cut(entries, 100, 10_000_000)
    assert [part.problem is None for part in chunk.parts] == fits
    halves = chunk.halves()
    assert [part for half in halves for part in half.parts] == chunk.parts
    assert halves[1].end == chunk.end
    sizes = [len(half.sendable) for half in halves]
    assert min(sizes) >= 1
    assert abs(sizes[0] - sizes[1]) <= 1


def test_a_chunk_is_keyed_if_all_that_is_sent_is() -> None:
    unfit = entry(1, items=[OrderItem()] * 501)
    assert cut([entry(0, source_id="o"), unfit], 9, 99_999)[0].keyed
    assert not cut([entry(0, source_id="o"), entry(1, amount=1)], 9, 999)[0].keyed
