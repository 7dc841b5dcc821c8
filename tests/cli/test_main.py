"""The way from the command line to a command."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from tests.elsewhere import judged_python
from voucherify_async.cli import main
from voucherify_async.cli.app import app
from voucherify_async.version import VERSION

COMMAND = [sys.executable, "-m", "voucherify_async"]


def test_help_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    for name in ("check", "completion", "demo", "emulator", "job", "orders"):
        assert f"\n  {name}" in printed


def commands() -> Iterator[list[str]]:
    for name, found in app.commands.items():
        yield [name]
        if isinstance(found, click.Group):
            yield from ([name, inner] for inner in found.commands)


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_the_help_of_each_command_has_examples(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--help"]) == 0
    examples = capsys.readouterr().out.partition("Examples:\n")[2]
    assert f"voucherify-async {' '.join(words)}" in examples


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"voucherify-async {VERSION}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["dance"],
        ["--dance"],
        ["orders"],
        ["orders", "get"],
        ["demo", "--dance"],
        ["emulator", "--rate-limit", "soon"],
    ],
)
def test_wrong_use(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "usage: " in capsys.readouterr().err.lower()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert f"_VOUCHERIFY_ASYNC_COMPLETE={shell}_complete" in capsys.readouterr().out


def test_what_is_begun_is_completed() -> None:
    asked = {
        "COMP_WORDS": "voucherify-async orders s",
        "COMP_CWORD": "2",
        "_VOUCHERIFY_ASYNC_COMPLETE": "bash_complete",
    }
    done = subprocess.run(COMMAND, env=os.environ | asked, capture_output=True, text=True, check=True)
    assert done.stdout == "plain,sync\n"


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_takes_the_script() -> None:
    script = subprocess.run([*COMMAND, "completion", "bash"], capture_output=True, text=True, check=True).stdout
    code = f"{script}\ncomplete -p voucherify-async"
    done = subprocess.run(["bash", "-ec", code], capture_output=True, text=True, check=True)
    assert "_voucherify_async_completion" in done.stdout


WITHOUT = """
import sys
for name in {missing!r}: sys.modules[name] = None
from voucherify_async.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("arguments", [["orders", "list"], ["--help"], []])
def test_a_missing_extra_says_which_to_install(arguments: list[str]) -> None:
    code = WITHOUT.format(missing=["click"])
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "pip install 'voucherify-async[cli]'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [["emulator", "--help"], ["demo", "--orders", "2"]])
def test_the_emulator_and_the_demo_need_no_extra(arguments: list[str]) -> None:
    command = judged_python("-c", WITHOUT.format(missing=["click", "rich"]), *arguments)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_arguments_of_the_process_count_if_none_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["voucherify-async", "demo", "--data", "/nowhere"])
    assert main() == 2


def test_the_emulator_takes_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voucherify_async.emulator.command.run", lambda args: args.port)
    assert main(["emulator", "--port", "3"]) == 3


def test_an_interruption_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(args: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("voucherify_async.cli.demo.run", interrupted)
    assert main(["demo"]) == 130
    assert capsys.readouterr().err == "Interrupted.\n"


@pytest.mark.parametrize("arguments", [["--help"], ["orders", "sync", "--help"], ["completion", "bash"]])
def test_what_a_command_does_is_imported_when_it_runs(arguments: list[str]) -> None:
    script = (
        "import sys, voucherify_async.cli as cli\n"
        f"assert cli.main({arguments}) == 0\n"
        "late = {'voucherify_async.emulator', 'voucherify_async.client', 'aiohttp', 'msgspec', 'asyncio', 'rich'}\n"
        "sys.stderr.write(', '.join(late & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_importing_the_package_leaves_the_command_line_out() -> None:
    script = "import sys, voucherify_async; sys.exit('voucherify_async.cli' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_module_is_the_command_and_exits_with_its_status() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "voucherify_async", "demo", "--data", "/nowhere"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "/nowhere" in done.stderr
