"""The emulator shares nothing with the client, and says exactly what is public."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

from voucherify_async import emulator

MODULES = sorted(path.stem for path in Path(emulator.__file__).parent.glob("*.py"))


def imports(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            found.add(node.module or "")
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return found


@pytest.mark.parametrize("name", MODULES)
def test_nothing_comes_from_the_client(name: str) -> None:
    source = (Path(emulator.__file__).parent / f"{name}.py").read_text()
    ours = {one for one in imports(ast.parse(source)) if one.startswith("voucherify_async")}
    outside = {one for one in ours if not one.startswith("voucherify_async.emulator")}
    # Emulator.client() makes a client; it is the one place.
    assert outside == ({"voucherify_async"} if name == "server" else set())


@pytest.mark.parametrize("name", MODULES)
def test_all_is_exact(name: str) -> None:
    module = importlib.import_module(f"voucherify_async.emulator{'' if name == '__init__' else '.' + name}")
    assert sorted(module.__all__) == sorted(set(module.__all__))
    assert all(hasattr(module, public) for public in module.__all__)
