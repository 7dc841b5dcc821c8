"""What is said of requests beside the documents is needed, each entry of it: the emulator judges as it says."""

import json
import re
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
import jsonschema_rs
import pytest

from tests.documents import KNOWN_ERRORS, as_json_schema, documents, needs_documents
from tests.sent import REQUESTS, sent
from voucherify_async import NewOrder
from voucherify_async.emulator import Emulator

FORM = "application/x-www-form-urlencoded"


def shown(kind: str) -> list[tuple[dict[str, Any], str, str]]:
    """Each entry with each body that it shows, and the operation that it is sent to."""
    return [
        (entry, operation, re.sub(r"(\d+) \* {}", lambda found: ", ".join(["{}"] * int(found[1])), body))
        for entry in KNOWN_ERRORS[kind]
        for operation, bodies in entry.get("shown", {}).items()
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


async def answered(emulator: Emulator, name: str, method: str, path: str, body: str) -> tuple[int, str]:
    """What the emulator makes of it: the status and the text."""
    async with emulator.client() as client:
        await client.orders.create(NewOrder(source_id="{orderId}"))
    headers = {"X-App-Id": emulator.app_id, "X-App-Token": emulator.app_token}
    headers["Content-Type"] = FORM if name == "oauth.json" else "application/json"
    async with aiohttp.request(method, emulator.url + path, data=body, headers=headers) as answer:
        return answer.status, await answer.text()


def place_of(operation: str) -> tuple[str, str, str]:
    """The document, the method and the path of an operation."""
    (found,) = (
        (name, method, path)
        for name, document in documents().items()
        for method, path, one in document.operations()
        if one["operationId"] == operation
    )
    return found


@needs_documents
@pytest.mark.parametrize(("entry", "operation", "body"), shown("request"), ids=lambda value: str(value)[:60])
async def test_each_entry_is_shown_by_a_request(
    entry: dict[str, Any], operation: str, body: str, emulator: Emulator
) -> None:
    name, method, path = place_of(operation)
    status, _ = await answered(emulator, name, method, path, body)
    assert status in (200, 400)
    assert allows(sent(name), method, path, body) == (status != 400)
    assert allows(sent(name, [one for one in REQUESTS if one is not entry]), method, path, body) == (status == 400)


@needs_documents
@pytest.mark.parametrize(("entry", "operation", "body"), shown("excused"), ids=lambda value: str(value)[:60])
async def test_what_is_excused_is_allowed_and_refused(
    entry: dict[str, Any], operation: str, body: str, emulator: Emulator
) -> None:
    name, method, path = place_of(operation)
    status, text = await answered(emulator, name, method, path, body)
    assert allows(sent(name), method, path, body)
    assert (status, entry["failure"]) == (400, "RejectedPositiveData")
    assert re.search(entry["answer"], text)


def test_each_has_its_reason_and_is_shown() -> None:
    assert all(entry["reason"] for entry in [*REQUESTS, *KNOWN_ERRORS["excused"]])
    assert all(entry["shown"] for entry in REQUESTS)
    assert all(entry["answer"] for entry in KNOWN_ERRORS["excused"])
    assert all("shown" in entry for entry in KNOWN_ERRORS["excused"] if entry["failure"] == "RejectedPositiveData")
