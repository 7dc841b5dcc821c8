"""`python -m tests.mutants`: plant each mistake in a copy of the tree, and see whether the tests find it."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from tests.mutants.seeded import IN_CLIENT, IN_EMULATOR, Mutant
from tests.snippets import ROOT

_TESTS_FAILED: Final = 1  # pytest's exit code; others say that they could not be run
_LONGEST_SECONDS: Final = 180


def main() -> int:
    """Print what found each mistake; 1 if one was not found."""
    with tempfile.TemporaryDirectory() as folder:
        # Beside the documents, as the tree is: some tests read them.
        copy = Path(folder) / "main"
        if (shared := ROOT.parent / "shared").exists():
            (Path(folder) / "shared").symlink_to(shared)
        for part in ("voucherify_async", "tests", "benchmarks"):
            shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        everything = sorted({file for one in (*IN_EMULATOR, *IN_CLIENT) for file in one.tests.split()})
        if (sound := run_tests(copy, everything)).returncode:
            print("the tests fail without a mistake, too:", sound.stdout[-2000:], sep="\n")
            return 1
        missed = _missed("emulator", IN_EMULATOR, copy) + _missed("client", IN_CLIENT, copy)
    return 1 if missed else 0


def _missed(where: str, mutants: Sequence[Mutant], copy: Path) -> int:
    """How many were not found; each is told of."""
    missed = 0
    for mutant in mutants:
        began = time.monotonic()
        finder = finder_of(mutant, copy)
        missed += finder is None
        print(f"{where}: {mutant.what}: {finder or 'NOT FOUND'} ({time.monotonic() - began:.1f} s)", flush=True)
    print(f"{where}: {len(mutants) - missed} of {len(mutants)} found", flush=True)
    return missed


def finder_of(mutant: Mutant, copy: Path) -> str | None:
    """The first test that fails with the mistake in the copy, which is sound again afterwards."""
    file = copy / "voucherify_async" / mutant.file
    source = file.read_text(encoding="utf-8")
    file.write_text(mutant.planted(source), encoding="utf-8")
    try:
        ran = run_tests(copy, mutant.tests.split())
    except subprocess.TimeoutExpired:
        return f"a test that goes on for ever, of {mutant.tests}"
    finally:
        file.write_text(source, encoding="utf-8")
    if ran.returncode == 0:
        return None
    # An error is one of the end of a test: that of the judge of its answers, say.
    failed = re.search(r"^(?:FAILED|ERROR) tests/(\S+)", ran.stdout, re.MULTILINE)
    if ran.returncode != _TESTS_FAILED or failed is None:
        raise RuntimeError(f"{mutant.what}: the tests could not be run:\n{ran.stdout[-2000:]}")
    return failed[1]


def run_tests(copy: Path, tests: Iterable[str]) -> "subprocess.CompletedProcess[str]":
    """Run tests of the copy against the package of the copy: Python looks into its folder first."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "--tb=no", "-p", "no:cacheprovider", *_below_tests(tests)],
        cwd=copy,
        # A file that was written twice within a second must not be taken from the cache.
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_LONGEST_SECONDS,
        check=False,
    )


def _below_tests(tests: Iterable[str]) -> list[str]:
    return [f"tests/{test}" for test in tests]


if __name__ == "__main__":
    sys.exit(main())
