"""The state in a file: over a stop, over a kill, and the command that serves it."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.emulator.conftest import NOON, Api
from voucherify_async.emulator import Clock, Emulator, command

PROGRAM = """
import argparse, sys
from voucherify_async.emulator import command
parser = argparse.ArgumentParser()
command.add_arguments(parser)
sys.exit(command.run(parser.parse_args()))
"""


class Served:
    """An emulator in a process of its own, as the API helper wants it."""

    def __init__(self, process: asyncio.subprocess.Process, lines: dict[str, str]) -> None:
        self.process = process
        self.url = lines["url"]
        self.app_id = lines["app id"]
        self.app_token = lines["app token"]

    async def end(self, number: int) -> int:
        self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), 10)


@asynccontextmanager
async def serve(*arguments: str, **environment: str) -> AsyncIterator[Served]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-c", PROGRAM, *arguments),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )
    assert process.stdout is not None
    try:
        lines = [(await process.stdout.readline()).decode().rstrip("\n").partition(": ") for _ in range(3)]
        yield Served(process, {name: value for name, _, value in lines})
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.fixture
async def on() -> AsyncIterator[Callable[[Any], Api]]:
    async with aiohttp.ClientSession() as session:
        yield lambda emulator: Api(emulator, session)


async def test_everything_survives_a_stop(tmp_path: Path, on: Callable[[Any], Api]) -> None:
    db, clock = tmp_path / "emulator.db", Clock(NOON)
    first = Emulator(db=db, clock=clock, seed=1, import_seconds=10, export_seconds=10)
    async with first:
        api = on(first)
        item = {
            "source_id": "s",
            "related_object": "sku",
            "sku": {"sku": "S", "price": 5, "override": True},
            "product": {"source_id": "p", "name": "P", "override": True},
        }
        order = await api.create(source_id="a", customer={"source_id": "c"}, items=[item])
        done = (await api.post("/v1/orders/import", [{"source_id": f"i{n}"} for n in range(10)])).json
        export = (await api.post("/v1/orders/export", {})).json
        clock.advance(10)
        gone = (await api.post("/v1/orders/export", {})).json
        kept = await api.get(f"/v1/exports/{export['id']}")
        file = (await api.get(kept.json["result"]["url"])).body
        halfway = (await api.post("/v1/orders/import", [{"source_id": f"h{n}"} for n in range(10)])).json
        queued = (await api.post("/v1/orders/import", [{"source_id": "q"}])).json
        token = (
            await api("POST", "/v1/oauth/token", data={"grant_type": "client_credentials", "scope": "api"})
        ).json
        clock.advance(4)
        await api.get("/v1/orders")
        await api("DELETE", f"/v1/exports/{gone['id']}")
        running = (await api.post("/v1/orders/export", {})).json
        await api.put("/v1/orders/a", {"status": "PAID"})
    # The same seed again: no id may come twice.
    second = Emulator(db=db, clock=clock, seed=1)
    assert (second.app_id, second.app_token) == (first.app_id, first.app_token)
    async with second:
        api = on(second)
        assert (await api.get("/v1/orders/a")).json["status"] == "PAID"
        assert (await api.get("/v1/orders")).json["total"] == 15
        assert second.effects.of("a").updated == 1
        again = await api.create(customer={"source_id": "c"}, items=[{"source_id": "s", "related_object": "sku"}])
        assert again["customer_id"] == order["customer_id"]
        assert again["items"][0]["product"]["name"] == "P"
        assert again["id"] != order["id"]
        action = (await api.get(f"/v1/async-actions/{done['async_action_id']}")).json
        assert action["result"]["done_count"] == 10
        bearer = {"Authorization": f"Bearer {token['access_token']}"}
        assert (await api.get("/v1/orders", keys=False, headers=bearer)).status == 200
        link = kept.json["result"]["url"].removeprefix(first.url)
        assert (await api.get(link)).body == file
        assert (await api.get(f"/v1/exports/{gone['id']}")).status == 404
        assert (await api.get(f"/v1/exports/{running['id']}")).json["status"] == "SCHEDULED"
        assert (await api("DELETE", f"/v1/exports/{export['id']}")).status == 204
        clock.advance(20)
        for one, count in ((halfway, 10), (queued, 1)):
            action = (await api.get(f"/v1/async-actions/{one['async_action_id']}")).json
            assert (action["status"], action["result"]["done_count"]) == ("DONE", count)
        assert second.effects.of("h0").imported == second.effects.of("h9").imported == 1
        assert (
            await api("POST", "/v1/oauth/token/revoke", data={"access_token": token["access_token"]})
        ).status == 204
    third = Emulator(db=db, clock=clock, app_id="new", app_token="newer")
    assert (third.app_id, third.app_token) == ("new", "newer")
    third.reset()
    async with third:
        api = on(third)
        assert (await api.get("/v1/orders")).json["total"] == 0
        await api.create(source_id="x")
        third.reset()
        assert (await api.get("/v1/orders")).json["total"] == 0
    fourth = Emulator(db=db, clock=clock)
    assert fourth.app_id == "new"
    async with fourth:
        assert (await on(fourth).get("/v1/orders")).json["total"] == 0


async def test_everything_answered_survives_a_kill(tmp_path: Path, on: Callable[[Any], Api]) -> None:
    db = str(tmp_path / "emulator.db")
    answered: list[str] = []
    async with serve("--port", "0", "--db", db) as served:
        api = on(served)
        keys = (served.app_id, served.app_token)

        async def create(start: int) -> None:
            for number in range(start, 10_000, 8):
                made = await api.create(source_id=f"o{number}")
                answered.append(made["id"])

        tasks = [asyncio.create_task(create(start)) for start in range(8)]
        while len(answered) < 200:
            await asyncio.sleep(0)
        assert await served.end(signal.SIGKILL) == -signal.SIGKILL
        await asyncio.gather(*tasks, return_exceptions=True)
    async with serve("--port", "0", "--db", db) as served:
        assert (served.app_id, served.app_token) == keys
        api = on(served)
        shown = (await api.get("/_emulator/effects")).json["orders"]
        assert len(shown) >= len(answered) >= 200
        assert all(one == {"created": 1, "updated": 0, "imported": 0} for one in shown.values())
        for order_id in answered[-20:]:
            assert (await api.get(f"/v1/orders/{order_id}")).status == 200
        assert await served.end(signal.SIGTERM) == 0


async def test_a_file_belongs_to_one_emulator(tmp_path: Path, on: Callable[[Any], Api]) -> None:
    db = tmp_path / "emulator.db"
    late = Emulator(db=db)
    async with Emulator(db=db) as emulator:
        with pytest.raises(sqlite3.OperationalError, match="in use by another emulator"):
            Emulator(db=db)
        with pytest.raises(sqlite3.OperationalError, match="in use by another emulator"):
            await late.start()
        second = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", PROGRAM, "--port", "0", "--db", str(db)), stderr=asyncio.subprocess.PIPE
        )
        _, said = await second.communicate()
        assert (second.returncode, b"in use by another emulator" in said) == (3, True)
        await on(emulator).create(source_id="a")
        await emulator.aclose()
        await emulator.start()
        assert (await on(emulator).get("/v1/orders/a")).status == 200
    with pytest.raises(sqlite3.OperationalError, match="since it was read"):
        await late.start()
    async with serve("--port", "0", "--db", str(db)) as served:
        assert (await on(served).get("/v1/orders/a")).status == 200
        with pytest.raises(sqlite3.OperationalError, match="in use"):
            Emulator(db=db)


async def test_jobs_stay_in_their_order(tmp_path: Path, on: Callable[[Any], Api], clock: Clock) -> None:
    made: dict[str, list[str]] = {"async_action_id": [], "id": []}
    for _ in range(3):
        async with Emulator(db=tmp_path / "emulator.db", clock=clock) as emulator:
            api = on(emulator)
            for _ in range(3):
                made["async_action_id"].append((await api.post("/v1/orders/import", [{}])).json["async_action_id"])
                made["id"].append((await api.post("/v1/orders/export", {})).json["id"])
    async with Emulator(db=tmp_path / "emulator.db", clock=clock) as emulator:
        api = on(emulator)
        actions = (await api.get("/v1/async-actions?limit=100")).json["async_actions"]
        assert [one["id"] for one in reversed(actions)] == made["async_action_id"]
        exports = (await api.get("/v1/exports?limit=100&order=created_at")).json["exports"]
        assert [one["id"] for one in exports] == made["id"]


async def test_an_import_begins_after_the_last_one_of_before(
    tmp_path: Path, on: Callable[[Any], Api], clock: Clock
) -> None:
    async with Emulator(db=tmp_path / "emulator.db", clock=clock, import_seconds=10) as emulator:
        await on(emulator).post("/v1/orders/import", [{}])
        clock.advance(10)
        await on(emulator).get("/v1/orders")
    clock.set(NOON + 5)
    async with Emulator(db=tmp_path / "emulator.db", clock=clock, import_seconds=10) as emulator:
        api = on(emulator)
        path = f"/v1/async-actions/{(await api.post('/v1/orders/import', [{}])).json['async_action_id']}"
        for seconds, status in ((0, "ENQUEUED"), (5, "IN_PROGRESS"), (9, "IN_PROGRESS"), (1, "DONE")):
            clock.advance(seconds)
            assert (await api.get(path)).json["status"] == status


async def test_a_seed_makes_no_token_twice(tmp_path: Path, on: Callable[[Any], Api], clock: Clock) -> None:
    form = {"grant_type": "client_credentials", "scope": "api"}
    tokens: set[str] = set()
    for _ in range(3):
        async with Emulator(db=tmp_path / "emulator.db", seed=1, clock=clock) as emulator:
            api = on(emulator)
            made = (await api("POST", "/v1/oauth/token", data=form)).json["access_token"]
            for known in sorted(tokens):
                shown = (await api("POST", "/v1/oauth/introspect", data={"access_token": known})).json
                assert shown == {"active": False}
            await api("POST", "/v1/oauth/token/revoke", data={"access_token": made})
            tokens.add(made)
    assert len(tokens) == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_command_stops_cleanly(number: int, on: Callable[[Any], Api]) -> None:
    async with serve(
        "--port", "0", "--rate-limit", "5/hour", "--app-id", "me", VOUCHERIFY_APP_TOKEN="env"
    ) as served:
        assert (served.app_id, served.app_token) == ("me", "env")
        reply = await on(served).get("/v1/orders")
        assert (reply.status, reply.headers["X-Rate-Limit-Limit"]) == (200, "5")
        assert await served.end(number) == 0


def arguments(*given: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(given)


async def test_the_command_in_this_process(capsys: pytest.CaptureFixture[str]) -> None:
    serving = asyncio.create_task(command.serve(arguments("--port", "0", "--seed", "3")))
    shown: list[str] = []
    while not shown:
        await asyncio.sleep(0)
        shown = capsys.readouterr().out.splitlines()
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(serving, 10)
    expected = Emulator(seed=3)
    assert shown[0].startswith("url: http://127.0.0.1:")
    assert shown[1:] == [f"app id: {expected.app_id}", f"app token: {expected.app_token}"]


def test_the_command_says_why_it_cannot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run(arguments("--host", "203.0.113.1", "--port", "0")) == 3
    assert "cannot start" in capsys.readouterr().err
    assert command.run(arguments("--db", str(tmp_path / "no" / "such" / "folder"))) == 3
    assert "unable to open database file" in capsys.readouterr().err
    (tmp_path / "text").write_text("no database" * 1000)
    assert command.run(arguments("--db", str(tmp_path / "text"))) == 3
    assert "not a database" in capsys.readouterr().err
    for wrong in ("99999", "-1", "x", "1" * 5000):
        with pytest.raises(SystemExit) as ending:
            arguments("--port", wrong)
        assert ending.value.code == 2
    assert "from 0 to 65535" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        arguments("--rate-limit", "many")
    assert "such as 2000/minute" in capsys.readouterr().err


def test_the_command_ends_well(monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(_args: argparse.Namespace) -> None:
        return None

    monkeypatch.setattr(command, "serve", at_once)
    assert command.run(arguments()) == 0
