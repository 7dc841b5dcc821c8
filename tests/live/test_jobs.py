"""Imports and exports; they may take minutes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp

from tests.live.service import Service
from voucherify_async import AsyncAction, Customer, Export

# Seconds between looks at a job. Those of the poller, ten at most, would spend the budget on a job of two minutes.
PAUSES = (1, 4, 15, 40, 120, 300)
# For the poller, which has the last look, and says whether the job failed.
SECONDS = 10.0


async def until_it_ended(look: Callable[[], Awaitable[AsyncAction | Export]]) -> None:
    """Come back when a job has ended, or when that is not worth waiting for."""
    for pause in PAUSES:
        if (await look()).status in ("DONE", "FAILED", "ERROR"):
            return
        await asyncio.sleep(pause)


async def test_an_import(service: Service) -> None:
    client = service.client
    rows = [service.order(f"import-{number}", status="PAID", amount=100 * number) for number in (1, 2)]
    rows.append(service.order("import-refused", customer=Customer(id="cust_000000000000000000000000")))
    job = await service.answer("orders.import_orders", client.orders.with_http_info.import_orders(rows))
    service.traces.imports[job.id] = None
    await until_it_ended(lambda: client.async_actions.get(job.id))
    result = await job.wait(timeout=SECONDS)
    del service.traces.imports[job.id]
    assert result.done_count + result.failed_count == 3
    service.note(
        "an import of two orders and one with an unknown customer", [result.done_count, result.failed_count]
    )
    service.note("failures of an import", [[one.source_id, one.reason] for one in result.failed])
    service.note("message of an import", result.message)

    action = await service.answer("async_actions.get", client.async_actions.with_http_info.get(job.id))
    assert (action.type, action.status) == ("ORDERS.IMPORT", "DONE")
    service.note("operation_status of an import that went in part", action.operation_status)
    page = await service.answer("async_actions.list", client.async_actions.with_http_info.list(limit=2))
    assert job.id in [one.id for one in page.async_actions]
    service.note("actions of a listing have a result", any(one.result for one in page.async_actions))
    order = await service.answer("orders.get", client.orders.with_http_info.get(service.key("import-2")))
    assert (order.status, order.amount) == ("PAID", 200)


async def test_an_export(service: Service, tmp_path: Path) -> None:
    client = service.client
    keys = [service.key(name) for name in ("export-1", "export-2")]
    for number in (1, 2):
        order = service.order(f"export-{number}", amount=number, metadata={"said": 'a "b", c'})
        await service.answer("orders.create", client.orders.with_http_info.create(order))
    filters = {"junction": "and", "source_id": {"conditions": {"$in": keys}}}
    fields = ["source_id", "amount", "status", "created_at", "metadata.said"]
    job = await service.answer(
        "orders.create_export",
        client.orders.with_http_info.create_export(fields=fields, filters=filters, order="-created_at"),
    )
    service.traces.exports[job.id] = None
    await until_it_ended(lambda: client.exports.get(job.id))
    await job.wait(timeout=SECONDS)
    export = await service.answer("exports.get", client.exports.with_http_info.get(job.id))
    assert export.status == "DONE"
    file = await job.download(tmp_path / "orders.csv")
    header, *rows = file.read_text(encoding="utf-8").splitlines()
    service.note("header of an export", header)
    service.note("rows of an export with a filter of two source ids", [row.split(",")[0] for row in rows])
    async with job.rows() as read:
        found = [(row.source_id, row.amount, row.metadata["said"]) async for row in read]
    assert sorted(found) == [(keys[0], 1, 'a "b", c'), (keys[1], 2, 'a "b", c')]
    await _look_at_link(service, export)

    page = await service.answer("exports.list", client.exports.with_http_info.list(limit=2, order="-created_at"))
    assert job.id in [one.id for one in page.exports]
    await client.exports.delete(job.id)
    await service.refusal("exports.get", client.exports.get(job.id), 404)


async def test_an_export_that_says_nothing(service: Service) -> None:
    # The filter is how the clean-up knows it, should its answer be lost.
    filters = {"source_id": {"conditions": {"$is": [service.key("export-1")]}}}
    job = await service.client.orders.create_export(fields=[], filters=filters)
    service.traces.exports[job.id] = None
    # Its answer is not looked at: whether it has a result already is a matter of the moment.
    export = await service.client.exports.get(job.id)
    service.note("fields of an export with none", (export.parameters or {}).get("fields"))
    delete = service.client.exports.with_http_info.delete(job.id)
    await service.probe("an export can be deleted before it is done", "exports.delete", delete)


async def _look_at_link(service: Service, export: Export) -> None:
    """Whether a link needs keys, and whether a download could be gone on with.

    It is given the export, which does not show its link: pytest shows the arguments of what fails.
    """
    assert export.result is not None
    url = export.result.url or ""
    async with aiohttp.ClientSession() as session, session.get(url, headers={"Range": "bytes=0-3"}) as answer:
        service.note(
            "a download without keys, of its first 4 bytes", [answer.status, len(await answer.read()) == 4]
        )
        service.note("type of a download", answer.headers.get("Content-Type"))
