"""OAuth: a token is made, used, looked at and revoked."""

from __future__ import annotations

from tests.live.service import Service
from voucherify_async import BearerAuth


async def test_a_token_from_its_beginning_to_its_end(service: Service) -> None:
    oauth = service.client.oauth
    token = await service.answer("oauth.generate", oauth.with_http_info.generate(scope="orders async-actions"))
    service.token(token.access_token)
    service.note("seconds that a token holds", token.expires_in)
    service.note("scope of a token", token.scope)
    shown = await service.answer("oauth.introspect", oauth.with_http_info.introspect(token.access_token))
    assert shown.active
    async with service.signed_by(BearerAuth(token.access_token)) as client:
        assert (await client.orders.list(limit=1)).orders is not None
        await service.refusal("exports.list without its scope", client.exports.list(limit=1), 401, 403)
    await oauth.revoke(token.access_token)
    service.traces.forget_token(token.access_token)
    shown = await service.answer("oauth.introspect", oauth.with_http_info.introspect(token.access_token))
    assert not shown.active
    await service.refusal("oauth.revoke", oauth.revoke(token.access_token), 404)


async def test_a_scope_that_does_not_exist(service: Service) -> None:
    await service.refusal("oauth.generate", service.client.oauth.generate(scope="colours"), 400)
