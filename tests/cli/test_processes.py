"""Commands as processes of their own: signals, pipes and terminals."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.cli.test_feeding import numbered, stored, write
from voucherify_async.emulator import Emulator, Fault

COMMAND = [sys.executable, "-m", "voucherify_async"]
Process = subprocess.Popen[str]

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there are no such signals and terminals")


@contextmanager
def started(*arguments: str) -> Iterator[Process]:
    """A command in a process, which is gone afterwards."""
    with subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def ended(process: Process) -> tuple[int, str, str]:
    """Its exit status and what it printed, while its standard input stays open."""
    assert process.stdout
    assert process.stderr
    status = process.wait(20)
    return status, process.stdout.read(), process.stderr.read()


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait for something in another process."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_failures_are_not_replaced_while_they_are_read(service: Emulator) -> None:
    write("orders.failed.jsonl", {"source_id": "web-1", "status": "LOST"})
    with Path("orders.failed.jsonl").open("rb") as file:
        ran = subprocess.run([*COMMAND, "orders", "sync", "-"], stdin=file, capture_output=True, check=False)
    assert ran.returncode == 2
    assert b"orders.failed.jsonl is read from: give another file with --failures" in ran.stderr
    assert service.requests == []


class TestSignals:
    @pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
    def test_what_is_under_way_is_finished_and_the_same_command_goes_on(
        self, service: Emulator, command: Command, number: signal.Signals, status: int
    ) -> None:
        write("orders.jsonl", *numbered(200))
        service.faults.add(Fault("delay", delay=0.03, times=None))
        arguments = ["orders", "sync", "orders.jsonl", "--concurrency", "8", "--json"]
        with started(*arguments) as process:
            wait_for(lambda: stored(service) >= 20)
            process.send_signal(number)
            ran = ended(process)
        assert ran[0] == status
        first = json.loads(ran[1])
        assert first["stopped"] == f"stopped by {number.name}"
        assert 20 <= first["read"] == first["done"] == stored(service) < 200
        assert "Stopping: what is under way is finished first." in ran[2]
        assert ran[2].endswith(f"To go on: voucherify-async {' '.join(arguments)}\n")

        service.faults.clear()
        again = command(*arguments)
        assert again.status == 0
        assert (again.document["done"], again.document["skipped"]) == (200, first["done"])
        assert {service.effects.of(f"web-{number}").total for number in range(200)} == {1}

    def test_the_second_one_ends_it_at_once(self, service: Emulator, command: Command) -> None:
        write("orders.jsonl", *numbered(50))
        service.faults.add(Fault("delay", delay=60, skip=20, times=None))
        with started("orders", "sync", "orders.jsonl", "--concurrency", "4") as process:
            wait_for(lambda: service.effects.requests["POST", "/v1/orders"] >= 21)
            process.send_signal(signal.SIGINT)
            assert process.stderr
            assert process.stderr.readline().startswith("Stopping: ")
            process.send_signal(signal.SIGINT)
            status, out, err = ended(process)
        assert (status, out) == (130, "")
        assert err == "To go on: voucherify-async orders sync orders.jsonl --concurrency 4\nInterrupted.\n"
        service.faults.clear()
        ran = command("orders", "sync", "orders.jsonl", "--json")
        assert (ran.status, ran.document["done"]) == (0, 50)
        assert ran.document["skipped"] >= 16

    def test_a_pipe_that_says_nothing_is_not_waited_for(self, service: Emulator) -> None:
        with started("orders", "sync", "-", "--json") as process:
            assert process.stdin
            process.stdin.write("".join(f"{json.dumps(order)}\n" for order in numbered(3)))
            process.stdin.flush()
            wait_for(lambda: stored(service) == 3)
            process.send_signal(signal.SIGINT)
            status, out, err = ended(process)
        assert (status, json.loads(out)["done"]) == (130, 3)
        assert err.endswith("Nothing was kept to go on from: voucherify-async orders sync - --json begins anew.\n")
        assert list(Path().iterdir()) == []

    def test_a_pipe_with_a_checkpoint_can_be_given_again(self, service: Emulator) -> None:
        with started("orders", "import", "-", "--checkpoint", "state") as process:
            assert process.stdin
            process.stdin.write("".join(f"{json.dumps(order)}\n" for order in numbered(3)))
            process.stdin.close()
            process.stdin = None
            assert ended(process)[0] == 0
        assert stored(service) == 3

    def test_other_commands_end_at_once(self, service: Emulator) -> None:
        service.faults.add(Fault("delay", delay=60))
        with started("orders", "list") as process:
            wait_for(lambda: bool(service.effects.requests))
            process.send_signal(signal.SIGINT)
            assert ended(process) == (130, "", "Interrupted.\n")


class TestPipes:
    @pytest.mark.parametrize("arguments", [["orders", "list"], ["orders", "export"], ["check"], ["--help"]])
    def test_a_reader_that_has_had_enough_ends_it_quietly(
        self, service: Emulator, command: Command, arguments: list[str]
    ) -> None:
        command("orders", "create", "--source-id", "web-1")
        reader, writer = os.pipe()
        os.close(reader)
        try:
            done = subprocess.run(
                [*COMMAND, *arguments], stdout=writer, stderr=subprocess.PIPE, text=True, check=False, timeout=20
            )
        finally:
            os.close(writer)
        assert done.returncode == 141
        assert "roken" not in done.stderr
        assert "Traceback" not in done.stderr


class Screen:
    """A terminal of a hundred columns, and all that was written to it."""

    def run(self, *arguments: str, **environment: str) -> tuple[int, str]:
        """Run a command on it."""
        import fcntl
        import pty
        import struct
        import termios

        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        cleared = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
        inherited = {name: value for name, value in os.environ.items() if name not in cleared}
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=inherited | {"TERM": "xterm"} | environment,
        )
        os.close(slave)
        written = b""
        try:
            while piece := os.read(master, 65_536):
                written += piece
        except OSError:  # all have closed it
            pass
        os.close(master)
        return process.wait(20), written.decode().replace("\r\n", "\n")


def without_styles(screen: str) -> str:
    return re.sub("\x1b[^m]*m", "", screen)


class TestTerminal:
    def test_a_run_has_a_bar(self, service: Emulator) -> None:
        write("orders.jsonl", *numbered(30), "nonsense")
        status, screen = Screen().run("orders", "sync", "orders.jsonl")
        assert status == 1
        assert "━" in screen
        assert "Syncing orders.jsonl" in screen
        assert "30 orders in " in screen
        assert "orders.jsonl: line 31: " in screen
        assert "orders   30 read, 30 done, 0 failed\n" in screen

    def test_orders_are_set_out(self, service: Emulator, command: Command) -> None:
        command("orders", "create", "--source-id", "web-1", "--status", "PAID", "--amount", "12345")
        status, screen = Screen().run("orders", "list")
        head, row = without_styles(screen).splitlines()
        assert status == 0
        assert head.split() == ["source_id", "id", "status", "created_at", "items", "total_amount"]
        assert row.split()[0] == "web-1"
        assert row.split()[-1] == "12,345"
        assert '\n  "source_id": "web-1",\n' in without_styles(Screen().run("orders", "get", "web-1")[1])

    def test_colours_are_there_unless_they_are_not_wanted(self, service: Emulator, command: Command) -> None:
        command("orders", "create", "--source-id", "web-1")
        assert "\x1b[32m" in Screen().run("orders", "get", "web-1")[1]
        assert "\x1b[32m" not in Screen().run("orders", "get", "web-1", NO_COLOR="1")[1]

    def test_machines_get_plain_lines_there_too(self, service: Emulator, command: Command) -> None:
        command("orders", "create", "--source-id", "web-1")
        for arguments in (["list"], ["get", "web-1"]):
            assert json.loads(Screen().run("orders", *arguments, "--json")[1])["source_id"] == "web-1"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full disk here")
@pytest.mark.parametrize("arguments", [["check"], ["--version"], ["completion", "bash"]])
def test_a_full_disk_behind_standard_output_is_told_in_a_sentence(service: Emulator, arguments: list[str]) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with open("/dev/full", "wb") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "voucherify_async", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            env=environment,
            check=False,
        )
    assert ran.returncode == 3
    assert b"No space left on device" in ran.stderr
    assert b"Traceback" not in ran.stderr
