"""The service of the contract tests: the emulator, always; with `--live`, as `make live` has it, the real one too.

A live run needs keys of a sandbox project in the environment, and the id a second time, so that nobody's orders are
written to by a shell that happens to have keys. It cleans up whatever ends it, and writes down what differs.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.live.budget import BudgetSpentError
from tests.live.run import LiveRun, NotToBeRunError, what_is_lacking
from tests.live.service import Service
from tests.live.sightings import Sightings
from tests.live.traces import Traces, prefix_of
from voucherify_async import Auth, RateLimitError, VoucherifyClient
from voucherify_async.emulator import Emulator


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--live", action="store_true", help="run the contract tests against the real service, too")
    parser.addoption("--live-report", default="live-differences.md", help="where to write what differs")


def _is_live(config: pytest.Config) -> bool:
    # Without these tests named on the command line, this file comes too late to add an option.
    return bool(config.getoption("--live", default=False))


def pytest_configure(config: pytest.Config) -> None:
    if not _is_live(config):
        return
    if lacking := what_is_lacking(os.environ):
        raise pytest.UsageError(lacking)
    # It would end the process at once, and leave everything. As Ctrl-C it is heard by event loops, too.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "service" in metafunc.fixturenames:
        names = ["emulator", "live"] if _is_live(metafunc.config) else ["emulator"]
        metafunc.parametrize("service", names, indirect=True)


@pytest.fixture(scope="session")
def emulated() -> Sightings:
    """What is seen of the emulator in all tests."""
    return Sightings({prefix_of("emulated"): "<run>-", "emulated": "<run>"})


@pytest.fixture(scope="session")
def live_run(request: pytest.FixtureRequest, emulated: Sightings) -> Iterator[LiveRun | None]:
    """Torn down after failures and Ctrl-C too: not in an event loop, which may have been the one interrupted."""
    if not _is_live(request.config):
        yield None
        return
    capture = request.config.pluginmanager.get_plugin("capturemanager")

    def say(*lines: str) -> None:
        with capture.global_and_fixture_disabled() if capture is not None else nullcontext():
            print("", *lines, sep="\n", flush=True)

    run = LiveRun(f"{datetime.now(UTC):%Y%m%d%H%M%S}", say)
    try:
        asyncio.run(run.begin())
    except NotToBeRunError as error:
        pytest.exit(str(error), returncode=3)
    run.planned = sum("[live]" in item.name for item in request.session.items)
    request.config.stash[_RUN] = run
    yield run
    try:
        asyncio.run(run.clean_up())
    finally:
        run.write(Path(str(request.config.getoption("--live-report"))), emulated)


_RUN = pytest.StashKey[LiveRun]()


@pytest.fixture
async def service(
    request: pytest.FixtureRequest, emulated: Sightings, live_run: LiveRun | None
) -> AsyncIterator[Service]:
    """One of the services; parametrized above."""
    if request.param == "live" and live_run is not None:
        async with live_run.client() as client:
            yield Service(live_run.id, client, live_run.client, live_run.sightings, live_run.traces)
    else:
        async with Emulator(rate_limit="100/hour") as emulator, emulator.client() as client:

            def signed_by(auth: Auth) -> VoucherifyClient:
                return emulator.client(auth=auth)

            yield Service("emulated", client, signed_by, emulated, Traces("emulated"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    yield
    run = item.config.stash.get(_RUN, None)
    if run is None or "[live]" not in item.name:
        return
    error = call.excinfo
    if error is not None and (spent := _of_the_limit(error.value)):
        # Every further test would only hear the same.
        item.session.shouldstop = f"no more requests: {spent}"
    elif call.when == "call":
        run.ended += 1
        if error is not None:
            run.broken.append(f"{item.name.removesuffix('[live]')}: {error.exconly().splitlines()[0]}")


def _of_the_limit(error: BaseException | None) -> BaseException | None:
    """What says that others, or the run itself, have used up the hour: the error, or what it comes of."""
    while error is not None and not isinstance(error, RateLimitError | BudgetSpentError):
        error = error.__cause__
    return error
