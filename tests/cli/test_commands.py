"""The commands for single orders, lists, exports and jobs: through the command line, against an emulator."""

import csv
import io
import json
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from voucherify_async import ApiResponse, OrderPage
from voucherify_async.cli.checking import for_people, learned_from
from voucherify_async.emulator import Emulator, Fault


def create(command: Command, *source_ids: str) -> None:
    for number, source_id in enumerate(source_ids, 1):
        ran = command(
            "orders", "create", "--source-id", source_id, "--status", "PAID", "--amount", str(100 * number)
        )
        assert (ran.status, ran.err) == (0, "")


class TestGet:
    def test_orders_come_a_line_each(self, service: Emulator, command: Command) -> None:
        create(command, "web-1", "web-2")
        ran = command("orders", "get", "web-2", "web-1")
        assert (ran.status, ran.err) == (0, "")
        assert [order["source_id"] for order in ran.documents] == ["web-2", "web-1"]
        assert None not in ran.documents[0].values()

    def test_one_that_is_missing_is_told_and_the_others_come(self, service: Emulator, command: Command) -> None:
        create(command, "web-1")
        ran = command("orders", "get", "web-9", "web-1", "--json")
        assert ran.status == 1
        assert ran.document["source_id"] == "web-1"
        assert ran.err.startswith("voucherify-async orders get: 404 ")
        assert ran.err.count("\n") == 1


class TestCreate:
    def test_an_order_comes_from_a_file(self, service: Emulator, command: Command) -> None:
        item = {"source_id": "a", "related_object": "sku", "quantity": 2, "price": 5}
        Path("order.json").write_text(json.dumps({"source_id": "web-1", "items": [item]}, indent=2))
        ran = command("orders", "create", "order.json", "--status", "PAID", "--metadata", "a=b=c", "--json")
        assert ran.status == 0
        assert ran.document["total_amount"] == 10
        assert (ran.document["status"], ran.document["metadata"]) == ("PAID", {"a": "b=c"})
        assert service.effects.of("web-1").created == 1

    def test_an_order_comes_from_standard_input(
        self, service: Emulator, command: Command, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        given = io.TextIOWrapper(io.BytesIO('{"source_id": "Łódź", "amount": 5}'.encode()))
        monkeypatch.setattr(sys, "stdin", given)
        assert command("orders", "create", "-").document["source_id"] == "Łódź"

    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            ('{"source_id": "a", "amout": 1}', "amout"),
            ('{"source_id": "a", "items": [{"qantity": 1}]}', "qantity"),
            ('{"source_id": "a", "amount": "1"}', "amount"),
            ("[]", ""),
            ("{", ""),
        ],
    )
    def test_what_is_no_order_is_refused_before_anything_is_sent(
        self, service: Emulator, command: Command, content: str, problem: str
    ) -> None:
        Path("order.json").write_text(content)
        ran = command("orders", "create", "order.json")
        assert (ran.status, ran.out) == (2, "")
        assert "order.json" in ran.err
        assert problem in ran.err
        assert service.requests == []

    @pytest.mark.parametrize(
        "arguments",
        [
            ["create"],
            ["create", "nowhere.json"],
            ["create", "--amount", "much"],
            ["create", "--metadata", "channel"],
            ["update", "web-1"],
        ],
    )
    def test_wrong_use(self, service: Emulator, command: Command, arguments: list[str]) -> None:
        ran = command("orders", *arguments)
        assert (ran.status, ran.out) == (2, "")
        assert "Error: " in ran.err
        assert service.requests == []

    def test_an_order_that_the_service_refuses_has_failed(self, service: Emulator, command: Command) -> None:
        ran = command("orders", "create", "--source-id", "web-1", "--status", "LOST")
        assert (ran.status, ran.out) == (1, "")
        assert ran.err.startswith("voucherify-async orders create: 400 ")


class TestUpdate:
    def test_an_order_is_changed(self, service: Emulator, command: Command) -> None:
        create(command, "web-1")
        ran = command("orders", "update", "web-1", "--status", "CANCELED")
        assert (ran.document["status"], ran.document["amount"]) == ("CANCELED", 100)

    def test_null_in_a_file_clears(self, service: Emulator, command: Command) -> None:
        command("orders", "create", "--source-id", "web-1", "--metadata", "channel=web")
        Path("changes.json").write_text('{"metadata": null}')
        assert not command("orders", "update", "web-1", "changes.json").document.get("metadata")

    def test_the_id_stays_as_it_is(self, service: Emulator, command: Command) -> None:
        Path("changes.json").write_text('{"id": "ord_2"}')
        assert command("orders", "update", "web-1", "changes.json").status == 2
        assert service.requests == []

    def test_an_order_that_is_missing_has_failed(self, service: Emulator, command: Command) -> None:
        assert command("orders", "update", "web-1", "--status", "PAID").status == 1


