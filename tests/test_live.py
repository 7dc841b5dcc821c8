"""`make live`, with an emulator that does some things otherwise in place of the service.

The contract tests run unchanged, in a process of their own; what they leave is looked at on the server.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import pytest

from tests.live.budget import MOST_REQUESTS, Budget, BudgetSpentError
from tests.live.run import LiveRun, NotToBeRunError, what_is_lacking
from tests.live.service import Service
from tests.live.sightings import Difference, Sightings, differences
from tests.live.traces import MARK, Cleaned, Traces
from tests.live_proxy import Passing, Proxy
from voucherify_async import ApiError, RateLimitError, RetryPolicy, ServerError, VoucherifyClient
from voucherify_async.emulator import Emulator, Fault

ROOT = Path(__file__).resolve().parents[1]


class Live:
    """`make live` on its way, with an emulator behind a proxy as the service."""

    def __init__(self, process: asyncio.subprocess.Process, report: Path) -> None:
        self.process = process
        self._report = report

    async def ended(self) -> tuple[int, str, str]:
        """Its exit status, what it said, and its report (if there is one)."""
        out, _ = await asyncio.wait_for(self.process.communicate(), 100)
        assert self.process.returncode is not None
        report = self._report.read_text(encoding="utf-8") if self._report.exists() else ""
        return self.process.returncode, out.decode(), report


class Begin(Protocol):
    """Starts it; `environment` goes before the keys of the emulator."""

    async def __call__(self, proxy: Proxy, **environment: str) -> Live: ...


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(rate_limit="100/hour") as emulator:
        yield emulator


@pytest.fixture
async def begin(emulator: Emulator, tmp_path: Path) -> AsyncIterator[Begin]:
    """Start `make live`, as the Makefile does."""
    report = tmp_path / "live-differences.md"
    command = (sys.executable, "-m", "pytest", "--live", "tests/live", "--live-report", str(report))
    begun: list[asyncio.subprocess.Process] = []

    async def begin(proxy: Proxy, **environment: str) -> Live:
        keys = {
            "VOUCHERIFY_APP_ID": emulator.app_id,
            "VOUCHERIFY_APP_TOKEN": emulator.app_token,
            "VOUCHERIFY_SANDBOX_APP_ID": emulator.app_id,
            "VOUCHERIFY_BASE_URL": proxy.url,
        }
        process = await asyncio.create_subprocess_exec(
            *(*command, "-p", "no:cacheprovider", "--basetemp", str(tmp_path / "inner")),
            cwd=ROOT,
            env={**os.environ, **keys, **environment},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        begun.append(process)
        return Live(process, report)

    yield begin
    for process in begun:
        if process.returncode is None:
            process.kill()
            await process.communicate()


def unchanged(_: Passing) -> None:
    """As the emulator answers."""


def listed(out: str) -> list[str]:
    return [line.partition(" ")[2] for line in out.splitlines() if line.startswith("FAILED ")]


async def look_at_what_is_left(emulator: Emulator) -> None:
    """Everything that can be taken away is, and the orders are where they can be found."""
    limit, emulator.rate_limit = emulator.rate_limit, None
    async with emulator.client() as client:
        async with client.orders.iterate() as orders:
            left = [order async for order in orders]
        assert (await client.exports.list()).total == 0
    emulator.rate_limit = limit
    assert left
    for order in left:
        assert order.status == "CANCELED"
        assert (order.source_id or "").startswith(f"contract-{(order.metadata or {})[MARK]}-")
    assert not emulator._project.tokens._live


async def test_the_emulator_as_the_service_differs_in_nothing(emulator: Emulator, begin: Begin) -> None:
    # How quick a job is, is no difference.
    emulator.export_seconds = 0
    async with Proxy(emulator, unchanged) as proxy:
        status, out, report = await (await begin(proxy)).ended()
    assert status == 0, out
    assert report.count("\nNothing.\n") == report.count("\n## ") == 4, report
    assert re.search(r"- (\d+) of \1 contract tests passed, 0 failed\n- \d+ orders CANCELED", report), report
    exports = [request.body for request in emulator.requests if request.path == "/v1/orders/export"]
    # By that the clean-up knows one that should have been refused, or whose answer was lost.
    assert len(exports) == 3
    assert all(b"contract-" in (body or b"") for body in exports)
    assert len(proxy.statuses) <= MOST_REQUESTS
    assert 429 not in proxy.statuses
    await look_at_what_is_left(emulator)
    assert re.search(r"\d+ orders CANCELED, 0 exports deleted, 0 tokens revoked", out)
    assert re.search(r"Orders of this run stay: source ids that begin with contract-\d+-, metadata", out)


class Otherwise:
    """What the documents allow, and in one place what they do not."""

    def __init__(self) -> None:
        self.tokens: list[str] = []

    def __call__(self, passing: Passing) -> None:
        passing.headers["X-Served-By"] = "edge-7"
        if passing.path == "/v1/oauth/token/revoke" and passing.status == 404:
            passing.headers["Content-Type"] = "application/json"
            passing.body = b"{}"
        content = passing.content
        if passing.path.startswith("/v1/exports/") and passing.headers.get("Content-Type", "").startswith("text/"):
            passing.body = passing.body.replace(b"source_id,", b"Source ID,", 1)
        if not isinstance(content, dict):
            return
        if content.get("key") == "not_found":
            content["key"] = "resource_not_found"
        if content.get("object") == "order":
            content["margin"] = {"net": 5}
            content["amount"] = float(content["amount"])
            content.pop("referrer_id")
            if passing.method == "PUT" and content["status"] == "FULFILLED":
                content["status"] = "CREATED"
        if passing.path.startswith("/v1/oauth/token") and passing.status == 404:
            content["details"] = f"Cannot find token {self.tokens[-1]}"
        if "access_token" in content:
            self.tokens.append(content["access_token"])
            content["expires_in"] = min(content["expires_in"], 600)
        passing.body = json.dumps(content).encode()


async def test_what_differs_is_found_and_written_down(emulator: Emulator, begin: Begin) -> None:
    otherwise = Otherwise()
    async with Proxy(emulator, otherwise) as proxy:
        status, out, report = await (await begin(proxy)).ended()
    assert status == 1, out
    failed = "tests/live/test_orders.py::test_an_order_is_created_read_changed_and_listed[live]"
    assert [line.partition(" ")[0] for line in listed(out)] == [failed]
    for expected in (
        "- test_an_order_is_created_read_changed_and_listed: AssertionError",
        "| seconds that a token holds | 900 | 600 |",
        '"details": "Cannot find token <secret>"',
        "tests passed, 1 failed\n",
        '| header of an export | "source_id,amount,status,created_at,metadata.said" '
        '| "Source ID,amount,status,created_at,metadata.said" |',
        '"key": "resource_not_found"',
        "| orders.get 200 | field `amount` | integer | number |",
        "| orders.get 200 | field `margin.net` | - | integer |",
        "| orders.get 200 | field `referrer_id` | null | - |",
        "| all | header `x-served-by` | - | sent |",
        "- `margin` in the answer of `orders.get`",
    ):
        assert expected in report, report
    assert len(proxy.statuses) <= MOST_REQUESTS
    assert 429 not in proxy.statuses
    await look_at_what_is_left(emulator)
    assert otherwise.tokens
    for secret in (emulator.app_token, *otherwise.tokens):
        assert secret not in out + report
    assert "token=" not in out + report


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
async def test_an_interrupted_run_cleans_up(emulator: Emulator, begin: Begin, how: signal.Signals) -> None:
    """In the middle of an export."""
    lives: list[Live] = []

    def interrupt(passing: Passing) -> None:
        if passing.path == "/v1/orders/export" and passing.status == 200:
            lives[0].process.send_signal(how)

    async with Proxy(emulator, interrupt) as proxy:
        lives.append(await begin(proxy))
        status, out, report = await lives[0].ended()
    assert status == 2, out
    assert "KeyboardInterrupt" in out
    await look_at_what_is_left(emulator)
    assert re.search(r"[1-9]\d* orders CANCELED", report)
    assert re.search(r"[1-9] of \d+ contract tests passed, 0 failed\n- Not all was tried", report), report


async def test_a_clean_up_waits_for_an_import(emulator: Emulator, begin: Begin) -> None:
    """Which makes its orders a while after its answer."""
    emulator.import_seconds = 4
    lives: list[Live] = []

    def interrupt(passing: Passing) -> None:
        if passing.path.startswith("/v1/async-actions/") and len(proxy.statuses) == 3:
            lives[0].process.send_signal(signal.SIGINT)

    async with Proxy(emulator, interrupt) as proxy:
        lives.append(await begin(proxy))
        _, out, report = await lives[0].ended()
    assert "\n- 2 orders CANCELED" in report, out
    await look_at_what_is_left(emulator)


async def test_an_interrupted_clean_up_says_how_far_it_came(emulator: Emulator, begin: Begin) -> None:
    lives: list[Live] = []
    canceled = 0

    def interrupt(passing: Passing) -> None:
        nonlocal canceled
        canceled += passing.method == "PUT" and passing.content.get("status") == "CANCELED"
        if passing.path == "/v1/orders/export" or canceled == 3:
            lives[0].process.send_signal(signal.SIGINT)

    async with Proxy(emulator, interrupt) as proxy:
        lives.append(await begin(proxy))
        _, _, report = await lives[0].ended()
    assert re.search(r"- [23] orders CANCELED.*\n.*[1-9] orders and exports not cleaned up yet", report), report


async def test_a_run_that_others_leave_nothing_stops_and_says_what_it_leaves(
    emulator: Emulator, begin: Begin
) -> None:
    """The tests stop at once; the clean-up would wait for the hour to end, if it were let."""

    def used_up(passing: Passing) -> None:
        if len(proxy.statuses) == 20:
            emulator.rate_limit = "1/hour"

    async with Proxy(emulator, used_up) as proxy:
        live = await begin(proxy)
        assert live.process.stdout is not None
        said = b""
        while b"cleaning up goes on in" not in said:
            line = await asyncio.wait_for(live.process.stdout.readline(), 60)
            assert line, said.decode()
            said += line
        live.process.send_signal(signal.SIGINT)
        _, out, report = await live.ended()
    assert re.search(r"goes on in 3\d\d\d seconds\. Orders of this run stay", said.decode())
    assert len(proxy.statuses) < 30
    assert "not cleaned up yet" in report
    assert len(listed(out)) == 1, out


async def test_without_keys_it_says_what_it_needs(emulator: Emulator, begin: Begin) -> None:
    async with Proxy(emulator, unchanged) as proxy:
        none = {"VOUCHERIFY_APP_ID": "", "VOUCHERIFY_APP_TOKEN": ""}
        status, out, report = await (await begin(proxy, **none)).ended()
    assert status == 4
    assert "VOUCHERIFY_APP_ID and VOUCHERIFY_APP_TOKEN missing" in out
    assert not report
    assert not proxy.statuses


async def test_other_tests_do_not_see_the_keys_of_the_shell() -> None:
    variables = {
        f"VOUCHERIFY_{name}": "http://127.0.0.1:9" for name in ("APP_ID", "APP_TOKEN", "BASE_URL", "CLUSTER")
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/test_client.py", "-k", "test_clusters"),
        cwd=ROOT,
        env={**os.environ, **variables},
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()


def test_the_id_of_the_sandbox_is_that_of_the_keys() -> None:
    keys = {"VOUCHERIFY_APP_ID": "a", "VOUCHERIFY_APP_TOKEN": "t"}
    for sandbox in ({}, {"VOUCHERIFY_SANDBOX_APP_ID": "b"}, {"VOUCHERIFY_SANDBOX_APP_ID": ""}):
        assert "VOUCHERIFY_SANDBOX_APP_ID is not VOUCHERIFY_APP_ID" in (what_is_lacking({**keys, **sandbox}) or "")
    assert what_is_lacking({**keys, "VOUCHERIFY_SANDBOX_APP_ID": "a"}) is None


async def test_a_run_does_not_begin_where_it_cannot_end(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator.rate_limit = "60/hour"
    monkeypatch.setenv("VOUCHERIFY_BASE_URL", emulator.url)
    monkeypatch.setenv("VOUCHERIFY_APP_ID", emulator.app_id)
    monkeypatch.setenv("VOUCHERIFY_APP_TOKEN", "wrong-token")
    with pytest.raises(NotToBeRunError, match=r"The service cannot be had: .*401"):
        await LiveRun("1", print).begin()
    monkeypatch.setenv("VOUCHERIFY_APP_TOKEN", f"{emulator.app_token}\n")
    with pytest.raises(NotToBeRunError, match="The service cannot be had: app_token"):
        await LiveRun("1", print).begin()
    monkeypatch.setenv("VOUCHERIFY_APP_TOKEN", emulator.app_token)
    with pytest.raises(
        NotToBeRunError,
        match=r"59 requests are left of the project's limit, and a run may need 80; .* in (59|60) minutes",
    ):
        await LiveRun("1", print).begin()
    emulator.rate_limit = "60/minute"
    await LiveRun("1", print).begin()


async def test_a_budget_keeps_what_the_clean_up_needs() -> None:
    budget = Budget(lambda: 3, most=5)
    for _ in range(2):
        await budget.acquire(1)
        budget.observe(200, {})
    with pytest.raises(BudgetSpentError):
        await budget.acquire(1)
    budget.open_up(lambda _: None)
    for _ in range(3):
        await budget.acquire(1)
        budget.observe(200, {"X-Rate-Limit-Remaining": "many", "X-Rate-Limit-Retry": ""})
    assert budget.sent == 5
    assert budget.shortage() is None


async def test_a_budget_tells_of_every_wait_of_the_clean_up() -> None:
    """Also of one that only a 429 asks for."""
    budget, told = Budget(lambda: 0), list[float]()
    await budget.acquire(1)
    budget.observe(429, {"Retry-After": "3000"})
    budget.open_up(told.append)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(budget.acquire(3_700), 0.1)
    assert [round(seconds) for seconds in told] == [3000]


async def test_a_clean_up_without_requests_says_of_each_that_it_is_left() -> None:
    traces, cleaned = Traces("1"), Cleaned()
    traces.orders |= {"a": None, "b": None}
    traces.exports["exp_1"] = None
    async with VoucherifyClient("id", "token", rate_limiter=Budget(lambda: 0, most=0)) as client:
        await traces.clean_up(client, cleaned)
    assert [line.partition(":")[0] for line in cleaned.left] == [
        "order a",
        "order b",
        "exports that are not known of, if any",
        "export exp_1",
    ]


@pytest.mark.parametrize(("status", "kind"), [(429, RateLimitError), (503, ServerError)])
async def test_what_is_of_the_hour_is_no_doing_of_the_service(
    emulator: Emulator, status: int, kind: type[ApiError]
) -> None:
    emulator.faults.add(Fault(kind="status", status=status, times=None))
    seen = Sightings({})
    async with emulator.client(retry=RetryPolicy(max_attempts=1)) as client:
        service = Service("1", client, lambda auth: client, seen, Traces("1"))
        with pytest.raises(kind):
            await service.refusal("orders.get", client.orders.get("a"), 404)
        with pytest.raises(kind):
            await service.probe("whether", "orders.get", client.orders.with_http_info.get("a"))
    assert not seen.notes
    assert not seen.answers


def test_sightings_are_compared_without_what_is_of_one_run() -> None:
    one, other = Sightings({"contract-1-": "<run>-"}), Sightings({"contract-2-": "<run>-"})
    for seen, run, time in ((one, 1, "2026-01-01T00:00:00.000Z"), (other, 2, "2027-02-03T04:05:06.7Z")):
        body = {
            "id": f"ord_{run}{'a' * 23}",
            "at": time,
            "source_id": f"contract-{run}-x",
            "metadata": {str(run): 1},
        }
        seen.see("orders.get", 200, {"Date": time, "Content-Type": "application/json"}, json.dumps(body).encode())
        seen.note("all of it", [body["id"], time, body["source_id"], f"see https://{run}.example/?token={run}"])
    assert not list(differences(one, other))
    other.see("orders.get", 200, {"Content-Type": "text/html"}, b"<p>")
    other.note("more", None)
    assert list(differences(one, other)) == [
        Difference("more", "did", "not seen", "null"),
        Difference("orders.get 200", "content type", "application/json", "application/json or text/html"),
    ]
