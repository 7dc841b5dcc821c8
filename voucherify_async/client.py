"""The client: options in, resources out."""

import os
import ssl
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, Unpack, overload

import aiohttp
import msgspec

from voucherify_async.auth import ApiKeyAuth, Auth
from voucherify_async.call import Call, any_json, json_decoder, nothing
from voucherify_async.clock import Clock, SystemClock
from voucherify_async.errors import ConfigurationError
from voucherify_async.events import Event
from voucherify_async.inputs import checked_json
from voucherify_async.models.jobs import AsyncAction, Export
from voucherify_async.options import Cluster, PoolLimits, RetryPolicy, Timeouts, check_range, check_seconds
from voucherify_async.poller import ExportSource, ImportSource, Poller
from voucherify_async.ratelimit import HeaderRateLimiter, RateLimiter
from voucherify_async.reporting import Reporter
from voucherify_async.resources.async_actions import AsyncActions
from voucherify_async.resources.exports import Exports
from voucherify_async.resources.oauth import OAuth
from voucherify_async.resources.orders import Orders
from voucherify_async.secretive import hushed
from voucherify_async.session import CallOptions, SessionManager, call_options
from voucherify_async.urls import (
    CLUSTERS,
    checked_base_url,
    checked_path,
    checked_proxy,
    is_plain_http,
    query_string,
)
from voucherify_async.wire import checked_header_name, checked_header_value, client_headers

if TYPE_CHECKING:
    from voucherify_async.clientoptions import ClientOptions

T = TypeVar("T")

API_VERSION: Final = "v2018-08-01"
MAX_BODY_BYTES: Final = 64 * 1024 * 1024

_METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
# Doing these twice is the same as doing them once (RFC 9110, section 9.2.2).
_IDEMPOTENT: Final = frozenset({"GET", "PUT", "DELETE"})


