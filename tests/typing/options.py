"""Making clients: options, and what can be put in from outside."""

import ssl
from collections.abc import Mapping
from typing import Unpack, assert_type

import aiohttp

from voucherify_async import (
    ApiKeyAuth,
    Auth,
    BearerAuth,
    ClientOptions,
    Clock,
    HeaderRateLimiter,
    OAuthAuth,
    PoolLimits,
    RateLimiter,
    RetryPolicy,
    Sender,
    Timeouts,
    VoucherifyClient,
)
from voucherify_async.events import (
    AttemptEnded,
    AttemptStarted,
    CallEnded,
    CallInfo,
    CallStarted,
    Event,
    JobKind,
    JobSeen,
    JobWaitEnded,
    JobWaitStarted,
    LookStarted,
    Polled,
    RateLimitPaused,
    RunEnded,
    RunKind,
    RunStarted,
    Waiting,
    WaitReason,
)


class Signs:
    async def headers(self, sender: Sender) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {sender.clock.wall()}"}

    def rejected(self, headers: Mapping[str, str]) -> bool:
        return False


class Lets:
    async def acquire(self, max_wait: float) -> None: ...

    def observe(self, status: int | None, headers: Mapping[str, str]) -> None: ...


class Ticks:
    def monotonic(self) -> float:
        return 0.0

    def wall(self) -> float:
        return 0.0

    def random(self) -> float:
        return 0.5

    async def sleep(self, seconds: float) -> None: ...


class SignsAtOnce:
    def headers(self, sender: Sender) -> Mapping[str, str]:
        return {}

    def rejected(self, headers: Mapping[str, str]) -> bool:
        return False


async def token() -> str:
    return "t"


def heard(event: Event) -> None:
    match event:
        case CallStarted(call):
            assert_type(call, CallInfo)
            assert_type((call.number, call.operation, call.method, call.path), tuple[int, str, str, str])
        case Waiting(reason=reason, seconds=seconds):
            assert_type(reason, WaitReason)
            assert_type(seconds, float | None)
        case AttemptStarted(attempt=attempt):
            assert_type(attempt, int)
        case AttemptEnded(status=status, headers=headers):
            assert_type(status, int | None)
            assert_type(headers, dict[str, str])
        case CallEnded(outcome_unknown=unknown, elapsed=elapsed):
            assert_type(unknown, bool)
            assert_type(elapsed, float)
        case RateLimitPaused(seconds=pause):
            assert_type(pause, float)
        case LookStarted(job_ids=ids):
            assert_type(ids, frozenset[str])
        case Polled(kind=kind):
            assert_type(kind, JobKind)
        case JobSeen(progress=progress):
            assert_type(progress, int | None)
        case JobWaitStarted(wait=wait) | JobWaitEnded(wait=wait):
            assert_type(wait, int)
        case RunStarted(kind=run):
            assert_type(run, RunKind)
        case _:
            assert_type(event, RunEnded)


def protocols() -> tuple[Auth, RateLimiter, Clock]:
    wrong: Auth = SignsAtOnce()  # type: ignore[assignment] # pyright: ignore[reportAssignmentType]
    del wrong
    return Signs(), Lets(), Ticks()


def of_the_shop(**options: Unpack[ClientOptions]) -> VoucherifyClient:
    options.setdefault("app_info", "shop/1.0")
    return VoucherifyClient.from_env(**options)


async def clients(session: aiohttp.ClientSession, context: ssl.SSLContext) -> None:
    client = VoucherifyClient(
        auth=OAuthAuth("id", "token", scope="api"),
        cluster="us",
        timeouts=Timeouts(total=5, connect=None, read=1.5, pool=1),
        pool=PoolLimits(max_connections=8, keepalive=5),
        retry=RetryPolicy(max_attempts=2, base_delay=0.1, max_delay=1, max_wait=10),
        rate_limiter=HeaderRateLimiter(spread=True),
        session=session,
        api_version="v2018-08-01",
        app_info="shop/1.0",
        ssl_context=context,
        proxy="http://127.0.0.1:3128",
        trust_env=True,
        allow_plain_http=True,
        max_body_bytes=1000,
        on_event=heard,
        clock=Ticks(),
    )
    assert_type(client.base_url, str)
    view = client.with_options(timeout=3.0, retry=RetryPolicy(), headers={"X-Trace": "1"})
    assert_type(view, VoucherifyClient)
    client.with_options(timeout=Timeouts())
    assert_type(VoucherifyClient.from_env(cluster="as"), VoucherifyClient)
    VoucherifyClient.from_env(timeouts=5)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    VoucherifyClient.from_env(timeout=Timeouts())  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    async with VoucherifyClient("id", "token", base_url="https://x.api.voucherify.io") as opened:
        assert_type(opened, VoucherifyClient)
    for auth in (
        ApiKeyAuth("id", "t", app_id_prefix="p", app_token_prefix="p"),
        BearerAuth("t"),
        BearerAuth(token),
    ):
        VoucherifyClient(auth=auth, rate_limiter=Lets())
    VoucherifyClient(auth=Signs())
    await client.aclose()


def wrong_options(client: VoucherifyClient) -> None:
    VoucherifyClient("id", "token", cluster="mars")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    VoucherifyClient("id", "token", timeouts=5)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    VoucherifyClient("id", "token", auth="token")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    VoucherifyClient("id", "token", "eu")  # type: ignore[call-arg, arg-type] # pyright: ignore[reportCallIssue]
    VoucherifyClient("id", "token", on_event=heard(1))  # type: ignore[func-returns-value, arg-type] # pyright: ignore[reportArgumentType]
    BearerAuth(token())  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    Timeouts(5)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    RetryPolicy(attempts=3)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    PoolLimits(max_connections="8")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    client.with_options(cluster="us")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
