"""OAuth tokens."""

from voucherify_async.auth import token_call
from voucherify_async.call import Call, json_decoder, nothing
from voucherify_async.models.oauth import OAuthToken, TokenIntrospection
from voucherify_async.resources.endpoint import Resource, WithHttpInfo, endpoint, with_http_info
from voucherify_async.urls import query_string
from voucherify_async.wire import checked_header_value

_decode_introspection = json_decoder(TokenIntrospection)
_FORM = "application/x-www-form-urlencoded"


class OAuth(Resource):
    """`client.oauth`: tokens made, looked into and revoked. All calls are signed with the application's keys."""

    @property
    def with_http_info(self) -> "OAuthWithHttpInfo":
        """The same methods, which return an `ApiResponse`."""
        return OAuthWithHttpInfo(self)

    @endpoint
    def generate(self, *, scope: str = "api") -> Call[OAuthToken]:
        """Make a token. `OAuthAuth` does this by itself.

        Args:
            scope: what it may be used for; several are separated by blanks.

        Returns:
            The token, good for 900 seconds. A project can have 1,000 of them.

        Raises:
            BadRequestError: the scope is unknown.

        Repeated after a failure: yes; a token too many does no harm.
        Source: OpenAPI v2018-08-01, `POST /v1/oauth/token`.
        """
        return token_call(checked_header_value("scope", scope))

    @endpoint
    def introspect(self, access_token: str) -> Call[TokenIntrospection]:
        """Look into a token: whether it is active, for what, and how long.

        Args:
            access_token: any token of the project, also one that is not good any more.

        Repeated after a failure: yes.
        Source: OpenAPI v2018-08-01, `POST /v1/oauth/introspect`.
        """
        return Call(
            "POST",
            "/v1/oauth/introspect",
            _decode_introspection,
            body=_form_of(access_token),
            content_type=_FORM,
            keys_only=True,
            withhold_body=True,
        )

    @endpoint
    def revoke(self, access_token: str) -> Call[None]:
        """Revoke a token, which cannot be used from then on.

        Args:
            access_token: a token that is active.

        Raises:
            NotFoundError: there is no such token, or it is not active any more. After an attempt that got no
                answer (`attempts` above 1) it may have been revoked by that one.

        Repeated after a failure: yes.
        Source: OpenAPI v2018-08-01, `POST /v1/oauth/token/revoke`.
        """
        return Call(
            "POST",
            "/v1/oauth/token/revoke",
            nothing,
            body=_form_of(access_token),
            content_type=_FORM,
            keys_only=True,
        )


class OAuthWithHttpInfo(WithHttpInfo[OAuth]):
    """`client.oauth.with_http_info`."""

    generate = with_http_info(OAuth.generate)
    introspect = with_http_info(OAuth.introspect)
    revoke = with_http_info(OAuth.revoke)


def _form_of(access_token: str) -> bytes:
    return query_string({"access_token": checked_header_value("access_token", access_token)}).encode()
