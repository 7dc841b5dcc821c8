"""`python tests/judged.py FOLDER ARGUMENTS`: what `python ARGUMENTS` does, with its emulators judged.

`tests/elsewhere.py` starts it. What is wrong with an answer goes into a file of the folder at once, so that a
process that is killed has told of it.
"""

import os
import runpy
import sys
from pathlib import Path
from types import ModuleType


def run(kind: str, *arguments: str) -> None:
    """Do as Python does with these arguments."""
    is_file = kind not in ("-m", "-c")
    sys.argv = [kind, *arguments] if is_file else [kind, *arguments[1:]]
    sys.path.insert(0, str(Path(kind).resolve().parent) if is_file else os.getcwd())
    if is_file:
        runpy.run_path(kind, run_name="__main__")
    elif kind == "-m":
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    else:
        sys.modules["__main__"] = main = ModuleType("__main__")
        exec(arguments[0], vars(main))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from tests.judge import Judge

    del sys.path[0]
    _, folder, *rest = sys.argv
    with Judge(Path(folder) / str(os.getpid())):
        run(*rest)
