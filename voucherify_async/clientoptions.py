"""The client's options as a type, for functions that hand them on."""

import ssl
from collections.abc import Callable
from typing import TypedDict

import aiohttp

from voucherify_async.auth import Auth
from voucherify_async.clock import Clock
from voucherify_async.events import Event
from voucherify_async.options import Cluster, PoolLimits, RetryPolicy, Timeouts
from voucherify_async.ratelimit import RateLimiter


class ClientOptions(TypedDict, total=False):
    """The arguments of `VoucherifyClient`, none of which has to be given.

    For a function of yours that makes clients: `def make_client(**options: Unpack[ClientOptions])`.
    """

    app_id: str | None
    app_token: str | None
    auth: Auth | None
    cluster: Cluster
    base_url: str | None
    timeouts: Timeouts | None
    pool: PoolLimits | None
    retry: RetryPolicy | None
    rate_limiter: RateLimiter | None
    session: aiohttp.ClientSession | None
    api_version: str
    app_info: str | None
    ssl_context: ssl.SSLContext | None
    proxy: str | None
    trust_env: bool
    allow_plain_http: bool
    max_body_bytes: int | None
    on_event: Callable[[Event], object] | None
    clock: Clock | None
