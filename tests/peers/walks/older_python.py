# mypy: ignore-errors
# pyright: basic, reportMissingImports=false
"""The older Python SDK, the last one that was not generated, goes through all calls; its interpreter runs this.

Arguments: URL, app id, app token. Prints a line of JSON for each call.

It has no methods for orders, jobs and tokens: they go through `Client.request`, on which its methods stand. That
sends `client.headers`, and gives what an answer holds, without the status; a refusal is no error to it.
"""

import json
import sys
import time
from urllib.parse import quote, urlsplit

from voucherify import Client

ORDER = {
    "source_id": "web-1001",
    "status": "PAID",
    "customer": {"source_id": "c-1", "name": "Ann"},
    "items": [{"source_id": "sku-1", "related_object": "sku", "quantity": 2, "price": 1000}],
    "metadata": {"channel": "web"},
}
EXPORT = {"parameters": {"fields": ["source_id", "status", "amount"], "order": "-status"}}


def ask(client, method, path, body=None, **options):
    """Make a call and tell of it; what it gave."""
    if body is not None:
        options["data"] = json.dumps(body)
    answer = client.request(path, method, **options)
    tell(method, path, answer)
    return answer


def tell(method, path, answer):
    print(json.dumps({"call": f"{method} {path}", "answer": answer}))


def wait_for(client, path):
    """Ask until the job has ended; only the last answer is told of, as how often one asks is a matter of chance."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        answer = client.request(path)
        if answer["status"] in ("DONE", "FAILED", "ERROR"):
            tell("GET", path, answer)
            return answer
        time.sleep(0.05)
    raise TimeoutError(answer)


def walk_orders(client):
    made = ask(client, "POST", "/orders", ORDER)
    ask(client, "GET", f"/orders/{made['id']}")
    ask(client, "POST", "/orders", {"source_id": "a/b c?d#e%é", "amount": 5})
    ask(client, "GET", f"/orders/{quote('a/b c?d#e%é', safe='')}")
    ask(client, "PUT", "/orders/web-1001", {"status": "CANCELED"})
    ask(client, "GET", "/orders", params={"limit": 1, "page": 2, "order": "created_at"})
    ask(client, "GET", "/orders/nowhere")
    ask(client, "POST", "/orders", {"amount": -5})


def walk_import(client):
    scheduled = ask(client, "POST", "/orders/import", [{"source_id": f"old-{number}"} for number in range(50)])
    wait_for(client, f"/async-actions/{scheduled['async_action_id']}")
    ask(client, "GET", "/async-actions", params={"limit": 5})


def walk_exports(client):
    first = ask(client, "POST", "/orders/export", EXPORT)
    done = wait_for(client, f"/exports/{first['id']}")
    second = ask(client, "POST", "/exports", {"exported_object": "order", **EXPORT})
    wait_for(client, f"/exports/{second['id']}")
    ask(client, "GET", "/exports", params={"limit": 5, "order": "created_at"})
    link = urlsplit(done["result"]["url"])
    ask(client, "GET", link.path.removeprefix("/v1"), params=link.query)
    ask(client, "DELETE", f"/exports/{first['id']}")
    ask(client, "GET", f"/exports/{first['id']}")


def walk_oauth(client, url):
    # Its headers call every body JSON; requests calls a form a form when it is not told otherwise.
    client.headers.pop("Content-Type")
    wanted = {"grant_type": "client_credentials", "scope": "orders"}
    token = ask(client, "POST", "/oauth/token", data=wanted)["access_token"]
    by_token = Client("", "", api_endpoint=url)
    by_token.headers = {"Authorization": f"Bearer {token}"}
    ask(by_token, "GET", "/orders", params={"limit": 1})
    ask(by_token, "GET", "/exports")
    ask(client, "POST", "/oauth/introspect", data={"access_token": token})
    ask(client, "POST", "/oauth/token/revoke", data={"access_token": token})
    ask(client, "POST", "/oauth/introspect", data={"access_token": token})
    ask(by_token, "GET", "/orders", params={"limit": 1})


def main(url, app_id, app_token):
    client = Client(app_id, app_token, api_endpoint=url)
    walk_orders(client)
    walk_import(client)
    walk_exports(client)
    walk_oauth(client, url)
    ask(Client(app_id, "wrong", api_endpoint=url), "GET", "/orders")


main(*sys.argv[1:])
