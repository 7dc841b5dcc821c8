"""The package as users get it: built, installed, and tried with all that pyproject.toml allows.

`make package` builds it and tries it alone, without a tool that development needs. `make matrix` does that and runs
the tests of the sdist against the wheel: on each Python that is there, with the oldest dependencies, on uvloop.
"""

import filecmp
import os
import shutil
from pathlib import Path

import nox

HERE = Path(__file__).parent
BUILT = HERE / "dist"
PYTHONS = nox.project.python_versions(nox.project.load_toml("pyproject.toml"), max_version="3.15")

nox.options.default_venv_backend = "uv"
nox.options.download_python = "never"
# In CI neither: a version that is not there is said to be skipped.
nox.options.error_on_missing_interpreters = False
# Those of pyenv are found, though none of them may be the one that is chosen.
os.environ["PATH"] = os.pathsep.join(
    [*map(str, sorted(Path.home().glob(".pyenv/versions/3.*/bin"))), os.environ["PATH"]]
)


@nox.session(tags=["package"])
def build(session: nox.Session) -> None:
    """Build the sdist, the wheel from it, and look at both."""
    session.install("build[uv]", "check-wheel-contents", "twine")
    shutil.rmtree(BUILT, ignore_errors=True)
    session.run("python", "-m", "build", "--installer=uv", f"--outdir={BUILT}", silent=True)
    again = session.create_tmp()
    session.run("python", "-m", "build", "--installer=uv", "--wheel", f"--outdir={again}", silent=True)
    if not filecmp.cmp(wheel(), Path(again, wheel().name), shallow=False):
        session.error("the wheel from the sdist is not the one from the working tree")
    session.run("twine", "check", "--strict", *map(str, BUILT.iterdir()))
    session.run("check-wheel-contents", "--toplevel=voucherify_async", str(wheel()))


@nox.session(tags=["package"], requires=["build"])
def alone(session: nox.Session) -> None:
    """Try the wheel with what it depends on, and nothing else."""
    session.install(str(wheel()))
    try_alone(session)


@nox.session(python=PYTHONS, requires=["build"])
def newest(session: nox.Session) -> None:
    """Run the tests with the newest dependencies."""
    session.install(str(wheel()))
    try_alone(session)
    run_tests(session)


@nox.session(python=PYTHONS[0], requires=["build"])
def oldest(session: nox.Session) -> None:
    """Run the tests with the oldest dependencies that are allowed, those of the extras and of the tests too."""
    lowest = "--resolution=lowest-direct"
    session.install(lowest, "--requirements=pyproject.toml")
    session.install(str(wheel()))  # takes what is there
    try_alone(session)
    run_tests(session, lowest)


@nox.session(python=PYTHONS[0], requires=["build"])
@nox.parametrize("version", ["3.12", "3.13"])
def aiohttp(session: nox.Session, version: str) -> None:
    """Run the tests with the versions of aiohttp in between: `voucherify_async/direct.py` knows each by itself."""
    session.install(str(wheel()), f"aiohttp=={version}.*")
    run_tests(session)


@nox.session(python=PYTHONS[0], requires=["build"])
def uvloop(session: nox.Session) -> None:
    """Run the tests on uvloop."""
    session.install(str(wheel()))
    run_tests(session, options=["--uvloop"])


@nox.session(requires=["build"])
def typing(session: nox.Session) -> None:
    """Have user code judged by what the wheel says of its types."""
    session.install(str(wheel()), "--requirements=pyproject.toml", "--extra=dev")
    go_to_tests(session)
    session.run("mypy", "tests/typing")
    session.run("pyright", "--pythonpath", shutil.which("python", path=session.bin) or "", "tests/typing")


def wheel() -> Path:
    """The one that was built."""
    (found,) = BUILT.glob("*.whl")
    return found


def try_alone(session: nox.Session) -> None:
    """Isolated: neither this folder nor the script's is looked into for modules."""
    session.run("python", "-I", "-W", "error", "tests/wheel/alone.py")


def go_to_tests(session: nox.Session) -> None:
    """Go to what the sdist holds beside the package: Python finds the installed one, as there is no other."""
    session.chdir(HERE)
    there = Path(session.create_tmp())
    shutil.rmtree(there)
    (sdist,) = BUILT.glob("*.tar.gz")
    shutil.unpack_archive(sdist, there, filter="data")
    (root,) = there.iterdir()
    shutil.rmtree(root / "voucherify_async")
    session.chdir(root)


def run_tests(session: nox.Session, *resolution: str, options: list[str] | None = None) -> None:
    session.install(*resolution, "--requirements=pyproject.toml", "--extra=dev")
    go_to_tests(session)
    session.run("python", "-m", "pytest", *(options or []), *session.posargs)
