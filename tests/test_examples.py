"""The examples run, as they are, against the emulator."""

import shutil
from pathlib import Path

import pytest

from tests.snippets import PYTEST_INI, ROOT, run_python
from voucherify_async.emulator import Emulator

SCRIPTS = sorted(path for path in (ROOT / "examples").glob("*.py") if not path.name.startswith(("test_", "__")))

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
    assert SAYS[script.name] in await run_python(emulator, str(script), folder=tmp_path)


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
    assert f"{passed} passed" in await run_python(emulator, "-m", "pytest", "-q", ".", folder=tmp_path)
