# mypy: ignore-errors
# pyright: basic, reportMissingImports=false
"""Run by the interpreter that has the official SDK: its whole way through orders, import and export.

Arguments: URL, app id, app token. Prints a JSON object of what it saw; any surprise is an exception.
"""

import json
import sys
import time
from urllib.parse import parse_qs, urlsplit

import voucherify
from voucherify.exceptions import ApiException, NotFoundException, UnauthorizedException


def wait_for(look, ended):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        seen = look()
        if seen.status in ended:
            return seen
        time.sleep(0.05)
    raise TimeoutError(seen)


def main(url, app_id, app_token):
    seen = {}
    keys = {"X-App-Id": app_id, "X-App-Token": app_token}
    with voucherify.ApiClient(voucherify.Configuration(host=url, api_key=keys)) as client:
        orders = voucherify.OrdersApi(client)
        made = orders.create_order(
            voucherify.OrdersCreateRequestBody.from_dict(
                {
                    "source_id": "web-1001",
                    "status": "PAID",
                    "discount_amount": 100,
                    "customer": {"source_id": "c-1", "name": "Ann"},
                    "items": [
                        {
                            "source_id": "sku-1",
                            "related_object": "sku",
                            "quantity": 2,
                            "price": 1000,
                            "discount_amount": 50,
                            "sku": {"sku": "One", "override": True},
                            "product": {"source_id": "prod-1", "name": "Product", "override": True},
                        }
                    ],
                    "metadata": {"channel": "web"},
                }
            )
        )
        assert made.id.startswith("ord_"), made
        assert (made.amount, made.total_discount_amount, made.total_amount) == (2000, 150, 1850), made
        assert made.items[0].subtotal_amount == 1950, made
        assert made.customer.id == made.customer_id, made
        assert orders.get_order("web-1001").id == made.id
        assert orders.get_order(made.id).source_id == "web-1001"
        odd = orders.create_order(voucherify.OrdersCreateRequestBody(source_id="a/b c?d#e%é", amount=5))
        assert orders.get_order("a/b c?d#e%é").id == odd.id
        changed = orders.update_order(made.id, voucherify.OrdersUpdateRequestBody(status="CANCELED"))
        assert (changed.status, changed.amount) == ("CANCELED", 2000), changed
        listed = orders.list_orders(limit=1, page=1, order="-created_at")
        assert (listed.total, len(listed.orders)) == (2, 1), listed

        answer = orders.import_orders_with_http_info(
            [voucherify.OrdersImportCreateRequestBodyItem(source_id=f"old-{number}") for number in range(50)]
        )
        seen["import_status"] = answer.status_code
        actions = voucherify.AsyncActionsApi(client)
        action_id = answer.data.async_action_id
        action = wait_for(lambda: actions.get_async_action(action_id), ("DONE", "FAILED"))
        assert action.operation_status == "SUCCESS", action
        seen["import_result"] = action.result
        assert [one.id for one in actions.list_async_actions(limit=5).async_actions] == [action_id]

        exports = voucherify.ExportsApi(client)
        scheduled = orders.create_order_export(
            voucherify.OrdersExportCreateRequestBody.from_dict(
                {
                    "parameters": {
                        "fields": ["id", "source_id", "status", "amount", "metadata"],
                        "order": "created_at",
                        "filters": {"amount": {"conditions": {"$more_than": [1000]}}},
                    }
                }
            )
        )
        export = wait_for(lambda: exports.get_export(scheduled.id), ("DONE", "ERROR"))
        assert export.status == "DONE", export
        assert exports.list_exports(limit=5).total == 1
        token = parse_qs(urlsplit(export.result.url).query)["token"][0]
        seen["csv"] = exports.download_export(export.id, token=token)
        exports.delete_export(export.id)

        try:
            exports.get_export(export.id)
        except NotFoundException as error:
            seen["not_found"] = json.loads(error.body)["key"]
        try:
            orders.create_order(voucherify.OrdersCreateRequestBody(amount=-5))
        except ApiException as error:
            seen["invalid"] = json.loads(error.body)["details"]

    prefixed = voucherify.Configuration(host=url, api_key=keys, api_key_prefix=dict.fromkeys(keys, "Bearer"))
    with voucherify.ApiClient(prefixed) as client:
        seen["total"] = voucherify.OrdersApi(client).list_orders().total
    wrong = voucherify.Configuration(host=url, api_key={**keys, "X-App-Token": "wrong"})
    with voucherify.ApiClient(wrong) as client:
        try:
            voucherify.OrdersApi(client).list_orders()
        except UnauthorizedException as error:
            seen["unauthorized"] = json.loads(error.body)["key"]
    print(json.dumps(seen))


main(*sys.argv[1:])
