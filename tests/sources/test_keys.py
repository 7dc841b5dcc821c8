"""Which keys came already."""

from hypothesis import given
from hypothesis import strategies as st

from voucherify_async.sources.keys import SeenKeys


@given(st.lists(st.text(max_size=2)))
def test_a_key_is_new_once(keys: list[str]) -> None:
    seen, known = SeenKeys(), set[str]()
    for key in keys:
        assert seen.add(key) is (key not in known)
        known.add(key)
