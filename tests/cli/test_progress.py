"""Plain lines for logs, bars for people."""

import io
import re
import sys

import pytest

from voucherify_async.cli.progress import Bars, PlainLines, display


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    return Terminal()


def test_a_log_gets_one_plain_line_for_each_step() -> None:
    stream = io.StringIO()
    with display(stream) as shown:
        with shown.step("Creating", "orders", 2000) as step:
            for _ in range(2000):
                step.advance()
        with shown.step("Downloading", "bytes") as step:
            step.reach(10, 20)
            assert (step.done, step.total) == (10, 20)
    assert re.fullmatch(
        r"Creating: 2,000 orders in \d+\.\d s\nDownloading: 10 bytes in \d+\.\d s\n", stream.getvalue()
    )


def test_standard_output_is_the_place_if_none_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    with display() as shown, shown.step("Creating", "orders"):
        pass
    assert capsys.readouterr().out.startswith("Creating: 0 orders in ")


def test_a_step_that_fails_has_no_line() -> None:
    stream = io.StringIO()

    def fail() -> None:
        with display(stream) as shown, shown.step("Creating", "orders"):
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert stream.getvalue() == ""


def test_a_terminal_gets_bars(terminal: Terminal) -> None:
    with display(terminal) as shown:
        assert isinstance(shown, Bars)
        with shown.step("[Creating]", "orders", 2000) as step:
            step.reach(1500)
        with shown.step("Importing", "orders", 0):
            pass
        with shown.step("Downloading", "bytes") as step:
            step.reach(10, 20)
    written = terminal.getvalue()
    assert "━" in written
    assert re.search(r"\[Creating\].*1,500 orders in \d+\.\d s", written)
    assert re.search(r"Importing.*0 orders in ", written)
    assert re.search(r"Downloading.*10 bytes in ", written)


def test_a_terminal_without_rich_gets_plain_lines(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    with display(terminal) as shown:
        assert isinstance(shown, PlainLines)


def test_a_dumb_terminal_gets_plain_lines(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    with display(terminal) as shown:
        assert isinstance(shown, PlainLines)


def test_a_long_step_has_a_line_every_few_seconds() -> None:
    now = 0.0
    stream = io.StringIO()
    with PlainLines(stream, lambda: now).step("Syncing", "orders", 3000) as step:
        for second in range(1, 13):
            now = float(second)
            step.reach(second * 100, note=f"{second} failed")
    assert stream.getvalue().splitlines() == [
        "Syncing: 500 orders, 5 failed; 100/s, 0:25 left",
        "Syncing: 1,000 orders, 10 failed; 100/s, 0:20 left",
        "Syncing: 1,200 orders, 12 failed in 12.0 s",
    ]


def test_a_bar_has_the_pace_and_the_time_left_and_stays_where_a_step_fails(terminal: Terminal) -> None:
    now = 0.0

    def stop(shown: Bars) -> None:
        nonlocal now
        with shown.step("Syncing", "orders", 3000) as step:
            now = 10.0
            step.reach(1000)
            shown.say("line 7: [no order]")
            raise LookupError

    with display(terminal) as shown:
        assert isinstance(shown, Bars)
        shown._clock = lambda: now
        with pytest.raises(LookupError):
            stop(shown)
    written = terminal.getvalue()
    assert "line 7: [no order]\n" in written
    assert "1,000 orders; 100/s, 0:20 left" in written
