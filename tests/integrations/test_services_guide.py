"""The snippets of the guide run, as they are: those of a section stand in one file, one after another."""

import re
from pathlib import Path

import pytest

from tests.snippets import PYTEST_INI, ROOT, run_python
from voucherify_async.emulator import Emulator

GUIDE = (ROOT / "docs" / "guides" / "services.md").read_text(encoding="utf-8")
SECTIONS = {
    section.splitlines()[0]: "\n\n".join(re.findall(r"```python\n(.*?)```", section, re.DOTALL))
    for section in GUIDE.split("\n## ")[1:]
}


@pytest.mark.parametrize("title", ["FastAPI", "aiohttp.web", "Webhooks", "Work in the background", "Test it"])
async def test_a_section_runs(emulator: Emulator, title: str, tmp_path: Path) -> None:
    (tmp_path / "test_section.py").write_text(SECTIONS[title], encoding="utf-8")
    (tmp_path / "pytest.ini").write_text(PYTEST_INI)
    tested = SECTIONS[title].count("def test_")
    command = ("-m", "pytest", "-q", ".") if tested else ("test_section.py",)
    output = await run_python(emulator, *command, folder=tmp_path)
    assert not tested or f"{tested} passed" in output


def test_no_section_is_left_out() -> None:
    assert len(SECTIONS) == 5
    assert all(SECTIONS.values())
