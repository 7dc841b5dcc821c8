"""Voucherify's own Python SDK, unchanged, against the emulator: its strict models would reveal a wrong answer."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from benchmarks.peers import official_sdk_python
from voucherify_async.emulator import Emulator

SCRIPT = Path(__file__).with_name("official_sdk_script.py")


@pytest.fixture(scope="session")
def peer_python() -> Path:
    """An interpreter with the SDK."""
    return official_sdk_python()


@pytest.mark.peers
async def test_the_official_sdk_goes_all_the_way(peer_python: Path) -> None:
    async with Emulator() as emulator:
        script = await asyncio.create_subprocess_exec(
            *(str(peer_python), str(SCRIPT), emulator.url, emulator.app_id, emulator.app_token),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(script.communicate(), 60)
        effects = emulator.effects.orders
    assert script.returncode == 0, err.decode()
    seen = json.loads(out)
    assert seen["import_status"] == 200
    assert seen["import_result"]["message"] == "50 order(s) imported successfully, 0 failed."
    header, row = seen["csv"].splitlines()
    assert header == "id,source_id,status,amount,metadata"
    assert row.endswith(',web-1001,CANCELED,2000,"{""channel"":""web""}"')
    assert (seen["not_found"], seen["unauthorized"]) == ("not_found", "unauthorized")
    assert seen["invalid"] == "Property .amount cannot be lower than 0"
    assert seen["total"] == 52
    assert (effects["web-1001"].created, effects["web-1001"].updated) == (1, 1)
    assert effects["old-7"].imported == 1
