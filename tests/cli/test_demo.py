"""The demo as a whole: through the command line, and against services that do not do as they say."""

import io
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.test_retail import HEADER, REAL_FILE
from tests.elsewhere import judged_python
from voucherify_async import JobError, NewOrder, NotFoundError
from voucherify_async.cli import demo, main
from voucherify_async.cli.demo import Outcome, play, report
from voucherify_async.cli.progress import PlainLines
from voucherify_async.cli.sources import Source, made_up
from voucherify_async.emulator import Emulator, Fault

COMMAND = judged_python("-m", "voucherify_async")


def quick_emulator() -> Emulator:
    """One whose jobs are done when they are first looked at."""
    return Emulator(seed=1, import_seconds=0, export_seconds=0)


async def played(emulator: Emulator, source: Source | None = None) -> Outcome:
    return await play(source or made_up(30, 1), emulator, PlainLines(io.StringIO()))


class TestAgreement:
    async def test_a_good_service_agrees(self) -> None:
        emulator = quick_emulator()
        source = made_up(30, 1)
        outcome = await played(emulator, source)
        assert outcome.problems == []
        assert (outcome.rows, outcome.repeats) == (30, 0)
        assert outcome.requests == emulator.effects.requests.total()
        assert not emulator.running
        assert len(emulator.effects.orders) == 30
        for order in source.orders[:20]:
            assert emulator.effects.of(order.key or "").imported == 1
        for order in source.orders[20:]:
            effects = emulator.effects.of(order.key or "")
            assert (effects.created, effects.updated) == (1, int(order.status != "CREATED"))

    async def test_repeats_are_counted(self) -> None:
        emulator = quick_emulator()
        emulator.faults.add(
            Fault("status", method="PUT", status=503, times=2),
            Fault("broken_json", method="GET", path="/v1/orders"),
        )
        outcome = await played(emulator)
        assert outcome.problems == []
        assert outcome.repeats == 3
        assert outcome.requests == emulator.effects.requests.total()

    async def test_many_orders_are_imported_in_several_requests(self) -> None:
        emulator = quick_emulator()
        outcome = await played(emulator, made_up(3001, 3))
        assert outcome.problems == []
        assert emulator.effects.requests["POST", "/v1/orders/import"] == 2
        assert emulator.effects.requests["POST", "/v1/orders"] == 1000

    async def test_one_order_is_enough(self) -> None:
        assert (await played(quick_emulator(), made_up(1, 1))).problems == []

    async def test_problems_of_the_source_are_told_too(self) -> None:
        made = made_up(3, 1)
        source = Source(made.title, made.orders, problems=["it does not balance"])
        assert (await played(quick_emulator(), source)).problems == ["it does not balance"]


class TestDisagreement:
    async def test_a_service_that_loses_an_order_is_found_out(self) -> None:
        emulator = quick_emulator()
        # It says that the order was created, but it was not.
        said = '{"id": "ord_1", "object": "order"}'
        emulator.faults.add(Fault("status", method="POST", path="/v1/orders", status=200, body=said))
        source = made_up(30, 1)
        lost = source.orders[20].key
        assert source.orders[20].status != "CREATED"
        outcome = await played(emulator, source)
        places = ("update", "get", "list", "downloaded file", "streamed rows")
        assert outcome.problems == [f"{place}: order {lost} is missing" for place in places]
        assert outcome.rows == 29

    async def test_an_update_that_is_lost_is_found_out(self) -> None:
        emulator = quick_emulator()
        emulator.faults.add(Fault("status", method="PUT", status=200, body='{"id": "ord_1", "object": "order"}'))
        outcome = await played(emulator)
        assert len(outcome.problems) == 4
        assert all(" is CREATED instead of " in problem for problem in outcome.problems)

    async def test_orders_that_are_not_imported_are_named(self) -> None:
        source = made_up(30, 1)
        first, *others = source.orders
        # No such status: the client leaves it to the service to say so.
        bad = NewOrder(source_id=first.source_id, status="LOST", amount=0)
        outcome = await played(quick_emulator(), Source(source.title, [bad, *others]))
        assert outcome.problems[0].startswith(f"order {first.key}: ")
        assert outcome.problems[1:] == [
            f"downloaded file: order {first.key} is missing",
            f"streamed rows: order {first.key} is missing",
        ]

    def test_the_report_names_them_and_not_too_many(self) -> None:
        problems = [f"list: order {number} is missing" for number in range(23)]
        lines = report(made_up(2, 1), Outcome(0, 5, 1, 0.25, problems))
        assert lines[0].startswith("orders    2 sent with ")
        assert lines[2] == "requests  5, of which 1 were repeats"
        assert lines[4] == "disagreed 23 times:"
        assert lines[5] == "- list: order 0 is missing"
        assert lines[-1] == "- and 3 more"
        assert len(lines) == 5 + 20 + 1
        assert report(made_up(2, 1), Outcome(0, 5, 1, 0.25, problems[:1]))[-1] == "- list: order 0 is missing"


