"""The limits of each kind, and a 429 in all its forms. That of API calls by itself stands in `test_access.py`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import pytest

from tests.emulator.conftest import Api, Reply
from tests.emulator.served import serve
from voucherify_async.emulator import Clock, Emulator, Fault, command


def refused(reply: Reply) -> tuple[str, int]:
    """Of a 429: the kind of limit, and the seconds to wait."""
    assert reply.status == 429
    assert reply.json.items() >= {"code": 429, "message": "Too many requests hit the API too quickly."}.items()
    assert reply.json.keys() == {"code", "message", "request_id"}
    return reply.headers["X-Rate-Limit-Type"], int(reply.headers["Retry-After"])


async def import_one(api: Api) -> Reply:
    return await api.post("/v1/orders/import", [{"source_id": "a"}])


@pytest.mark.parametrize(
    ("rule", "seconds"),
    [("2/minute", 60), ("2/hour", 3600), ("2/6 seconds", 6), ("2/30 days", 2_592_000)],
)
async def test_a_limit_holds_for_its_period(
    api: Api, emulator: Emulator, clock: Clock, rule: str, seconds: int
) -> None:
    emulator.rate_limit = rule
    assert [(await api.get("/v1/orders")).status for _ in range(2)] == [200, 200]
    clock.advance(seconds / 2)
    assert refused(await api.get("/v1/orders")) == ("api_calls", seconds / 2)
    clock.advance(seconds / 2)
    assert (await api.get("/v1/orders")).headers["X-Rate-Limit-Remaining"] == "1"


async def test_imports_have_a_limit_of_their_own(api: Api, emulator: Emulator, clock: Clock) -> None:
    emulator.bulk_limit = "2/hour"
    emulator.rate_limit = "100/minute"
    assert [(await import_one(api)).status for _ in range(2)] == [200, 200]
    clock.advance(59.5)
    reply = await import_one(api)
    assert refused(reply) == ("bulk_api_calls", 3541)
    # What all answers say is about API calls: an import is one, and one that was refused is none.
    assert reply.headers["X-Rate-Limit-Limit"] == "100"
    assert reply.headers["X-Rate-Limit-Remaining"] == "98"
    assert reply.headers["X-Rate-Limit-Retry"] == "1700000060"
    assert (await api.post("/v1/orders/export", {})).status == 200
    assert (await api.get("/v1/orders")).headers["X-Rate-Limit-Remaining"] == "96"
    assert len(emulator._project.jobs.imports) == 2
    clock.advance(3540.5)
    assert (await import_one(api)).status == 200


async def test_a_cycle_ends_all_but_imports(api: Api, emulator: Emulator, clock: Clock) -> None:
    emulator.cycle_limit = "3/30 days"
    emulator.rate_limit = "2/minute"
    assert [(await api.get("/v1/orders")).status for _ in range(2)] == [200, 200]
    assert refused(await api.get("/v1/orders")) == ("api_calls", 60)
    clock.advance(60)
    assert (await api.get("/v1/orders")).status == 200
    assert refused(await api.get("/v1/orders")) == ("api_calls_cycle", 30 * 86_400 - 60)
    assert (await import_one(api)).status == 200
    clock.advance(30 * 86_400 - 60)
    assert (await api.get("/v1/orders")).status == 200


async def test_a_request_that_is_refused_counts_for_no_limit(api: Api, emulator: Emulator, clock: Clock) -> None:
    emulator.rate_limit = "1/minute"
    emulator.bulk_limit = "2/hour"
    for status in (200, 429):
        assert (await import_one(api)).status == status
    clock.advance(60)
    assert (await import_one(api)).status == 200
    clock.advance(60)
    assert refused(await import_one(api))[0] == "bulk_api_calls"
    assert (await api.get("/v1/orders")).status == 200


async def test_limits_are_options_and_stay_through_a_reset(api: Api) -> None:
    async with Emulator(rate_limit="9/minute", bulk_limit="1/hour", cycle_limit="2/30 days") as emulator:
        on = Api(emulator, api.session)
        for _ in range(2):
            assert (emulator.rate_limit, emulator.bulk_limit, emulator.cycle_limit) == (
                "9/minute",
                "1/hour",
                "2/30 days",
            )
            assert [(await import_one(on)).status for _ in range(2)] == [200, 429]
            emulator.reset()
        emulator.bulk_limit = None
        assert [(await import_one(on)).status for _ in range(2)] == [200, 200]


@pytest.mark.parametrize("kind", ["api_calls", "bulk_api_calls", "api_calls_cycle", "webhook_calls"])
@pytest.mark.parametrize("wait", ["7", "Tue, 14 Nov 2023 22:13:27 GMT", None])
async def test_any_429_can_be_had_as_a_fault(api: Api, emulator: Emulator, kind: str, wait: str | None) -> None:
    headers = {"X-Rate-Limit-Type": kind, "X-Rate-Limit-Remaining": "0"}
    if wait is not None:
        headers["Retry-After"] = wait
    emulator.faults.add(Fault("status", status=429, headers=headers))
    reply = await api.post("/v1/orders", {"source_id": "a"})
    assert (reply.status, reply.json["code"]) == (429, 429)
    assert reply.headers["X-Rate-Limit-Type"] == kind
    assert reply.headers.get("Retry-After") == wait
    assert emulator.effects.of("a").total == 0


async def test_the_command_has_them_too(on: Callable[[Any], Api], capsys: pytest.CaptureFixture[str]) -> None:
    limits = {"rate_limit": "9/minute", "bulk_limit": "1/hour", "cycle_limit": "2/30 days"}
    options = [f"--{name.replace('_', '-')}={rule}" for name, rule in limits.items()]
    async with serve("--port", "0", *options) as served:
        settings = (await on(served).get("/_emulator/settings")).json
    assert {name: settings[name] for name in limits} == limits
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(["--bulk-limit", "often"])
    assert "such as 2000/minute" in capsys.readouterr().err
