"""The judge bites, and lets pass nothing but what is listed with a reason."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.documents import KNOWN_ERRORS, NAMES, Document, documents, needs_documents
from tests.elsewhere import judged_python, objections
from tests.judge import Judge
from voucherify_async import VoucherifyClient
from voucherify_async.emulator import Emulator
from voucherify_async.emulator.endpoints import JSON

pytest_plugins = ["pytester"]

ORDER: dict[str, Any] = {"id": "ord_1", "status": "PAID", "amount": 1, "items": [{"object": "order_item"}]}
PAGE: dict[str, Any] = {"object": "list", "data_ref": "orders", "orders": [ORDER], "total": 1}
ERROR: dict[str, Any] = {"code": 404, "message": "Resource not found"}


def misfits(document: Document) -> Iterator[str]:
    """Where the document's own examples do not fit its schemas; examples of jobs on other things are left out."""
    for method, path, operation in document.operations():
        for part in [operation.get("requestBody", {}), *operation["responses"].values()]:
            for content in part.get("content", {}).values():
                for name, example in content.get("examples", {}).items():
                    value = example["value"]
                    kind = value.get("type", "ORDERS") if isinstance(value, dict) else "ORDERS"
                    found = document.misfit(content["schema"], value) if kind.startswith("ORDERS") else None
                    if found is not None:
                        yield f"{method} {path}, {name}: {found}"


@needs_documents
@pytest.mark.parametrize("name", NAMES)
def test_the_examples_of_the_documents_fit_their_schemas(name: str) -> None:
    assert list(misfits(documents()[name])) == []


@needs_documents
@pytest.mark.parametrize("error", KNOWN_ERRORS["error"], ids=lambda error: error["at"])
def test_each_known_error_is_shown_by_an_example(error: dict[str, Any]) -> None:
    others = [one for one in KNOWN_ERRORS["error"] if one is not error]
    assert [one for name in error["documents"] for one in misfits(Document(name, others))]
    assert error["reason"]


@needs_documents
@pytest.mark.parametrize(
    ("status", "body", "objection"),
    [
        (200, PAGE, None),
        (200, PAGE | {"orders": [ORDER | {"status": "LOST"}]}, "at /orders/0/status: "),
        (200, PAGE | {"orders": [ORDER | {"amount": 1.5}]}, "at /orders/0/amount: "),
        (200, PAGE | {"orders": [ORDER | {"amount": None}]}, "at /orders/0/amount: "),
        (200, PAGE | {"orders": [ORDER | {"created_at": "yesterday"}]}, "at /orders/0/created_at: "),
        (200, PAGE | {"orders": [ORDER | {"items": [{}]}]}, "at /orders/0/items/0: "),
        (200, {name: PAGE[name] for name in PAGE if name != "total"}, 'at /: "total" is a required property'),
        (404, ERROR, None),
        (404, {"code": 404}, 'at /: "message" is a required property'),
        (418, ERROR, "a status that the documents do not know"),
    ],
)
def test_an_answer_is_held_against_the_documents(status: int, body: object, objection: str | None) -> None:
    document = documents()["orders.json"]
    found = document.objection(document.operation("GET", "/v1/orders"), status, JSON, json.dumps(body).encode())
    assert found is None if objection is None else (found or "").startswith(objection)


@needs_documents
def test_an_answer_has_a_body_where_the_documents_have_one() -> None:
    document = documents()["exports.json"]
    deleted = document.operation("DELETE", "/v1/exports/exp_1")
    assert document.objection(deleted, 204, JSON, b"") is None
    assert document.objection(deleted, 204, JSON, b"{}") == "a body, where there is none"
    assert document.objection(deleted, 404, JSON, b"") == "no body, where there is one"
    assert (document.objection(deleted, 404, "text/html", b"x") or "").startswith("text/html, which is none")
    assert (document.objection(deleted, 404, JSON, b'{"code": NaN}') or "").startswith("no JSON: ")


@needs_documents
def test_a_part_of_a_file_is_an_answer_to_a_download_alone() -> None:
    document = documents()["exports.json"]
    for token, objection in [(True, None), (False, "a status that the documents do not know")]:
        asked = document.operation("GET", "/v1/exports/exp_1", download=token)
        assert document.objection(asked, 206, "text/plain", b"id") == objection
        assert document.objection(asked, 416, JSON, b"") == objection


@needs_documents
async def test_an_emulator_that_goes_wrong_is_found_out(
    emulator: Emulator, judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "voucherify_async.emulator.endpoints._encode", lambda _: b'{"async_actions":[{"id":"aa_1","progress":101}]}'
    )
    async with emulator.client() as client:
        await client.async_actions.list()
    (objection,) = judge.objections
    judge.objections.clear()
    assert objection.startswith("GET /v1/async-actions answered 200: at /async_actions/0/progress: ")


async def test_an_emulator_that_breaks_down_is_found_out_though_the_client_tries_again(
    client: VoucherifyClient, judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down_once(_: object) -> bytes:
        monkeypatch.undo()
        raise KeyError("lost")

    monkeypatch.setattr("voucherify_async.emulator.endpoints._encode", break_down_once)
    await client.async_actions.list()
    assert judge.objections == ["GET /v1/async-actions broke down: KeyError('lost')"]
    judge.objections.clear()


# A program of its own, whose emulator answers what no document allows.
WRONG = """
import asyncio, sys
from voucherify_async.emulator import Emulator, endpoints
endpoints._encode = lambda _: b'{"async_actions":[{"id":"aa_1","progress":101}]}'
async def main():
    async with Emulator() as emulator, emulator.client() as client:
        print(len((await client.async_actions.list()).async_actions), *sys.argv[1:])
if __name__ == "__main__":
    asyncio.run(main())
"""


@needs_documents
@pytest.mark.parametrize("kind", ["-c", "-m", "script"])
def test_an_emulator_of_another_process_is_found_out(kind: str, tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(WRONG, encoding="utf-8")
    told = {"-c": ["-c", WRONG], "-m": ["-m", "wrong"], "script": [str(tmp_path / "wrong.py")]}[kind]
    ran = subprocess.run(judged_python(*told, "more"), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.stderr, ran.returncode) == ("1 more\n", "", 0)
    (objection,) = objections()
    assert objection.startswith("GET /v1/async-actions answered 200: at /async_actions/0/progress: ")


def test_it_fails_the_test_with_the_objection(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    pytester.makeconftest("from tests.conftest import judge")
    pytester.makepyfile("""
        def test_wrong(judge):
            judge.objections.append("GET /v1/orders answered 200: it is no page")

        def test_right():
            pass
    """)
    outcome = pytester.runpytest_inprocess()
    outcome.assert_outcomes(passed=2, errors=1)
    outcome.stdout.fnmatch_lines(
        ["*ERROR at teardown of test_wrong*", "GET /v1/orders answered 200: it is no page"]
    )
