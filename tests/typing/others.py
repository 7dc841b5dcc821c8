"""The other resources, and endpoints that have no method."""

import datetime
from typing import Any, assert_type

import msgspec

from voucherify_async import (
    ApiResponse,
    AsyncAction,
    AsyncActionPage,
    Export,
    ExportPage,
    OAuthToken,
    TokenIntrospection,
    VoucherifyClient,
)


class Voucher(msgspec.Struct):
    code: str


async def async_actions(client: VoucherifyClient, now: datetime.datetime) -> None:
    assert_type(await client.async_actions.get("aa_1"), AsyncAction)
    page = await client.async_actions.list(limit=1, end_date=now)
    assert_type(page, AsyncActionPage)
    assert_type(page.async_actions, list[AsyncAction])
    assert_type(await client.async_actions.with_http_info.get("aa_1"), ApiResponse[AsyncAction])
    assert_type(await client.async_actions.with_http_info.list(limit=1), ApiResponse[AsyncActionPage])
    await client.async_actions.list(end_date="2026-01-01")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


async def exports(client: VoucherifyClient) -> None:
    assert_type(await client.exports.get("exp_1"), Export)
    page = await client.exports.list(limit=1, page=1, order="-created_at")
    assert_type(page, ExportPage)
    assert_type(page.exports, list[Export])
    await client.exports.delete("exp_1")
    assert_type(await client.exports.with_http_info.get("exp_1"), ApiResponse[Export])
    assert_type(await client.exports.with_http_info.list(page=2), ApiResponse[ExportPage])
    assert_type(await client.exports.with_http_info.delete("exp_1"), ApiResponse[None])
    await client.exports.list(order="id")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    gone = await client.exports.delete("exp_1")  # type: ignore[func-returns-value]
    assert_type(gone, None)


async def oauth(client: VoucherifyClient) -> None:
    token = await client.oauth.generate(scope="api orders")
    assert_type(token, OAuthToken)
    assert_type(token.access_token, str)
    assert_type((await client.oauth.introspect("t")).active, bool)
    await client.oauth.revoke(token.access_token)
    assert_type(await client.oauth.with_http_info.generate(), ApiResponse[OAuthToken])
    assert_type(await client.oauth.with_http_info.introspect("t"), ApiResponse[TokenIntrospection])
    assert_type(await client.oauth.with_http_info.revoke("t"), ApiResponse[None])
    await client.oauth.revoke(token)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


async def any_endpoint(client: VoucherifyClient) -> None:
    assert_type(await client.request("GET", "/v1/vouchers/x", decode=Voucher), Voucher)
    assert_type(await client.request("GET", "/v1/vouchers/x", decode=list[Voucher]), list[Voucher])
    assert_type(await client.request("POST", "/v1/vouchers", body={"code": "x"}, query={"a": 1, "b": None}), Any)
    await client.request("GET")  # type: ignore[call-overload] # pyright: ignore[reportCallIssue]
    await client.request("GET", "/", query={"a": [1]})  # type: ignore[dict-item] # pyright: ignore[reportArgumentType]
