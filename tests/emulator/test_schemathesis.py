"""schemathesis sends what Voucherify's documents allow, and what they do not, to a running emulator.

`tests/judge.py` hears the answers too. `SCHEMATHESIS_EXAMPLES` is how many requests of each kind an operation gets;
with more than the few of `make test`, each parameter is tried on its boundaries as well (`make fuzz`).
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.documents import NAMES, documents, needs_documents
from tests.judge import Judge
from tests.sent import sent
from voucherify_async.emulator import Emulator

FEW: Final = 8
EXCUSED: Final = Path(__file__).with_name("excused.py")
EXAMPLES: Final = int(os.environ.get("SCHEMATHESIS_EXAMPLES", FEW))


@needs_documents
@pytest.mark.parametrize("name", NAMES)
async def test_the_emulator_keeps_to_the_documents_whatever_is_sent(
    name: str, emulator: Emulator, judge: Judge, tmp_path: Path
) -> None:
    document = tmp_path / name
    document.write_text(json.dumps(sent(name)), encoding="utf-8")
    command = [sys.executable, "-m", "schemathesis.cli", "run", str(document), "--url", emulator.url]
    command += ["--header", f"X-App-Id: {emulator.app_id}", "--header", f"X-App-Token: {emulator.app_token}"]
    command += ["--phases", "examples,fuzzing" if EXAMPLES <= FEW else "examples,coverage,fuzzing"]
    command += ["--max-examples", str(EXAMPLES), "--seed", "1", "--generation-database", "none", "--mode", "all"]
    command += ["--continue-on-failure", "--no-color"]
    running = await asyncio.create_subprocess_exec(
        *command,
        cwd=tmp_path,
        env={**os.environ, "SCHEMATHESIS_HOOKS": str(EXCUSED)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        told, _ = await running.communicate()
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()
    assert running.returncode == 0, told.decode()
    for _, _, operation in documents()[name].operations():
        assert any(asked == operation["operationId"] for asked, _ in judge.judged), operation["operationId"]