class VoucherifyClient:
    """The asyncio client for Voucherify's Orders API.

    Making one does nothing yet: no event loop is needed and no socket is opened. The connections are opened by
    the first call and belong to its event loop; `aclose()`, or leaving `async with`, closes them.

    Args:
        app_id, app_token: the application's keys. Or else:
        auth: another way of signing: `OAuthAuth`, `BearerAuth`, `ApiKeyAuth` with prefixes, or your own.
        cluster: `"eu"`, `"us"` or `"as"`.
        base_url: of a dedicated cluster, a proxy or the emulator: the part before `/v1`. It goes before `cluster`.
        timeouts: seconds, see `Timeouts`. No call waits for ever if nothing is said.
        pool: how many connections are kept, see `PoolLimits`.
        retry: how often a request is repeated, see `RetryPolicy`.
        rate_limiter: instead of `HeaderRateLimiter()`, which sends at will until the limit is used up; or
            `HeaderRateLimiter(spread=True)`, which spreads the requests over the time. Give the same one to several
            clients of one project.
        session: an `aiohttp.ClientSession` of yours, which is used and never closed. The limits of its connector
            are kept to, if they are lower than `pool`. While a connection of it is being made, `outcome_unknown` is
            true already: one of the client's own tells when it takes the request.
        api_version: the version of the API that answers are asked for in.
        app_info: your application's name and version, added to the `User-Agent`.
        ssl_context: instead of the one that the whole process shares.
        proxy: URL of an HTTP proxy.
        trust_env: whether to look for a proxy in the environment. It costs time with every request, and is passed
            over if `base_url` is plain http to this machine.
        allow_plain_http: send the keys without encryption, to a host that is not this machine.
        max_body_bytes: the longest answer that is taken, as it arrives and as it is unpacked; 64 MiB if not given.
            An export's file has no limit: it is streamed.
        on_event: a function that is told of each step, see `voucherify_async.events`.
        clock: time and chance, for tests.

    Raises:
        ConfigurationError: an option is missing or does not fit; `argument` names it.
    """

    @hushed
    def __init__(
        self,
        app_id: str | None = None,
        app_token: str | None = None,
        *,
        auth: Auth | None = None,
        cluster: Cluster = "eu",
        base_url: str | None = None,
        timeouts: Timeouts | None = None,
        pool: PoolLimits | None = None,
        retry: RetryPolicy | None = None,
        rate_limiter: RateLimiter | None = None,
        session: aiohttp.ClientSession | None = None,
        api_version: str = API_VERSION,
        app_info: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
        proxy: str | None = None,
        trust_env: bool = False,
        allow_plain_http: bool = False,
        max_body_bytes: int | None = None,
        on_event: Callable[[Event], object] | None = None,
        clock: Clock | None = None,
    ) -> None:
        clock = clock if clock is not None else SystemClock()
        reporter = Reporter(on_event)
        check_range("max_body_bytes", max_body_bytes, 1, 2**40)
        retry = _of_type("retry", retry, RetryPolicy) or RetryPolicy()
        if app_info is not None:
            checked_header_value("app_info", app_info)
        options = call_options(
            _of_type("timeouts", timeouts, Timeouts) or Timeouts(),
            retry,
            client_headers(api_version, app_info),
        )
        url = _base_url(cluster, base_url, allow_plain_http)
        session_manager = SessionManager(
            base_url=url,
            auth=_auth(app_id, app_token, auth),
            options=options,
            pool=_of_type("pool", pool, PoolLimits) or PoolLimits(),
            rate_limiter=_rate_limiter(rate_limiter, clock, reporter),
            clock=clock,
            reporter=reporter,
            session=_of_type("session", session, aiohttp.ClientSession),
            ssl_context=_of_type("ssl_context", ssl_context, ssl.SSLContext),
            proxy=checked_proxy(proxy, base_url=url, allow_plain_http=allow_plain_http),
            # A proxy of the environment would be shown the keys, which plain http to this machine does not hide.
            trust_env=trust_env and (allow_plain_http or not is_plain_http(url)),
            allow_plain_http=allow_plain_http,
            max_body_bytes=max_body_bytes or MAX_BODY_BYTES,
        )
        self._bind(
            session_manager,
            options,
            Poller(session_manager, ImportSource(AsyncActions(session_manager, options))),
            Poller(session_manager, ExportSource(Exports(session_manager, options))),
            owner=True,
        )

    def _bind(
        self,
        session: SessionManager,
        options: CallOptions,
        imports: Poller[AsyncAction],
        exports: Poller[Export],
        *,
        owner: bool,
    ) -> None:
        self._session = session
        self._options = options
        self._imports = imports
        self._exports = exports
        self._owner = owner
        self.orders = Orders(session, options, imports, exports)
        self.async_actions = AsyncActions(session, options)
        self.exports = Exports(session, options)
        self.oauth = OAuth(session, options)

    @property
    def base_url(self) -> str:
        """Where the service is: the part before `/v1`."""
        return self._session.base_url

    @classmethod
    @hushed
    def from_env(cls, **overrides: "Unpack[ClientOptions]") -> Self:
        """A client with its keys and its place from the environment.

        It reads `VOUCHERIFY_APP_ID`, `VOUCHERIFY_APP_TOKEN`, `VOUCHERIFY_BASE_URL` and `VOUCHERIFY_CLUSTER`.

        Args:
            overrides: any argument of the client; it goes before the environment.

        Raises:
            ConfigurationError: a variable is missing or does not fit.
        """
        given: dict[str, Any] = {**overrides}
        variables: dict[str, str] = {}
        if given.get("auth") is None:
            variables |= {"app_id": "VOUCHERIFY_APP_ID", "app_token": "VOUCHERIFY_APP_TOKEN"}
        # A place that is given by hand puts the one of the environment aside, whichever way each is named.
        if given.get("base_url") is None and given.get("cluster") is None:
            variables |= {"base_url": "VOUCHERIFY_BASE_URL", "cluster": "VOUCHERIFY_CLUSTER"}
        for name, variable in variables.items():
            if given.get(name) is None and (value := os.environ.get(variable)):
                given[name] = value
        for name in ("app_id", "app_token"):
            if given.get("auth") is None and given.get(name) is None:
                raise ConfigurationError(name, f"is not given, and {variables[name]} is not set")
        return cls(**given)

    @hushed
    def with_options(
        self,
        *,
        timeout: float | Timeouts | None = None,
        retry: RetryPolicy | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Self:
        """A client with other options that shares this one's session, pool, limiter and pollers.

        Closing it does nothing: the connections are closed with the client that it came from.

        Args:
            timeout: seconds for a whole call, or `Timeouts`.
            retry: instead of this client's.
            headers: sent besides the client's own, or instead of them. Those that sign or frame a request are
                refused, and none goes to the host of a download that is not the API's own.

        Raises:
            ConfigurationError: an option does not fit.
        """
        now = self._options
        timeouts = now.timeouts
        if isinstance(timeout, Timeouts):
            timeouts = timeout
        elif timeout is not None:
            check_seconds("timeouts.total", timeout)  # msgspec 0.20 does not check what it replaces
            timeouts = msgspec.structs.replace(timeouts, total=timeout)
        merged = dict(now.headers)
        if headers is not None and not isinstance(headers, Mapping):
            raise ConfigurationError("headers", f"must be a mapping, not {type(headers).__name__}")
        for name, value in (headers or {}).items():
            checked_header_name("headers", name)
            known = next((known for known in merged if known.lower() == name.lower()), name)
            merged[known] = checked_header_value(f"headers[{name!r}]", value)
        options = call_options(timeouts, _of_type("retry", retry, RetryPolicy) or now.retry, merged)
        view = object.__new__(type(self))
        view._bind(self._session, options, self._imports, self._exports, owner=False)
        return view

    @overload
    async def request(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        query: Mapping[str, str | int | float | bool | None] | None = None,
        decode: None = None,
    ) -> Any: ...
    @overload
    async def request(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        query: Mapping[str, str | int | float | bool | None] | None = None,
        decode: type[T],
    ) -> T: ...

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        query: Mapping[str, str | int | float | bool | None] | None = None,
        decode: type[Any] | None = None,
    ) -> Any:
        """Call an endpoint that has no method here, with everything else as usual.

        Args:
            method: `GET`, `POST`, `PUT`, `PATCH` or `DELETE`.
            path: below the base URL, such as `/v1/vouchers`; signs that cannot stand in a path are quoted.
            body: anything that msgspec can write as JSON; None sends no body.
            query: parameters; those that are None are left out.
            decode: the type of the answer, such as a msgspec struct; without it, dicts, lists and plain values.

        Returns:
            The decoded answer; None if it has no content.

        Raises:
            ConfigurationError: an argument does not fit; nothing was sent.
            ApiError, ConnectError, RequestTimeoutError, DecodeError: as every call.

        Repeated after a failure: `GET`, `PUT` and `DELETE`; the others only if the service certainly did not
        do it.
        """
        try:
            call = _described(method, path, body, query, decode)
        finally:
            del body, query  # they may hold anything, and a traceback may show its frames' variables
        return (await self._session.send(call, self._options)).data

    async def aclose(self) -> None:
        """Close the connections and end what is under way. An injected session stays open.

        Calls that wait get a `ClientClosedError`, and so does every later call. Closing twice is fine.

        Raises:
            EventLoopError: it belongs to another event loop, which is not closed.
        """
        if self._owner:
            await self._session.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._session.base_url}>"