class TestList:
    def test_orders_come_as_lines(self, service: Emulator, command: Command) -> None:
        create(command, "web-1", "web-2", "web-3")
        ran = command("orders", "list", "--limit", "2", "--order", "-created_at")
        assert (ran.status, ran.err) == (0, "")
        assert [order["source_id"] for order in ran.documents] == ["web-3", "web-2"]

    @pytest.mark.parametrize(("option", "count"), [(["--limit", "150"], 150), (["--all"], 230)])
    def test_more_than_a_page(self, service: Emulator, command: Command, option: list[str], count: int) -> None:
        orders = [{"source_id": f"web-{number}"} for number in range(230)]
        Path("orders.jsonl").write_text("".join(f"{json.dumps(order)}\n" for order in orders))
        command("orders", "import", "orders.jsonl")
        ran = command("orders", "list", *option)
        assert (ran.status, ran.err) == (0, "")
        assert len({order["source_id"] for order in ran.documents}) == len(ran.documents) == count

    def test_what_came_before_a_failure_is_shown(self, service: Emulator, command: Command) -> None:
        orders = [{"source_id": f"web-{number}"} for number in range(230)]
        Path("orders.jsonl").write_text("".join(f"{json.dumps(order)}\n" for order in orders))
        command("orders", "import", "orders.jsonl")
        service.faults.add(Fault("status", status=401, method="GET", skip=1, times=None))
        ran = command("orders", "list", "--all")
        assert ran.status == 3
        assert 0 < len(ran.documents) <= 100
        assert ran.err.startswith("voucherify-async orders list: 401 ")

    def test_none_is_nothing(self, service: Emulator, command: Command) -> None:
        assert command("orders", "list") == (0, "", "")

    def test_a_wrong_order_is_wrong_use(self, service: Emulator, command: Command) -> None:
        assert command("orders", "list", "--order", "amount").status == 2


