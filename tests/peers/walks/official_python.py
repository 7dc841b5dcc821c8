# mypy: ignore-errors
# pyright: basic, reportMissingImports=false
"""The official Python SDK goes through all calls; run by an interpreter that has it.

Arguments: URL, app id, app token. Prints a line of JSON for each call: what the SDK made of the answer, and under
`unread` what was in the answer and the SDK has no field for.

The SDK knows no OAuth: tokens go through its `ApiClient.call_api`, and into a call by `_request_auth`.
"""

import json
import sys
import time
from urllib.parse import parse_qs, urlsplit

import voucherify
from voucherify.exceptions import ApiException

ORDER = {
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
PARAMETERS = {
    "fields": ["id", "source_id", "status", "amount", "metadata"],
    "order": "created_at",
    "filters": {"amount": {"conditions": {"$more_than": [1000]}}},
}


def plain(model):
    if isinstance(model, list):
        return [plain(one) for one in model]
    return model.to_dict() if hasattr(model, "to_dict") else model


def unread(raw, seen, path=""):
    """Where the answer has something, and what the SDK made of it has not."""
    if isinstance(raw, dict) and isinstance(seen, dict):
        return [found for key in raw for found in unread(raw[key], seen.get(key), f"{path}.{key}")]
    if isinstance(raw, list) and isinstance(seen, list) and len(raw) == len(seen):
        return [found for one, other in zip(raw, seen, strict=True) for found in unread(one, other, f"{path}[]")]
    return [path] if raw is not None and seen is None else []


def tell(call, **seen):
    print(json.dumps({"call": call, **seen}, default=str))


def ask(call, *arguments, **options):
    """Make a call and tell of it; what it gave."""
    answer = call(*arguments, **options)
    tell_answer(call, answer)
    return answer.data


def ask_in_vain(call, *arguments, **options):
    """Make a call that has to be refused, and tell of it."""
    try:
        answer = call(*arguments, **options)
    except ApiException as error:
        tell(call.__name__, status=error.status, refused=json.loads(error.body))
    else:
        raise AssertionError(answer)


def tell_answer(call, answer):
    seen = plain(answer.data)
    is_json = answer.headers.get("Content-Type", "").startswith("application/json")
    raw = json.loads(answer.raw_data) if is_json else None
    tell(call.__name__, status=answer.status_code, answer=seen, unread=sorted(set(unread(raw, seen))))


def wait_for(call, key):
    """Ask until the job has ended; only the last answer is told of, as how often one asks is a matter of chance."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        answer = call(key)
        if answer.data.status in ("DONE", "FAILED", "ERROR"):
            tell_answer(call, answer)
            return answer.data
        time.sleep(0.05)
    raise TimeoutError(answer)


def walk_orders(client):
    orders = voucherify.OrdersApi(client)
    made = ask(orders.create_order_with_http_info, voucherify.OrdersCreateRequestBody.from_dict(ORDER))
    ask(orders.get_order_with_http_info, "web-1001")
    ask(orders.get_order_with_http_info, made.id)
    odd = voucherify.OrdersCreateRequestBody(source_id="a/b c?d#e%é", amount=5)
    ask(orders.create_order_with_http_info, odd)
    ask(orders.get_order_with_http_info, "a/b c?d#e%é")
    ask(orders.update_order_with_http_info, made.id, voucherify.OrdersUpdateRequestBody(status="CANCELED"))
    ask(orders.list_orders_with_http_info, limit=1, page=2, order="created_at")
    ask_in_vain(orders.get_order_with_http_info, "nowhere")
    ask_in_vain(orders.create_order_with_http_info, voucherify.OrdersCreateRequestBody(amount=-5))


def walk_import(client):
    rows = [voucherify.OrdersImportCreateRequestBodyItem(source_id=f"old-{number}") for number in range(50)]
    scheduled = ask(voucherify.OrdersApi(client).import_orders_with_http_info, rows)
    actions = voucherify.AsyncActionsApi(client)
    wait_for(actions.get_async_action_with_http_info, scheduled.async_action_id)
    ask(actions.list_async_actions_with_http_info, limit=5)
    ask_in_vain(actions.get_async_action_with_http_info, "aa_0")


def walk_exports(client):
    exports = voucherify.ExportsApi(client)
    wanted = {"parameters": PARAMETERS}
    first = ask(
        voucherify.OrdersApi(client).create_order_export_with_http_info,
        voucherify.OrdersExportCreateRequestBody.from_dict(wanted),
    )
    done = wait_for(exports.get_export_with_http_info, first.id)
    body = voucherify.ExportsCreateRequestBody.from_dict({"exported_object": "order", **wanted})
    second = ask(exports.create_export_with_http_info, body)
    wait_for(exports.get_export_with_http_info, second.id)
    ask(exports.list_exports_with_http_info, limit=5, order="created_at")
    token = parse_qs(urlsplit(done.result.url).query)["token"][0]
    ask(exports.download_export_with_http_info, first.id, token=token)
    ask_in_vain(exports.download_export_with_http_info, first.id, token="wrong")
    ask(exports.delete_export_with_http_info, first.id)
    ask_in_vain(exports.get_export_with_http_info, first.id)


def walk_oauth(client, url, keys):
    def post(path, **form):
        headers = {**keys, "Content-Type": "application/x-www-form-urlencoded"}
        answer = client.call_api("POST", url + path, headers, post_params=list(form.items()))
        text = answer.read().decode()
        tell(path, status=answer.status, answer=json.loads(text) if text else None)
        return text

    granted = post("/v1/oauth/token", grant_type="client_credentials", scope="orders")
    token = json.loads(granted)["access_token"]
    bearer = {"in": "header", "type": "oauth2", "key": "Authorization", "value": f"Bearer {token}"}
    with voucherify.ApiClient(voucherify.Configuration(host=url)) as by_token:
        list_orders = voucherify.OrdersApi(by_token).list_orders_with_http_info
        list_exports = voucherify.ExportsApi(by_token).list_exports_with_http_info
        ask(list_orders, limit=1, _request_auth=bearer)
        ask_in_vain(list_exports, _request_auth=bearer)
        post("/v1/oauth/introspect", access_token=token)
        post("/v1/oauth/token/revoke", access_token=token)
        post("/v1/oauth/token/revoke", access_token=token)
        post("/v1/oauth/introspect", access_token=token)
        ask_in_vain(list_orders, limit=1, _request_auth=bearer)
    post("/v1/oauth/token", grant_type="password", scope="api")


def walk_other_keys(url, keys):
    prefixed = voucherify.Configuration(host=url, api_key=keys, api_key_prefix=dict.fromkeys(keys, "Bearer"))
    with voucherify.ApiClient(prefixed) as client:
        ask(voucherify.OrdersApi(client).list_orders_with_http_info, limit=1)
    wrong = voucherify.Configuration(host=url, api_key={**keys, "X-App-Token": "wrong"})
    with voucherify.ApiClient(wrong) as client:
        ask_in_vain(voucherify.OrdersApi(client).list_orders_with_http_info)


def main(url, app_id, app_token):
    keys = {"X-App-Id": app_id, "X-App-Token": app_token}
    with voucherify.ApiClient(voucherify.Configuration(host=url, api_key=keys)) as client:
        walk_orders(client)
        walk_import(client)
        walk_exports(client)
        walk_oauth(client, url, keys)
    walk_other_keys(url, keys)


main(*sys.argv[1:])
