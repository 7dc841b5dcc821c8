"""The service's OpenAPI documents, where they are at hand: their examples as requests. `tests/judge.py` judges."""

from __future__ import annotations

from typing import Any

import pytest

from tests.documents import documents, needs_documents
from tests.emulator.conftest import Api
from tests.judge import Judge
from voucherify_async.emulator import Clock, Emulator


def examples(document: str, path: str, method: str = "post") -> list[Any]:
    """The requests that a document shows of an operation."""
    content = documents()[document].content["paths"][path][method]["requestBody"]["content"]
    return [example["value"] for kind in content.values() for example in kind["examples"].values()]


@pytest.mark.parametrize("wanted", [None, [None], [["a"]], [1, None]])
async def test_a_condition_has_only_values_that_the_documents_have(api: Api, wanted: Any) -> None:
    asked = {"parameters": {"filters": {"metadata.gift": {"conditions": {"$is": wanted}}}}}
    refused = await api.post("/v1/orders/export", asked)
    assert (refused.status, refused.json["key"]) == (400, "invalid_payload")
    assert refused.json["details"].startswith(
        "Property .parameters.filters.metadata.gift.conditions.$is should be "
    )


@needs_documents
async def test_the_examples_of_the_documents_are_taken_and_each_operation_is_judged(
    api: Api, emulator: Emulator, clock: Clock, judge: Judge
) -> None:
    for payload in examples("orders.json", "/v1/orders"):
        assert (await api.post("/v1/orders", payload)).status == 200
    await api.get("/v1/orders/new")
    for payload in examples("orders.json", "/v1/orders/{orderId}", "put"):
        assert (await api.put("/v1/orders/new", payload)).status == 200
    await api.create(source_id="d", discount_amount=1, items=[{"amount": 9, "discount_amount": 2}])
    await api.get("/v1/orders")

    (payload,) = examples("orders.json", "/v1/orders/import")
    begun = (await api.post("/v1/orders/import", payload)).json
    path = f"/v1/async-actions/{begun['async_action_id']}"
    await api.get(path)
    clock.advance(5)
    # The example names customers by ids that do not exist here: that one order fails.
    assert [one["source_id"] for one in (await api.get(path)).json["result"]["failed"]] == ["orderImport16"]
    await api.get("/v1/async-actions")

    made: list[str] = []
    for payload in examples("orders.json", "/v1/orders/export"):
        made.append((await api.post("/v1/orders/export", payload)).json["id"])
        await api.get(f"/v1/exports/{made[-1]}")
    emulator.fail_next_export()
    await api.post("/v1/exports", {"exported_object": "order"})
    clock.advance(5)
    await api.get((await api.get(f"/v1/exports/{made[0]}")).json["result"]["url"])
    assert {one["status"] for one in (await api.get("/v1/exports")).json["exports"]} == {"DONE", "ERROR"}
    assert (await api("DELETE", f"/v1/exports/{made[0]}")).status == 204

    form = {"grant_type": "client_credentials", "scope": "api"}
    token = (await api("POST", "/v1/oauth/token", data=form)).json
    asked = {"access_token": token["access_token"]}
    for active, status in ((True, 204), (False, 404)):
        assert (await api("POST", "/v1/oauth/introspect", data=asked)).json["active"] is active
        assert (await api("POST", "/v1/oauth/token/revoke", data=asked)).status == status
    await api.get("/v1/orders", keys=False)
    await api.post("/v1/orders", {"amount": "x"})
    await api.get("/v1/orders?limit=x")

    for document in documents().values():
        for _, _, operation in document.operations():
            assert any((operation["operationId"], status) in judge.judged for status in (200, 204)), operation
