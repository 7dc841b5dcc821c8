"""Voucherify's own Python SDK at typical jobs, and in the guide for those who come from it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from benchmarks.peers import official_sdk_python
from benchmarks.typical.contestants import official_sdk
from benchmarks.typical.results import Job
from benchmarks.typical.run import count
from tests.snippets import ROOT, blocks_of, run
from voucherify_async.emulator import Emulator

GUIDE = ROOT / "docs" / "guides" / "official-sdk.md"

LIST_CALLS = """
import voucherify
for api in (voucherify.OrdersApi, voucherify.AsyncActionsApi, voucherify.ExportsApi):
    print(*(name for name in vars(api) if not name.startswith("_")), sep="\\n")
"""


@pytest.fixture(scope="session")
def peer_python() -> Path:
    """An interpreter with the SDK."""
    return official_sdk_python()


@pytest.mark.peers
@pytest.mark.parametrize(
    ("job", "carried_out", "least_looks"),
    [
        (Job(name="import", work="import", count=4_100, service_seconds=2.0, speed=10.0), 3, 3),
        (Job(name="exports", work="exports", count=5, service_seconds=3.0, speed=10.0), 5, 10),
        (Job(name="sync", work="sync", count=150, rate_limit="100/minute", speed=60.0), 150, 0),
    ],
)
async def test_typical_jobs_by_hand_are_done_and_counted(job: Job, carried_out: int, least_looks: int) -> None:
    found = await count(job, official_sdk)
    assert found.carried_out == carried_out
    assert found.looks >= least_looks
    assert (found.refused > 0) == (job.rate_limit is not None)
    assert (found.lost, found.doubled) == (0, 0)


@pytest.mark.peers
async def test_the_guide_has_every_call_of_the_official_sdk(
    emulator: Emulator, peer_python: Path, tmp_path: Path
) -> None:
    calls = (await run(emulator, str(peer_python), "-c", LIST_CALLS, folder=tmp_path)).split()
    rows = re.findall(
        r"^\| (`\w+`<br>`\w+_with_http_info`<br>`\w+_without_preload_content`) \|", GUIDE.read_text(), re.MULTILINE
    )
    assert sorted(re.findall(r"`(\w+)`", "".join(rows))) == sorted(calls)


@pytest.mark.peers
async def test_the_guides_code_for_the_official_sdk_runs(
    emulator: Emulator, peer_python: Path, tmp_path: Path
) -> None:
    (block,) = (block for block in blocks_of(GUIDE) if "official SDK" in block.kind)
    (tmp_path / "script.py").write_text(block.code, encoding="utf-8")
    assert await run(emulator, str(peer_python), "script.py", folder=tmp_path) == f"100{os.linesep}"
    assert emulator.effects.of("web-1001").updated == 1
