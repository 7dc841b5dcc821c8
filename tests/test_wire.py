"""The pure rules of the wire."""

import datetime
import json
from email.utils import format_datetime, formatdate

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voucherify_async import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ConflictError,
    LockedError,
    NotFoundError,
    PaymentRequiredError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
)
from voucherify_async.call import Call, any_json
from voucherify_async.urls import (
    checked_base_url,
    checked_download_url,
    checked_path,
    may_carry_keys,
    query_string,
    without_query,
)
from voucherify_async.wire import asked_wait, decode_error, error_of_answer, is_success, service_time

NOW = 1_800_000_000.0
CALL: Call[object] = Call("GET", "/v1/orders/o-1", any_json)


def error_for(status: int, body: bytes, headers: dict[str, str] | None = None) -> ApiError:
    return error_of_answer(CALL, status, headers or {}, body, now=NOW, attempts=2)


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://api.voucherify.io", "https://api.voucherify.io"),
        ("https://api.voucherify.io/", "https://api.voucherify.io"),
        ("https://gateway.example/shop/voucherify/", "https://gateway.example/shop/voucherify"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://localhost", "http://localhost"),
        ("http://127.8.9.10", "http://127.8.9.10"),
        ("https://voucherify_gateway.internal.", "https://voucherify_gateway.internal."),
    ],
)
def test_base_urls(url: str, base: str) -> None:
    assert checked_base_url(url, allow_plain_http=False) == base


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.voucherify.io",
        "ftp://api.voucherify.io",
        "https://",
        "https://user:password@api.voucherify.io",
        "https://api.voucherify.io?x=1",
        "https://api.voucherify.io#x",
        "https://api.voucherify.io:99999",
        "http://[::1",
        "http://api.voucherify.io",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "http://notlocalhost",
        "http://shop.localhost",
        "http://.localhost",
        "http://evil.example;.localhost",
        "https://a..b",
        "https://-a.example",
        f"https://{'a' * 64}.example",
        "https://x\\.example",
        "https://h?",
        "https://h#",
        "https://h/a b",
        "https://h/a\r\nX-Evil: 1",
    ],
)
def test_bad_base_urls(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^base_url"):
        checked_base_url(url, allow_plain_http=False)


def test_plain_http_can_be_asked_for_by_name() -> None:
    assert checked_base_url("http://voucherify.internal", allow_plain_http=True) == "http://voucherify.internal"


@pytest.mark.parametrize(
    ("base", "url", "may"),
    [
        ("https://api.voucherify.io", "https://download.voucherify.io/v1/exports/e?token=t", True),
        ("https://us1.api.voucherify.io", "https://us1.download.voucherify.io/x", True),
        ("https://shop.api.voucherify.io", "https://shop.download.voucherify.io/x", True),
        ("https://api.voucherify.io", "https://api.voucherify.io:443/x", True),
        ("https://gateway.example/v", "https://gateway.example/other", True),
        ("https://api.voucherify.io", "https://us1.download.voucherify.io/x", False),
        ("https://api.voucherify.io", "http://download.voucherify.io/x", False),
        ("https://api.voucherify.io", "http://download.voucherify.io:443/x", False),
        ("https://api.voucherify.io", "https://download.voucherify.io:8443/x", False),
        ("https://api.voucherify.io", "https://download.voucherify.io.evil.example/x", False),
        ("https://gateway.example", "https://download.voucherify.io/x", False),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8081/x", False),
    ],
)
def test_keys_go_to_their_own_hosts_alone(base: str, url: str, may: bool) -> None:
    assert may_carry_keys(base, url) is may


@pytest.mark.parametrize(
    ("path", "sent"),
    [("/v1/vouchers", "/v1/vouchers"), ("/v1/vouchers/a b", "/v1/vouchers/a%20b"), ("/v1/x/a%2Fb", "/v1/x/a%2Fb")],
)
def test_paths_of_users(path: str, sent: str) -> None:
    assert checked_path(path) == sent


BAD_PATHS = [
    *("", 5, "v1/orders", "//evil.example/v1", "https://evil.example/", "/v1/orders?limit=1", "/v1/#x"),
    *("/v1/../x", "/v1/%2e%2E/x", "/v1/100%", "/v1/\ud800"),
]


@pytest.mark.parametrize("path", BAD_PATHS)
def test_bad_paths_of_users(path: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^path"):
        checked_path(path)


def test_query_strings() -> None:
    assert query_string({"a": 1, "b": None, "c": "x y&z", "d": True, "e": "2026-01-01T00:00:00.000Z"}) == (
        "a=1&c=x%20y%26z&d=true&e=2026-01-01T00%3A00%3A00.000Z"
    )


def test_a_token_in_a_url_is_not_shown() -> None:
    assert without_query("https://h/x?token=secret") == "https://h/x?..."
    assert without_query("https://h/x") == "https://h/x"


def http_date(offset: float) -> str:
    return format_datetime(datetime.datetime.fromtimestamp(NOW + offset, datetime.UTC), usegmt=True)


@pytest.mark.parametrize(
    ("status", "headers", "wait"),
    [
        (429, {"Retry-After": "7"}, 7.0),
        (503, {"Retry-After": "1.5"}, 1.5),
        (429, {"Retry-After": "-5"}, 0.0),
        (429, {"Retry-After": http_date(30)}, 30.0),
        (429, {"Retry-After": http_date(-30)}, 0.0),
        (429, {"Retry-After": "soon"}, None),
        (429, {"Retry-After": "nan"}, None),
        (429, {"Retry-After": "inf"}, None),
        (429, {"X-Rate-Limit-Retry": str(int(NOW) + 20)}, 20.0),
        (429, {"Retry-After": "3", "X-Rate-Limit-Retry": str(int(NOW) + 20)}, 3.0),
        (429, {"Retry-After": "soon", "X-Rate-Limit-Retry": str(int(NOW) + 20)}, 20.0),
        (429, {"X-Rate-Limit-Retry": "x"}, None),
        # Every answer names the moment of the next request; only after a 429 is it one to wait for.
        (500, {"X-Rate-Limit-Retry": str(int(NOW) + 20)}, None),
        (429, {}, None),
    ],
)
def test_how_long_the_service_asks_to_wait(status: int, headers: dict[str, str], wait: float | None) -> None:
    assert asked_wait(status, headers, NOW) == wait


@given(st.text(max_size=20), st.sampled_from([200, 429, 503]))
def test_no_header_breaks_the_reading_of_waits(text: str, status: int) -> None:
    wait = asked_wait(status, {"Retry-After": text, "X-Rate-Limit-Retry": text}, NOW)
    assert wait is None or wait >= 0


def test_an_error_body_in_full() -> None:
    body = {
        "code": 409,
        "key": "k",
        "message": "m",
        "details": "d",
        "request_id": "v-1",
        "resource_id": "r",
        "resource_type": "order",
    }
    error = error_for(409, json.dumps(body).encode())
    assert {name: getattr(error, name) for name in body} == body
    assert (error.status, error.attempts, error.method, error.path) == (409, 2, "GET", "/v1/orders/o-1")


def test_the_message_of_a_validation_rule_is_read() -> None:
    assert error_for(400, b'{"code":400,"error":{"message":"Sold out"}}').message == "Sold out"
    both = error_for(400, b'{"code":400,"message":"Invalid","error":{"message":"Sold out"}}')
    assert both.message == "Invalid: Sold out"


def test_details_that_are_no_string_are_kept_as_json() -> None:
    assert error_for(400, b'{"code":400,"details":["a",{"b":1}]}').details == '["a",{"b":1}]'


def test_an_error_carries_no_download_token() -> None:
    headers = {"Location": "https://h/x?token=hush", "Set-Cookie": "s=hush"}
    error = error_for(
        302,
        b'{"url":"https://h/x?token=hush","b":"/y?a=1&token=hush","c":"/y?a=1\\u0026token=hush\\u003Ftoken=hush"}',
        headers,
    )
    assert "hush" not in f"{error}{error.body!r}{error.headers!r}"
    assert error.headers["location"] == "https://h/x?..."


@pytest.mark.parametrize("value", [[1], {"a": 1}, b"x", "\ud800"])
def test_a_bad_query_is_named(value: object) -> None:
    with pytest.raises(ConfigurationError, match=r"^query"):
        query_string({"a": value})  # type: ignore[dict-item]


def test_a_rate_limit_says_how_long_and_which() -> None:
    error = error_for(429, b"{}", {"Retry-After": "7", "X-Rate-Limit-Type": "api_calls"})
    assert isinstance(error, RateLimitError)
    assert (error.retry_after, error.limit_type) == (7.0, "api_calls")
    assert "again in 7.0 s" in str(error)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequestError),
        (401, AuthenticationError),
        (402, PaymentRequiredError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (409, ConflictError),
        (423, LockedError),
        (429, RateLimitError),
        (500, ServerError),
    ],
)
def test_each_status_has_its_error(status: int, kind: type[ApiError]) -> None:
    assert type(error_for(status, b"")) is kind


