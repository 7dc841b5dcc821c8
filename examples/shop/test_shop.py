"""How you test your service: the application itself, an emulator behind it, and faults in between."""

import json
import os
from collections.abc import AsyncIterator

import httpx
import pytest

os.environ.setdefault("VOUCHERIFY_WEBHOOK_SECRET", "a secret of the tests")  # the service reads it at once

from with_fastapi import app, paid

from voucherify_async import VoucherifyClient
from voucherify_async.emulator import Emulator, Fault
from voucherify_async.integrations.fastapi import voucherify_client as the_client
from voucherify_async.webhooks import SIGNATURE_HEADER, sign

CART = {"number": "web-1001", "items": [{"sku": "tea", "quantity": 2, "price": 1250}]}


@pytest.fixture
async def shop(voucherify_client: VoucherifyClient) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who calls the service. It runs in the test's event loop, and its client talks to the emulator."""
    app.dependency_overrides[the_client] = lambda: voucherify_client
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as shop:
        yield shop
    app.dependency_overrides.clear()


async def test_checkout(shop: httpx.AsyncClient) -> None:
    answer = await shop.post("/checkout", json=CART)
    assert answer.json() == {"number": "web-1001", "status": "CREATED", "total": 2500}


async def test_a_lost_answer_makes_no_second_order(shop: httpx.AsyncClient, voucherify_emulator: Emulator) -> None:
    voucherify_emulator.faults.add(Fault("drop", when="after"))
    assert (await shop.post("/checkout", json=CART)).status_code == 200
    assert voucherify_emulator.effects.of("web-1001").created == 1


async def test_voucherify_is_down(
    shop: httpx.AsyncClient, voucherify_emulator: Emulator, voucherify_client: VoucherifyClient
) -> None:
    voucherify_emulator.faults.add(Fault("status", status=503, times=None))
    app.dependency_overrides[the_client] = lambda: voucherify_client.with_options(timeout=0.2)
    answer = await shop.post("/checkout", json=CART)
    assert answer.status_code in (502, 504)
    assert answer.headers["Content-Type"] == "application/problem+json"


async def test_an_order_that_nobody_knows(shop: httpx.AsyncClient) -> None:
    assert (await shop.get("/orders/web-9999")).status_code == 404


async def test_the_limit_is_used_up(shop: httpx.AsyncClient, voucherify_emulator: Emulator) -> None:
    limit = {"Retry-After": "900", "X-Rate-Limit-Type": "api_calls_cycle"}
    voucherify_emulator.faults.add(Fault("status", status=429, headers=limit))
    answer = await shop.post("/checkout", json=CART)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "900")


async def test_a_webhook_counts_once(shop: httpx.AsyncClient) -> None:
    event = {"id": "evcus_1", "type": "customer.order.paid"}
    payload = json.dumps({"event": event, "data": {"order": {"id": "ord_1", "total_amount": 2500}}}).encode()
    signed = {SIGNATURE_HEADER: sign(payload, os.environ["VOUCHERIFY_WEBHOOK_SECRET"])}
    for _ in range(2):
        assert (await shop.post("/webhooks/voucherify", content=payload, headers=signed)).status_code == 204
    assert paid == {"ord_1": 2500}
    forged = {SIGNATURE_HEADER: "0" * 64}
    assert (await shop.post("/webhooks/voucherify", content=payload, headers=forged)).status_code == 401
