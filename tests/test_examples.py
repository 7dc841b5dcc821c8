"""The examples and the README's snippets run, as they are, against the emulator."""

import asyncio
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from voucherify_async.emulator import Emulator

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = sorted(path for path in (ROOT / "examples").glob("*.py") if not path.name.startswith(("test_", "__")))
README = (ROOT / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
PYTEST_INI = "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"


# A snippet stands for the inside of an async function that has a client.
RUN_SNIPPET = """
import ast, asyncio
from pathlib import Path
from voucherify_async import VoucherifyClient

async def main():
    source = Path("snippet.py").read_text(encoding="utf-8")
    code = compile(source, "snippet.py", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    async with VoucherifyClient.from_env() as client:
        await eval(code, {"client": client})

asyncio.run(main())
"""


async def run(emulator: Emulator, *command: str, folder: Path) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-W",
        "error",
        *command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={
            "VOUCHERIFY_APP_ID": emulator.app_id,
            "VOUCHERIFY_APP_TOKEN": emulator.app_token,
            "VOUCHERIFY_BASE_URL": emulator.url,
            "VOUCHERIFY_WEBHOOK_SECRET": "a-secret-of-webhooks",
            "PYTHONPATH": str(ROOT),
            "PYTHONIOENCODING": "utf-8",
        },
    )
    output = (await process.communicate())[0].decode()
    assert process.returncode == 0, output
    return output


SAYS = {
    "quickstart.py": "web-1001 is PAID\n1 orders, the latest: web-1001",
    "import_history.py": "5000 orders imported",
    "export_orders.py": "revenue: 0.00",
    "every_order.py": "0 orders, revenue: 0.00",
    "list_orders.py": "0 of 0 orders\npaid: 0.00",
    "orders_from_csv.py": (
        "line 5: item.quantity: is below zero: '-1'\n4 lines, 1 bad, 2 orders sent\nthe first is worth 2190"
    ),
    "traced_sync.py": "        import job  ",
    "sync_orders.py": "750 of 750 entries done, 500 orders stored",
}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
async def test_an_example_does_what_it_says(emulator: Emulator, script: Path, tmp_path: Path) -> None:
    assert SAYS[script.name] in await run(emulator, str(script), folder=tmp_path)


@pytest.mark.parametrize(
    ("files", "passed"),
    [(["test_your_shop.py"], 3), (["shop/test_shop.py", "shop/with_fastapi.py", "shop/outbox.py"], 6)],
    ids=["test_your_shop", "shop"],
)
async def test_the_examples_of_test_suites_pass(
    emulator: Emulator, files: list[str], passed: int, tmp_path: Path
) -> None:
    for file in files:
        shutil.copy(ROOT / "examples" / file, tmp_path)
    (tmp_path / "pytest.ini").write_text(PYTEST_INI)
    assert f"{passed} passed" in await run(emulator, "-m", "pytest", "-q", ".", folder=tmp_path)


def test_the_readme_has_snippets() -> None:
    assert len(SNIPPETS) >= 5


@pytest.mark.parametrize("number", range(len(SNIPPETS)))
async def test_a_snippet_of_the_readme_runs(emulator: Emulator, number: int, tmp_path: Path) -> None:
    snippet = SNIPPETS[number]
    if "def test_" in snippet:
        (tmp_path / "test_snippet.py").write_text(snippet, encoding="utf-8")
        (tmp_path / "pytest.ini").write_text(PYTEST_INI)
        assert "1 passed" in await run(emulator, "-m", "pytest", "-q", ".", folder=tmp_path)
        return
    (tmp_path / "snippet.py").write_text(snippet, encoding="utf-8")
    (tmp_path / "run.py").write_text(RUN_SNIPPET, encoding="utf-8")
    await run(emulator, "run.py", folder=tmp_path)
