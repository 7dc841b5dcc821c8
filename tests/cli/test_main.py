"""The way from the command line to a command."""

import subprocess
import sys

import pytest

from voucherify_async.cli import main
from voucherify_async.version import VERSION


def test_help_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    printed = capsys.readouterr().out
    assert "demo" in printed
    assert "emulator" in printed


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"voucherify-async {VERSION}\n"


@pytest.mark.parametrize("arguments", [[], ["dance"], ["demo", "--dance"], ["emulator", "--rate-limit", "soon"]])
def test_wrong_use(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


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


def test_a_command_is_imported_only_when_it_is_named() -> None:
    script = (
        "import sys, voucherify_async.cli as cli\n"
        "try: cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "late = ('voucherify_async.emulator', 'voucherify_async.cli.demo', 'rich')\n"
        "sys.exit(any(name in sys.modules for name in late))"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


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
