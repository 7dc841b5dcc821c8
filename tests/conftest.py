"""What all tests share. The fixtures are those that users get from the plugin, and a clock to go with them."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from importlib import import_module

import pytest
from hypothesis import HealthCheck, settings

from tests.elsewhere import objections
from tests.fakes import FakeClock
from tests.judge import Judge
from tests.secretwatch import SecretWatch
from voucherify_async import VoucherifyClient
from voucherify_async.emulator import Emulator

# Machines are slow at times; what a test finds must not depend on it.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--uvloop", action="store_true", help="run the tests of this process on uvloop")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--uvloop"):
        # pytest-asyncio could be given a factory of loops, but tests that call asyncio.run() would not have it.
        asyncio.set_event_loop_policy(import_module("uvloop").EventLoopPolicy())
    if not config.getoption("--live", default=False):
        # Keys of the shell are for `make live`. Elsewhere clients and commands would use them.
        for name in [name for name in os.environ if name.startswith("VOUCHERIFY_")]:
            del os.environ[name]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--uvloop"):
        # Deselected, not skipped, as in `tests/peers`.
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("asyncio_loop")])
        items[:] = [item for item in items if not item.get_closest_marker("asyncio_loop")]


@pytest.fixture(autouse=True)
def secret_watch() -> Iterator[SecretWatch]:
    """No test may let a key or a token show; see `tests/secretwatch.py`."""
    with SecretWatch() as watch:
        yield watch
    if leaks := watch.leaks():
        pytest.fail("\n".join(leaks), pytrace=False)


@pytest.fixture(autouse=True)
def judge() -> Iterator[Judge]:
    """No emulator may answer what Voucherify's documents do not allow; see `tests/judge.py` and `elsewhere.py`."""
    with Judge() as judge:
        yield judge
    if found := judge.objections + objections():
        pytest.fail("\n".join(found), pytrace=False)


@pytest.fixture(params=["direct", "session"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A test that is run with this goes both ways that requests may take; see `voucherify_async/direct.py`."""
    if request.param == "session":
        monkeypatch.setattr("voucherify_async.direct._TRIED_WITH", frozenset())
    return str(request.param)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(seed=1) as emulator:
        yield emulator


@pytest.fixture
async def client(emulator: Emulator, clock: FakeClock) -> AsyncIterator[VoucherifyClient]:
    async with emulator.client(clock=clock) as client:
        yield client
