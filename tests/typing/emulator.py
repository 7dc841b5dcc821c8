"""The emulator and the fixtures, as a user's own tests have them."""

from collections.abc import AsyncIterator
from typing import assert_type

import voucherify_async.testing
from voucherify_async import RetryPolicy, VoucherifyClient, __version__
from voucherify_async.emulator import (
    Clock,
    Effects,
    Emulator,
    Fault,
    FaultKind,
    Faults,
    OrderEffects,
    RequestRecord,
)


async def emulated() -> AsyncIterator[VoucherifyClient]:
    async with Emulator() as emulator, emulator.client(retry=RetryPolicy()) as client:
        assert_type(client, VoucherifyClient)
        yield client


async def started(emulator: Emulator) -> None:
    await emulator.start()
    assert_type((emulator.url, emulator.app_id, emulator.app_token), tuple[str, str, str])
    assert_type(emulator.running, bool)
    await emulator.aclose()


def turned(emulator: Emulator, kind: FaultKind) -> None:
    assert_type(emulator.faults, Faults)
    emulator.faults.add(Fault("status", status=503, times=None), Fault(kind, path="/v1/orders/*", when="after"))
    emulator.faults.mix(0.1, Fault("drop"), times=3)
    assert_type(emulator.faults.pending, list[Fault])
    emulator.faults.clear()
    emulator.rate_limit = "100/minute"
    emulator.bulk_limit = emulator.cycle_limit = None
    emulator.import_seconds = emulator.export_seconds = None
    emulator.oauth_expires_in = emulator.download_seconds = 60
    emulator.download_url = None
    emulator.download_ranges = True
    emulator.pause_jobs()
    assert_type(emulator.jobs_paused, bool)
    emulator.resume_jobs()
    emulator.fail_next_import("no", status="FAILED")
    emulator.fail_next_export()
    emulator.reset(seed=1)
    assert_type(emulator.seed, str)
    Fault("explode")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    Fault("drop", when="meanwhile")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    Emulator(8080)  # type: ignore[call-arg, arg-type] # pyright: ignore[reportCallIssue]
    emulator.rate_limit = 100  # type: ignore[assignment] # pyright: ignore[reportAttributeAccessIssue]


def looked_at(emulator: Emulator) -> None:
    assert_type(emulator.effects, Effects)
    assert_type(emulator.effects.of("web-1"), OrderEffects)
    assert_type(emulator.effects.of("web-1").created, int)
    assert_type(emulator.effects.orders, dict[str, OrderEffects])
    assert_type(emulator.requests, list[RequestRecord])
    assert_type(emulator.requests[0].headers, dict[str, str])
    assert_type(Emulator(clock=Clock(), port=0, db="orders.db", rate_limit="1/hour", seed=1), Emulator)
    assert_type(Emulator(bulk_limit="10/hour", cycle_limit="100000/30 days"), Emulator)
    version: str = __version__
    del version


# Named by a user's conftest, if the plugin is not to be found by itself.
FIXTURES = [voucherify_async.testing.voucherify_emulator, voucherify_async.testing.voucherify_client]
