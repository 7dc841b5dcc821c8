"""The part `peers` of `python -m benchmarks`: all clients by turns, round after round."""

import contextlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from benchmarks.beside.contestants import BARE, CONTESTANTS, Contestant
from benchmarks.beside.neutral import cores, neutral, standin
from benchmarks.beside.results import Codecs, Found, Import, Load, Machine, Results
from benchmarks.beside.table import tables
from benchmarks.peers import ROOT, UnavailableError

CALLS: Final = ("get", "create", "list")
SLOW: Final = "slow get 512"
SLOW_MS: Final = 50
# With more calls at a time, the first and the last ones weigh more.
SECONDS: Final = {1: 0.2, 64: 0.3, 512: 0.4}
SLOW_SECONDS: Final = 1.0
# A load that takes longer than this is not done in all rounds: the whole is to be a matter of minutes.
LONG: Final = 2.0
ROUNDS_OF_LONG: Final = 2
CODEC_SECONDS: Final = 0.1
_IMPORT: Final = """
import time
began = time.perf_counter()
{statement}
took = time.perf_counter() - began
import sys
modules = len(sys.modules)
try:
    status = open("/proc/self/status").read()
except OSError:
    status = "VmHWM: 0 kB"
mib = int(status.partition("VmHWM:")[2].split()[0]) / 1024
print(f'{{{{"ms": {{took * 1000}}, "mib": {{mib}}, "modules": {{modules}}}}}}')
"""
_VERSIONS: Final = """
import json
from importlib.metadata import distributions
print(json.dumps({one.metadata["Name"].lower(): one.version for one in distributions()}))
"""


class Worker:
    """A client's process."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def ask(self, **request: Any) -> bytes:
        """What it answers, as JSON.

        Raises:
            UnavailableError: its process has ended.
        """
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # nobody reads it any more: there will be no answer either
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
        return self.read()

    def read(self) -> bytes:
        """The next line that it writes.

        Raises:
            UnavailableError: its process has ended.
        """
        assert self._process.stdout is not None
        if not (line := self._process.stdout.readline()):
            raise UnavailableError(f"its process ended with status {self._process.wait()}")
        return line


@contextmanager
def worker(contestant: Contestant, python: Path) -> Iterator[Worker]:
    """Start a client's process, and end it.

    Raises:
        UnavailableError: it cannot be imported.
    """
    command = [*cores()[1], str(python), "-m", "benchmarks.beside.worker", contestant.client]
    command += ["--uvloop"] if contestant.uvloop else []
    environ = {**_environ(), **contestant.environ}
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, env=environ
    ) as process:
        try:
            one = Worker(process)
            one.read()  # it is ready: what it imports is not to be measured with what others do
            yield one
        finally:
            process.terminate()


def _environ() -> dict[str, str]:
    # What was set for this interpreter is not meant for those of others.
    return {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}


def _output(python: Path, code: str) -> str:
    command = [*cores()[1], str(python), "-c", code]
    run = subprocess.run(command, cwd=ROOT, env=_environ(), stdout=subprocess.PIPE, check=True, text=True)
    return run.stdout


def import_of(contestant: Contestant, python: Path) -> Import:
    """What a fresh interpreter takes for the packages of a client, alone: the quickest of three, as what delays one
    is always something else."""
    source = (Path(__file__).with_name("clients") / f"{contestant.client}.py").read_text()
    line = next(line for line in source.splitlines() if line.startswith("IMPORT = "))
    code = _IMPORT.format(statement=json.loads(line.removeprefix("IMPORT = ")))
    tries = [msgspec.json.decode(_output(python, code), type=Import) for _ in range(3)]
    return min(tries, key=lambda one: one.ms)


def installed() -> tuple[dict[str, Path], dict[str, str]]:
    """The interpreters of those who can be had, and why the others cannot."""
    found: dict[str, Path] = {}
    missing: dict[str, str] = {}
    for name, contestant in CONTESTANTS.items():
        try:
            found[name] = contestant.python()
        except UnavailableError as error:
            missing[name] = str(error)
            print(f"{name} is left out: {error}", file=sys.stderr)
    return found, missing


def loads(contestant: Contestant, url: str, slow_url: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """What a client is asked for in a round: the name and the request of each load."""
    for concurrency in contestant.concurrencies:
        for call in CALLS:
            yield (
                f"{call} {concurrency}",
                {"call": call, "url": url, "concurrency": concurrency, "seconds": SECONDS[concurrency]},
            )
    if 512 in contestant.concurrencies:
        yield SLOW, {"call": "get", "url": slow_url, "concurrency": 512, "seconds": SLOW_SECONDS}


def machine(server: str) -> Machine:
    """This one."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    cpu = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())
    return Machine(
        cpu=cpu or platform.machine(),
        cores=os.cpu_count() or 1,
        system=platform.system(),
        python=platform.python_version(),
        server=server,
        pinned=bool(cores()[0]),
    )


