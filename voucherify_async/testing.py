"""A pytest plugin: an emulator and a client for it, new for each test.

It is found by itself where the package is installed. With pytest-asyncio or anyio's plugin:

    async def test_checkout(voucherify_emulator, voucherify_client):
        await checkout(voucherify_client, cart)
        assert voucherify_emulator.effects.of("web-1001").created == 1
"""

from collections.abc import AsyncIterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voucherify_async.client import VoucherifyClient
    from voucherify_async.emulator import Emulator

if TYPE_CHECKING or find_spec("pytest_asyncio") is not None:
    from pytest_asyncio import fixture
else:  # anyio's plugin takes plain fixtures
    from pytest import fixture  # noqa: PT013

__all__ = ["voucherify_client", "voucherify_emulator"]


@fixture
async def voucherify_emulator() -> "AsyncIterator[Emulator]":
    """An emulator of the service on a free port of this machine, empty, and gone after the test."""
    from voucherify_async.emulator import Emulator  # noqa: PLC0415 - every pytest run would pay for it

    async with Emulator() as emulator:
        yield emulator


@fixture
async def voucherify_client(voucherify_emulator: "Emulator") -> "AsyncIterator[VoucherifyClient]":
    """A client that talks to `voucherify_emulator`."""
    async with voucherify_emulator.client() as client:
        yield client
