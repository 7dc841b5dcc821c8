"""Other processes, in which emulators are judged as in that of the tests: how to start one, and what was found."""

import atexit
import secrets
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

__all__ = ["judged_python", "objections"]

# Made by the first who objects: a run in which nobody does leaves nothing, even if it is killed.
_FOLDER: Final = Path(tempfile.gettempdir()) / f"objections-{secrets.token_hex(8)}"
atexit.register(shutil.rmtree, _FOLDER, ignore_errors=True)


def judged_python(*arguments: str) -> list[str]:
    """`python -W error` with these arguments: `-m` and a module, `-c` and code, or a script; then any others."""
    # -P: not to look beside that file for modules, where `tests/typing` would pass for Python's own.
    judged = Path(__file__).with_name("judged.py")
    return [sys.executable, "-P", "-W", "error", str(judged), str(_FOLDER), *arguments]


def objections() -> list[str]:
    """What was found since the last time."""
    found: list[str] = []
    for file in _FOLDER.glob("*"):
        found += file.read_text(encoding="utf-8").splitlines()
        file.unlink()
    return found
