"""Imports and async actions, on a stopped clock."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.emulator.conftest import Api
from voucherify_async.emulator import Clock, Emulator


async def start(api: Api, rows: list[Any]) -> str:
    reply = await api.post("/v1/orders/import", rows)
    assert reply.status == 200, reply.text
    assert list(reply.json) == ["async_action_id"]
    return str(reply.json["async_action_id"])


async def look(api: Api, action_id: str) -> Any:
    return (await api.get(f"/v1/async-actions/{action_id}")).json


async def total(api: Api) -> Any:
    return (await api.get("/v1/orders")).json["total"]


async def test_an_import_goes_its_way(api: Api, emulator: Emulator, clock: Clock) -> None:
    emulator.import_seconds = 10
    action_id = await start(api, [{"source_id": f"o{n}", "created_at": "2001-01-01"} for n in range(10)])
    assert re.fullmatch(r"aa_[0-9a-f]{18}", action_id)
    first = await look(api, action_id)
    assert (first["status"], first["operation_status"], first["progress"]) == ("IN_PROGRESS", "UNKNOWN", 0)
    assert "result" not in first
    assert "processing_time" not in first
    clock.advance(5)
    half = await look(api, action_id)
    assert (half["status"], half["progress"]) == ("IN_PROGRESS", 50)
    assert await total(api) == 5
    clock.advance(4.999)
    assert (await look(api, action_id))["progress"] < 100
    clock.advance(100)
    done = await look(api, action_id)
    assert done == {
        "id": action_id,
        "type": "ORDERS.IMPORT",
        "status": "DONE",
        "operation_status": "SUCCESS",
        "result": {
            "message": "10 order(s) imported successfully, 0 failed.",
            "failed": [],
            "done_count": 10,
            "failed_count": 0,
        },
        "created_at": "2023-11-14T22:13:20.000Z",
        "updated_at": "2023-11-14T22:13:30.000Z",
        "request_id": first["request_id"],
        "progress": 100,
        "processing_time": 10000,
        "object": "async_action",
    }
    order = (await api.get("/v1/orders/o3")).json
    assert order["created_at"] == "2023-11-14T22:13:24.000Z", "the time of the import, whatever the payload says"
    assert emulator.effects.of("o3").imported == 1
    assert emulator.effects.of("o3").created == 0


async def test_failed_orders_are_named_and_the_others_go_in(api: Api, clock: Clock) -> None:
    await api.create(source_id="there", amount=5)
    action_id = await start(
        api,
        [
            {"source_id": "good"},
            {"source_id": "there", "status": "PAID"},
            {"source_id": "bad", "status": "SHIPPED"},
            {"source_id": "many", "items": [{}] * 501},
            {"source_id": "type", "items": [{"quantity": "1"}]},
            {"source_id": "customer", "customer": {"id": "cust_nope"}},
            {"id": "ord_nope"},
            {"source_id": 5},
            "no order",
        ],
    )
    clock.advance(1)
    action = await look(api, action_id)
    assert action["status"] == "DONE"
    assert action["operation_status"] == "SUCCESS"
    assert action["result"]["message"] == "2 order(s) imported successfully, 7 failed."
    assert (action["result"]["done_count"], action["result"]["failed_count"]) == (2, 7)
    reasons = {one["source_id"]: one["reason"] for one in action["result"]["failed"][:4]}
    assert reasons == {
        "bad": "Property .status should be equal to one of the allowed values "
        "[ CREATED, PAID, CANCELED, FULFILLED ]",
        "many": "Property .items should NOT have more than 500 items",
        "type": "Property .items[0].quantity should be integer",
        "customer": "Cannot find customer with id cust_nope",
    }
    assert [one["source_id"] for one in action["result"]["failed"][4:]] == [None, None, None]
    assert action["result"]["failed"][4]["reason"] == "Cannot find order with id ord_nope"
    assert (await api.get("/v1/orders/there")).json["status"] == "PAID"
    assert (await api.get("/v1/orders/there")).json["amount"] == 5
    assert await total(api) == 2


async def test_no_order_stops_the_queue(
    api: Api, emulator: Emulator, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    orders = emulator._project.orders
    import_one = orders.import_one

    def break_on_b(given: dict[str, Any], now_ms: int) -> Any:
        return 1 // 0 if given["source_id"] == "b" else import_one(given, now_ms)

    monkeypatch.setattr(orders, "import_one", break_on_b)
    priceless = {"source_id": "p", "items": [{"quantity": 200, "product": {"price": 1e308}}]}
    action_id = await start(api, [priceless, {"source_id": "a"}, {"source_id": "b"}, {"source_id": "c"}])
    clock.advance(1)
    result = (await look(api, action_id))["result"]
    assert result["failed"] == [
        {"source_id": "p", "reason": f"Property .items[0].product.price should be <= {2**53 - 1}"},
        {"source_id": "b", "reason": "Internal error"},
    ]
    assert "ZeroDivisionError" in caplog.text
    assert await total(api) == 2


async def test_all_orders_failed(api: Api, clock: Clock) -> None:
    action_id = await start(api, [{"amount": -1}])
    clock.advance(1)
    action = await look(api, action_id)
    assert (action["status"], action["operation_status"]) == ("DONE", "FAILED")


async def test_one_import_at_a_time(api: Api, emulator: Emulator, clock: Clock) -> None:
    emulator.import_seconds = 10
    first, second, third = [await start(api, [{"source_id": "same", "amount": n}]) for n in (1, 2, 3)]

    async def states() -> list[str]:
        return [(await look(api, one))["status"] for one in (first, second, third)]

    assert await states() == ["IN_PROGRESS", "ENQUEUED", "ENQUEUED"]
    clock.advance(10)
    assert await states() == ["DONE", "IN_PROGRESS", "ENQUEUED"]
    clock.advance(5)
    assert (await look(api, second))["progress"] == 0, "one order is half done by no means"
    clock.advance(15)
    assert await states() == ["DONE", "DONE", "DONE"]
    assert (await api.get("/v1/orders/same")).json["amount"] == 3
    assert (await look(api, third))["updated_at"] == "2023-11-14T22:13:50.000Z"
    assert emulator.effects.of("same").imported == 3


async def test_natural_speed(api: Api, clock: Clock) -> None:
    small = await start(api, [{}])
    clock.advance(0.06)
    assert (await look(api, small))["status"] == "DONE"
    large = await start(api, [{}] * 2000)
    clock.advance(0.25)
    assert (await look(api, large))["status"] == "IN_PROGRESS"
    clock.advance(0.06)
    assert (await look(api, large))["status"] == "DONE"
    assert await total(api) == 2001


@pytest.mark.parametrize("status", ["FAILED", "DONE"])
async def test_an_import_that_fails(api: Api, emulator: Emulator, clock: Clock, status: Any) -> None:
    emulator.fail_next_import("Out of order", status=status)
    bad = await start(api, [{}, {}])
    good = await start(api, [{}])
    clock.advance(5)
    action = await look(api, bad)
    assert (action["status"], action["operation_status"], action["progress"]) == (status, "FAILED", 100)
    assert action["result"] == {"message": "Out of order", "failed": [], "done_count": 0, "failed_count": 2}
    assert (await look(api, good))["operation_status"] == "SUCCESS"
    assert await total(api) == 1


async def test_jobs_can_be_paused(api: Api, emulator: Emulator, clock: Clock) -> None:
    emulator.import_seconds = emulator.export_seconds = 10
    action_id = await start(api, [{}] * 10)
    queued = await start(api, [{}])
    export = (await api.post("/v1/orders/export", {})).json
    clock.advance(4)
    emulator.pause_jobs()
    emulator.pause_jobs()
    clock.advance(1000)
    late = (await api.post("/v1/orders/export", {})).json
    assert (await look(api, action_id))["progress"] == 40
    assert (await api.get(f"/v1/exports/{export['id']}")).json["status"] == "IN_PROGRESS"
    assert emulator.jobs_paused
    emulator.resume_jobs()
    emulator.resume_jobs()
    clock.advance(5)
    assert (await look(api, action_id))["progress"] == 90
    assert (await api.get(f"/v1/exports/{late['id']}")).json["status"] == "IN_PROGRESS"
    clock.advance(1)
    assert (await look(api, action_id))["status"] == "DONE"
    assert (await api.get(f"/v1/exports/{export['id']}")).json["status"] == "DONE"
    clock.advance(10)
    assert (await look(api, queued))["status"] == "DONE"


async def test_an_idle_pause(api: Api, emulator: Emulator, clock: Clock) -> None:
    emulator.pause_jobs()
    clock.advance(5)
    action_id = await start(api, [{}])
    assert (await look(api, action_id))["status"] == "ENQUEUED"
    emulator.resume_jobs()
    clock.advance(1)
    action = await look(api, action_id)
    assert action["created_at"] == "2023-11-14T22:13:25.000Z"
    assert action["status"] == "DONE"


async def test_an_import_of_a_pause_begins_after_it(api: Api, emulator: Emulator, clock: Clock) -> None:
    emulator.import_seconds = 10
    emulator.pause_jobs()
    clock.advance(5)
    action_id = await start(api, [{}] * 10)
    clock.advance(50)
    emulator.resume_jobs()
    for seconds, progress in ((0, 0), (9, 90), (1, 100)):
        clock.advance(seconds)
        assert (await look(api, action_id))["progress"] == progress


@pytest.mark.parametrize(
    ("body", "details"),
    [
        ({}, "Property . should be array"),
        ([], "Property . should NOT have fewer than 1 items"),
        ([json.loads("[" * 200 + "]" * 200)], "Property . should NOT be nested more than 128 levels"),
        ([{}] * 2001, "Property . should NOT have more than 2000 items"),
    ],
)
async def test_imports_that_are_refused(api: Api, body: Any, details: str) -> None:
    reply = await api.post("/v1/orders/import", body)
    assert (reply.status, reply.json["key"], reply.json["details"]) == (400, "invalid_payload", details)


async def test_listing_actions(api: Api, clock: Clock) -> None:
    made = []
    for _ in range(12):
        made.append(await start(api, [{}]))
        clock.advance(1)
    shown = (await api.get("/v1/async-actions")).json
    assert (shown["object"], shown["data_ref"], shown["has_more"]) == ("list", "async_actions", True)
    assert [one["id"] for one in shown["async_actions"]] == made[:-11:-1]
    assert all("result" not in one and one["status"] == "DONE" for one in shown["async_actions"])
    shown = (await api.get("/v1/async-actions?limit=100")).json
    assert (len(shown["async_actions"]), shown["has_more"]) == (12, False)
    shown = (await api.get("/v1/async-actions?end_date=2023-11-14T22:13:22.000Z")).json
    assert [one["id"] for one in shown["async_actions"]] == [made[1], made[0]]
    assert (await api.get("/v1/async-actions?end_date=2020-01-01")).json["async_actions"] == []


async def test_action_errors(api: Api) -> None:
    reply = await api.get("/v1/async-actions?end_date=soon")
    assert (reply.status, reply.json["key"]) == (400, "invalid_query_params")
    assert reply.json["details"] == "Property .end_date cannot be recognized as a ISO-8601 compliant date"
    assert (await api.get("/v1/async-actions?limit=0")).status == 400
    reply = await api.get("/v1/async-actions/aa_nope")
    assert reply.status == 404
    assert reply.json["details"] == "Cannot find async_action with id aa_nope"
    assert reply.json["resource_type"] == "async_action"
