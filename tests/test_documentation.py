"""What the README and the pages of `docs/` say holds: their code runs, and the reference has every name."""

import re
import shutil
import tomllib
from pathlib import Path

import pytest

import voucherify_async
from tests.snippets import ROOT, blocks_of, run, run_blocks
from voucherify_async import VoucherifyClient, emulator, events, testing, webhooks
from voucherify_async.emulator import Emulator
from voucherify_async.integrations import aiohttp, fastapi, otel, redis

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
OURS = ("voucherify-async ", "python -m voucherify_async ")
# Typed to get to the point where ours can be run; and the emulator, which does not end by itself.
NOT_RUN = re.compile(r"pip install |export |voucherify-async emulator --port ")
# These need more than an emulator: see tests/integrations.
RUN_ELSEWHERE = {DOCS / "guides" / "services.md", DOCS / "guides" / "scaling-out.md"}
SHOWN_WHOLE = (aiohttp, events, fastapi, otel, testing, webhooks)
WITHOUT_DIRECTIVE = {"UNSET", "UnsetType", "__version__"}


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def pages_with(kind: str) -> list[Path]:
    return [page for page in PAGES if any(block.kind == kind for block in blocks_of(page))]


@pytest.mark.parametrize("page", [page for page in pages_with("python") if page not in RUN_ELSEWHERE], ids=name_of)
async def test_the_python_of_a_page_runs(emulator: Emulator, page: Path, tmp_path: Path) -> None:
    emulator.import_seconds = 0
    await run_blocks(emulator, page, tmp_path)


@pytest.mark.parametrize("page", pages_with("console"), ids=name_of)
async def test_the_commands_of_a_page_run(emulator: Emulator, page: Path, tmp_path: Path) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    commands = [command for block in blocks_of(page) if block.kind == "console" for command in block.commands]
    assert commands
    for command in commands:
        if NOT_RUN.match(command):
            assert set(re.findall(r"voucherify-async\[(\w+)\]", command)) <= extras.keys()
        else:
            await run(emulator, "bash", "-euo", "pipefail", "-c", command, folder=tmp_path)


@pytest.mark.skipif(shutil.which("curl") is None, reason="the scripts of the pages call curl")
@pytest.mark.parametrize("page", pages_with("bash"), ids=name_of)
async def test_the_scripts_of_a_page_run(emulator: Emulator, page: Path, tmp_path: Path) -> None:
    for block in blocks_of(page):
        if block.kind == "bash":
            await run(emulator, "bash", "-euo", "pipefail", "-c", block.code, folder=tmp_path)


def test_every_block_of_the_pages_says_what_it_is() -> None:
    kinds = {block.kind for page in PAGES if page.is_relative_to(DOCS) for block in blocks_of(page)}
    # `text` is shown and not run; the one with a title runs in tests/peers, with the SDK that it needs.
    assert kinds <= {"python", "console", "bash", "text", 'python title="With the official SDK"'}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_block_of_a_page_is_overlooked(page: Path) -> None:
    fences = re.findall(r"^\s*(?:```|~~~)", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(fences) == 2 * len(blocks_of(page))


def test_the_pages_have_code_to_run() -> None:
    assert len(pages_with("python")) >= 9
    assert len(pages_with("console")) >= 3


def test_every_public_name_stands_in_the_reference() -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in (DOCS / "reference").glob("*.md"))
    shown = set(re.findall(r"^::: ([\w.]+)$", pages, re.MULTILINE))
    named = {f"voucherify_async.{name}" for name in set(voucherify_async.__all__) - WITHOUT_DIRECTIVE}
    named |= {f"{module.__name__}.{name}" for module in (emulator, redis) for name in module.__all__}
    named |= {module.__name__ for module in SHOWN_WHOLE}
    assert named - shown == set()
    assert all(f"`{name}`" in pages or f".{name}`" in pages for name in WITHOUT_DIRECTIVE)


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")}
    assert set(re.findall(r": ([\w/-]+\.md)$", navigation, re.MULTILINE)) == pages


def test_each_row_about_the_emulator_is_held_by_tests_that_there_are() -> None:
    page = (DOCS / "emulator.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+) \| (documented|guessed|not emulated) \| (.+) \|$", page, re.MULTILINE)
    headings = 2 * page.count("| Behaviour | Standing |")
    assert len(rows) == len(re.findall(r"^\|", page, re.MULTILINE)) - headings > 70
    for behaviour, standing, where in rows:
        tests = re.findall(r"(\w+/\w+\.py)::(\w+)", where)
        assert tests or standing == "not emulated", behaviour
        for file, name in tests:
            source = (ROOT / "tests" / file).read_text(encoding="utf-8")
            assert re.search(rf"^(async )?def {name}\(", source, re.MULTILINE), (file, name)


async def test_the_calls_beside_those_of_the_official_sdk_exist() -> None:
    page = (DOCS / "guides" / "official-sdk.md").read_text(encoding="utf-8")
    calls = set(re.findall(r"`client\.([\w.]+)`", page))
    assert len(calls) > 20
    async with VoucherifyClient("id", "token") as client:
        for call in calls:
            found: object = client
            for name in call.split("."):
                found = getattr(found, name)
            assert callable(found), call
