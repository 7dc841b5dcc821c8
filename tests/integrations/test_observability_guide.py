"""The snippets of the guide run, as they are."""

import re
from pathlib import Path

import pytest

from tests.test_examples import ROOT, RUN_SNIPPET, run
from voucherify_async.emulator import Emulator

GUIDE = (ROOT / "docs" / "guides" / "observability.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)


@pytest.mark.parametrize("number", range(4))
async def test_a_snippet_runs(emulator: Emulator, number: int, tmp_path: Path) -> None:
    assert len(SNIPPETS) == 4
    emulator.import_seconds = 0
    (tmp_path / "snippet.py").write_text(SNIPPETS[number], encoding="utf-8")
    (tmp_path / "run.py").write_text(RUN_SNIPPET, encoding="utf-8")
    await run(emulator, "run.py", folder=tmp_path)


def test_every_metric_and_attribute_is_named() -> None:
    """What is told, the guide lists."""
    sources = [
        (ROOT / "voucherify_async" / "integrations" / name).read_text() for name in ("otel.py", "otelmeters.py")
    ]
    metrics = set(re.findall(r'"((?:http\.client|voucherify\.client)\.[a-z_.]+)"', sources[1]))
    assert len(metrics) == 8
    assert not [name for name in metrics if f"`{name}`" not in GUIDE]
    told = set(
        re.findall(
            r'"((?:url|http|server|error)\.[a-z_.]+|voucherify\.(?:operation|outcome_unknown|request_id|job\.id))"',
            sources[0] + sources[1],
        )
    )
    assert not [name for name in told if f"`{name}`" not in GUIDE]
