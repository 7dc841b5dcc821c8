"""`orders import` and `orders sync`: files in, a true report out, whatever happens on the way."""

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Command
from voucherify_async.emulator import Emulator, Fault

BOTH = pytest.mark.parametrize("kind", ["import", "sync"])


def write(name: str, *orders: dict[str, Any] | str) -> None:
    lines = (order if isinstance(order, str) else json.dumps(order) for order in orders)
    Path(name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def numbered(count: int, **fields: Any) -> list[dict[str, Any]]:
    return [{"source_id": f"web-{number}", "amount": number, **fields} for number in range(count)]


def stored(service: Emulator) -> int:
    return len(service.effects.orders)


def files() -> set[str]:
    return {path.name for path in Path().iterdir()}


class TestAllDone:
    @BOTH
    def test_each_order_arrives_once(self, service: Emulator, command: Command, kind: str) -> None:
        write("orders.jsonl", *numbered(30))
        ran = command("orders", kind, "orders.jsonl")
        assert ran.status == 0
        assert ran.out.startswith("orders   30 read, 30 done, 0 failed\nseconds  ")
        assert ran.err.count("\n") == 1
        assert "ing orders.jsonl: 30 orders in " in ran.err
        assert {service.effects.of(f"web-{number}").total for number in range(30)} == {1}
        assert files() == {"orders.jsonl"}

    @BOTH
    def test_machines_get_one_document(self, service: Emulator, command: Command, kind: str) -> None:
        write("orders.jsonl", *numbered(3))
        told = command("orders", kind, "orders.jsonl", "--json").document
        assert told.pop("seconds") >= 0
        assert told == {
            "read": 3,
            "done": 3,
            "failed_count": 0,
            "failed": [],
            "bad_lines": 0,
            "retried": 0,
            "skipped": 0,
            "stopped": None,
            "failures": None,
            "checkpoint": None,
        }

    def test_an_empty_file_is_done(self, service: Emulator, command: Command) -> None:
        write("orders.jsonl")
        assert command("orders", "sync", "orders.jsonl").out.startswith("orders   0 read, 0 done, 0 failed\n")

    def test_a_table_of_another_shop_is_read(self, service: Emulator, command: Command) -> None:
        table = "InvoiceNo,StockCode,Quantity,UnitPrice,Comment\n7,A,2,1.25,x\n7,B,1,0.5,\n8,A,1,1.25,\n"
        Path("shop.csv.gz").write_bytes(gzip.compress(table.encode()))
        columns = {
            "InvoiceNo": "source_id",
            "StockCode": "item.source_id",
            "Quantity": "item.quantity",
            "UnitPrice": "item.price",
            "Comment": "",
        }
        options = [word for name, field in columns.items() for word in ("--column", f"{name}={field}")]
        more = ("--decimals", "2", "--default", "status=PAID", "--default", "item.related_object=product")
        ran = command("orders", "sync", "shop.csv.gz", *options, *more)
        assert (ran.status, ran.out.partition("\n")[0]) == (0, "orders   2 read, 2 done, 0 failed")
        seven, eight = command("orders", "get", "7", "8").documents
        assert (seven["amount"], seven["status"], len(seven["items"])) == (300, "PAID", 2)
        assert eight["amount"] == 125

    def test_requests_are_no_longer_than_told(self, service: Emulator, command: Command) -> None:
        write("orders.jsonl", *numbered(4, metadata={"text": "x" * 300}))
        assert command("orders", "import", "orders.jsonl", "--max-bytes", "800").status == 0
        assert service.effects.requests["POST", "/v1/orders/import"] == 2

    def test_a_checkpoint_may_be_elsewhere_or_nowhere(self, service: Emulator, command: Command) -> None:
        write("orders.jsonl", *numbered(3))
        for options in (["--checkpoint", "state"], ["--no-checkpoint"]):
            assert command("orders", "sync", "orders.jsonl", *options).status == 0
            assert files() == {"orders.jsonl"}


class TestFailures:
    @BOTH
    def test_failed_orders_can_be_fed_in_again(self, service: Emulator, command: Command, kind: str) -> None:
        write("orders.jsonl", {"source_id": "bad", "status": "LOST"}, *numbered(3))
        ran = command("orders", kind, "orders.jsonl")
        assert ran.status == 1
        assert ran.out.startswith("orders   4 read, 3 done, 1 failed\n")
        again = f"voucherify-async orders {kind} orders.failed.jsonl"
        assert f"\nfailed   kept in orders.failed.jsonl; to feed them in again: {again}\n- bad: " in ran.out
        (line,) = Path("orders.failed.jsonl").read_text().splitlines()
        kept = json.loads(line)
        assert (kept["source_id"], kept["_failure"]["position"]) == ("bad", 0)
        Path("orders.failed.jsonl").write_text(line.replace("LOST", "PAID"))
        assert command(*again.split()[1:]).status == 0
        assert service.effects.of("bad").total == 1
        assert stored(service) == 4

    def test_machines_get_their_names(self, service: Emulator, command: Command) -> None:
        write("orders.jsonl", *numbered(2), {"source_id": "bad", "status": "LOST"})
        told = command("orders", "sync", "orders.jsonl", "--json", "--failures", "failures").document
        assert (told["done"], told["failed_count"], told["failures"]) == (2, 1, "failures")
        assert told["failed"][0].keys() == {"key", "reason", "position", "outcome_unknown"}
        assert (told["failed"][0]["key"], told["failed"][0]["position"]) == ("bad", 2)

    def test_not_too_many_are_named(self, service: Emulator, command: Command) -> None:
        write("orders.jsonl", *numbered(12, status="LOST"))
        ran = command("orders", "sync", "orders.jsonl")
        assert ran.out.count("\n- web-") == 10
        assert ran.out.endswith("\n- and 2 more\n")
        assert len(Path("orders.failed.jsonl").read_text().splitlines()) == 12

    def test_failures_of_a_run_before_are_put_aside(self, service: Emulator, command: Command) -> None:
        write("orders.jsonl", *numbered(3))
        write("orders.failed.jsonl", "old")
        ran = command("orders", "sync", "orders.jsonl")
        assert ran.status == 0
        assert "Orders that failed in an older run are in orders.failed.jsonl.old now." in ran.err
        assert files() == {"orders.jsonl", "orders.failed.jsonl.old"}

    @BOTH
    def test_lines_that_are_no_orders_are_reported_one_by_one(
        self, service: Emulator, command: Command, kind: str
    ) -> None:
        first, second = numbered(2)
        write("orders.jsonl", first, '{"source_id": "x", "amout": 1}', "", "nonsense", second)
        ran = command("orders", kind, "orders.jsonl")
        assert ran.status == 1
        assert ran.out.startswith("orders   2 read, 2 done, 0 failed\n")
        assert "\nlines    2 in no order, told of above\n" in ran.out
        told = ran.err.splitlines()
        assert told[0] == "orders.jsonl: line 2: Object contains unknown field `amout` (order x)"
        assert told[1].startswith("orders.jsonl: line 4: ")
        assert files() == {"orders.jsonl"}

    def test_a_strict_run_stops_at_the_first(self, service: Emulator, command: Command) -> None:
        write("orders.jsonl", *numbered(5), "nonsense", *numbered(9))
        ran = command("orders", "sync", "orders.jsonl", "--strict")
        assert ran.status == 1
        assert ran.out.startswith("orders   5 read, 5 done, 0 failed\n")
        assert "orders.jsonl: line 6: " in ran.err
        assert "\nvoucherify-async orders sync: stopped at a line that is no order, as --strict says\n" in ran.err
        assert ran.err.endswith("To go on: voucherify-async orders sync orders.jsonl --strict\n")


class TestWrongUse:
    @pytest.mark.parametrize(
        ("name", "content", "options"),
        [
            ("orders.csv", "source_id,colour\n1,red\n", []),
            ("orders.txt", "{}\n", []),
            ("orders.jsonl", "{}\n", ["--column", "a=b"]),
            ("orders.jsonl", "{}\n", ["--column", "a"]),
            ("orders.jsonl", "{}\n", ["--concurrency", "0"]),
            ("orders.jsonl", "{}\n", ["--checkpoint", "state", "--no-checkpoint"]),
            ("orders.jsonl", "{}\n", ["--failures", "orders.jsonl"]),
            ("orders.jsonl", "{}\n", ["--checkpoint", "orders.jsonl"]),
            ("orders.jsonl", "{}\n", ["--checkpoint", "both", "--failures", "./both"]),
            ("orders.jsonl", "{}\n", ["--checkpoint", "nowhere/state"]),
            ("orders.jsonl", "{}\n", ["--failures", "nowhere/failed.jsonl"]),
            ("orders.jsonl", "{}\n", ["--checkpoint", "pipe"]),
            ("orders.jsonl.gz", "{}\n", []),
        ],
    )
    def test_it_is_told_before_anything_is_sent(
        self, service: Emulator, command: Command, name: str, content: str, options: list[str]
    ) -> None:
        Path(name).write_text(content)
        Path("orders.failed.jsonl").write_text("of another run")
        os.mkfifo("pipe")
        ran = command("orders", "sync", name, *options)
        assert ran.status == 2
        assert Path("pipe").is_fifo()
        assert "Traceback" not in ran.err
        assert service.requests == []
        assert Path(name).read_text() == content
        assert Path("orders.failed.jsonl").read_text() == "of another run"

    def test_a_file_that_is_not_there(self, service: Emulator, command: Command) -> None:
        assert command("orders", "sync", "nowhere.jsonl").status == 2

    def test_a_file_of_no_orders_leaves_nothing_to_go_on_from(self, service: Emulator, command: Command) -> None:
        Path("orders.json").write_text("[]\n")
        ran = command("orders", "sync", "orders.json")
        assert ran.status == 2
        assert "To go on" not in ran.err
        assert files() == {"orders.json"}

    def test_a_checkpoint_of_another_file(self, service: Emulator, command: Command) -> None:
        service.faults.add(Fault("status", status=401, skip=3, times=None))
        write("orders.jsonl", *numbered(9))
        assert command("orders", "sync", "orders.jsonl", "--concurrency", "1").status == 3
        write("orders.jsonl", *reversed(numbered(9)))
        service.faults.clear()
        ran = command("orders", "sync", "orders.jsonl")
        assert ran.status == 2
        assert "orders.sync-state" in ran.err


class TestStopped:
    @pytest.mark.parametrize("kind", ["import", "sync"])
    def test_a_service_that_refuses_the_keys_stops_it_and_the_same_command_goes_on(
        self, service: Emulator, command: Command, kind: str
    ) -> None:
        write("orders.jsonl", {"source_id": "bad", "status": "LOST"}, *numbered(40, metadata={"text": "x" * 100}))
        options = {"sync": ["--concurrency", "4"], "import": ["--max-bytes", "700"]}[kind]
        sent = {"sync": ("/v1/orders", 20), "import": ("/v1/orders/import", 4)}[kind]
        service.faults.add(Fault("status", status=401, path=sent[0], skip=sent[1], times=None))
        ran = command("orders", kind, "orders.jsonl", *options, "--json")
        assert ran.status == 3
        first = ran.document
        assert first["stopped"].startswith("401 ")
        assert first["checkpoint"] == f"orders.{kind}-state"
        assert 0 < first["done"] < 40
        line = f"voucherify-async orders {kind} orders.jsonl {' '.join(options)} --json\n"
        assert ran.err.endswith(f"To go on: {line}")

        service.faults.clear()
        ran = command("orders", kind, "orders.jsonl", *options, "--json")
        assert ran.status == 1
        assert ran.err.startswith(f"Going on from orders.{kind}-state.\n")
        second = ran.document
        assert (second["read"], second["done"], second["failed_count"]) == (41, 40, 1)
        assert second["skipped"] == first["done"] + first["failed_count"]
        assert {service.effects.of(f"web-{number}").total for number in range(40)} == {1}
        assert len(Path("orders.failed.jsonl").read_text().splitlines()) == 1
        assert files() == {"orders.jsonl", "orders.failed.jsonl"}

    def test_failures_of_both_runs_are_kept(self, service: Emulator, command: Command) -> None:
        bad = [{"source_id": f"bad-{number}", "status": "LOST"} for number in range(2)]
        write("orders.jsonl", bad[0], *numbered(20), bad[1])
        service.faults.add(Fault("status", status=401, skip=10, times=None))
        assert command("orders", "sync", "orders.jsonl", "--concurrency", "1").status == 3
        service.faults.clear()
        assert command("orders", "sync", "orders.jsonl").status == 1
        kept = map(json.loads, Path("orders.failed.jsonl").read_text().splitlines())
        assert [order["source_id"] for order in kept] == ["bad-0", "bad-1"]

    def test_a_file_that_breaks_off_is_told_and_what_came_is_done(
        self, service: Emulator, command: Command
    ) -> None:
        packed = gzip.compress("".join(f"{json.dumps(order)}\n" for order in numbered(20_000)).encode())
        Path("orders.jsonl.gz").write_bytes(packed[:-4000])
        ran = command("orders", "import", "orders.jsonl.gz")
        assert ran.status == 1
        assert "orders.jsonl.gz, line " in ran.err
        assert stored(service) > 2000

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full disk here")
    def test_failures_that_cannot_be_kept_stop_it(self, service: Emulator, command: Command) -> None:
        write("orders.jsonl", {"source_id": "bad", "status": "LOST"}, *numbered(3))
        ran = command("orders", "sync", "orders.jsonl", "--failures", "/dev/full")
        assert ran.status == 3
        assert "No space left on device" in ran.err
        assert "To go on: " in ran.err
        assert Path("/dev/full").exists()
