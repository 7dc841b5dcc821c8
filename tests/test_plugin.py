"""The pytest plugin, as a user's test suite has it."""

import pytest

from voucherify_async import NewOrder, VoucherifyClient
from voucherify_async.emulator import Emulator

pytest_plugins = ["pytester"]


async def test_the_fixtures(voucherify_emulator: Emulator, voucherify_client: VoucherifyClient) -> None:
    await voucherify_client.orders.create(NewOrder(source_id="o-1"))
    assert voucherify_emulator.effects.of("o-1").created == 1


async def test_each_test_has_an_emulator_of_its_own(voucherify_client: VoucherifyClient) -> None:
    assert (await voucherify_client.orders.list()).total == 0


@pytest.mark.parametrize(("plugin", "mark"), [("asyncio", "asyncio"), ("no:asyncio", "anyio")])
def test_it_works_under_either_plugin(pytester: pytest.Pytester, plugin: str, mark: str) -> None:
    # A section in any case: without one, pytest looks for its options further up, and may be within this project.
    option = "asyncio_default_fixture_loop_scope = function\n" if plugin == "asyncio" else ""
    pytester.makeini(f"[pytest]\n{option}")
    pytester.makepyfile(f"""
        import pytest
        from voucherify_async import NewOrder

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        @pytest.mark.{mark}
        async def test_one(voucherify_emulator, voucherify_client):
            await voucherify_client.orders.create(NewOrder(source_id="o-1"))
            assert voucherify_emulator.effects.of("o-1").created == 1
    """)
    pytester.runpytest_subprocess("-p", plugin).assert_outcomes(passed=1)