@hushed
def _described(
    method: str,
    path: str,
    body: object,
    query: Mapping[str, str | int | float | bool | None] | None,
    decode: type[Any] | None,
) -> Call[Any]:
    """The call that a user of `client.request` has in mind."""
    if not isinstance(method, str) or method not in _METHODS:
        raise ConfigurationError("method", f"must be one of {', '.join(sorted(_METHODS))}, not {method!r}")
    encoded = None if body is None else checked_json("body", body, msgspec.json.decode, free=True)
    try:
        decoder: Callable[[bytes | memoryview], Any] = any_json if decode is None else json_decoder(decode)
    except TypeError as error:
        raise ConfigurationError("decode", f"is no type to decode: {error}") from None
    return Call(
        method,
        checked_path(path),
        lambda answer: decoder(answer) if answer else nothing(answer),
        query=query_string(query or {}),
        body=encoded,
        repeatable=method in _IDEMPOTENT,
    )


def _auth(app_id: str | None, app_token: str | None, auth: Auth | None) -> Auth:
    if auth is not None:
        if app_id is not None or app_token is not None:
            raise ConfigurationError("auth", "give either auth or app_id and app_token, not both")
        for method in ("headers", "rejected"):
            if not callable(getattr(auth, method, None)):
                raise ConfigurationError("auth", f"has no method {method}(): {type(auth).__name__}")
        return auth
    if app_id is None:
        raise ConfigurationError("app_id", "is missing; give app_id and app_token, or auth")
    if app_token is None:
        raise ConfigurationError("app_token", "is missing; give app_id and app_token, or auth")
    return ApiKeyAuth(app_id, app_token)


def _rate_limiter(limiter: RateLimiter | None, clock: Clock, reporter: Reporter) -> RateLimiter:
    if limiter is None:
        limiter = HeaderRateLimiter(clock=clock)
    for method in ("acquire", "observe"):
        if not callable(getattr(limiter, method, None)):
            raise ConfigurationError("rate_limiter", f"has no method {method}(): {type(limiter).__name__}")
    if callable(listen := getattr(limiter, "listen", None)):
        listen(reporter)
    return limiter


def _base_url(cluster: str, base_url: str | None, allow_plain_http: bool) -> str:
    if cluster not in CLUSTERS:
        raise ConfigurationError("cluster", f"must be one of {', '.join(CLUSTERS)}, not {cluster!r}")
    url = CLUSTERS[cluster] if base_url is None else base_url
    return checked_base_url(url, allow_plain_http=allow_plain_http)


def _of_type(argument: str, value: T | None, expected: type[T]) -> T | None:
    if value is not None and not isinstance(value, expected):
        raise ConfigurationError(argument, f"must be {expected.__name__}, not {type(value).__name__}")
    return value