def test_other_statuses() -> None:
    assert type(error_for(418, b"")) is ApiError
    assert type(error_for(599, b"")) is ServerError
    redirect = error_for(302, b"")
    assert type(redirect) is ApiError
    assert "redirect" in str(redirect)


@given(
    st.one_of(
        st.binary(max_size=60),
        st.builds(
            lambda x: json.dumps(x).encode(),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.text(max_size=5),
                lambda inner: (
                    st.lists(inner, max_size=3)
                    | st.dictionaries(
                        st.sampled_from(["code", "key", "message", "details", "error", "request_id"]),
                        inner,
                        max_size=4,
                    )
                ),
            ),
        ),
    )
)
def test_any_error_body_makes_an_error(body: bytes) -> None:
    error = error_for(502, body)
    assert error.body == body
    assert error.code is None or type(error.code) is int
    for name in ("key", "message", "details", "request_id", "resource_id", "resource_type"):
        assert isinstance(getattr(error, name), str | None)
    assert "502" in str(error)


def test_an_error_that_could_hold_a_token_does_not_carry_its_body() -> None:
    call: Call[object] = Call("POST", "/v1/oauth/token", any_json, withhold_body=True)
    error = error_of_answer(call, 400, {}, b"secret", now=NOW, attempts=1)
    assert error.body == b""
    misfit = decode_error(call, "x", 200, {}, b"secret", attempts=1)
    assert misfit.body == b""


