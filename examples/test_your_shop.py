"""How your own tests look: the fixtures come with the package, the emulator counts what really happened."""

import pytest

from voucherify_async import NewOrder, Order, ServerError, VoucherifyClient
from voucherify_async.emulator import Emulator, Fault


async def checkout(client: VoucherifyClient, number: str, pence: int) -> Order:
    """What you want to test."""
    return await client.orders.create(NewOrder(source_id=number, status="PAID", amount=pence))


async def test_checkout(voucherify_client: VoucherifyClient) -> None:
    order = await checkout(voucherify_client, "web-1001", 2500)
    assert order.total_amount == 2500


async def test_checkout_survives_a_lost_answer(
    voucherify_emulator: Emulator, voucherify_client: VoucherifyClient
) -> None:
    voucherify_emulator.faults.add(Fault(kind="drop", when="after"))
    order = await checkout(voucherify_client, "web-1001", 2500)
    assert order.total_amount == 2500
    assert voucherify_emulator.effects.of("web-1001").created == 1


async def test_checkout_while_the_service_is_down(
    voucherify_emulator: Emulator, voucherify_client: VoucherifyClient
) -> None:
    voucherify_emulator.faults.add(Fault(kind="status", status=503, times=None))
    impatient = voucherify_client.with_options(timeout=0.2)
    with pytest.raises((ServerError, TimeoutError)):
        await checkout(impatient, "web-1001", 2500)
