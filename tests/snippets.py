"""The code in Markdown pages: what there is, and how a page is run against an emulator."""

import asyncio
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.elsewhere import judged_python
from voucherify_async.emulator import Emulator

ROOT: Final = Path(__file__).resolve().parents[1]
_BLOCK: Final = re.compile(r"^```(?P<kind>.*)\n(?P<code>(?:.*\n)*?)```$", re.MULTILINE)

# Runs the blocks of one page: each stands for the inside of an async function that has a client. A traceback shows
# the numbers that lines have on the page.
RUN: Final = """
import ast, asyncio, sys
from pathlib import Path
from voucherify_async import VoucherifyClient

async def main():
    for block in sys.argv[2:]:
        source = "\\n" * (int(block) - 1) + Path(f"block-{block}.py").read_text(encoding="utf-8")
        code = compile(source, sys.argv[1], "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        async with VoucherifyClient.from_env() as client:
            if (waiting := eval(code, {"client": client, "__name__": "block"})) is not None:
                await waiting

asyncio.run(main())
"""
PYTEST_INI: Final = "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"


@dataclass(frozen=True)
class Block:
    """A fenced block of code.

    Attributes:
        kind: what stands behind the fence.
        code: what is in it.
        line: the number of its first line on the page.
    """

    kind: str
    code: str
    line: int

    @property
    def is_test(self) -> bool:
        """Whether it is for pytest."""
        return self.kind == "python" and "def test_" in self.code

    @property
    def is_script(self) -> bool:
        """Whether it starts an event loop by itself."""
        return self.kind == "python" and "asyncio.run(" in self.code

    @property
    def commands(self) -> list[str]:
        """What is typed behind the prompts of a `console` block, each with the lines that go on with it."""
        return re.findall(r"^\$ ((?:.*\\\n)*.*)$", self.code, re.MULTILINE)


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(kind=found["kind"], code=found["code"], line=text.count("\n", 0, found.start("code")) + 1)
        for found in _BLOCK.finditer(text)
    ]


async def run(emulator: Emulator, *command: str, folder: Path) -> str:
    """Run a command in a folder, with the emulator's keys in its environment; a failure is one of the test."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={
            "VOUCHERIFY_APP_ID": emulator.app_id,
            "VOUCHERIFY_APP_TOKEN": emulator.app_token,
            "VOUCHERIFY_BASE_URL": emulator.url,
            "VOUCHERIFY_WEBHOOK_SECRET": "a-secret-of-webhooks",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "PYTHONPATH": str(ROOT),
            "PYTHONIOENCODING": "utf-8",
        },
    )
    output = (await process.communicate())[0].decode()
    assert process.returncode == 0, output
    return output


async def run_python(emulator: Emulator, *arguments: str, folder: Path) -> str:
    """The same for this interpreter, to which warnings are errors."""
    return await run(emulator, *judged_python(*arguments), folder=folder)


async def run_blocks(emulator: Emulator, page: Path, folder: Path) -> None:
    """Run the Python blocks of a page, one after another in one folder: tests by pytest, scripts by themselves."""
    blocks = [block for block in blocks_of(page) if block.kind == "python"]
    inner = [block for block in blocks if not (block.is_test or block.is_script)]
    (folder / "run.py").write_text(RUN, encoding="utf-8")
    for block in inner:
        (folder / f"block-{block.line}.py").write_text(block.code, encoding="utf-8")
    if inner:
        await run_python(emulator, "run.py", str(page), *(str(block.line) for block in inner), folder=folder)
    for block in blocks:
        if block.is_script:
            (folder / "script.py").write_text(block.code, encoding="utf-8")
            await run_python(emulator, "script.py", folder=folder)
        elif block.is_test:
            (folder / "test_block.py").write_text(block.code, encoding="utf-8")
            (folder / "pytest.ini").write_text(PYTEST_INI, encoding="utf-8")
            count = block.code.count("def test_")
            assert f"{count} passed" in await run_python(emulator, "-m", "pytest", "-q", ".", folder=folder)