class TestExport:
    def test_the_file_is_what_the_service_made(self, service: Emulator, command: Command) -> None:
        create(command, "web-1", "web-2")
        ran = command(
            "orders", "export", "-o", "orders.csv", "--fields", "source_id, amount", "--order", "created_at"
        )
        assert (ran.status, ran.out) == (0, "")
        assert ran.err.startswith("Exporting: ")
        rows = list(csv.reader(Path("orders.csv").read_text().splitlines()))
        assert rows == [["source_id", "amount"], ["web-1", "100"], ["web-2", "200"]]

    def test_standard_output_gets_the_same_bytes(self, service: Emulator, command: Command) -> None:
        create(command, "web-1")
        command("orders", "export", "-o", "orders.csv")
        ran = command("orders", "export")
        assert ran.status == 0
        assert ran.out.encode() == Path("orders.csv").read_bytes()

    def test_a_filter_is_the_apis(self, service: Emulator, command: Command) -> None:
        create(command, "web-1", "web-2")
        wanted = json.dumps({"junction": "and", "amount": {"conditions": {"$more_than": [100]}}})
        ran = command("orders", "export", "--filter", wanted, "--fields", "source_id")
        assert ran.out.splitlines() == ["source_id", "web-2"]

    def test_the_export_is_deleted_if_asked(self, service: Emulator, command: Command) -> None:
        assert command("orders", "export", "-o", "orders.csv", "--delete").status == 0
        assert service.effects.requests["DELETE", "/v1/exports/*"] == 1

    def test_an_export_that_cannot_be_deleted_is_printed_all_the_same(
        self, service: Emulator, command: Command
    ) -> None:
        create(command, "web-1")
        service.faults.add(Fault("status", status=403, method="DELETE"))
        ran = command("orders", "export", "--delete", "--fields", "source_id")
        assert (ran.status, ran.out.splitlines()) == (0, ["source_id", "web-1"])
        assert "stays at the service: 403" in ran.err

    def test_an_export_is_deleted_if_its_file_does_not_arrive(self, service: Emulator, command: Command) -> None:
        service.fail_next_export()
        assert command("orders", "export", "--delete").status == 3
        assert service.effects.requests["DELETE", "/v1/exports/*"] == 1

    def test_what_is_told_of_the_file_can_be_read_by_machines(self, service: Emulator, command: Command) -> None:
        told = command("orders", "export", "-o", "orders.csv", "--json").document
        assert told["file"] == "orders.csv"
        assert told["export"].startswith("exp_")

    def test_machines_get_rows_as_lines(self, service: Emulator, command: Command) -> None:
        create(command, "web-1", "web-2")
        ran = command(
            "orders", "export", "--json", "--fields", "source_id,amount", "--order", "created_at", "--delete"
        )
        assert ran.status == 0
        assert ran.documents == [{"source_id": "web-1", "amount": 100}, {"source_id": "web-2", "amount": 200}]
        assert ran.err.startswith("Exporting: 2 rows in ")
        assert service.effects.requests["DELETE", "/v1/exports/*"] == 1

    def test_windows_make_one_file(self, service: Emulator, command: Command) -> None:
        create(command, "web-1", "web-2")
        options = ["--window", "1d", "--fields", "source_id,amount"]
        ran = command("orders", "export", *options, "-o", "orders.csv", "--json")
        assert ran.document == {"file": "orders.csv", "rows": 2}
        assert Path("orders.csv").read_bytes() == b"source_id,amount\r\nweb-1,100\r\nweb-2,200\r\n"
        assert command("orders", "export", *options).out.encode() == Path("orders.csv").read_bytes()

    def test_windows_make_the_file_that_one_export_makes(self, service: Emulator, command: Command) -> None:
        order = {"source_id": "web-1", "amount": 1, "metadata": {"channel": 'a "b",\nc'}}
        Path("order.json").write_text(json.dumps(order))
        command("orders", "create", "order.json")
        fields = ["--fields", "id,created_at,updated_at,amount,customer_id,metadata,metadata.channel"]
        whole = command("orders", "export", *fields)
        assert command("orders", "export", *fields, "--window", "1d").out == whole.out

    def test_windows_that_fail_leave_no_file(self, service: Emulator, command: Command) -> None:
        create(command, "web-1")
        service.fail_next_export()
        assert command("orders", "export", "--window", "1d", "-o", "orders.csv").status == 3
        assert list(Path().iterdir()) == []

    @pytest.mark.parametrize(
        "arguments",
        [
            ["--window", "1d", "--order", "status"],
            ["--window", "1d", "--fields", "id,colour"],
            ["--window", "1d", "--fields", "id,status.x"],
            ["--fields", "a,,b"],
            ["--filter", "amount>1"],
            ["--filter", "[1]"],
            ["--window", "soon"],
            ["--order", "amount"],
            ["-o", "nowhere/orders.csv"],
        ],
    )
    def test_wrong_use(self, service: Emulator, command: Command, arguments: list[str]) -> None:
        ran = command("orders", "export", *arguments)
        assert (ran.status, ran.out) == (2, "")
        assert service.requests == []

    def test_a_field_that_the_service_refuses(self, service: Emulator, command: Command) -> None:
        ran = command("orders", "export", "--fields", "colour")
        assert ran.status == 2
        assert "Unsupported field" in ran.err

    def test_an_export_that_fails_leaves_no_file(self, service: Emulator, command: Command) -> None:
        service.fail_next_export()
        assert command("orders", "export", "-o", "orders.csv").status == 3
        assert list(Path().iterdir()) == []