class TestFailure:
    async def test_an_import_that_fails_is_made_once_more(self) -> None:
        emulator = quick_emulator()
        emulator.fail_next_import()
        assert (await played(emulator)).problems == []
        emulator.fail_next_import()
        emulator.fail_next_import()
        outcome = await played(emulator)
        assert any("the import failed" in problem for problem in outcome.problems)
        assert not emulator.running

    async def test_an_export_that_gets_lost_is_the_services_failure(self) -> None:
        emulator = quick_emulator()
        emulator.faults.add(Fault("status", method="GET", path="/v1/exports/*", status=404, times=None))
        with pytest.raises(JobError) as caught:
            await played(emulator)
        assert isinstance(caught.value.__cause__, NotFoundError)

    async def test_an_order_that_is_refused_is_named(self) -> None:
        source = made_up(30, 1)
        refused = NewOrder(source_id="refused", status="CREATED", amount=-1)
        outcome = await played(quick_emulator(), Source(source.title, [*source.orders, refused]))
        assert outcome.problems[0].startswith("order refused: 400 invalid_payload")


class TestCommand:
    def test_it_prints_a_report_and_succeeds(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["demo", "--orders", "20", "--seed", "5"]) == 0
        printed = capsys.readouterr()
        assert printed.out.startswith("20 made-up orders (seed 5)\n\nCreating one by one: 7 orders in ")
        assert "\norders    20 sent with " in printed.out
        assert "\nagreed    everything: " in printed.out
        assert printed.err == ""

    def test_it_says_what_does_not_agree_and_fails(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def lossy(seed: int) -> Emulator:
            emulator = quick_emulator()
            said = '{"id": "ord_1", "object": "order"}'
            emulator.faults.add(Fault("status", method="POST", path="/v1/orders", status=200, body=said))
            return emulator

        monkeypatch.setattr(demo, "Emulator", lossy)
        assert main(["demo", "--orders", "20"]) == 1
        assert "streamed rows: order shop-1-14 is missing" in capsys.readouterr().out

    def test_a_service_that_fails_is_told_in_one_line(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def failing(seed: int) -> Emulator:
            emulator = quick_emulator()
            emulator.faults.add(Fault("status", status=401, times=None))
            return emulator

        monkeypatch.setattr(demo, "Emulator", failing)
        assert main(["demo", "--orders", "20"]) == 3
        printed = capsys.readouterr().err
        assert printed.startswith("voucherify-async demo: the service or the network failed: stopped with 0 of ")
        assert " failed: 401 " in printed
        assert printed.count("\n") == 1

    def test_a_port_that_cannot_be_had_is_a_failure_too(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(demo, "Emulator", lambda seed: Emulator(seed=seed, host="192.0.2.1"))
        assert main(["demo", "--orders", "20"]) == 3
        assert "192.0.2.1" in capsys.readouterr().err

    def test_real_lines_are_told_what_became_of_them(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        path = tmp_path / "lines.csv"
        path.write_text(
            HEADER + "1,A,THING,2,2010-12-01,1.5,7\nC2,A,THING,-1,2010-12-01,1.5,7\n3,A,,-9,2010-12-01,0.0,\n",
            encoding="utf-8",
        )
        assert main(["demo", "--data", str(path)]) == 0
        printed = capsys.readouterr().out
        assert printed.startswith("2 orders of lines.csv\n3 lines, worth 1.50 = orders 3.00 - cancellations 1.50")
        assert "could not be an order: 1 lines" in printed

    @pytest.mark.parametrize("content", [None, "nonsense\n"])
    def test_a_file_that_cannot_be_used_is_wrong_use(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path, content: str | None
    ) -> None:
        path = tmp_path / "lines.csv"
        if content is not None:
            path.write_text(content, encoding="utf-8")
        assert main(["demo", "--data", str(path)]) == 2
        printed = capsys.readouterr()
        assert str(path) in printed.err
        assert printed.out == ""

    @pytest.mark.parametrize("count", ["0", "-1", "many"])
    def test_a_wrong_count_is_wrong_use(self, count: str) -> None:
        assert main(["demo", f"--orders={count}"]) == 2


class TestProcess:
    def test_the_demo_runs_by_itself(self) -> None:
        done = subprocess.run(
            [*COMMAND, "demo", "--orders", "50"], capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert "agreed    everything" in done.stdout
        assert "\x1b" not in done.stdout

    @pytest.mark.skipif(not REAL_FILE.exists(), reason="the real file is not here")
    def test_the_real_file_runs(self) -> None:
        done = subprocess.run(
            [*COMMAND, "demo", "--data", str(REAL_FILE)], capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert "2,293 sent with 50,910 items, 2,293 exported" in done.stdout

    @pytest.mark.skipif(os.name == "nt", reason="there is no SIGINT to send")
    def test_it_stops_when_it_is_interrupted(self) -> None:
        # A shell that starts the tests in the background has them, and so the demo, ignore SIGINT.
        code = (
            "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
            "from voucherify_async.cli import main; sys.exit(main(['demo', '--orders', '3000']))"
        )
        command = judged_python("-c", code)
        environ = {**os.environ, "PYTHONUNBUFFERED": "1"}
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ, text=True
        ) as running:
            assert running.stdout
            assert running.stderr
            while not running.stdout.readline().startswith("Creating"):
                pass
            running.send_signal(signal.SIGINT)
            assert running.wait(timeout=60) == 130
            assert running.stderr.read() == "Interrupted.\n"
