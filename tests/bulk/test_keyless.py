"""Orders without a key, of a run that was stopped while they were sent."""

from pathlib import Path
from typing import Any

import pytest

from tests.bulk.test_upserts import told
from tests.fakes import FakeClock
from voucherify_async import (
    AuthenticationError,
    BulkStoppedError,
    ConnectError,
    NewOrder,
    RetryPolicy,
    VoucherifyClient,
)
from voucherify_async.emulator import Emulator

IMPORT = ("POST", "/v1/orders/import")
SOURCE = [NewOrder(amount=1), NewOrder(source_id="keyed", amount=2), NewOrder(amount=3)]


@pytest.mark.parametrize("why", ["keys", "address"])
async def test_they_go_again_if_they_certainly_were_not_done(
    client: VoucherifyClient, emulator: Emulator, clock: FakeClock, tmp_path: Path, why: str
) -> None:
    emulator.import_seconds = 0
    arguments: dict[str, Any] = {"allow_keyless": True, "checkpoint": tmp_path / "state", "max_bytes": 20}
    wrong: dict[str, Any] = {"app_token": "none"} if why == "keys" else {"base_url": "http://127.0.0.1:9"}
    async with emulator.client(clock=clock, retry=RetryPolicy(max_attempts=1), **wrong) as stranger:
        for _ in range(2):
            with pytest.raises(BulkStoppedError) as caught:
                await stranger.orders.import_all(SOURCE, **arguments)
            assert isinstance(caught.value.__cause__, AuthenticationError if why == "keys" else ConnectError)
            assert told(caught.value.report)[1:] == (0, 0, 0)
    assert told(await client.orders.import_all(SOURCE, **arguments)) == (3, 3, 0, 0)
    assert (await client.orders.list()).total == 3
