"""What is refused: the statuses of the documents, and the bodies as they come."""

from __future__ import annotations

from tests.live.service import Service
from voucherify_async import ApiKeyAuth


async def test_an_order_that_is_not_there(service: Service) -> None:
    error = await service.refusal("orders.get", service.client.orders.get(service.run_id + "-nobody"), 404)
    assert error.code == 404


async def test_wrong_keys(service: Service) -> None:
    auth = ApiKeyAuth("00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000000")
    async with service.signed_by(auth) as client:
        await service.refusal("orders.list without keys", client.orders.list(limit=1), 401)


async def test_arguments_that_do_not_fit(service: Service) -> None:
    request = service.client.request
    await service.refusal("orders.list of 101", request("GET", "/v1/orders", query={"limit": 101}), 400)
    lost = {"source_id": service.key("lost"), "status": "LOST"}
    await service.refusal("orders.create with no such status", request("POST", "/v1/orders", body=lost), 400)
    await service.refusal("orders.create of an array", request("POST", "/v1/orders", body=[lost]), 400)
    # Should it be made all the same, the clean-up knows it by its filter.
    filters = {"source_id": {"conditions": {"$is": [service.key("lost")]}}}
    body = {"parameters": {"fields": ["colour"], "filters": filters}}
    await service.refusal("orders.export of no such field", request("POST", "/v1/orders/export", body=body), 400)


async def test_what_does_not_exist(service: Service) -> None:
    request = service.client.request
    await service.refusal("no such path", request("GET", "/v1/orders-of-nobody"), 404, 401)
    # None of DELETE: what the documents do not know might do something all the same.
    await service.refusal("no such method", request("PATCH", "/v1/orders/import", body={}), 404, 405)
