"""An outage under load, in short: the clock runs five times as fast."""

import pytest

from benchmarks.faults.outage import OUTAGES, OutageKind, outage
from voucherify_async.budget import CAPACITY, TRICKLE_SECONDS


@pytest.mark.parametrize("kind", OUTAGES)
async def test_an_outage_is_not_multiplied_and_outlived(kind: OutageKind) -> None:
    found = await outage(kind, per_second=240, seconds=5, speed=5)
    # A machine that is slow for a moment sends a part of one period's requests in the next.
    assert found.during <= 1.1 * max(found.healthy, found.first), found
    assert found.during - found.first <= CAPACITY + 5 / TRICKLE_SECONDS + 2, found
    assert (found.failed, found.lost) == (0, 0), found
    assert found.calls > 3000
