"""Nothing costs more than its budget. The counting is done by `python -m tests.budgets`, in a process of its own:
what watches the tests would be counted too.
"""

import asyncio
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.budgets.ledger import FILE, beside, budgets, renewed
from tests.budgets.tally import Tally
from voucherify_async import VoucherifyClient

ROOT = Path(__file__).parents[2]
TEXT = FILE.read_text(encoding="utf-8")
BUDGETS = budgets(TEXT)

Counted = dict[str, dict[str, float]]


@pytest.fixture(scope="module")
def counted() -> Counted:
    command = [sys.executable, "-E", "-m", "tests.budgets"]  # settings of the environment change the counts
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return tomllib.loads(done.stdout)


@pytest.mark.parametrize(("section", "name"), BUDGETS)
def test_a_count_is_within_its_budget(section: str, name: str, counted: Counted) -> None:
    found, most = counted[section][name], BUDGETS[section, name].most
    assert found <= most, f"{section} of {name}: {found:g}, and at most {most:g} by tests/budgets/budgets.toml"


def test_what_is_counted_is_what_has_a_budget(counted: Counted) -> None:
    assert {(section, name) for section, values in counted.items() for name in values} == set(BUDGETS)


# --- The counting ---------------------------------------------------------------------------------------------


@pytest.mark.asyncio_loop
async def test_timers_tasks_turns_and_system_calls_are_seen() -> None:
    loop = asyncio.get_running_loop()

    async def work() -> None:
        loop.call_later(60, print).cancel()
        loop.call_at(loop.time() + 60, print).cancel()
        await asyncio.gather(asyncio.sleep(0), asyncio.sleep(0))

    found = await Tally().calls(work)
    assert (found["timers"], found["tasks"]) == (2, 2)
    assert found["loop_turns"] == found["system_calls"] > 0
    assert found["own_frames"] == 0


async def test_a_function_of_the_package_is_a_frame_of_its_own(client: VoucherifyClient) -> None:
    async def work() -> None:
        client.orders.import_job("aa_1")

    found = await Tally().calls(work)
    assert 0 < found["own_frames"] <= found["frames"]
    tally = Tally()
    tally.paused = True
    assert not await tally.calls(work)


# --- The file -------------------------------------------------------------------------------------------------

numbers = st.integers(0, 100_000) | st.integers(0, 1000).map(lambda tenths: tenths / 10)
counts = st.fixed_dictionaries(
    {
        section: st.fixed_dictionaries({name: numbers for of, name in BUDGETS if of == section})
        for section in dict.fromkeys(section for section, _ in BUDGETS)
    }
)


@given(counts)
def test_renewed_it_has_what_was_counted_and_its_words(some: Any) -> None:
    new = renewed(TEXT, some)
    assert {key: budget.counted for key, budget in budgets(new).items()} == {
        (section, name): value for section, values in some.items() for name, value in values.items()
    }
    assert {key: budget.air for key, budget in budgets(new).items()} == {
        key: budget.air for key, budget in BUDGETS.items()
    }
    assert [line.partition("#")[2] for line in new.splitlines()] == [
        line.partition("#")[2] for line in TEXT.splitlines()
    ]


@given(counts)
def test_what_is_printed_is_what_was_counted(some: Any) -> None:
    assert tomllib.loads("\n".join(beside(some, BUDGETS))) == some


def test_a_count_without_a_budget_is_told_of() -> None:
    assert "# no budget" in "\n".join(beside({"section": {"name": 1.0}}, BUDGETS))
