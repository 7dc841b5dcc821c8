"""The watch over secrets sees what it should. What is let out here on purpose, an inner watch alone hears."""

import asyncio
import inspect
import logging
import warnings
from collections.abc import Awaitable, Callable

import pytest

from tests.fakes import FakeClock, raw_server
from tests.secretwatch import SecretWatch
from voucherify_async import OAuthAuth, RetryPolicy, VoucherifyClient, VoucherifyError
from voucherify_async.auth import Signature, SignedHeaders
from voucherify_async.call import ApiResponse, Call, any_json
from voucherify_async.emulator import Emulator
from voucherify_async.models.jobs import ExportFile
from voucherify_async.session import SessionManager

pytest_plugins = ["pytester"]

KEY = "a-key-of-a-test"


def _headers() -> SignedHeaders:
    return SignedHeaders({"X-App-Id": "some-id", "X-App-Token": f"Prefix {KEY}"})


async def _log() -> None:
    logging.getLogger("asyncio").debug("signed with %s", dict(_headers()))


async def _log_before_it_is_known() -> None:
    logging.getLogger("aiohttp.server").info(KEY)
    _headers()


async def _log_an_exception() -> None:
    try:
        raise KeyError(_headers()["X-App-Token"])
    except KeyError:
        logging.getLogger("voucherify_async").exception("it failed")


async def _warning() -> None:
    with pytest.warns(UserWarning, match=KEY):
        warnings.warn(f"{dict(_headers())}", stacklevel=1)


@pytest.mark.parametrize(
    ("leak", "where"),
    [
        (_log, "a log record of asyncio"),
        (_log_before_it_is_known, "a log record of aiohttp.server"),
        (_log_an_exception, "a log record of voucherify_async"),
        (_warning, "a UserWarning"),
    ],
)
async def test_what_is_logged_is_searched(leak: Callable[[], Awaitable[None]], where: str) -> None:
    with SecretWatch() as watch:
        await leak()
    assert f"the value of X-App-Token shows in {where}" in watch.leaks()
    assert KEY not in "".join(watch.leaks())


class LeakyError(VoucherifyError):
    """Has a key in its attributes alone."""

    def __init__(self) -> None:
        super().__init__("it failed")
        self.headers = dict(_headers())


class LeakyLimiter:
    """Has a key among the variables of a frame."""

    def __init__(self, error: type[Exception]) -> None:
        self._error = error

    async def acquire(self, max_wait: float) -> None:
        raise self._error

    def observe(self, status: int | None, headers: object) -> None:
        pass


@pytest.mark.parametrize("caught", ["by pytest.raises", "by a task"])
async def test_an_error_that_leaves_the_client_is_searched(emulator: Emulator, caught: str) -> None:
    with SecretWatch() as watch:
        async with emulator.client(rate_limiter=LeakyLimiter(LeakyError)) as client:
            if caught == "by a task":
                await asyncio.gather(client.orders.list(), return_exceptions=True)
            else:
                with pytest.raises(LeakyError):
                    await client.orders.list()
    found = [f"the value of X-App-Token shows in {what} of LeakyError" for what in ("the pickle", "vars()")]
    assert watch.leaks() == found


async def test_the_variables_of_frames_are_searched(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Signature, "__repr__", lambda signature: repr(dict(signature.headers)))
    monkeypatch.setattr(Signature, "__rich_repr__", lambda signature: [*signature.headers.items()], raising=False)
    with SecretWatch() as watch:
        async with emulator.client() as client:
            with pytest.raises(VoucherifyError):
                await client.orders.get("ord_none")
    places = [leak.partition(" shows in the traceback of NotFoundError, ")[2] for leak in watch.leaks()]
    assert any(place.endswith("signed") for place in places)
    assert any(place.endswith("signed by rich") for place in places)
    assert not any("tests" in place for place in places)


async def test_causes_are_searched(clock: FakeClock) -> None:
    with SecretWatch() as watch:
        try:
            try:
                raise KeyError(_headers()["X-App-Token"])
            except KeyError as error:
                raise ValueError("it failed") from error
        except ValueError as error:
            watch.hear_error(error)
    found = {f"the value of X-App-Token shows in {what} of KeyError" for what in ("repr()", "str()", "the pickle")}
    assert set(watch.leaks()) == found


async def test_what_passes_by_is_searched(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ApiResponse, "__repr__", lambda answer: f"{answer.body!r}")
    monkeypatch.setattr(ExportFile, "__rich_repr__", lambda file: [("url", file.url)])
    monkeypatch.setattr(SessionManager, "__repr__", lambda manager: f"{dict(manager._auth._keys._headers)}")
    with SecretWatch() as watch:
        auth = OAuthAuth(emulator.app_id, emulator.app_token)
        async with emulator.client(auth=auth) as client:
            await (await client.orders.create_export())
    assert {
        "a token of an answer shows in repr() of ApiResponse",
        "a token of an answer shows in Export by rich",
        "the value of Authorization shows in repr() of ApiResponse",
        "the value of X-App-Token shows in repr() of SessionManager",
    } <= set(watch.leaks())


async def test_tokens_of_the_emulator_are_known() -> None:
    with SecretWatch() as watch:
        async with Emulator() as emulator, emulator.client() as client:
            token = (await client.oauth.generate()).access_token
            job = await client.orders.create_export()
            file = (await job).result
    assert file is not None
    assert watch.leaks() == []
    for secret in (emulator.app_token, token, file.url or ""):
        watch.hear("the test", secret)
    whose = {leak.partition(" shows in the test")[0] for leak in watch.leaks()}
    assert whose == {"the value of X-App-Token", "a token of an answer"}


async def test_it_changes_nothing() -> None:
    send, handlers = inspect.unwrap(SessionManager.send), list(logging.root.handlers)
    with SecretWatch():
        assert SessionManager.send is not send
        async with raw_server(None) as server:
            retry = RetryPolicy(max_attempts=1)
            async with VoucherifyClient("i", "t", base_url=server.url, retry=retry) as client:
                with pytest.raises(VoucherifyError) as caught:
                    await client.orders.list()
        assert caught.value.__cause__ is None
    assert inspect.unwrap(SessionManager.send) is send
    assert len(logging.root.handlers) == len(handlers)


def test_it_fails_the_test_that_leaks(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    pytester.makeconftest("from tests.conftest import secret_watch")
    pytester.makepyfile("""
        import logging
        from voucherify_async import VoucherifyClient

        def test_leaky():
            VoucherifyClient("an-id", "the" + "-secret-" + "key")
            logging.getLogger("shop").debug("the-secret-key"[:])

        def test_tight():
            VoucherifyClient("an-id", "the-secret-key")
    """)
    outcome = pytester.runpytest_inprocess("--show-capture=no")
    outcome.assert_outcomes(passed=2, errors=1)
    outcome.stdout.fnmatch_lines(["*ERROR at teardown of test_leaky*", "the value of X-App-Token shows in a log*"])
    assert "the-secret-key" not in outcome.stdout.str()


@pytest.mark.parametrize("keep_body", [False, True])
async def test_who_does_not_ask_for_the_body_is_given_none_by_the_watch(
    client: VoucherifyClient, keep_body: bool
) -> None:
    response = await client._session.send(Call("GET", "/v1/orders", any_json, keep_body=keep_body))
    assert bool(response.body) == keep_body
