"""The mistakes still fit the source; `make mutants` sees whether they are found."""

from pathlib import Path

import pytest

import voucherify_async
from tests.mutants.seeded import IN_CLIENT, IN_EMULATOR, Mutant
from tests.snippets import ROOT


@pytest.mark.parametrize("mutant", [*IN_EMULATOR, *IN_CLIENT], ids=lambda mutant: mutant.what)
def test_it_can_be_planted(mutant: Mutant) -> None:
    # Of the package that is tested, which may be an installed one.
    source = (Path(voucherify_async.__file__).parent / mutant.file).read_text(encoding="utf-8")
    planted = mutant.planted(source)
    assert planted != source
    compile(planted, mutant.file, "exec")
    assert all((ROOT / "tests" / test).exists() for test in mutant.tests.split())


def test_the_emulators_are_ten_and_the_clients_are_ten() -> None:
    assert len(IN_EMULATOR) == len(IN_CLIENT) == 10
    assert all(mutant.file.startswith("emulator/") for mutant in IN_EMULATOR)
    assert not any(mutant.file.startswith("emulator/") for mutant in IN_CLIENT)