class Field:
    """The clients that take part, with a process a round each. One that fails is out, and `missing` says why."""

    def __init__(self, pythons: dict[str, Path], missing: dict[str, str]) -> None:
        self._pythons = pythons
        self._workers: dict[str, Worker] = {}
        self._long: set[tuple[str, str]] = set()
        self.missing = missing
        self.clients = {
            name: Found(beside=CONTESTANTS[name].beside, versions=json.loads(_output(python, _VERSIONS)))
            for name, python in pythons.items()
        }

    def start(self, stack: ExitStack) -> None:
        """Start the processes; the stack ends them."""
        for name in list(self.clients):
            try:
                self._workers[name] = stack.enter_context(worker(CONTESTANTS[name], self._pythons[name]))
            except UnavailableError as error:
                self._leave_out(name, error)

    def ask(self, name: str, **request: Any) -> bytes | None:
        """What a client finds, as JSON; None if it failed."""
        try:
            return self._workers[name].ask(**request)
        except UnavailableError as error:
            self._leave_out(name, error)
            return None

    def _leave_out(self, name: str, error: UnavailableError) -> None:
        self.missing[name] = f"it failed: {error}"
        print(f"{name} is out: {error}", file=sys.stderr)
        del self.clients[name]

    def play(self, url: str, slow_url: str) -> None:
        """A round: load after load, in each client after client, so that all meet the same moods of the machine."""
        todo = {name: dict(loads(CONTESTANTS[name], url, slow_url)) for name in self.clients}
        for load in dict.fromkeys(load for of in todo.values() for load in of):
            for name in [name for name in self.clients if load in todo[name]]:
                done = self.clients[name].loads.setdefault(load, [])
                if len(done) >= ROUNDS_OF_LONG and (name, load) in self._long:
                    continue
                began = time.monotonic()
                if (answer := self.ask(name, **todo[name][load])) is not None:
                    done.append(msgspec.json.decode(answer, type=Load))
                if time.monotonic() - began > LONG:
                    self._long.add((name, load))

    def alone(self) -> list[str]:
        """The clients of different packages: neither loop nor threads matter to what is measured alone."""
        return list({CONTESTANTS[name].client: name for name in reversed(self.clients)}.values())[::-1]

    def play_alone(self) -> None:
        """A round of what each does without a server."""
        for name in self.alone():
            if (answer := self.ask(name, seconds=CODEC_SECONDS)) is not None:
                self.clients[name].codecs.append(msgspec.json.decode(answer, type=Codecs))
        for name in self.alone():
            self.clients[name].imported.append(import_of(CONTESTANTS[name], self._pythons[name]))


def measure(rounds: int) -> Results:
    """Measure all that can be had."""
    pythons, missing = installed()
    field = Field(pythons, missing)
    with ExitStack() as stack:
        url, server = stack.enter_context(neutral())
        slow_url = stack.enter_context(standin(SLOW_MS, pythons.get(BARE)))
        for number in range(rounds):
            began = time.monotonic()
            # What a process has done changes what it costs: when decoding alone had freed a large block, the blocks
            # that are read into were kept in the heap (mallopt(3), M_MMAP_THRESHOLD), and the page of orders that
            # costs bare aiohttp 500 µs cost it 380 in all later rounds. Calls alone, however mixed, free no such.
            with ExitStack() as processes:
                field.start(processes)
                field.play(url, slow_url)
                field.play_alone()
            print(f"peers: round {number + 1} of {rounds}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    return Results(machine=machine(server), rounds=rounds, clients=field.clients, missing=field.missing)


def run(rounds: int) -> Results:
    """Measure, print tables, and give the figures."""
    results = measure(rounds)
    print(tables(results), flush=True)
    return results
