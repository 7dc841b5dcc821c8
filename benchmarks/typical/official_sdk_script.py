# mypy: ignore-errors
# pyright: basic, reportMissingImports=false
"""Run by the interpreter that has the official SDK: does the job of a JSON object on stdin, by hand.

Prints a JSON object: the seconds that it took by the service's clock, and how many exports were awaited.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import voucherify
from voucherify.exceptions import ApiException

MOST_ORDERS = 2_000
THREADS = 32
LOOK_EVERY = 1.0


class Loop:
    """The three jobs by hand, with a clock that runs as fast as the service's."""

    def __init__(self, client, speed):
        self.orders = voucherify.OrdersApi(client)
        self.actions = voucherify.AsyncActionsApi(client)
        self.exports = voucherify.ExportsApi(client)
        self.speed = speed

    def sleep(self, seconds):
        time.sleep(seconds / self.speed)

    def do_import(self, count):
        """As many orders in a request as it may have, and a look at it every second."""
        for first in range(0, count, MOST_ORDERS):
            numbers = range(first, min(first + MOST_ORDERS, count))
            items = [voucherify.OrdersImportCreateRequestBodyItem(**order(number)) for number in numbers]
            action_id = self.orders.import_orders(items).async_action_id
            status = None
            # A look at once would find it under way: it is spared.
            while status not in ("DONE", "FAILED"):
                self.sleep(LOOK_EVERY)
                status = self.actions.get_async_action(action_id).status
        return 0

    def do_exports(self, count):
        """A thread for each of them, with a look every second."""
        with ThreadPoolExecutor(count) as pool:
            return sum(pool.map(self.do_export, range(count)))

    def do_export(self, _):
        parameters = {"parameters": {"fields": ["id", "source_id", "status"]}}
        made = self.orders.create_order_export(voucherify.OrdersExportCreateRequestBody.from_dict(parameters))
        status = made.status
        while status not in ("DONE", "ERROR"):
            self.sleep(LOOK_EVERY)
            status = self.exports.get_export(made.id).status
        return status == "DONE"

    def do_sync(self, count):
        """Side by side, and again when the limit is over, as `Retry-After` says."""
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(self.upsert, range(count)))
        return 0

    def upsert(self, number):
        new = voucherify.OrdersCreateRequestBody(**order(number))
        while True:
            try:
                self.orders.create_order(new)
            except ApiException as error:
                if error.status != 429:
                    raise
                self.sleep(float(error.headers["Retry-After"]))
            else:
                return


def order(number):
    return {"source_id": f"order-{number}", "status": "PAID", "amount": 100 + number}


def main(job, url, app_id, app_token):
    configuration = voucherify.Configuration(host=url, api_key={"X-App-Id": app_id, "X-App-Token": app_token})
    configuration.connection_pool_maxsize = max(THREADS, 64)  # else connections are thrown away
    with voucherify.ApiClient(configuration) as client:
        loop = Loop(client, job["speed"])
        work = {"import": loop.do_import, "exports": loop.do_exports, "sync": loop.do_sync}[job["work"]]
        began = time.perf_counter()
        awaited = work(job["count"])
        seconds = (time.perf_counter() - began) * job["speed"]
    print(json.dumps({"seconds": seconds, "awaited": awaited}))


main(**json.load(sys.stdin))
