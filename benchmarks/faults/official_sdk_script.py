# mypy: ignore-errors
# pyright: basic, reportMissingImports=false
"""Run by the interpreter that has the official SDK: does the tasks of a JSON object on stdin, in threads.

Prints a JSON line for each task, in their order, and one with the seconds that all of them took.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import voucherify


def body_of(kind, body):
    # Not from_dict: what is not there it sends as null, and an update then clears the source id.
    return kind(**{**body, "items": [voucherify.OrderItem(**item) for item in body["items"]]})


def main(order):
    server, threads = order["server"], order["threads"]
    configuration = voucherify.Configuration(
        host=server["url"], api_key={"X-App-Id": server["app_id"], "X-App-Token": server["app_token"]}
    )
    configuration.connection_pool_maxsize = threads  # else connections are thrown away, and it is slower
    with voucherify.ApiClient(configuration) as client:
        orders = voucherify.OrdersApi(client)

        def do(task):
            try:
                if task["kind"] == "update":
                    changes = body_of(voucherify.OrdersUpdateRequestBody, task["body"])
                    orders.update_order(task["key"], changes, _request_timeout=order["timeout"])
                else:
                    new = body_of(voucherify.OrdersCreateRequestBody, task["body"])
                    orders.create_order(new, _request_timeout=order["timeout"])
            except Exception:
                return "failed"
            return "done"

        started = time.perf_counter()
        with ThreadPoolExecutor(threads) as pool:
            outcomes = list(pool.map(do, order["tasks"]))
        seconds = time.perf_counter() - started
    for told in outcomes:
        print(json.dumps({"told": told}))
    print(json.dumps({"seconds": seconds}))


main(json.load(sys.stdin))
