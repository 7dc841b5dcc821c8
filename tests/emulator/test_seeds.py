"""The same seed, the same ids and tokens: in one process, in another, after a reset, beside other emulators."""

from __future__ import annotations

import argparse
import asyncio
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.emulator.conftest import Api
from tests.emulator.served import serve
from voucherify_async.emulator import Emulator, Fault, command

_FORM = {"grant_type": "client_credentials", "scope": "api"}


async def walk(api: Api, *, looks: int = 1) -> list[str]:
    """Through every call that makes an id or a token; all of them. `looks` is how often a job is looked at."""
    made: list[str] = [api.emulator.app_id, api.emulator.app_token]
    item = {
        "source_id": "s",
        "related_object": "sku",
        "sku": {"sku": "S", "override": True},
        "product": {"source_id": "p", "override": True},
    }
    order = await api.create(source_id="a", customer={"source_id": "c"}, items=[item])
    made += [order["id"], order["customer_id"], order["items"][0]["sku_id"], order["items"][0]["product_id"]]
    await api.post("/_emulator/jobs", {"import_seconds": 0, "export_seconds": 0})
    action = await api.post("/v1/orders/import", [{"source_id": "b"}, {}])
    made += [action.json["async_action_id"], action.headers["X-Request-Id"]]
    export_id = (await api.post("/v1/orders/export", {})).json["id"]
    links = [(await api.get(f"/v1/exports/{export_id}")).json["result"]["url"] for _ in range(looks)]
    link = links[-1]
    assert export_id in link
    file = (await api.get(link, keys=False)).text
    made += [export_id, *re.findall(r"ord_\w+", file)]
    made += [(await api("POST", "/v1/oauth/token", data=_FORM)).json["access_token"]]
    # Faults by chance are part of what a seed decides.
    await api.post("/_emulator/faults", {"kind": "status", "status": 503, "rate": 0.5, "times": None})
    made += [str((await api.get("/v1/orders/a")).status) for _ in range(20)]
    await api("DELETE", "/_emulator/faults")
    return made


async def test_the_same_seed_makes_the_same_everywhere(tmp_path: Path, on: Callable[[Any], Api]) -> None:
    async with Emulator(seed=7) as one, Emulator(seed="7", db=tmp_path / "emulator.db") as other:
        made = await walk(on(one))
        assert len(set(made[:-20])) == 12
        assert {"200", "503"} == set(made[-20:])
        # More looks at a job, which depend on how quick a machine is, change nothing.
        assert await walk(on(other), looks=3) == made
        for emulator in (one, other):
            await on(emulator).post("/_emulator/reset", {})
            assert await walk(on(emulator)) == made
            emulator.reset(8)
            assert not set(made[2:13]) & set(await walk(on(emulator)))
    for hash_seed in ("1", "2"):
        async with serve("--port", "0", "--seed", "7", PYTHONHASHSEED=hash_seed) as served:
            assert await walk(on(served)) == made
            await served.end(signal.SIGTERM)


async def test_the_chosen_seed_can_be_recorded(on: Callable[[Any], Api]) -> None:
    async with serve("--port", "0") as first, serve("--port", "0") as second:
        assert first.seed != second.seed
        made = await walk(on(first))
        await first.end(signal.SIGTERM)
        await second.end(signal.SIGTERM)
    async with Emulator(seed=first.seed) as emulator:
        assert await walk(on(emulator)) == made
        assert f"seed {first.seed} " in repr(emulator)


async def test_a_file_keeps_its_seed_and_nothing_comes_twice(tmp_path: Path, on: Callable[[Any], Api]) -> None:
    """Also what is deleted and revoked: and the whole can be done again."""
    runs: list[list[str]] = []
    seeds: set[str] = set()
    for name in ("one.db", "two.db"):
        made: list[str] = []
        seed = None if not runs else seeds.copy().pop()
        for _ in range(3):
            async with Emulator(db=tmp_path / name, seed=seed) as emulator:
                api = on(emulator)
                seeds.add(emulator.seed)
                export = await api.post("/v1/orders/export", {})
                await api("DELETE", f"/v1/exports/{export.json['id']}")
                token = (await api("POST", "/v1/oauth/token", data=_FORM)).json["access_token"]
                await api("POST", "/v1/oauth/token/revoke", data={"access_token": token})
                made += [export.json["id"], export.headers["X-Request-Id"], token, (await api.create())["id"]]
            seed = None
        assert len(set(made)) == len(made)
        runs.append(made)
    assert len(seeds) == 1
    assert runs[0] == runs[1]


@pytest.mark.parametrize("apart", [False, True], ids=["in one process", "in processes of their own"])
async def test_emulators_side_by_side_share_nothing(on: Callable[[Any], Api], apart: bool) -> None:
    """All at once, they give what each gives alone."""
    async with Emulator(seed=1) as one, Emulator(seed=2) as two:
        alone = [await walk(on(emulator)) for emulator in (one, two)]
        one.reset()
        two.reset()
        if not apart:
            one.faults.add(Fault("status", path="/none"))
            together = await asyncio.gather(*(walk(on(emulator)) for emulator in (one, two)))
            assert (len(one.effects.orders), len(two.effects.orders)) == (3, 3)
            assert (len(one.requests), len(two.requests)) == (26, 26)
        else:
            async with serve("--port", "0", "--seed", "1") as left, serve("--port", "0", "--seed", "2") as right:
                together = await asyncio.gather(*(walk(on(served)) for served in (left, right)))
                await left.end(signal.SIGTERM)
                await right.end(signal.SIGTERM)
    assert list(together) == alone


async def test_an_empty_text_is_a_seed_too(tmp_path: Path) -> None:
    """Given at first or at a reset, and kept; an empty key is none."""
    first, second = Emulator(seed="", app_id="", app_token=""), Emulator(seed="")
    assert first.seed == ""
    assert (first.app_id, first.app_token) == (second.app_id, second.app_token) != ("", "")
    kept = Emulator(db=tmp_path / "emulator.db", seed=1)
    kept.reset("")
    assert Emulator(db=tmp_path / "emulator.db").seed == ""


@pytest.mark.parametrize("seed", ["\udcff", 10**5000], ids=["half a character", "too many digits"])
async def test_a_seed_that_cannot_be_written_changes_nothing(
    tmp_path: Path, on: Callable[[Any], Api], seed: int | str
) -> None:
    """And it is not taken for damage of the file."""
    file = tmp_path / "emulator.db"
    async with Emulator(db=file, seed=1) as emulator:
        await on(emulator).create(source_id="a")
        with pytest.raises(ValueError, match=r"surrogates|digits"):
            emulator.reset(seed)
        assert (await on(emulator).get("/v1/orders/a")).status == 200
    with pytest.raises(ValueError, match=r"surrogates|digits"):
        Emulator(db=file, seed=seed)
    assert Emulator(db=file).seed == "1"
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    if isinstance(seed, str):
        with pytest.raises(SystemExit):
            parser.parse_args(["--seed", seed])
