"""Exports: their way, their file, their list."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.emulator.conftest import Api
from voucherify_async.emulator import Clock, Emulator
from voucherify_async.emulator.endpoints import Call
from voucherify_async.emulator.filters import OPERATORS

PAID = {"status": {"conditions": {"$is": "PAID"}}}


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


async def test_an_export_goes_its_way(api: Api, emulator: Emulator, clock: Clock) -> None:
    emulator.export_seconds = 10
    order = await api.create(source_id="a", status="PAID")
    made = (await api.post("/v1/orders/export", {})).json
    assert made["id"].startswith("exp_")
    assert {**made, "id": ""} == {
        "id": "",
        "object": "export",
        "created_at": "2023-11-14T22:13:20.000Z",
        "status": "SCHEDULED",
        "channel": "API",
        "exported_object": "order",
        "parameters": {"fields": ["id", "source_id", "status"]},
        "result": None,
        "user_id": None,
    }
    path = f"/v1/exports/{made['id']}"
    assert (await api.get(path)).json["status"] == "SCHEDULED"
    clock.advance(2)
    assert (await api.get(path)).json["status"] == "IN_PROGRESS"
    assert (await api.get(path)).json["result"] is None
    await api.create(source_id="b")
    clock.advance(8)
    await api.create(source_id="too late")
    await api.put("/v1/orders/a", {"status": "CANCELED"})
    done = (await api.get(path)).json
    assert done["status"] == "DONE"
    assert done["result"]["url"].startswith(f"{emulator.url}{path}?token=")
    answer = await api.get(done["result"]["url"], keys=False)
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert rows(answer.text)[:2] == [["id", "source_id", "status"], [order["id"], "a", "PAID"]]
    assert [row[1] for row in rows(answer.text)] == ["source_id", "a", "b"]


async def test_an_export_sees_what_imports_had_done_by_then(api: Api, emulator: Emulator, clock: Clock) -> None:
    emulator.import_seconds, emulator.export_seconds = 10, 5
    await api.post("/v1/orders/import", [{"source_id": f"o{number}"} for number in range(10)])
    text = await api.export(clock, fields=["source_id"])
    assert rows(text)[1:] == [[f"o{number}"] for number in range(5)]


async def test_all_fields(api: Api, clock: Clock) -> None:
    await api.create(source_id='a "quoted", line\nbreak é')
    order = await api.create(
        source_id='a "quoted", line\nbreak é',
        customer={"source_id": "c"},
        discount_amount=5,
        amount=20,
        metadata={"text": "x,y", "list": ["a", 1], "flag": True, "number": 1.5, "null": None},
    )
    fields = [
        *("id", "source_id", "created_at", "updated_at", "status", "amount", "discount_amount"),
        *("items_discount_amount", "total_discount_amount", "total_amount", "customer_id", "referrer_id"),
        *("metadata", "metadata.text", "metadata.list", "metadata.flag", "metadata.number", "metadata.none"),
    ]
    header, row = rows(await api.export(clock, fields=fields))
    assert header == fields
    shown = dict(zip(header, row, strict=True))
    assert shown["metadata"] == '{"text":"x,y","list":["a",1],"flag":true,"number":1.5,"null":null}'
    del shown["metadata"]
    assert shown == {
        "id": order["id"],
        "source_id": 'a "quoted", line\nbreak é',
        "created_at": order["created_at"],
        "updated_at": order["updated_at"],
        "status": "CREATED",
        "amount": "20",
        "discount_amount": "5",
        "items_discount_amount": "",
        "total_discount_amount": "5",
        "total_amount": "15",
        "customer_id": order["customer_id"],
        "referrer_id": "",
        "metadata.text": "x,y",
        "metadata.list": '["a",1]',
        "metadata.flag": "true",
        "metadata.number": "1.5",
        "metadata.none": "",
    }


@pytest.mark.parametrize("parameters", [None, {}, {"fields": None}, {"fields": []}])
async def test_no_fields_are_the_usual_ones(api: Api, parameters: Any) -> None:
    made = (await api.post("/v1/orders/export", {"parameters": parameters})).json
    assert made["parameters"] == {"fields": ["id", "source_id", "status"]}


async def test_order_and_filters(api: Api, clock: Clock) -> None:
    for number, status in enumerate(("PAID", "CREATED", "FULFILLED", "CANCELED")):
        await api.create(source_id=f"o{number}", status=status, amount=number * 100, metadata={"n": number})
        clock.advance(1)

    async def names(**parameters: Any) -> list[str]:
        return [row[0] for row in rows(await api.export(clock, fields=["source_id"], **parameters))[1:]]

    assert await names(order="-created_at") == ["o3", "o2", "o1", "o0"]
    assert await names(order="status") == ["o3", "o1", "o2", "o0"]
    assert await names(filters={"amount": {"conditions": {"$more_than": 100}}}) == ["o2", "o3"]
    either = {
        "junction": "or",
        "metadata.n": {"conditions": {"$is": [0]}},
        "status": {"conditions": {"$in": ["CANCELED"]}},
    }
    assert await names(filters=either, order="-updated_at") == ["o3", "o0"]
    assert await names(filters={**either, "junction": "and"}) == []


async def test_rows_that_are_equal_come_as_they_were_made_or_reversed(api: Api, clock: Clock) -> None:
    for number in range(3):
        await api.create(source_id=f"o{number}")
    for order, names in (("created_at", ["o0", "o1", "o2"]), ("-created_at", ["o2", "o1", "o0"])):
        listed = (await api.get(f"/v1/orders?order={order}")).json["orders"]
        assert [made["source_id"] for made in listed] == names
        exported = rows(await api.export(clock, fields=["source_id"], order=order))[1:]
        assert [row[0] for row in exported] == names


@pytest.mark.parametrize("path", ["/v1/orders/export", "/v1/exports"])
@pytest.mark.parametrize(
    ("parameters", "key", "details"),
    [
        ([], "invalid_payload", "Property .parameters should be object"),
        ({"fields": "id"}, "invalid_payload", "Property .parameters.fields should be array"),
        ({"fields": ["code"]}, "invalid_export_fields", "Unsupported field used. Allowed fields: id, source_id, "),
        ({"fields": ["metadata."]}, "invalid_export_fields", "Unsupported field used."),
        ({"fields": [5]}, "invalid_export_fields", "Unsupported field used."),
        ({"order": "amount"}, "invalid_payload", "Property .parameters.order should be equal to one of"),
        ({"filters": []}, "invalid_payload", "Property .parameters.filters should be object"),
        (
            {"filters": {"amount": {"conditions": {"$is": json.loads("[" * 90 + "]" * 90)}}}},
            "invalid_payload",
            "Property .parameters.filters should NOT be nested more than 64 levels",
        ),
        ({"filters": {"junction": "xor"}}, "invalid_payload", "Property .parameters.filters.junction should be"),
        ({"filters": {"x": {"conditions": {}}}}, "invalid_payload", "Property .parameters.filters.x is not"),
        ({"filters": {"amount": 5}}, "invalid_payload", "Property .parameters.filters should match either"),
        ({"filters": {"amount": {}}}, "invalid_payload", "Property .parameters.filters should match either"),
        (
            {"filters": {"amount": {"conditions": {"$like": 1}}}},
            "invalid_payload",
            "Property .parameters.filters should match either "
            "`filters[${field}][conditions][${condition}][${index}]` "
            "or `filters[${field}][conditions][${condition}]` format and condition must be one of: $in, $not_in, ",
        ),
        (
            {"filters": {"created_at": {"conditions": {"$today": []}}}},
            "invalid_payload",
            "Property .parameters.filters.created_at: $today is not supported by the emulator",
        ),
    ],
)
async def test_wrong_parameters(api: Api, path: str, parameters: Any, key: str, details: str) -> None:
    reply = await api.post(path, {"exported_object": "order", "parameters": parameters})
    assert (reply.status, reply.json["key"]) == (400, key)
    assert reply.json["details"].startswith(details)


async def test_the_generic_create(api: Api) -> None:
    made = await api.post("/v1/exports", {"exported_object": "order", "parameters": None})
    assert made.json["status"] == "SCHEDULED"
    reply = await api.post("/v1/exports", {"exported_object": "unicorn"})
    assert reply.json["details"] == (
        "Property .exported_object should be equal to one of the allowed values "
        "[ voucher, redemption, customer, publication, order, points_expiration, voucher_transactions ]"
    )
    reply = await api.post("/v1/exports", {"exported_object": "voucher_transactions"})
    assert reply.json["details"].endswith("voucher_transactions is not supported by the emulator")
    assert (await api.post("/v1/exports", {"exported_object": "voucher"})).status == 400
    assert (await api.post("/v1/exports", [])).status == 400
    assert (await api.post("/v1/orders/export", [])).status == 400


async def test_an_export_that_fails(api: Api, emulator: Emulator, clock: Clock) -> None:
    emulator.fail_next_export()
    bad = (await api.post("/v1/orders/export", {})).json["id"]
    good = (await api.post("/v1/orders/export", {})).json["id"]
    clock.advance(5)
    shown = (await api.get(f"/v1/exports/{bad}")).json
    assert (shown["status"], shown["result"]) == ("ERROR", None)
    assert (await api.get(f"/v1/exports/{good}")).json["status"] == "DONE"


async def test_huge_numbers_in_a_filter(api: Api, clock: Clock) -> None:
    await api.create(source_id="a", amount=5)
    for operator, found in (("$more_than", []), ("$less_than", [["a"]])):
        filters = {"amount": {"conditions": {operator: 10**400}}}
        assert rows(await api.export(clock, fields=["source_id"], filters=filters))[1:] == found


@pytest.mark.parametrize("on_disk", [True, False])
async def test_a_filter_that_breaks_ends_its_export_only(
    api: Api, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, on_disk: bool
) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setitem(OPERATORS, "$is", broken)
    db = tmp_path / "emulator.db" if on_disk else None
    for _ in range(2 if on_disk else 1):
        async with Emulator(db=db, clock=clock) as emulator:
            on = Api(emulator, api.session)
            bad = (await on.post("/v1/orders/export", {"parameters": {"filters": PAID}})).json["id"]
            good = (await on.post("/v1/orders/export", {})).json["id"]
            clock.advance(5)
            assert (await on.get(f"/v1/exports/{bad}")).json["status"] == "ERROR"
            assert (await on.get(f"/v1/exports/{good}")).json["status"] == "DONE"


async def test_a_file_that_breaks_half_way_is_not_whole(
    api: Api, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await api.create(source_id="a")
    monkeypatch.setitem(OPERATORS, "$is", lambda _wanted, _now: lambda _value: 1 // 0)
    export_id = (await api.post("/v1/orders/export", {"parameters": {"filters": PAID}})).json["id"]
    clock.advance(5)
    url = (await api.get(f"/v1/exports/{export_id}")).json["result"]["url"]
    with pytest.raises(aiohttp.ClientPayloadError):
        await api.get(url)
    assert "ZeroDivisionError" in caplog.text
    assert (await api.get("/v1/orders")).status == 200


async def test_exports_share_what_has_not_changed(api: Api, emulator: Emulator, clock: Clock) -> None:
    await api.create(source_id="a")
    for _ in range(2):
        await api.export(clock)
    await api.create(source_id="b")
    await api.export(clock)
    first, second, third = [orders for orders, _ in emulator._project._snapshots.values()]
    assert first is second
    assert (len(first), len(third)) == (1, 2)


async def test_others_are_answered_during_a_selection(api: Api, emulator: Emulator, clock: Clock) -> None:
    for number in range(4000):
        emulator._project.orders.upsert({"source_id": str(number)}, number)
    export_id = (await api.post("/v1/orders/export", {"parameters": {"filters": PAID}})).json["id"]
    clock.advance(5)
    call = Call(export_id, {}, "", clock.now(), "")
    url = (await api.get(f"/v1/exports/{export_id}")).json["result"]["url"]
    call.query = {"token": url.partition("token=")[2]}
    chunks = emulator._endpoints.download_export(call).chunks
    assert chunks is not None
    assert list(chunks) == [b""] * 8 + [b"id,source_id,status\r\n"]
    request = asyncio.create_task(api.get(url))
    turns = 0
    while not request.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 8
    assert request.result().text == "id,source_id,status\r\n"


async def test_a_client_that_leaves_a_download(
    api: Api, emulator: Emulator, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(4000):
        emulator._project.orders.upsert({"metadata": {"x": "y" * 5000}}, number)
    export_id = (await api.post("/v1/orders/export", {"parameters": {"fields": ["metadata"]}})).json["id"]
    clock.advance(5)
    url = (await api.get(f"/v1/exports/{export_id}")).json["result"]["url"]
    async with api.session.get(url) as response:
        await response.content.readany()
        response.close()
    for _ in range(50):
        await api.get("/v1/orders?limit=1")
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_tokens_of_downloads(api: Api, emulator: Emulator, clock: Clock) -> None:
    emulator.download_seconds = 100
    first, second = [(await api.post("/v1/orders/export", {})).json["id"] for _ in range(2)]
    clock.advance(5)

    async def url(export_id: str) -> str:
        return str((await api.get(f"/v1/exports/{export_id}")).json["result"]["url"])

    old = await url(first)
    assert (await api.get(old, keys=False)).status == 200
    assert await url(first) != old
    for wrong in (
        old + "x",
        old.replace(first, second),
        old.partition("token=")[0] + "token=",
        old.partition("token=")[0] + "token=x-y-z",
    ):
        reply = await api.get(wrong, keys=False)
        assert reply.status == 401
        assert reply.json.items() >= {"code": 401, "message": "Unauthorized", "key": "unauthorized"}.items()
    clock.advance(100)
    assert (await api.get(old)).status == 401
    fresh = await url(first)
    assert (await api.get(fresh, keys=False)).status == 200
    assert (await api("DELETE", f"/v1/exports/{first}")).status == 204
    assert (await api.get(fresh, keys=False)).status == 404


async def test_another_download_host(api: Api, emulator: Emulator, clock: Clock) -> None:
    port = urlsplit(emulator.url).port
    emulator.download_url = f"http://localhost:{port}"
    export_id = (await api.post("/v1/orders/export", {})).json["id"]
    clock.advance(5)
    shown = (await api.get(f"/v1/exports/{export_id}")).json
    assert shown["result"]["url"].startswith(f"http://localhost:{port}/v1/exports/{export_id}?token=")
    assert (await api.get(shown["result"]["url"], keys=False)).status == 200


async def test_listing_and_deleting(api: Api, emulator: Emulator, clock: Clock) -> None:
    emulator.fail_next_export()
    made = []
    for _ in range(12):
        made.append((await api.post("/v1/orders/export", {})).json["id"])
        clock.advance(1)
    running = (await api.post("/v1/orders/export", {})).json["id"]

    async def ids(query: str) -> list[str]:
        shown = (await api.get(f"/v1/exports{query}")).json
        assert (shown["object"], shown["data_ref"], shown["total"]) == ("list", "exports", 13)
        return [one["id"] for one in shown["exports"]]

    assert await ids("") == [running, *made[:2:-1]]
    assert await ids("?limit=3&order=created_at") == made[:3]
    assert await ids("?limit=3&page=5&order=created_at") == [running]
    assert (await ids("?limit=100&order=status"))[-2:] == [made[0], running]
    assert (await ids("?limit=100&order=-status"))[:2] == [running, made[0]]
    assert (await api.get("/v1/exports?order=amount")).status == 400
    assert (await api("DELETE", f"/v1/exports/{running}")).status == 204
    for method in ("GET", "DELETE"):
        reply = await api(method, f"/v1/exports/{running}")
        assert reply.status == 404
        assert reply.json["details"] == f"Cannot find export with id {running}"
        assert reply.json["resource_type"] == "export"


async def test_a_large_file_comes_in_pieces(api: Api, clock: Clock) -> None:
    for start in (0, 2000):
        await api.post("/v1/orders/import", [{"source_id": f"o{start + number}"} for number in range(2000)])
    clock.advance(5)
    text = await api.export(clock, fields=["source_id", "amount"])
    assert len(rows(text)) == 4001
    assert text.endswith("o3999,0\r\n")


async def test_ranges_when_they_are_switched_on(api: Api, emulator: Emulator, clock: Clock) -> None:
    await api.create(source_id="a")
    export_id = (await api.post("/v1/orders/export", {})).json["id"]
    clock.advance(5)
    url = (await api.get(f"/v1/exports/{export_id}")).json["result"]["url"]
    whole = await api.get(url, headers={"Range": "bytes=5-"})
    assert (whole.status, "Accept-Ranges" in whole.headers) == (200, False)
    emulator.download_ranges = True
    for asked, expected in (
        ("bytes=5-", whole.body[5:]),
        ("bytes=0-3", whole.body[:4]),
        ("bytes=2-9999", whole.body[2:]),
    ):
        part = await api.get(url, headers={"Range": asked})
        assert (part.status, part.body) == (206, expected)
        assert part.headers["Content-Range"].endswith(f"/{len(whole.body)}")
    for asked in ("lines=1-2", "bytes=-5"):
        assert (await api.get(url, headers={"Range": asked})).body == whole.body
    assert (await api.get(url)).body == whole.body
    entity_tag = (await api.get(url)).headers["ETag"]
    for only_of, body in ((entity_tag, whole.body[5:]), ('"another"', whole.body), (f"W/{entity_tag}", whole.body)):
        assert (await api.get(url, headers={"Range": "bytes=5-", "If-Range": only_of})).body == body
    beyond = await api.get(url, headers={"Range": f"bytes={len(whole.body)}-"})
    assert (beyond.status, beyond.headers["Content-Range"]) == (416, f"bytes */{len(whole.body)}")
