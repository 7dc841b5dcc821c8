"""schemathesis sends what Voucherify's documents allow, and what they do not, to a running emulator.

`tests/judge.py` hears the answers too. `SCHEMATHESIS_EXAMPLES` is how many requests of each kind an operation gets;
with more than the few of `make test`, each parameter is tried on its boundaries as well (`make fuzz`).
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from tests.documents import KNOWN_ERRORS, NAMES, documents, needs_documents
from tests.judge import Judge
from voucherify_async.emulator import Emulator

FEW: Final = 8
EXAMPLES: Final = int(os.environ.get("SCHEMATHESIS_EXAMPLES", FEW))

# A check that a document cannot be held to, and why.
_NOT_CHECKED: Final = {
    # Accepted beyond the schema: null, which the documents call a value of its own, and do not type as one. Refused
    # within it: an empty id, an empty import, conditions without an operator, a request without a body.
    # Allowed beyond it: GET and PUT of an order that is called `import` or `export`.
    "orders.json": "negative_data_rejection,positive_data_acceptance,allow_header_conformance",
    # Refused within the schema: exports of what is no order, which the emulator says that it does not have.
    "exports.json": "positive_data_acceptance",
    # Refused within the schema, where nothing is required: a form without grant type, scope or token.
    "oauth.json": "positive_data_acceptance",
}


def complete(name: str) -> dict[str, Any]:
    """The document with the statuses of `known_errors_of_the_documents.toml` in each operation."""
    document = documents()[name]
    content: dict[str, Any] = json.loads(json.dumps(document.content))
    for method, path, _ in document.operations():
        responses = content["paths"][path][method]["responses"]
        for entry in KNOWN_ERRORS["unlisted"]:
            for status in entry["statuses"]:
                responses.setdefault(str(status), {"description": entry["reason"], "content": entry["content"]})
    return content


@needs_documents
@pytest.mark.parametrize("name", NAMES)
async def test_the_emulator_keeps_to_the_documents_whatever_is_sent(
    name: str, emulator: Emulator, judge: Judge, tmp_path: Path
) -> None:
    document = tmp_path / name
    document.write_text(json.dumps(complete(name)), encoding="utf-8")
    command = [sys.executable, "-m", "schemathesis.cli", "run", str(document), "--url", emulator.url]
    command += ["--header", f"X-App-Id: {emulator.app_id}", "--header", f"X-App-Token: {emulator.app_token}"]
    command += ["--phases", "examples,fuzzing" if EXAMPLES <= FEW else "examples,coverage,fuzzing"]
    command += ["--max-examples", str(EXAMPLES), "--seed", "1", "--generation-database", "none", "--mode", "all"]
    # The file of an export, whose path the documents have twice: its token is not to be guessed.
    command += ["--exclude-path", "/v1/exports/{export_Id}", "--continue-on-failure", "--no-color"]
    if name in _NOT_CHECKED:
        command += ["--exclude-checks", _NOT_CHECKED[name]]
    running = await asyncio.create_subprocess_exec(
        *command, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        told, _ = await running.communicate()
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()
    assert running.returncode == 0, told.decode()
    for _, path, operation in documents()[name].operations():
        if path != "/v1/exports/{export_Id}":
            assert any(asked == operation["operationId"] for asked, _ in judge.judged), operation["operationId"]
