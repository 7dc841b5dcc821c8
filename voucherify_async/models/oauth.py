"""OAuth tokens (OpenAPI v2018-08-01, oauth.json)."""

from collections.abc import Iterator

from voucherify_async.secretive import NeverPickled


class OAuthToken(NeverPickled, frozen=True, kw_only=True, gc=False):
    """A bearer token and what is known of it. It does not show the token, and is not pickled.

    Attributes:
        access_token: for the header `Authorization: Bearer ...`.
        client_id: who it was made for.
        expires_at: Unix seconds.
        expires_in: seconds from when it was made; the service's documents say 900.
        scope: what it may be used for, separated by blanks.
        token_type: `Bearer`.
    """

    access_token: str
    client_id: str | None = None
    expires_at: int | None = None
    expires_in: int | None = None
    scope: str | None = None
    token_type: str | None = None

    def _shown(self) -> Iterator[tuple[str, object]]:
        yield "scope", self.scope
        yield "expires_at", self.expires_at


class TokenIntrospection(NeverPickled, frozen=True, kw_only=True, gc=False):
    """What the service knows of a token. It does not show the token, and is not pickled.

    Attributes:
        active: whether it can be used; false for one that never was.
        access_token, client_id, expires_at, expires_in, scope, token_type: as in `OAuthToken`, None for a
            token that is not active.
    """

    active: bool
    access_token: str | None = None
    client_id: str | None = None
    expires_at: int | None = None
    expires_in: int | None = None
    scope: str | None = None
    token_type: str | None = None

    def _shown(self) -> Iterator[tuple[str, object]]:
        yield "active", self.active
        yield "scope", self.scope
        yield "expires_at", self.expires_at
