"""These tests install other vendors' packages, so they run only when `-m` asks for them by name."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "peers" in str(config.getoption("markexpr")):
        return
    # Deselected, not skipped: a skipped test is something to look after, these are not.
    kept = [item for item in items if item.get_closest_marker("peers") is None]
    if len(kept) < len(items):
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept
