"""How requests are signed: application keys, OAuth, or a bearer token from elsewhere."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from copy import copy
from typing import Any, Final, NoReturn, Protocol, TypeVar

from voucherify_async.call import ApiResponse, Call, json_decoder
from voucherify_async.clock import Clock
from voucherify_async.errors import ClientClosedError, ConfigurationError
from voucherify_async.models.oauth import OAuthToken
from voucherify_async.secretive import hushed
from voucherify_async.urls import query_string
from voucherify_async.wire import checked_header_value

T = TypeVar("T")

# How long tokens last, by the OAuth document.
_USUAL_SECONDS: Final = 900


class SignedHeaders(dict[str, str]):
    """Headers that hold a key or a token, and do not show it."""

    def __repr__(self) -> str:
        return "{<signed headers>}"

    __str__ = __repr__

    def __reduce__(self) -> NoReturn:
        raise TypeError("signed headers are not pickled")


class Signature:
    """The headers that sign one request, whatever kind of mapping a way of signing gave, and does not show them."""

    __slots__ = ("headers",)

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.headers = headers

    def __repr__(self) -> str:
        return "<signature>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a signature is not pickled")


class Sender(Protocol):
    """What a way of signing may ask of the client it works for."""

    clock: Clock

    async def send(self, call: Call[T], *, operation: str = "request") -> ApiResponse[T]:
        """Send a call of its own, such as the one for a token. It must be `keys_only`."""
        ...

    def spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Start a task that ends with the client."""
        ...


class Auth(Protocol):
    """A way of signing requests. Anything with these two methods can be given as `auth=`."""

    async def headers(self, sender: Sender) -> Mapping[str, str]:
        """The headers that sign a request. Asked before every attempt."""
        ...

    def rejected(self, headers: Mapping[str, str]) -> bool:
        """Learn that the service answered 401 to these; True if others are worth one more attempt."""
        ...


class _Secretive:
    """Neither shows nor pickles what it knows."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__} is not pickled: it holds secrets; make it where it is used")


class ApiKeyAuth(_Secretive):
    """The application's keys, `X-App-Id` and `X-App-Token`.

    Args:
        app_id: the application's id.
        app_token: its secret key.
        app_id_prefix, app_token_prefix: put in front of each with a blank, for gateways that want it.

    Raises:
        ConfigurationError: a key is missing, or has signs that cannot stand in a header.
    """

    __slots__ = ("_headers",)

    @hushed
    def __init__(
        self,
        app_id: str,
        app_token: str,
        *,
        app_id_prefix: str | None = None,
        app_token_prefix: str | None = None,
    ) -> None:
        self._headers = SignedHeaders(
            {
                "X-App-Id": _prefixed("app_id", app_id, app_id_prefix),
                "X-App-Token": _prefixed("app_token", app_token, app_token_prefix),
            }
        )

    async def headers(self, sender: Sender) -> Mapping[str, str]:
        """The two keys, always the same."""
        return self._headers

    def key_headers(self) -> Mapping[str, str]:
        """The two keys, for calls that take nothing else."""
        return self._headers

    def rejected(self, headers: Mapping[str, str]) -> bool:
        """There are no other keys to try."""
        return False


class BearerAuth(_Secretive):
    """A bearer token that was got elsewhere.

    Args:
        token: the token, or an async function that returns one. The function is called before every attempt,
            so it should keep the token while it is good; it is called once more after a 401.
    """

    __slots__ = ("_token",)

    @hushed
    def __init__(self, token: str | Callable[[], Awaitable[str]]) -> None:
        if not callable(token):
            checked_header_value("token", token)
        self._token = token

    async def headers(self, sender: Sender) -> Mapping[str, str]:
        """The token as it is now."""
        return _bearer(await self._token() if callable(self._token) else self._token)

    def rejected(self, headers: Mapping[str, str]) -> bool:
        """A function may have another token by now; a string stays what it is."""
        return callable(self._token)


class OAuthAuth(_Secretive):
    """OAuth 2.0: fetches a bearer token with the application's keys, and renews it by itself.

    The token is renewed before it expires, and once after a 401. However many tasks wait for a token, one
    request fetches it; a waiting task that is cancelled does not disturb the others.

    Args:
        app_id, app_token: the application's keys, as for `ApiKeyAuth`.
        scope: what the token may be used for; several are separated by blanks (`"orders exports"`).
    """

    __slots__ = ("_keys", "_renew_at", "_renewal", "_scope", "_signed")

    @hushed
    def __init__(self, app_id: str, app_token: str, *, scope: str = "api") -> None:
        self._keys = ApiKeyAuth(app_id, app_token)
        self._scope = checked_header_value("scope", scope)
        self._signed: SignedHeaders | None = None
        self._renew_at = 0.0
        self._renewal: asyncio.Task[None] | None = None

    def key_headers(self) -> Mapping[str, str]:
        """The two keys, for the OAuth endpoints themselves."""
        return self._keys.key_headers()

    async def headers(self, sender: Sender) -> Mapping[str, str]:
        """The bearer token, fetched or renewed first if need be."""
        while self._signed is None or sender.clock.monotonic() >= self._renew_at:
            renewal = self._renewal
            own = renewal is None or renewal.done() or renewal.get_loop() is not asyncio.get_running_loop()
            if renewal is None or own:
                renewal = self._renewal = sender.spawn(self._renew(sender))
            # Not awaited directly: cancelling one who waits must not cancel what all wait for.
            await asyncio.wait([renewal])
            if renewal.cancelled():
                continue  # the client that fetched for all was closed; fetch anew
            if (error := renewal.exception()) is not None:
                if isinstance(error, ClientClosedError) and not own:
                    continue  # likewise
                raise copy(error)  # one for each who waits: an error that is raised gathers frames
            if self._signed is not None:
                return self._signed  # fresh, however short its life
        return self._signed

    def rejected(self, headers: Mapping[str, str]) -> bool:
        """Drop the token, unless it is another's by now; a new one is worth an attempt."""
        if headers is self._signed:
            self._signed = None
        return True

    async def _renew(self, sender: Sender) -> None:
        token = (await sender.send(token_call(self._scope), operation="oauth.generate")).data
        # Renewed early enough that a request on its way still arrives with a good token.
        lasts = token.expires_in or _USUAL_SECONDS
        self._signed = _bearer(token.access_token)
        self._renew_at = sender.clock.monotonic() + lasts - min(60.0, lasts * 0.1)


def token_call(scope: str) -> Call[OAuthToken]:
    """`POST /v1/oauth/token` (OpenAPI v2018-08-01, generate-oauth-token)."""
    return Call(
        "POST",
        "/v1/oauth/token",
        _decode_token,
        body=query_string({"grant_type": "client_credentials", "scope": scope}).encode(),
        content_type="application/x-www-form-urlencoded",
        keys_only=True,
        withhold_body=True,
    )


_decode_token = json_decoder(OAuthToken)


def _prefixed(argument: str, key: str, prefix: str | None) -> str:
    checked_header_value(argument, key)
    return key if prefix is None else f"{checked_header_value(f'{argument}_prefix', prefix)} {key}"


def _bearer(token: str) -> SignedHeaders:
    return SignedHeaders({"Authorization": f"Bearer {checked_header_value('token', token)}"})


def key_headers_of(auth: Auth) -> Mapping[str, str]:
    """The application's keys behind a way of signing, or a `ConfigurationError` if it has none."""
    key_headers: Callable[[], Mapping[str, str]] | None = getattr(auth, "key_headers", None)
    if key_headers is None:
        raise ConfigurationError(
            "auth", "the OAuth endpoints are signed with the application's keys, and this has none"
        )
    return key_headers()
