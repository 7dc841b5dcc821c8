"""Other vendors' clients, unchanged, go through every call; what each makes of the emulator's answers is kept.

Their differences, and who is right by the documents:

- The JavaScript SDK's types let an export be ordered by any field. `orders.json` allows `created_at`, `updated_at`
  and `status`, and so does the emulator: `source_id` is refused, as the transcript shows.
- None of them can ask for an OAuth token. `oauth.json` has those calls; they go through what the clients send with.
- The older Python SDK takes a refusal for an answer, and has no methods for orders: it judges how things are sent
  alone.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.peers import (
    UnavailableError,
    official_javascript_sdk,
    official_sdk_python,
    older_sdk_python,
)
from tests.peers.transcript import difference, lines_of, told_of
from voucherify_async.emulator import Emulator
from voucherify_async.emulator.endpoints import ROUTES

WALKS = Path(__file__).with_name("walks")
# The way of the only download link: its token is what makes it one.
DOWNLOAD = ("GET", "/v1/exports/*?token")


def official_python() -> tuple[list[str], dict[str, str]]:
    return [str(official_sdk_python()), str(WALKS / "official_python.py")], {}


def older_python() -> tuple[list[str], dict[str, str]]:
    return [str(older_sdk_python()), str(WALKS / "older_python.py")], {}


def official_javascript() -> tuple[list[str], dict[str, str]]:
    node, modules = official_javascript_sdk()
    return [str(node), str(WALKS / "official_javascript.cjs")], {"NODE_PATH": str(modules)}


@pytest.mark.peers
@pytest.mark.parametrize("client", [official_python, older_python, official_javascript])
async def test_a_foreign_client_goes_all_the_way(client: Callable[[], tuple[list[str], dict[str, str]]]) -> None:
    try:
        command, environ = client()
    except UnavailableError as error:
        pytest.fail(str(error), pytrace=False)
    async with Emulator() as emulator:
        walk = await asyncio.create_subprocess_exec(
            *(*command, emulator.url, emulator.app_id, emulator.app_token),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **environ, "PYTHONIOENCODING": "utf-8"},
        )
        try:
            out, err = await asyncio.wait_for(walk.communicate(), 60)
        finally:
            if walk.returncode is None:
                walk.kill()
                await walk.communicate()
        effects = emulator.effects.orders
        requests = list(emulator.requests)
    assert walk.returncode == 0, err.decode()
    told = told_of(out.decode(), {emulator.url: "<url>", emulator.app_id: "<app id>"})
    assert not (found := difference(client.__name__, told)), found

    every_route = {(route.method, route.path) for route in ROUTES} | {DOWNLOAD}
    assert {route_of(request.method, request.path, dict(request.query)) for request in requests} == every_route
    assert all(request.status is not None and request.status < 500 for request in requests)
    assert not [line["unread"] for line in lines_of(told) if line.get("unread")]
    assert (effects["web-1001"].created, effects["old-7"].imported) == (1, 1)


def route_of(method: str, path: str, query: dict[str, str]) -> tuple[str, str]:
    """The row of the emulator's table that a request belongs to."""
    exact = (method, path)
    if any(exact == (route.method, route.path) for route in ROUTES):
        return exact
    # An id may hold slashes, quoted or not.
    resource = "/".join(path.split("/")[:3])
    return (method, f"{resource}/*?token" if "token" in query else f"{resource}/*")


def test_ids_keep_their_ties_and_nothing_of_chance_is_left() -> None:
    one, other = "ord_" + "a" * 24, "ord_" + "b" * 24
    printed = (
        f'{{"id": "{one}", "at": "2026-01-01T00:00:00.000Z"}}\n'
        f'{{"csv": "id\\r\\n{other},x\\r\\n{one}", "expires_in": 899, "url": "http://here/1"}}\n'
    )
    assert told_of(printed, {"http://here": "<url>"}) == (
        '{"at": "<time>", "id": "<ord 1>"}\n'
        '{"csv": "id\\r\\n<ord 2>,x\\r\\n<ord 1>", "expires_in": 900, "url": "<url>/1"}\n'
    )
