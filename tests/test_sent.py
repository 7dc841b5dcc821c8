"""What is said of requests beside the documents is needed, each entry of it: the emulator judges as it says."""

import json
import re
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
import jsonschema_rs
import pytest

from tests.documents import as_json_schema, documents, needs_documents
from tests.sent import REQUESTS, sent
from voucherify_async import NewOrder
from voucherify_async.emulator import Emulator

FORM = "application/x-www-form-urlencoded"
SHOWN = [
    (entry, operation, re.sub(r"(\d+) \* {}", lambda found: ", ".join(["{}"] * int(found[1])), body))
    for entry in REQUESTS
    for operation, bodies in entry["shown"].items()
    for body in bodies
]


def allows(document: dict[str, Any], method: str, path: str, body: str) -> bool:
    """Whether a request with this body is one, by the document."""
    asked = document["paths"][path][method]["requestBody"]
    if not body:
        return not asked.get("required", False)
    ((kind, content),) = asked["content"].items()
    whole = as_json_schema({**content["schema"], "components": document["components"]})
    return jsonschema_rs.Draft202012Validator(whole).is_valid(
        dict(parse_qsl(body, keep_blank_values=True)) if kind == FORM else json.loads(body)
    )


@needs_documents
@pytest.mark.parametrize(("entry", "operation", "body"), SHOWN, ids=lambda value: str(value)[:60])
async def test_each_entry_is_shown_by_a_request(
    entry: dict[str, Any], operation: str, body: str, emulator: Emulator
) -> None:
    (place,) = (
        (name, method, path)
        for name in entry["documents"]
        for method, path, one in documents()[name].operations()
        if one["operationId"] == operation
    )
    name, method, path = place
    kind = FORM if name == "oauth.json" else "application/json"
    async with emulator.client() as client:
        await client.orders.create(NewOrder(source_id="{orderId}"))
    keys = {"X-App-Id": emulator.app_id, "X-App-Token": emulator.app_token}
    async with aiohttp.request(
        method, emulator.url + path, data=body, headers={**keys, "Content-Type": kind}
    ) as answer:
        accepted = answer.status != 400
    assert allows(sent(name), method, path, body) == accepted
    assert allows(sent(name, [one for one in REQUESTS if one is not entry]), method, path, body) != accepted
