"""FastAPI: the lifespan, the dependency and what goes otherwise than in aiohttp.web, by real connections."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Any

import aiohttp
import pytest
import uvicorn
from fastapi import Depends, FastAPI, Request, WebSocket
from fastapi.responses import PlainTextResponse

from tests.fakes import until
from tests.integrations.shops import SECRET
from voucherify_async import (
    ClientClosedError,
    ConfigurationError,
    NewOrder,
    NotFoundError,
    RetryPolicy,
    VoucherifyClient,
)
from voucherify_async.emulator import Emulator, Fault
from voucherify_async.integrations.fastapi import (
    OrderRowsResponse,
    VoucherifyDep,
    add_error_handlers,
    voucherify_client,
    voucherify_lifespan,
    webhook_event,
)
from voucherify_async.webhooks import WebhookEvent, WebhookReceiver


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[aiohttp.ClientSession]:
    """The application under uvicorn, and somebody who calls it."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="on", log_config=None))
    task = asyncio.create_task(server.serve())
    try:
        await until(lambda: server.started or task.done(), lambda: asyncio.sleep(0.001))
        (listening,) = server.servers
        port = listening.sockets[0].getsockname()[1]
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            yield session
    finally:
        server.should_exit = True
        await task


def application(emulator: Emulator) -> FastAPI:
    """One with the endpoints that the tests call, those of `test_answers.py` too."""
    make_client = partial(emulator.client, retry=RetryPolicy(max_attempts=1))
    app = FastAPI(lifespan=partial(voucherify_lifespan, make_client=make_client))
    add_error_handlers(app)

    @app.get("/orders/{number}")
    async def order(number: str, client: VoucherifyDep) -> dict[str, Any]:
        return {"amount": (await client.orders.get(number)).amount}

    @app.post("/orders")
    async def create(client: Annotated[VoucherifyClient, Depends(voucherify_client)]) -> None:
        await client.orders.create(NewOrder(amount=1))

    @app.get("/mistake")
    async def mistake(client: VoucherifyDep) -> None:
        await client.orders.list(limit=0)

    @app.get("/export")
    async def export(client: VoucherifyDep) -> OrderRowsResponse:
        return OrderRowsResponse(client.orders.export_rows(fields=["source_id"], delete=True))

    @app.post("/hook")
    async def hook(event: Annotated[WebhookEvent, Depends(webhook_event(WebhookReceiver(SECRET)))]) -> str:
        return event.type

    return app


@pytest.fixture
def app(emulator: Emulator) -> FastAPI:
    return application(emulator)


async def test_the_client_lives_as_long_as_the_application(emulator: Emulator) -> None:
    clients: list[VoucherifyClient] = []

    def make_client() -> VoucherifyClient:
        clients.append(emulator.client())
        return clients[-1]

    app = FastAPI(lifespan=partial(voucherify_lifespan, make_client=make_client))

    @app.get("/")
    async def total(client: VoucherifyDep) -> int | None:
        assert client is clients[0]
        return (await client.orders.list()).total

    async with serving(app) as caller, caller.get("/") as answer:
        assert await answer.json() == 0
    assert len(clients) == 1
    with pytest.raises(ClientClosedError):
        await clients[0].orders.list()


async def test_by_itself_it_takes_the_environment(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOUCHERIFY_APP_ID", emulator.app_id)
    monkeypatch.setenv("VOUCHERIFY_APP_TOKEN", emulator.app_token)
    monkeypatch.setenv("VOUCHERIFY_BASE_URL", emulator.url)
    async with voucherify_lifespan(FastAPI()) as state:
        assert (await state["voucherify"].orders.list()).total == 0
    monkeypatch.delenv("VOUCHERIFY_APP_TOKEN")
    with pytest.raises(ConfigurationError, match="VOUCHERIFY_APP_TOKEN is not set"):
        async with voucherify_lifespan(FastAPI()):
            raise AssertionError("it has no keys")


async def test_within_another_lifespan_and_a_mounted_application(emulator: Emulator) -> None:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with voucherify_lifespan(app, make_client=emulator.client) as state:
            yield {**state, "database": "mine"}

    app, mounted = FastAPI(lifespan=lifespan), FastAPI()
    app.mount("/below", mounted)

    @mounted.get("/")
    async def total(request: Request, client: VoucherifyDep) -> list[Any]:
        return [request.state.database, (await client.orders.list()).total]

    async with serving(app) as caller, caller.get("/below/") as answer:
        assert await answer.json() == ["mine", 0]


async def test_a_websocket_has_the_client_too_and_its_errors_no_status(emulator: Emulator) -> None:
    app = FastAPI()
    add_error_handlers(app)

    @app.websocket("/")
    async def total(socket: WebSocket, client: VoucherifyDep) -> None:
        await socket.accept()
        await socket.send_json((await client.orders.list()).total)
        await client.orders.get("web-9")

    coming = [{"type": "websocket.connect"}]
    sent: list[Any] = []

    async def receive() -> Any:
        return coming.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    async with emulator.client() as client:
        scope: dict[str, Any] = {"type": "websocket", "path": "/", "headers": [], "query_string": b""}
        with pytest.raises(NotFoundError):
            await app({**scope, "subprotocols": [], "state": {"voucherify": client}}, receive, send)
    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.send"]
    assert sent[1]["text"] == "0"


async def test_another_client_in_its_place(app: FastAPI, emulator: Emulator) -> None:
    async with Emulator() as other, other.client() as client:
        await client.orders.create(NewOrder(source_id="web-1", amount=7))
        app.dependency_overrides[voucherify_client] = lambda: client
        async with serving(app) as caller, caller.get("/orders/web-1") as answer:
            assert await answer.json() == {"amount": 7}
    assert emulator.requests == []


async def test_without_a_lifespan_it_says_what_is_missing() -> None:
    app = FastAPI()

    @app.get("/")
    async def unused(client: VoucherifyDep) -> None: ...

    @app.exception_handler(ConfigurationError)
    async def show(_: Request, error: Exception) -> PlainTextResponse:
        return PlainTextResponse(str(error), 500)

    async with serving(app) as caller, caller.get("/") as answer:
        assert await answer.text() == "lifespan: has no client: use voucherify_lifespan, and yield its state"


async def test_a_handler_of_ones_own_goes_before(app: FastAPI) -> None:
    @app.exception_handler(NotFoundError)
    async def gone(_: Request, error: Exception) -> PlainTextResponse:
        return PlainTextResponse("never heard of it", 410)

    add_error_handlers(app)
    async with serving(app) as caller, caller.get("/orders/web-9") as answer:
        assert (answer.status, await answer.text()) == (410, "never heard of it")


@pytest.mark.usefixtures("stored")
async def test_rows_are_closed_when_the_caller_goes_away(app: FastAPI, emulator: Emulator) -> None:
    emulator.faults.add(Fault("drip", method="GET", path="/v1/exports/*", skip=1, delay=60))
    async with serving(app) as caller:
        async with caller.get("/export") as answer:
            answer.close()
        assert len(emulator.faults) == 0, "the rows were on their way"
        await until(lambda: emulator.effects.handled["DELETE", "/v1/exports/*"] == 1, lambda: asyncio.sleep(0.001))
