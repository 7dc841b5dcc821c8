"""The state in a file: over a stop, over a kill, and the command that serves it."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.emulator.conftest import NOON, Api
from tests.emulator.served import PROGRAM, serve
from tests.judge import Judge
from voucherify_async.emulator import Clock, Emulator, Fault, command


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[sqlite3.Connection]:
    """Those of the emulators to files, the newest last."""
    made: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def connected(*arguments: Any, **options: Any) -> sqlite3.Connection:
        made.append(connect(*arguments, **options))
        return made[-1]

    monkeypatch.setattr(sqlite3, "connect", connected)
    return made


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


async def test_a_kill_loses_nothing_that_is_under_way(tmp_path: Path, on: Callable[[Any], Api]) -> None:
    """Killed twice with jobs, a pause, a token, a limit and a clock on their way, it stands where it stood."""
    options = ("--port", "0", "--db", str(tmp_path / "emulator.db"), "--rate-limit", "50/hour")
    async with serve(*options) as served:
        api = on(served)
        await api.post("/_emulator/clock", {"set": NOON})
        await api.post("/_emulator/jobs", {"import_seconds": 10, "export_seconds": 10})
        for number in range(8):
            await api.create(source_id=f"o{number}")
        export_id = (await api.post("/v1/orders/export", {"parameters": {"fields": ["source_id"]}})).json["id"]
        rows = [{"source_id": f"i{n}"} for n in range(9)] + [{"source_id": "bad", "amount": -1}]
        action_id = (await api.post("/v1/orders/import", rows)).json["async_action_id"]
        form = {"grant_type": "client_credentials", "scope": "api"}
        token = (await api("POST", "/v1/oauth/token", data=form)).json["access_token"]
        await api.post("/_emulator/clock", {"advance": 5})
        before = await api.get(f"/v1/async-actions/{action_id}")
        await api.post("/_emulator/jobs", {"paused": True})
        await api.post("/_emulator/clock", {"advance": 100})
        assert await served.end(signal.SIGKILL) == -signal.SIGKILL
    async with serve(*options) as served:
        api = on(served)
        assert (await api.get("/_emulator/clock")).json["now"] == NOON + 105
        again = await api.get(f"/v1/async-actions/{action_id}")
        assert before.json["status"] == "IN_PROGRESS"
        assert again.json == before.json
        left = [int(one.headers["X-Rate-Limit-Remaining"]) for one in (before, again)]
        assert left == [38, 37]
        assert (await api.get("/_emulator/jobs")).json["paused"]
        await api.post("/_emulator/jobs", {"paused": False})
        await api.post("/_emulator/clock", {"advance": 5})
        assert await served.end(signal.SIGKILL) == -signal.SIGKILL
    async with serve(*options) as served:
        api = on(served)
        action = (await api.get(f"/v1/async-actions/{action_id}")).json
        assert (action["status"], action["result"]["done_count"]) == ("DONE", 9)
        assert [one["source_id"] for one in action["result"]["failed"]] == ["bad"]
        link = (await api.get(f"/v1/exports/{export_id}")).json["result"]["url"]
        # As they were made, and as they were when the export ended.
        assert (await api.get(link)).text.split() == [
            "source_id",
            *(f"o{n}" for n in range(8)),
            *(f"i{n}" for n in range(9)),
        ]
        bearer = {"Authorization": f"Bearer {token}"}
        assert (await api.get("/v1/orders", keys=False, headers=bearer)).status == 200
        await api.post("/_emulator/clock", {"run": True, "advance": 900})
        assert (await api.get("/v1/orders", keys=False, headers=bearer)).status == 401
        assert await served.end(signal.SIGTERM) == 0


async def test_rows_come_as_the_orders_were_made_after_a_restart(
    tmp_path: Path, on: Callable[[Any], Api], clock: Clock
) -> None:
    names = [f"o{number}" for number in range(20)]
    async with Emulator(db=tmp_path / "emulator.db", clock=clock) as emulator:
        for name in names:
            await on(emulator).create(source_id=name)
    async with Emulator(db=tmp_path / "emulator.db", clock=clock) as emulator:
        assert (await on(emulator).export(clock, fields=["source_id"])).split() == ["source_id", *names]
        assert list(emulator.effects.orders) == names


async def test_a_clock_that_was_set_ahead_stays_ahead(tmp_path: Path, on: Callable[[Any], Api]) -> None:
    """Or else an import would wait for a day to come, behind one that ended then."""
    for _ in range(2):
        async with Emulator(db=tmp_path / "emulator.db", import_seconds=0) as emulator:
            api = on(emulator)
            action_id = (await api.post("/v1/orders/import", [{}])).json["async_action_id"]
            assert (await api.get(f"/v1/async-actions/{action_id}")).json["status"] == "DONE"
            if isinstance(emulator.clock, Clock) and not emulator.clock.frozen:
                emulator.clock.advance(86_400)
                action_id = (await api.post("/v1/orders/import", [{}])).json["async_action_id"]
                await api.get(f"/v1/async-actions/{action_id}")


async def test_a_clock_that_is_given_is_its_givers(tmp_path: Path) -> None:
    async with Emulator(db=tmp_path / "emulator.db") as emulator:
        assert isinstance(emulator.clock, Clock)
        emulator.clock.set(5)
    async with Emulator(db=tmp_path / "emulator.db", clock=Clock(7)) as emulator:
        assert emulator.clock.now() == 7
    async with Emulator(db=tmp_path / "emulator.db") as emulator:
        assert emulator.clock.now() > NOON


async def test_a_full_disk_is_told_of_and_nothing_of_it_is_lost(
    tmp_path: Path, on: Callable[[Any], Api], connections: list[sqlite3.Connection], judge: Judge
) -> None:
    """Each answer but a 500 is on the disk; what a 500 left in doubt is there when there is room again."""
    async with Emulator(db=tmp_path / "emulator.db") as emulator:
        api = on(emulator)
        await api.create(source_id="before")
        (pages,) = connections[-1].execute("PRAGMA page_count").fetchone()
        connections[-1].execute(f"PRAGMA max_page_count = {pages}")
        large = {"source_id": "large", "metadata": {"x": "x" * 100_000}}
        assert (await api.post("/v1/orders", large)).status == 500
        assert (await api.get("/v1/orders/before")).status == 500
        connections[-1].execute("PRAGMA max_page_count = 1000000")
        assert (await api.get("/v1/orders/before")).status == 200
    async with Emulator(db=tmp_path / "emulator.db") as emulator:
        assert emulator.effects.of("large").created == 1
        await on(emulator).create(source_id="after")
        connections[-1].execute("PRAGMA query_only = on")
        assert (await on(emulator).post("/v1/orders", {"source_id": "in doubt"})).status == 500
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            await emulator.aclose()
    async with Emulator(db=tmp_path / "emulator.db") as emulator:
        assert list(emulator.effects.orders) == ["before", "large", "after"]
    assert [" broke down: " in one for one in judge.objections] == [True] * 3
    judge.objections.clear()


async def test_a_reset_on_a_full_disk_is_a_whole_one(
    tmp_path: Path, on: Callable[[Any], Api], connections: list[sqlite3.Connection]
) -> None:
    async with Emulator(db=tmp_path / "emulator.db", rate_limit="9/minute", import_seconds=7) as emulator:
        api = on(emulator)
        await api.create(source_id="before")
        emulator.faults.add(Fault("status", path="/none"))
        connections[-1].execute("PRAGMA query_only = on")
        assert (await api.post("/_emulator/reset", {})).status == 500
        assert (emulator.import_seconds, len(emulator.faults), emulator.requests) == (7, 0, [])
        connections[-1].execute("PRAGMA query_only = off")
        assert (await api.get("/v1/orders")).headers["X-Rate-Limit-Remaining"] == "8"
    async with Emulator(db=tmp_path / "emulator.db") as emulator:
        assert emulator.effects.orders == {}


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        (["CREATE TABLE invoices (id)"], "is a database, but not one of an emulator"),
        (["PRAGMA application_id = 5"], "is a database, but not one of an emulator"),
        ([f"PRAGMA application_id = {0x766F7500 | 9}"], "another version of the emulator: its format is 9, not 1"),
    ],
)
def test_a_database_of_something_else_stays_as_it_is(tmp_path: Path, statements: list[str], said: str) -> None:
    file = tmp_path / "other.db"
    connection = sqlite3.connect(file, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()
    was = file.read_bytes()
    for _ in range(2):
        with pytest.raises(sqlite3.DatabaseError, match=said):
            Emulator(db=file)
    assert file.read_bytes() == was


async def test_an_option_that_does_not_fit_changes_nothing_in_the_file(
    tmp_path: Path, on: Callable[[Any], Api]
) -> None:
    db = tmp_path / "emulator.db"
    async with Emulator(db=db, seed=1, app_id="id", rate_limit="9/hour") as emulator:
        await on(emulator).create(source_id="a")
    with pytest.raises(ValueError, match="A rate limit is such as"):
        Emulator(db=db, seed=2, app_id="another", rate_limit="9/hour", cycle_limit="none")
    async with Emulator(db=db, rate_limit="9/hour") as emulator:
        assert (emulator.seed, emulator.app_id) == ("1", "id")
        assert (await on(emulator).get("/v1/orders")).headers["X-Rate-Limit-Remaining"] == "7"


@pytest.mark.parametrize("name", ["", ":memory:"])
def test_what_is_no_file_is_refused(name: str) -> None:
    with pytest.raises(sqlite3.OperationalError, match="is not the name of a file"):
        Emulator(db=name)


async def test_a_damaged_file_is_named(tmp_path: Path, on: Callable[[Any], Api]) -> None:
    file = tmp_path / "emulator.db"
    async with Emulator(db=file) as emulator:
        for number in range(200):
            await on(emulator).create(source_id=f"o{number}")
    whole = file.read_bytes()

    def changed(statement: str) -> None:
        file.write_bytes(whole)
        connection = sqlite3.connect(file, isolation_level=None)
        connection.execute(statement)
        connection.close()

    def torn() -> None:
        file.write_bytes(whole[: len(whole) // 2])

    for damage in (
        torn,
        lambda: changed("UPDATE things SET body = '{\"data' WHERE kind = 'order'"),
        lambda: changed("UPDATE things SET body = '{}' WHERE kind = 'order'"),
        lambda: changed("UPDATE things SET body = '[5]' WHERE kind = 'setting'"),
        lambda: changed("UPDATE things SET body = json_set(body, '$.windows', 5) WHERE kind = 'standing'"),
        lambda: file.write_bytes(whole.replace(b"CREATE TABLE things", b"CR\xffATE TABLE things")),
    ):
        damage()
        with pytest.raises(sqlite3.DatabaseError, match=r"emulator\.db is damaged: "):
            Emulator(db=file)
    # And a file that is whole again is taken.
    file.write_bytes(whole)
    async with Emulator(db=file) as emulator:
        assert len(emulator.effects.orders) == 200


async def test_a_kill_amid_a_reset_leaves_the_keys(
    tmp_path: Path, on: Callable[[Any], Api], connections: list[sqlite3.Connection]
) -> None:
    """The file is copied before each statement: what a process that was killed then would leave."""
    file = tmp_path / "emulator.db"
    copies: list[Path] = []
    async with Emulator(db=file) as emulator:
        await on(emulator).create(source_id="a")
        connections[-1].set_trace_callback(
            lambda _: copies.append(_copied(file, tmp_path / f"copy{len(copies)}.db"))
        )
        emulator.reset()
        connections[-1].set_trace_callback(None)
        copies.append(_copied(file, tmp_path / "after.db"))
    left = [Emulator(db=copy) for copy in copies]
    assert {(one.app_id, one.app_token, one.seed) for one in left} == {
        (emulator.app_id, emulator.app_token, emulator.seed)
    }
    assert [len(one.effects.orders) for one in left] == [1] * (len(left) - 1) + [0]


def _copied(file: Path, copy: Path) -> Path:
    for ending in ("", "-wal"):
        copy.with_name(copy.name + ending).write_bytes(file.with_name(file.name + ending).read_bytes())
    return copy


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
        assert not serving.done()
        await asyncio.sleep(0)
        shown = capsys.readouterr().out.splitlines()
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(serving, 10)
    expected = Emulator(seed=3)
    assert shown[0].startswith("url: http://127.0.0.1:")
    assert shown[1:] == [f"app id: {expected.app_id}", f"app token: {expected.app_token}", "seed: 3"]


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
