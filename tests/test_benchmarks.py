"""The command that runs the benchmarks' parts."""

import sys
from pathlib import Path

import msgspec
import pytest

from benchmarks import __main__ as benchmarks


def test_a_part_that_fails_takes_no_figures_of_others_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(rounds: int) -> object:
        raise LookupError(rounds)

    file = tmp_path / "results.json"
    monkeypatch.setitem(benchmarks.PARTS, "calls", lambda rounds: {"rounds": rounds})
    monkeypatch.setitem(benchmarks.PARTS, "rows", failing)
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--parts", "calls,rows,peers", "--json", str(file)])
    with pytest.raises(LookupError):
        benchmarks.main()
    assert msgspec.json.decode(file.read_bytes()) == {"calls": {"rounds": 5}}
