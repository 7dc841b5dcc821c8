"""Windows of `created_at`, by law: whatever `$after` and `$before` mean, each order is in one of them."""

import datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voucherify_async import ConfigurationError, OrderRow
from voucherify_async.bulk.windows import check_window, windows_of

BEGIN = datetime.datetime(2026, 1, 31, 23, 59, 59, tzinfo=datetime.UTC)


def at(ms: int) -> datetime.datetime:
    return BEGIN + datetime.timedelta(milliseconds=ms)


def matches(filters: dict[str, Any] | None, moment: datetime.datetime, *, inclusive: bool, step_ms: int) -> bool:
    """A service's way of reading the filters: with or without the moment itself, as finely as it likes."""

    def coarse(value: datetime.datetime) -> int:
        return int((value - BEGIN) / datetime.timedelta(milliseconds=1)) // step_ms

    conditions = {} if filters is None else filters["created_at"]["conditions"]
    mine = coarse(moment)
    for operator, (text,) in conditions.items():
        limit = coarse(datetime.datetime.fromisoformat(text))
        beyond = mine > limit if operator == "$after" else mine < limit
        if not (beyond or (inclusive and mine == limit)):
            return False
    return True


# Many at the same moment, and at the edges of windows.
moments = st.lists(st.one_of(st.integers(0, 20_000), st.integers(0, 20).map(lambda s: s * 1000)), min_size=1)


@given(
    moments=moments,
    width_ms=st.one_of(st.integers(1000, 30_000), st.integers(1, 10).map(lambda s: s * 1000)),
    newest_first=st.booleans(),
    inclusive=st.booleans(),
    step_ms=st.sampled_from([1, 10, 1000]),
)
def test_each_order_is_given_once_and_in_order(
    moments: list[int], width_ms: int, newest_first: bool, inclusive: bool, step_ms: int
) -> None:
    orders = [OrderRow(id=str(number), created_at=at(ms)) for number, ms in enumerate(moments)]
    width = datetime.timedelta(milliseconds=width_ms)
    given = []
    for window in windows_of(at(min(moments)), at(max(moments)), width, newest_first=newest_first):
        filters = window.filters(None)
        found = [
            row
            for row in orders
            if matches(filters, at(moments[int(row.id or "")]), inclusive=inclusive, step_ms=step_ms)
        ]
        found.sort(key=lambda row: row.created_at or BEGIN, reverse=newest_first)
        given += window.own(found)
    assert sorted(row.id or "" for row in given) == sorted(row.id or "" for row in orders)
    assert given == sorted(given, key=lambda row: row.created_at or BEGIN, reverse=newest_first)


@given(moments, st.integers(1000, 30_000))
def test_windows_are_so_wide_and_touch(moments: list[int], width_ms: int) -> None:
    width = datetime.timedelta(milliseconds=width_ms)
    windows = windows_of(at(min(moments)), at(max(moments)), width, newest_first=False)
    assert (windows[0].start, windows[-1].end) == (None, None)
    assert all(before.end == after.start for before, after in pairwise(windows))
    edges = [window.end for window in windows if window.end is not None]
    assert all(after - before == width for before, after in pairwise(edges))
    assert all(edge <= at(max(moments)) for edge in edges)


def test_a_window_joins_the_filters_of_the_user() -> None:
    first, second = windows_of(at(0), at(5_000), datetime.timedelta(seconds=5), newest_first=False)
    user = {"status": {"conditions": {"$is": "PAID"}}}
    assert first.filters(user) == {
        "junction": "and",
        "status": {"conditions": {"$is": "PAID"}},
        "created_at": {"conditions": {"$before": ["2026-02-01T00:00:05.000Z"]}},
    }
    assert second.filters(None) == {
        "junction": "and",
        "created_at": {"conditions": {"$after": ["2026-02-01T00:00:03.000Z"]}},
    }
    assert user == {"status": {"conditions": {"$is": "PAID"}}}


def test_a_project_of_a_moment_needs_no_filters() -> None:
    (window,) = windows_of(at(7), at(7), datetime.timedelta(days=1), newest_first=True)
    assert window.filters(None) is None
    assert window.filters({"junction": "and"}) == {"junction": "and"}


def test_times_in_other_zones_are_the_same_moments() -> None:
    zone = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
    width = datetime.timedelta(seconds=2)
    assert windows_of(at(0).astimezone(zone), at(9000), width, newest_first=False) == windows_of(
        at(0), at(9000), width, newest_first=False
    )


def test_too_many_windows_are_refused() -> None:
    width = datetime.timedelta(seconds=1)
    assert len(windows_of(at(0), at(999_000), width, newest_first=False)) == 1000
    with pytest.raises(ConfigurationError, match="window: must be wider: 0 days make 1001 exports"):
        windows_of(at(0), at(1_000_000), width, newest_first=False)


DAY = datetime.timedelta(days=1)


@pytest.mark.parametrize(
    ("window", "filters", "order", "problem"),
    [
        (5, None, None, "window: must be a timedelta, not int"),
        (datetime.timedelta(milliseconds=999), None, None, "window: must be a second at least"),
        (-DAY, None, None, "window: must be a second at least"),
        (DAY, None, "status", "order: must be created_at or -created_at"),
        (DAY, {"junction": "or"}, None, "filters: must have the junction and"),
        (DAY, {"created_at": {}}, None, "filters: cannot have created_at"),
    ],
)
def test_what_cannot_be_done_in_windows_is_refused(
    window: Any, filters: dict[str, Any] | None, order: str | None, problem: str
) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        check_window(window, filters, order)
    assert check_window(None, filters, order) is None
