"""The example services under faults, under load and while they end. What happened is counted on the server."""

import asyncio
import itertools
import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from benchmarks.faults.run import KINDS
from tests.fakes import until
from tests.integrations.shops import COMMANDS, SECRET, at_a_rate, running
from tests.test_webhooks import sending
from voucherify_async import NewOrder
from voucherify_async.emulator import Emulator, Fault
from voucherify_async.webhooks import SIGNATURE_HEADER, sign

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="there is no such signal"),
    pytest.mark.parametrize("kind", COMMANDS),
]
PER_SECOND = 500
SECONDS = 4


async def test_what_it_does(kind: str, emulator: Emulator, tmp_path: Path) -> None:
    emulator.export_seconds = 0
    async with running(kind, emulator, tmp_path) as shop:
        assert [await shop.checkout("web-1"), await shop.checkout("web-1", quantity=2)] == [200, 200]
        async with shop.session.get("/orders/web-1") as answer:
            assert await answer.json() == {"number": "web-1", "status": "CREATED", "total": 500}
        async with shop.session.get("/orders/web-9") as answer:
            assert (answer.status, answer.content_type) == (404, "application/problem+json")
        async with shop.session.post("/checkout", json={"number": "web-2", "items": []}) as answer:
            assert answer.status == 422
        async with shop.session.get("/export") as answer:
            assert json.loads(await answer.text()) == {
                "source_id": "web-1",
                "status": "CREATED",
                "total_amount": 500,
                "metadata": {},
            }
        payload = json.dumps(sending()).encode()
        for signature, status in ((sign(payload, SECRET), 204), (sign(payload, SECRET), 204), ("0" * 64, 401)):
            async with shop.session.post(
                "/webhooks/voucherify", data=payload, headers={SIGNATURE_HEADER: signature}
            ) as answer:
                assert answer.status == status
        async with shop.session.post("/orders/web-1/fulfilled") as answer:
            assert answer.status == 202
        await until(lambda: emulator.effects.of("web-1").updated == 2, lambda: asyncio.sleep(0.005))
        async with shop.session.get("/orders/web-1") as answer:
            assert (await answer.json())["status"] == "FULFILLED"
    assert emulator.effects.of("web-2").total == 0


async def test_under_load_and_faults_every_answer_is_true(
    kind: str, emulator: Emulator, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    count = PER_SECOND * SECONDS
    emulator.faults.mix(0.2, *KINDS)
    async with running(kind, emulator, tmp_path) as shop:
        begun = asyncio.get_running_loop().time()
        answers = await at_a_rate(PER_SECOND, count, lambda number: shop.checkout(f"web-{number}", number + 1))
        seconds = asyncio.get_running_loop().time() - begun
    emulator.faults.clear()
    statuses = Counter(status for status, _ in answers)
    took = sorted(seconds for _, seconds in answers)
    record_property("statuses", dict(statuses))
    record_property("seconds", round(seconds, 2))
    record_property("p50_p99_max_ms", [round(1000 * took[int(share * (count - 1))]) for share in (0.5, 0.99, 1)])
    assert statuses == {200: count}
    assert emulator.effects.requests["POST", "/v1/orders"] > 1.1 * count
    orders = emulator.effects.orders
    assert {key: effects.created for key, effects in orders.items()} == {f"web-{n}": 1 for n in range(count)}
    async with emulator.client() as client:
        for number in range(0, count, 97):
            stored = await client.orders.get(f"web-{number}")
            assert (stored.status, stored.total_amount) == ("CREATED", 250 * (number + 1))


async def test_a_service_without_voucherify_says_so(kind: str, emulator: Emulator, tmp_path: Path) -> None:
    async with running(kind, emulator, tmp_path) as shop:
        emulator.faults.add(Fault("status", status=401, times=None))
        assert [await shop.checkout(f"web-{number}") for number in range(3)] == [502] * 3
        emulator.faults.clear()
        emulator.faults.add(Fault("status", status=400, times=None))
        assert await shop.checkout("web-4") == 422
    assert emulator.effects.orders == {}


async def test_what_is_under_way_at_the_end_is_answered(kind: str, emulator: Emulator, tmp_path: Path) -> None:
    emulator.faults.add(Fault("delay", delay=0.3, times=None))
    statuses: dict[str, int] = {}
    refused: set[str] = set()
    told = False

    async def buy(number: str) -> None:
        try:
            statuses[number] = await shop.checkout(number)
        except (aiohttp.ClientConnectionError, ConnectionError):
            refused.add(number)

    async with running(kind, emulator, tmp_path) as shop:
        async with asyncio.TaskGroup() as callers:
            for number in itertools.count():
                callers.create_task(buy(f"web-{number}"))
                await asyncio.sleep(0.0025)
                if not told and len(emulator.effects.arrived) >= 150:
                    shop.terminate()
                    told = True
                if refused:
                    break
        await shop.ended()
    assert len(statuses) >= 150
    assert set(statuses.values()) == {200}
    assert emulator.effects.orders.keys() == statuses.keys()


async def test_an_export_under_way_at_the_end_is_whole(kind: str, emulator: Emulator, tmp_path: Path) -> None:
    emulator.import_seconds = emulator.export_seconds = 0
    async with emulator.client() as client:
        await client.orders.import_all(NewOrder(source_id=f"web-{n}", amount=n) for n in range(10_000))
    emulator.faults.add(Fault("drip", method="GET", path="/v1/exports/*", skip=1, delay=1))
    async with running(kind, emulator, tmp_path) as shop, shop.session.get("/export") as answer:
        first = await answer.content.readline()
        shop.terminate()
        lines = [first, *(await answer.read()).splitlines()]
        await shop.ended()
    assert {json.loads(line)["source_id"] for line in lines} == {f"web-{n}" for n in range(10_000)}
    assert emulator.effects.handled["DELETE", "/v1/exports/*"] == 1


async def test_what_was_not_synced_at_the_end_is_synced_by_the_next(
    kind: str, emulator: Emulator, tmp_path: Path
) -> None:
    count = 120
    emulator.faults.add(Fault("delay", delay=0.05, times=None))
    async with running(kind, emulator, tmp_path) as shop:

        async def fulfil(number: int) -> int:
            async with shop.session.post(f"/orders/web-{number}/fulfilled") as answer:
                return answer.status

        statuses = await asyncio.gather(*map(fulfil, range(count)))
        assert set(statuses) == {202}
        await until(lambda: len(emulator.effects.orders) >= 10, lambda: asyncio.sleep(0.002))
    done = len(emulator.effects.orders)
    assert done < count
    emulator.faults.clear()
    async with running(kind, emulator, tmp_path):
        await until(lambda: os.listdir(tmp_path) == [], lambda: asyncio.sleep(0.005))
    assert {key: effects.created for key, effects in emulator.effects.orders.items()} == {
        f"web-{number}": 1 for number in range(count)
    }
