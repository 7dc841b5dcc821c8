"""How aiohttp's exceptions are judged: pure."""

import ssl
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from voucherify_async import ConnectError, RequestTimeoutError
from voucherify_async.call import Call, any_json, never
from voucherify_async.outcome import Answer, broken, refused
from voucherify_async.retry import Fault

CALL: Call[Any] = Call("POST", "/v1/orders", any_json)
KEY: Any = SimpleNamespace(host="h", port=443, ssl=True, is_ssl=True)
REQUEST = aiohttp.RequestInfo(
    URL("https://user:hush@h/x?token=hush"), "GET", CIMultiDictProxy(CIMultiDict({"X-App-Token": "hush"}))
)


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (aiohttp.ClientConnectorError(KEY, OSError(111, "Connection refused")), Fault.NOT_DONE),
        (aiohttp.ClientConnectorDNSError(KEY, OSError(-2, "Name or service not known")), Fault.NOT_DONE),
        (aiohttp.ConnectionTimeoutError("Connection timeout"), Fault.NOT_DONE),
        (aiohttp.ClientHttpProxyError(REQUEST, (), status=502, message="Proxy"), Fault.NOT_DONE),
        (aiohttp.ClientHttpProxyError(REQUEST, (), status=407, message="Proxy"), Fault.FINAL),
        (aiohttp.ClientConnectorCertificateError(KEY, ssl.CertificateError("self-signed")), Fault.FINAL),
        (aiohttp.ServerDisconnectedError(), Fault.MAYBE_DONE),
        (aiohttp.SocketTimeoutError("Timeout on reading"), Fault.MAYBE_DONE),
        (aiohttp.ClientPayloadError("Response payload is not completed"), Fault.MAYBE_DONE),
        (aiohttp.ClientResponseError(REQUEST, (), status=400, message="Bad\n  line"), Fault.MAYBE_DONE),
        (ConnectionResetError("reset"), Fault.MAYBE_DONE),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_may_have_been_done(error: Exception, fault: Fault) -> None:
    failed = broken(CALL, error, 2)
    assert failed.fault is fault
    assert isinstance(failed.error, RequestTimeoutError if isinstance(error, TimeoutError) else ConnectError)
    assert (failed.error.attempts, failed.error.method, failed.error.path) == (2, "POST", "/v1/orders")
    assert failed.error.__cause__ is None
    assert type(error).__name__ in str(failed.error)
    assert "hush" not in str(failed.error)
    assert "\n" not in str(failed.error)


def test_an_address_with_a_token_is_not_told() -> None:
    url = "https://h/x?token=hush"
    call: Call[Any] = Call("GET", "/x", never, url=url, streamed=True)
    assert "hush" not in str(broken(call, aiohttp.InvalidURL(url), 1).error)


@pytest.mark.parametrize("url", ["https://h/x?token=hush", "https://h?token=hush", "https://h/x?token=hush#f"])
def test_a_query_is_not_told_in_whatever_spelling_aiohttp_tells_it(url: str) -> None:
    shown = URL(url, encoded=True).with_fragment(None)
    error = aiohttp.ConnectionTimeoutError(f"Connection timeout to host {shown}")
    for given in (url, None):  # a download's, and one that a call of the API makes of its path and query
        call: Call[Any] = Call("GET", "/x", never, query="token=hush", url=given)
        assert "hush" not in str(broken(call, error, 1).error)


def test_what_is_not_about_the_network_stays_what_it_is() -> None:
    with pytest.raises(RuntimeError, match="a mistake"):
        broken(CALL, RuntimeError("a mistake"), 1)


OF_THE_CYCLE = [(429, Fault.FINAL), (500, Fault.MAYBE_DONE), (408, Fault.MAYBE_DONE)]


@pytest.mark.parametrize(("status", "fault"), OF_THE_CYCLE)
def test_the_type_of_a_limit_says_something_of_a_429_alone(status: int, fault: Fault) -> None:
    answer = Answer(status, {"X-Rate-Limit-Type": "api_calls_cycle"}, b"{}")
    assert refused(CALL, answer, 1, 0.0).fault is fault
