"""What applications of both frameworks answer: errors, exports and webhooks, by real connections."""

import json
from collections.abc import AsyncIterator
from io import BytesIO

import aiohttp
import pytest

from tests.integrations import test_aiohttp as with_aiohttp
from tests.integrations import test_fastapi as with_fastapi
from tests.integrations.shops import SECRET
from voucherify_async.emulator import Emulator, Fault
from voucherify_async.webhooks import SIGNATURE_HEADER, sign


@pytest.fixture(params=["fastapi", "aiohttp"])
async def caller(request: pytest.FixtureRequest, emulator: Emulator) -> AsyncIterator[aiohttp.ClientSession]:
    """Somebody who calls the application."""
    serving = (
        with_fastapi.serving(with_fastapi.application(emulator))
        if request.param == "fastapi"
        else with_aiohttp.serving(with_aiohttp.application(emulator))
    )
    async with serving as caller:
        yield caller


class TestErrors:
    async def test_what_is_not_there(self, caller: aiohttp.ClientSession) -> None:
        async with caller.get("/orders/web-9") as answer:
            assert (answer.status, answer.content_type) == (404, "application/problem+json")
            assert await answer.json() == {"type": "about:blank", "title": "Not Found", "status": 404}

    async def test_a_service_that_may_have_done_it(self, caller: aiohttp.ClientSession, emulator: Emulator) -> None:
        emulator.faults.add(Fault("status", status=503, headers={"Retry-After": "7"}, body="<b>of theirs</b>"))
        async with caller.post("/orders") as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (502, "7")
            assert await answer.json() == {
                "type": "about:blank",
                "title": "Bad Gateway",
                "status": 502,
                "outcome_unknown": True,
            }

    async def test_a_mistake_stays_one(self, caller: aiohttp.ClientSession) -> None:
        async with caller.get("/mistake") as answer:
            assert answer.status == 500
            assert "limit" not in await answer.text()


class TestExports:
    async def test_rows_are_lines(
        self, caller: aiohttp.ClientSession, emulator: Emulator, stored: set[str]
    ) -> None:
        async with caller.get("/export") as answer:
            assert (answer.status, answer.content_type) == (200, "application/x-ndjson")
            lines = (await answer.text()).splitlines()
        assert len(lines) == len(stored)
        assert {json.loads(line)["source_id"] for line in lines} == stored
        assert emulator.effects.handled["DELETE", "/v1/exports/*"] == 1

    async def test_a_failure_ahead_of_the_rows_has_a_status(
        self, caller: aiohttp.ClientSession, emulator: Emulator
    ) -> None:
        emulator.export_seconds = 0
        emulator.fail_next_export()
        async with caller.get("/export") as answer:
            assert (answer.status, answer.content_type) == (502, "application/problem+json")

    @pytest.mark.usefixtures("stored")
    async def test_a_failure_among_the_rows_does_not_look_whole(
        self, caller: aiohttp.ClientSession, emulator: Emulator
    ) -> None:
        emulator.faults.add(Fault("truncated", method="GET", path="/v1/exports/*", skip=1, times=None))
        async with caller.get("/export") as answer:
            assert answer.status == 200
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.read()
        assert emulator.effects.handled["DELETE", "/v1/exports/*"] == 1


class TestWebhooks:
    async def post(self, caller: aiohttp.ClientSession, payload: bytes, signature: str | None) -> tuple[int, bytes]:
        headers = {} if signature is None else {SIGNATURE_HEADER: signature}
        async with caller.post("/hook", data=BytesIO(payload), headers=headers) as answer:
            return answer.status, await answer.read()

    async def test_a_signed_one(self, caller: aiohttp.ClientSession) -> None:
        payload = b'{"type": "customer.created"}'
        assert await self.post(caller, payload, sign(payload, SECRET)) == (200, b'"customer.created"')

    @pytest.mark.parametrize("signature", [None, "0" * 64, "é"])
    async def test_a_forged_one(self, caller: aiohttp.ClientSession, signature: str | None) -> None:
        assert (await self.post(caller, b"{}", signature))[0] == 401

    @pytest.mark.parametrize("payload", [b"no JSON", b" " * (1024 * 1024 + 1)], ids=["odd", "long"])
    async def test_one_that_is_none(self, caller: aiohttp.ClientSession, payload: bytes) -> None:
        assert (await self.post(caller, payload, sign(payload, SECRET)))[0] == 400