class TestJob:
    def import_one(self, command: Command, service: Emulator, body: str) -> str:
        import urllib.request

        request = urllib.request.Request(
            f"{service.url}/v1/orders/import",
            body.encode(),
            {
                "X-App-Id": service.app_id,
                "X-App-Token": service.app_token,
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request) as answer:
            return str(json.load(answer)["async_action_id"])

    def test_an_import_is_followed_to_its_end(self, service: Emulator, command: Command) -> None:
        job_id = self.import_one(command, service, '[{"source_id": "web-1"}]')
        ran = command("job", job_id)
        assert ran.status == 0
        assert ran.out.startswith(f"id            {job_id}\n")
        assert "\nstatus        DONE\n" in ran.out
        assert "\ndone          1\n" in ran.out
        assert ran.err.startswith(f"Import {job_id}: 100 % in ")

    @pytest.mark.parametrize("wait", ["--wait", "--no-wait"])
    def test_failed_orders_are_named(self, service: Emulator, command: Command, wait: str) -> None:
        job_id = self.import_one(command, service, '[{"source_id": "web-1", "status": "LOST"}]')
        ran = command("job", job_id, wait)
        assert ran.status == 1
        assert ran.out.splitlines()[-1].startswith("web-1: ")
        told = command("job", job_id, "--json").document
        assert (told["done"], told["failed_count"]) == (0, 1)
        assert told["failed"][0]["source_id"] == "web-1"

    def test_one_that_goes_on_is_shown_as_it_stands(self, service: Emulator, command: Command) -> None:
        service.pause_jobs()
        job_id = self.import_one(command, service, '[{"source_id": "web-1"}]')
        ran = command("job", job_id, "--no-wait", "--json")
        assert (ran.status, ran.err) == (0, "")
        assert ran.document["status"] in {"ENQUEUED", "IN_PROGRESS"}

    @pytest.mark.parametrize("wait", ["--wait", "--no-wait"])
    def test_an_import_that_fails_is_the_services_failure(
        self, service: Emulator, command: Command, wait: str
    ) -> None:
        service.fail_next_import()
        job_id = self.import_one(command, service, '[{"source_id": "web-1"}]')
        assert command("job", job_id, wait).status == 3

    def test_an_export_is_followed_too(self, service: Emulator, command: Command) -> None:
        job_id = command("orders", "export", "-o", "orders.csv", "--json").document["export"]
        for wait in ("--wait", "--no-wait"):
            ran = command("job", job_id, wait, "--json")
            assert (ran.status, ran.document["status"]) == (0, "DONE")
            assert "token" not in ran.out

    def test_what_is_no_job_is_wrong_use(self, service: Emulator, command: Command) -> None:
        assert command("job", "web-1").status == 2
        assert service.requests == []

    def test_a_job_that_is_not_there(self, service: Emulator, command: Command) -> None:
        assert command("job", "aa_0", "--no-wait").status == 1


class TestCheck:
    def test_the_service_takes_the_keys(self, service: Emulator, command: Command) -> None:
        create(command, "web-1")
        ran = command("check")
        assert (ran.status, ran.err) == (0, "")
        assert f"service   {service.url}\n" in ran.out
        assert "orders    1\n" in ran.out
        assert f"keys      accepted, of the application {service.app_id[:4]}...\n" in ran.out

    def test_machines_get_the_limits(self, service: Emulator, command: Command) -> None:
        service.rate_limit = "100/hour"
        ran = command("check", "--json")
        assert (ran.document["ok"], ran.document["limit"], ran.document["remaining"]) == (True, 100, 99)
        service.rate_limit = "2000/minute"
        assert "limit     2,000 requests a period, 1,999 left\n" in command("check").out

    @pytest.mark.parametrize("as_json", [True, False])
    def test_keys_that_are_refused(
        self, service: Emulator, command: Command, monkeypatch: pytest.MonkeyPatch, as_json: bool
    ) -> None:
        monkeypatch.setenv("VOUCHERIFY_APP_TOKEN", "another-token")
        ran = command("check", *["--json"] * as_json)
        assert ran.status == 3
        assert ran.err.startswith("voucherify-async check: 401 ")
        if as_json:
            assert ran.document["ok"] is False
            assert "401" in ran.document["error"]
        else:
            assert ran.out == ""

    def test_a_service_that_tells_no_limit(self) -> None:
        page = OrderPage(orders=[], total=None)
        answer = ApiResponse(page, 200, {"X-Rate-Limit-Limit": "many"}, b"", None, 1, 0.5)
        learned = learned_from(answer)
        assert (learned["limit"], learned["next_at"], learned["seconds"]) == (None, None, 0.5)
        assert for_people({"service": "s", "app_id": "..."}, learned) == {
            "service": "s",
            "keys": "accepted, of the application ...",
            "orders": "?",
            "limit": "none told",
            "answered": "in 0.5 s",
        }

    def test_nobody_there(self, service: Emulator, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("VOUCHERIFY_BASE_URL", "http://127.0.0.1:9")
        ran = command("check")
        assert (ran.status, ran.out) == (3, "")
        assert ran.err.count("\n") == 1

    def test_neither_key_shows_in_full(self, service: Emulator, command: Command) -> None:
        for ran in (command("check"), command("check", "--json")):
            assert service.app_id not in ran.out
            assert service.app_token not in ran.out


class TestFailure:
    def test_a_missing_key_is_wrong_use(
        self, service: Emulator, command: Command, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("VOUCHERIFY_APP_TOKEN")
        ran = command("orders", "list")
        assert ran == (
            2,
            "",
            "voucherify-async orders list: app_token: is not given, and VOUCHERIFY_APP_TOKEN is not set\n",
        )

    def test_a_service_that_fails_is_told_in_one_line(self, service: Emulator, command: Command) -> None:
        service.faults.add(Fault("status", status=401, times=None))
        ran = command("orders", "get", "web-1")
        assert (ran.status, ran.out) == (3, "")
        assert ran.err.startswith("voucherify-async orders get: 401")
        assert ran.err.count("\n") == 1

    def test_it_says_if_it_may_have_been_done(self, service: Emulator, command: Command) -> None:
        service.faults.add(Fault("drop", when="after", times=None))
        ran = command("orders", "create", "--amount", "5")
        assert ran.status == 3
        assert "the service may have done it" in ran.err