def test_a_misfit_names_its_place() -> None:
    class Thing(msgspec.Struct):
        amount: int

    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(b'[{"amount":"x"}]', type=list[Thing])
    misfit = decode_error(CALL, str(caught.value), 200, {"X-Request-Id": "v-1"}, b"body", attempts=3)
    assert misfit.json_path == "$[0].amount"
    assert (misfit.body, misfit.status, misfit.request_id, misfit.attempts) == (b"body", 200, "v-1", 3)
    assert "Expected `int`, got `str` at $[0].amount" in str(misfit)
    assert decode_error(CALL, "JSON is malformed", 200, {}, b"", attempts=1).json_path == "$"


@pytest.mark.parametrize(
    ("date", "time"),
    [
        (None, NOW),
        ("no date", NOW),
        (formatdate(NOW, usegmt=True), NOW),
        (formatdate(NOW - 1, usegmt=True), NOW),
        (formatdate(NOW - 30, usegmt=True), NOW - 30),
        (formatdate(NOW + 3600, usegmt=True), NOW + 3600),
    ],
)
def test_the_services_clock_is_believed_where_ours_is_off(date: str | None, time: float) -> None:
    headers = {} if date is None else {"Date": date}
    assert service_time(headers, NOW) == time
    assert asked_wait(429, {**headers, "X-Rate-Limit-Retry": str(time + 7)}, NOW) == 7
    later = formatdate(time + 7, usegmt=True)
    assert asked_wait(503, {**headers, "Retry-After": later}, NOW) == 7


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://user:hush@h/x?token=hush",
        "http://h/x?token=hush",
        "https://a..b/x?token=hush",
        "ftp://h/x?token=hush",
        "https://[::1/x?token=hush",
        "https://h/\xe9?token=hush",
    ],
)
def test_files_are_fetched_from_nowhere_odd(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^url") as caught:
        checked_download_url(url, allow_plain_http=False)
    assert "hush" not in str(caught.value)


def test_a_wait_that_is_absurdly_long_is_one_all_the_same() -> None:
    assert asked_wait(503, {"Retry-After": "1e13"}, NOW) == 1e13
    assert asked_wait(429, {"Retry-After": "inf", "X-Rate-Limit-Retry": "1.8e12"}, NOW) is None  # milliseconds


@pytest.mark.parametrize(
    ("status", "success"), [(199, False), (200, True), (204, True), (206, False), (300, False)]
)
def test_which_answers_are_what_was_asked_for(status: int, success: bool) -> None:
    assert is_success(status) == success


def test_the_token_of_an_address_that_a_message_tells_is_taken_out() -> None:
    body = b'{"message":"gone: https://h/x?token=hush","details":"https://h/x?a=1\\u0026token=hush"}'
    error = error_for(404, body)
    assert error.message == "gone: https://h/x?token=..."
    assert "hush" not in f"{error} {error.details} {error.body!r}"
