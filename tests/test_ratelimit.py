"""The limiter: what it learns from headers, the line, and what holds of it against a service with a window."""

import asyncio
import math
from collections.abc import Mapping
from email.utils import formatdate
from typing import Any, Literal, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from tests.fakes import FakeClock, VirtualClock, until
from voucherify_async.emulator.problems import ServiceError
from voucherify_async.emulator.ratelimit import RateLimit
from voucherify_async.errors import RateLimitError
from voucherify_async.ratelimit import HeaderRateLimiter
from voucherify_async.window import LATE, Window

pytestmark = pytest.mark.asyncio_loop  # for `VirtualClock.idle`


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def limiter(clock: VirtualClock) -> HeaderRateLimiter:
    return HeaderRateLimiter(clock=clock)


def told(clock: VirtualClock, remaining: object, ends_in: float | None = 60, limit: int = 100) -> dict[str, str]:
    headers = {"X-Rate-Limit-Limit": str(limit), "X-Rate-Limit-Remaining": str(remaining)}
    if ends_in is not None:
        headers["X-Rate-Limit-Retry"] = str(clock.wall() + ends_in)
    return headers


async def knowing(limiter: HeaderRateLimiter, headers: Mapping[str, str], status: int = 200) -> None:
    """Let one request tell what is left."""
    await limiter.acquire(0)
    limiter.observe(status, headers)


async def under_way(limiter: HeaderRateLimiter, count: int) -> None:
    """Send requests at will, whose answers are still to come."""
    await knowing(limiter, {})
    for _ in range(count):
        await limiter.acquire(0)


class Crowd:
    """Requests that want to go; it notes which went, in order and when."""

    def __init__(self, clock: VirtualClock, limiter: HeaderRateLimiter) -> None:
        self.clock = clock
        self.limiter = limiter
        self.went: list[int] = []
        self.moments: list[float] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def come(self, count: int, max_wait: float = math.inf) -> None:
        for _ in range(count):
            self.tasks.append(asyncio.create_task(self._one(len(self.tasks), max_wait)))
        await self.clock.idle()

    async def _one(self, number: int, max_wait: float) -> None:
        await self.limiter.acquire(max_wait)
        self.went.append(number)
        self.moments.append(self.clock.now - 1000)

    async def passes(self, seconds: float) -> None:
        await self.clock.pass_time(seconds)

    async def hear(self, status: int | None, headers: Mapping[str, str]) -> None:
        self.limiter.observe(status, headers)
        await self.clock.idle()

    async def end(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.clock.idle()
        assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.fixture
def crowd(clock: VirtualClock, limiter: HeaderRateLimiter) -> Crowd:
    return Crowd(clock, limiter)


# --- What the headers tell ----------------------------------------------------------------------------------


async def test_a_scout_goes_first_and_the_others_wait_for_its_answer(clock: VirtualClock, crowd: Crowd) -> None:
    await crowd.come(5)
    await crowd.passes(0.5)
    assert crowd.went == [0]
    await crowd.hear(200, told(clock, 99))
    assert crowd.went == [0, 1, 2, 3, 4]
    await crowd.end()


async def test_a_scout_that_is_not_heard_of_is_waited_for_a_second(crowd: Crowd) -> None:
    await crowd.come(3)
    await crowd.passes(5)
    assert crowd.moments == [0, 1, 2]


@pytest.mark.parametrize(
    ("status", "headers"), [(None, {}), (503, {}), (429, {"X-Rate-Limit-Type": "bulk_api_calls"})]
)
async def test_after_a_scout_that_learned_nothing_the_next_goes_at_once(
    crowd: Crowd, status: int | None, headers: dict[str, str]
) -> None:
    await crowd.come(3)
    await crowd.hear(status, headers)
    assert crowd.went == [0, 1]
    await crowd.end()


async def test_as_many_go_as_are_left_less_those_in_flight(clock: VirtualClock, crowd: Crowd) -> None:
    await knowing(crowd.limiter, told(clock, 3))
    await crowd.come(5)
    assert crowd.went == [0, 1, 2]
    await crowd.hear(200, told(clock, 2))
    assert crowd.went == [0, 1, 2]
    await crowd.hear(None, {})  # never handled, or handled: the next answer tells
    assert crowd.went == [0, 1, 2, 3]
    await crowd.end()


async def test_the_lowest_of_a_window_counts_and_earlier_windows_do_not(clock: VirtualClock, crowd: Crowd) -> None:
    await under_way(crowd.limiter, 3)
    crowd.limiter.observe(200, told(clock, 1))
    crowd.limiter.observe(200, told(clock, 8))
    crowd.limiter.observe(200, told(clock, 0, ends_in=-60))
    await crowd.come(3)
    assert crowd.went == [0]
    await crowd.end()


async def test_a_newer_window_replaces_the_one_that_is_known(clock: VirtualClock, crowd: Crowd) -> None:
    await under_way(crowd.limiter, 2)
    crowd.limiter.observe(200, told(clock, 0, ends_in=30))
    await crowd.come(3)
    assert crowd.went == []
    await crowd.hear(200, told(clock, 2, ends_in=90))
    assert crowd.went == [0, 1]
    await crowd.end()


async def test_a_moment_that_is_a_second_off_is_of_the_same_window(clock: VirtualClock, crowd: Crowd) -> None:
    await under_way(crowd.limiter, 3)
    for remaining, ends_in in ((5, 60), (1, 59), (4, 61)):
        crowd.limiter.observe(200, told(clock, remaining, ends_in))
    await crowd.come(3)
    assert crowd.went == [0]
    await crowd.end()


async def test_at_the_end_of_a_window_a_scout_goes(clock: VirtualClock, crowd: Crowd) -> None:
    await knowing(crowd.limiter, told(clock, 0, ends_in=30))
    await crowd.come(4)
    await crowd.passes(29)
    assert crowd.went == []
    await crowd.passes(1.5)
    assert (crowd.went, crowd.moments) == ([0], [30])
    await crowd.hear(200, told(clock, 2))
    assert crowd.went == [0, 1, 2]
    await crowd.end()


async def test_late_word_of_a_window_that_was_used_up_changes_nothing(clock: VirtualClock, crowd: Crowd) -> None:
    stale = told(clock, 0, ends_in=30)
    await under_way(crowd.limiter, 2)
    crowd.limiter.observe(200, stale)
    await crowd.passes(30)
    await crowd.come(2)
    assert crowd.went == [0]
    await crowd.hear(200, stale)
    assert crowd.went == [0]
    await crowd.passes(1)
    assert crowd.moments == [30, 31]


async def test_never_more_in_flight_than_a_window_lets_through(clock: VirtualClock, crowd: Crowd) -> None:
    await knowing(crowd.limiter, told(clock, 2, ends_in=30, limit=2))
    await crowd.come(4)
    await crowd.passes(45.5)
    assert crowd.went == [0, 1]
    await crowd.hear(None, {})
    assert crowd.went == [0, 1, 2]
    await crowd.end()


@pytest.mark.parametrize("status", [200, 304, 404])
async def test_where_nobody_tells_of_a_limit_all_go_at_will(crowd: Crowd, status: int) -> None:
    await crowd.come(2)
    await crowd.hear(status, {"X-Rate-Limit-Remaining": "many"})
    await crowd.come(200)
    assert len(crowd.went) == 202


async def test_until_somebody_does(clock: VirtualClock, crowd: Crowd) -> None:
    await knowing(crowd.limiter, {})
    await knowing(crowd.limiter, told(clock, 1))
    await crowd.come(3)
    assert crowd.went == [0]
    await crowd.hear(404, {})  # not of the service, which has told
    assert crowd.went == [0, 1]
    await crowd.end()


async def test_a_moment_that_is_now_is_no_end_and_what_is_left_counts(clock: VirtualClock, crowd: Crowd) -> None:
    await knowing(crowd.limiter, told(clock, 3, ends_in=0))
    await crowd.come(5)
    assert crowd.went == [0, 1, 2]
    await crowd.passes(0.5)
    assert crowd.went == [0, 1, 2]
    await crowd.passes(1)
    assert crowd.went == [0, 1, 2, 3]
    await crowd.end()


@pytest.mark.parametrize("ends_in", [0, -5, 4000, None])
async def test_none_left_without_an_end_is_asked_about_once_a_second(
    clock: VirtualClock, crowd: Crowd, ends_in: float | None
) -> None:
    await crowd.come(3)
    await crowd.hear(200, told(clock, 0, ends_in))
    await crowd.passes(1)
    await crowd.hear(200, told(clock, 0, ends_in))
    await crowd.passes(1)
    assert crowd.moments == [0, 1, 2]


@pytest.mark.parametrize("garbage", ["", "nan", "inf", "-inf", "1e999", "soon", "9" * 5000])
async def test_garbage_does_no_harm(clock: VirtualClock, crowd: Crowd, garbage: str) -> None:
    names = ("X-Rate-Limit-Limit", "X-Rate-Limit-Remaining", "X-Rate-Limit-Retry", "Retry-After")
    for status in (200, 429, 503):
        for name in names:
            await knowing(crowd.limiter, told(clock, 5) | {name: garbage}, status)
            await crowd.passes(61)
    await crowd.come(3)
    await crowd.passes(3)
    assert crowd.went == [0, 1, 2]


async def test_names_match_in_any_case(clock: VirtualClock, crowd: Crowd) -> None:
    await knowing(crowd.limiter, {name.lower(): value for name, value in told(clock, 2).items()})
    await crowd.come(3)
    assert crowd.went == [0, 1]
    await knowing_pause(crowd, {"retry-after": "90"})
    await crowd.passes(89)
    assert crowd.went == [0, 1]
    await crowd.end()


async def knowing_pause(crowd: Crowd, headers: Mapping[str, str]) -> None:
    await crowd.hear(429, CIMultiDict(headers))


# --- Pauses -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [{}, {"X-Rate-Limit-Type": ""}, {"X-Rate-Limit-Type": "api_calls"}])
async def test_after_a_429_all_wait_until_the_moment_that_it_names(crowd: Crowd, kind: dict[str, str]) -> None:
    await knowing(crowd.limiter, {"Retry-After": "5", **kind}, 429)
    await crowd.come(2)
    await crowd.passes(7)
    assert crowd.moments == [5, 6]  # and then a scout


async def test_retry_after_comes_before_the_moment(clock: VirtualClock, crowd: Crowd) -> None:
    await knowing(crowd.limiter, told(clock, 9, ends_in=5) | {"Retry-After": "40"}, 429)
    await crowd.come(1)
    await crowd.passes(41)
    assert crowd.moments == [40]


async def test_a_shorter_pause_does_not_shorten_a_longer_one(crowd: Crowd) -> None:
    await under_way(crowd.limiter, 2)
    await crowd.hear(429, {"Retry-After": "30"})
    await crowd.hear(429, {"Retry-After": "5"})
    await crowd.come(1)
    await crowd.passes(31)
    assert crowd.moments == [30]


@pytest.mark.parametrize("kind", ["api_calls_cycle", "bulk_api_calls", "webhook_calls"])
async def test_the_other_limits_hold_up_nobody(clock: VirtualClock, crowd: Crowd, kind: str) -> None:
    await knowing(crowd.limiter, told(clock, 9))
    other = told(clock, 0, ends_in=3000) | {"Retry-After": "3000", "X-Rate-Limit-Type": kind}
    await knowing(crowd.limiter, other, 429)
    await crowd.come(3)
    assert crowd.went == [0, 1, 2]


async def test_a_pause_of_more_than_an_hour_is_not_kept(crowd: Crowd) -> None:
    await knowing(crowd.limiter, {"Retry-After": "3700"}, 429)
    await crowd.come(1)
    await crowd.passes(1)
    assert crowd.went == [0]


async def test_a_429_without_a_hint_makes_no_pause_but_a_limit_is_known_of(crowd: Crowd) -> None:
    await knowing(crowd.limiter, {})
    await knowing(crowd.limiter, {}, 429)
    await crowd.come(3)
    await crowd.passes(5)
    assert crowd.moments == [1, 2, 3]


async def test_a_late_429_of_an_earlier_window_makes_no_pause(clock: VirtualClock, crowd: Crowd) -> None:
    await knowing(crowd.limiter, told(clock, 9))
    await knowing(crowd.limiter, told(clock, 0, ends_in=-1) | {"Retry-After": "30"}, 429)
    await crowd.come(1)
    assert crowd.went == [0]


async def test_other_answers_make_no_pause(clock: VirtualClock, crowd: Crowd) -> None:
    await knowing(crowd.limiter, told(clock, 9) | {"Retry-After": "5"})
    await knowing(crowd.limiter, {"Retry-After": "5"}, 503)
    await crowd.come(1)
    assert crowd.went == [0]


async def test_nobody_stands_in_line_for_longer_than_it_may(clock: VirtualClock, crowd: Crowd) -> None:
    await knowing(crowd.limiter, told(clock, 0, ends_in=1))
    await crowd.come(1)  # at the head, with all the patience there is
    behind = asyncio.create_task(crowd.limiter.acquire(1.05))
    await clock.idle()
    crowd.limiter._window.heard(429, CIMultiDict({"Retry-After": "1000"}), now=clock.now, wall=clock.wall())
    with pytest.raises(RateLimitError, match="not sent") as caught:
        await behind  # by the real time: the head sleeps on
    assert caught.value.retry_after == pytest.approx(1000)
    assert crowd.limiter._line.length == 1
    await crowd.end()


async def test_pauses_are_told_of_once_and_again_when_prolonged(clock: VirtualClock) -> None:
    pauses: list[float] = []

    class Listener:
        def paused(self, seconds: float) -> None:
            pauses.append(seconds)

    limiter, listener = HeaderRateLimiter(clock=clock), Listener()
    limiter.listen(listener)
    limiter.listen(Listener())  # of a client that is gone
    crowd = Crowd(clock, limiter)
    await crowd.come(6)  # waiting for a scout is no pause
    await crowd.hear(200, told(clock, 2, ends_in=30))
    assert pauses == [30]
    crowd.tasks[3].cancel()  # the head: the next one takes its place
    await clock.idle()
    await crowd.passes(10)
    await crowd.hear(429, {"Retry-After": "20.5"})
    assert pauses == [30]
    await crowd.hear(429, {"Retry-After": "50"})
    assert pauses == [30, 50]
    await crowd.passes(51)
    assert pauses == [30, 50]
    await crowd.end()


# --- Patience -----------------------------------------------------------------------------------------------


async def test_who_would_wait_too_long_is_told_at_once(clock: VirtualClock, limiter: HeaderRateLimiter) -> None:
    await knowing(limiter, told(clock, 0, ends_in=30))
    with pytest.raises(RateLimitError, match="not sent") as caught:
        await limiter.acquire(29.9)
    error = caught.value
    assert (error.status, error.attempts, error.limit_type) == (429, 0, "api_calls")
    assert error.retry_after == pytest.approx(30)
    await clock.run(limiter.acquire(30))
    assert clock.now == 1030


@pytest.mark.parametrize(
    ("ends_in", "place", "estimate"),
    [(30, 0, 30), (30, 9, 30), (30, 10, 90), (30, 25, 150), (3000, 10, 6600)],
)
async def test_the_place_in_line_counts(
    clock: VirtualClock, crowd: Crowd, ends_in: float, place: int, estimate: float
) -> None:
    await knowing(crowd.limiter, told(clock, 0, ends_in, limit=10))
    await crowd.come(place)
    with pytest.raises(RateLimitError) as caught:
        await crowd.limiter.acquire(1)
    assert caught.value.retry_after == pytest.approx(estimate)
    await crowd.end()


async def test_the_head_loses_patience_when_a_pause_is_prolonged(crowd: Crowd) -> None:
    await under_way(crowd.limiter, 2)
    await crowd.hear(429, {"Retry-After": "5"})
    await crowd.come(1, max_wait=10)
    await crowd.come(1)
    await crowd.hear(429, {"Retry-After": "20"})
    assert isinstance(crowd.tasks[0].exception(), RateLimitError)
    await crowd.passes(21)
    assert (crowd.went, crowd.moments) == ([1], [20])


# --- Spacing ------------------------------------------------------------------------------------------------


async def test_spread_requests_share_what_is_left_of_the_window(clock: VirtualClock) -> None:
    limiter = HeaderRateLimiter(clock=clock, spread=True)
    crowd = Crowd(clock, limiter)
    await knowing(limiter, told(clock, 4, ends_in=60))
    await crowd.come(3)
    with pytest.raises(RateLimitError) as caught:
        await limiter.acquire(0)
    assert caught.value.retry_after == pytest.approx(45)
    await crowd.passes(20)
    assert crowd.moments == [0, 15]
    await crowd.hear(200, told(clock, 3, ends_in=40))
    await crowd.passes(50)
    assert crowd.moments == [0, 15, 30]


async def test_time_that_went_by_is_not_made_up_for_in_a_burst(clock: VirtualClock) -> None:
    limiter = HeaderRateLimiter(clock=clock, spread=True)
    crowd = Crowd(clock, limiter)
    await knowing(limiter, told(clock, 4, ends_in=60))
    await crowd.passes(40)
    await crowd.come(4)
    await crowd.passes(19)
    assert crowd.moments == pytest.approx([40, 45, 50, 55], abs=3 * LATE)


# --- The line -----------------------------------------------------------------------------------------------


async def test_nothing_is_suspended_where_there_is_room(clock: VirtualClock, limiter: HeaderRateLimiter) -> None:
    await knowing(limiter, told(clock, 9))
    with pytest.raises(StopIteration):
        limiter.acquire(math.inf).send(None)


async def test_a_newcomer_does_not_overtake(clock: VirtualClock, crowd: Crowd) -> None:
    await knowing(crowd.limiter, told(clock, 0, ends_in=5))
    await crowd.come(2)
    crowd.limiter._window.heard(200, CIMultiDict(told(clock, 9, ends_in=90)), now=clock.now, wall=clock.wall())
    await crowd.come(2)  # there is room, but the line has not moved up yet
    await crowd.passes(5)
    assert crowd.went == [0, 1, 2, 3]


@pytest.mark.parametrize("victim", range(4))
@pytest.mark.parametrize("turns", range(12))
@pytest.mark.parametrize("news", ["time", "answer"])
async def test_who_is_cancelled_at_any_turn_takes_nothing_along(
    clock: VirtualClock, crowd: Crowd, victim: int, turns: int, news: str
) -> None:
    await under_way(crowd.limiter, 2)
    crowd.limiter.observe(200, told(clock, 0, ends_in=30))
    await crowd.come(4)
    driver = asyncio.create_task(clock.run(clock.sleep(30))) if news == "time" else None
    if driver is None:
        crowd.limiter.observe(200, told(clock, 9, ends_in=90))
    for _ in range(turns):
        await asyncio.sleep(0)
    crowd.tasks[victim].cancel()
    if driver is not None:
        await driver
    await crowd.passes(5)
    others = [number for number in range(4) if number != victim]
    assert crowd.went == sorted(crowd.went)
    assert [number for number in crowd.went if number != victim] == others
    assert crowd.limiter._window._in_flight == 1 + len(crowd.went) - (news == "answer")
    assert crowd.limiter._line.length == 0
    await crowd.end()
    assert clock.sleeping == 0


async def test_the_nap_ends_when_the_last_one_is_cancelled(clock: VirtualClock, crowd: Crowd) -> None:
    await knowing(crowd.limiter, told(clock, 0))
    await crowd.come(3)
    assert clock.sleeping == 1
    await crowd.end()
    assert clock.sleeping == 0


async def test_a_clock_that_fails_is_heard_of(clock: VirtualClock, crowd: Crowd) -> None:
    async def fails(seconds: float) -> None:
        raise OSError(seconds)

    await knowing(crowd.limiter, told(clock, 0))
    clock.sleep = fails  # type: ignore[method-assign]
    with pytest.raises(OSError, match="60"):
        await crowd.limiter.acquire(math.inf)


async def test_a_clock_that_does_not_wait() -> None:
    clock = FakeClock()
    limiter = HeaderRateLimiter(clock=clock)
    await knowing(limiter, {"Retry-After": "5"}, 429)
    await limiter.acquire(9)
    assert clock.sleeps == [5]


def test_one_event_loop_after_the_other() -> None:
    """Also when the first was left with requests in flight and a line, as a fork leaves it."""
    clock = VirtualClock()
    limiter = HeaderRateLimiter(clock=clock)

    async def leave_a_line() -> asyncio.Task[None]:
        await knowing(limiter, told(clock, 2))
        await asyncio.gather(limiter.acquire(9), limiter.acquire(9))
        waiting = asyncio.create_task(limiter.acquire(math.inf))
        await clock.idle()
        return waiting

    async def go_on() -> None:
        await asyncio.gather(limiter.acquire(9), limiter.acquire(9))
        crowd = Crowd(clock, limiter)
        await crowd.come(2)
        assert crowd.went == []
        await crowd.passes(70)
        assert crowd.went == [0, 1]

    loop = asyncio.new_event_loop()
    left = loop.run_until_complete(leave_a_line())
    asyncio.run(go_on())
    left.cancel()
    loop.run_until_complete(asyncio.wait([left, *asyncio.all_tasks(loop)]))
    loop.close()
    assert limiter._line.length == 0


async def test_the_machines_clock_is_used_if_none_is_given() -> None:
    limiter = HeaderRateLimiter()
    await limiter.acquire(0)
    waiting = asyncio.create_task(limiter.acquire(9))
    await until(lambda: limiter._line.length == 1)
    limiter.observe(200, {})
    await waiting


# --- Against a service with a window ------------------------------------------------------------------------

Fate = Literal["answered", "lost before", "lost after", "cancelled"]


class Request(NamedTuple):
    """What happens to one request. Times are in 1/64 s, which floats add up without a remainder."""

    starts: int
    there: int
    back: int
    fate: Fate
    patience: int  # how long after its start it is cancelled, if it is


class Service:
    """A service with the emulator's kind of window. It counts what reaches it."""

    def __init__(self, clock: VirtualClock, rule: str) -> None:
        self._clock = clock
        self._limit = RateLimit(rule)
        self.done = 0
        self.refused = 0

    def handle(self) -> tuple[int, dict[str, str]]:
        now = self._clock.wall()
        status, headers = 200, {}
        try:
            self._limit.check(now)
            self._limit.count()
            self.done += 1
        except ServiceError as error:
            status, headers = error.status, dict(error.headers or {})
            self.refused += 1
        return status, headers | self._limit.headers(now)


class Run:
    """Some requests through one limiter, to a service with a limit."""

    def __init__(self, limit: int, requests: list[Request], *, spread: bool) -> None:
        self.clock = VirtualClock()
        self.limiter = HeaderRateLimiter(clock=self.clock, spread=spread)
        self.service = Service(self.clock, f"{limit}/minute")
        self.limit = limit
        self.came: list[Request] = []
        self.went: list[Request] = []
        self.never_heard_of = 0
        self.sent_before_any_answer = 0
        self.any_answer = False
        asyncio.run(self.clock.run(self._all(requests)))

    async def _all(self, requests: list[Request]) -> None:
        tasks = [asyncio.create_task(self._one(request)) for request in requests]
        for request, task in zip(requests, tuple(tasks), strict=True):
            if request.fate == "cancelled":
                tasks.append(asyncio.create_task(self._cancel(task, request.starts + request.patience)))
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.clock.sleep(100)  # for those that are still on their way to the service
        for task in tasks:
            if not task.cancelled():
                task.result()
        assert asyncio.all_tasks() == {asyncio.current_task(), *self._driver()}

    def _driver(self) -> set["asyncio.Task[Any]"]:
        return {task for task in asyncio.all_tasks() if task.get_coro().__qualname__ == "VirtualClock.run"}  # type: ignore[union-attr]

    async def _cancel(self, task: "asyncio.Task[None]", at: int) -> None:
        await self.clock.sleep(at / 64)
        task.cancel()

    async def _one(self, request: Request) -> None:
        await self.clock.sleep(request.starts / 64)
        self.came.append(request)
        await self.limiter.acquire(math.inf)
        self.went.append(request)
        self.sent_before_any_answer += not self.any_answer
        status: int | None = None
        headers: dict[str, str] = {}
        arrival: asyncio.Future[tuple[int, dict[str, str]]] = asyncio.get_running_loop().create_future()
        # What was sent arrives, whatever becomes of who sent it.
        journey = asyncio.create_task(self._arrive(request, arrival))
        try:
            answer = await asyncio.shield(arrival)
            await self.clock.sleep(request.back / 64)
            if request.fate not in {"lost before", "lost after"}:
                status, headers = answer
                self.any_answer = True
        finally:
            self.limiter.observe(status, headers)
            if status is None and request.fate != "lost before":
                self.never_heard_of += 1
        await journey

    async def _arrive(self, request: Request, arrival: "asyncio.Future[Any]") -> None:
        await self.clock.sleep(request.there / 64)
        arrival.set_result((0, {}) if request.fate == "lost before" else self.service.handle())


A_SECOND = 64
a_request = st.builds(
    Request,
    starts=st.one_of(st.integers(0, A_SECOND), st.integers(0, 200 * A_SECOND)),
    there=st.one_of(st.integers(0, A_SECOND), st.integers(0, 90 * A_SECOND)),
    back=st.one_of(st.integers(0, A_SECOND), st.integers(0, 90 * A_SECOND)),
    fate=st.sampled_from(["answered", "answered", "answered", "lost before", "lost after", "cancelled"]),
    patience=st.integers(0, 100 * A_SECOND),
)


@given(st.integers(1, 8), st.lists(a_request, min_size=1, max_size=40), st.booleans())
@settings(max_examples=300)
def test_the_law_under_any_schedule(limit: int, requests: list[Request], spread: bool) -> None:
    run = Run(limit, requests, spread=spread)
    # Refused at most as many as reached the service and were never heard of. Only while nothing was ever heard
    # can scouts, one a second, be more than the limit that is not known yet.
    excess = max(0, run.sent_before_any_answer - limit)
    assert run.service.refused <= run.never_heard_of + excess
    # Everyone who was not cancelled got through, and in time: a window for each would do.
    assert {id(request) for request in requests if request.fate != "cancelled"} <= {id(one) for one in run.went}
    # And in the order in which they came.
    places = {id(request): place for place, request in enumerate(run.came)}
    order = [places[id(request)] for request in run.went]
    assert order == sorted(order)


an_odd_number = st.one_of(
    st.sampled_from(["", "nan", "inf", "-1", "x", "0", "1", "1e300"]),
    st.floats(-5000, 5000).map(str),
    st.floats(-5000, 5000).map(lambda seconds: str(1_800_001_000 + seconds)),
)
an_odd_answer = st.tuples(
    st.sampled_from([None, 200, 200, 404, 429, 429, 500]),
    st.dictionaries(
        st.sampled_from(["X-Rate-Limit-Limit", "X-Rate-Limit-Remaining", "X-Rate-Limit-Retry", "retry-after"]),
        an_odd_number,
    ),
    st.sampled_from([{}, {"X-Rate-Limit-Type": "api_calls"}, {"X-Rate-Limit-Type": "api_calls_cycle"}]),
)


@given(st.lists(st.tuples(an_odd_answer, st.integers(0, 300)), min_size=1, max_size=30), st.booleans())
@example([((200, {"X-Rate-Limit-Remaining": "0", "X-Rate-Limit-Retry": "1800004600"}, {}), 0)] * 3, False)
def test_whatever_the_service_says_all_get_through(
    answers: list[tuple[tuple[int | None, dict[str, str], dict[str, str]], int]], spread: bool
) -> None:
    clock = VirtualClock()
    limiter = HeaderRateLimiter(clock=clock, spread=spread)

    async def one(answer: tuple[int | None, dict[str, str], dict[str, str]], takes: int) -> None:
        await limiter.acquire(math.inf)
        await clock.sleep(takes / 10)
        limiter.observe(answer[0], answer[1] | answer[2])

    async def everyone() -> None:
        await asyncio.gather(*(one(answer, takes) for answer, takes in answers))

    asyncio.run(clock.run(everyone()))
    assert clock.now <= 1000 + (3601 + 30 + 1) * len(answers)


# --- How much gets through ----------------------------------------------------------------------------------


class Figures(NamedTuple):
    done: int
    refused: int


def ten_minutes(
    *,
    spread: bool,
    processes: int = 1,
    skew: float = 0,
    says: Literal["end", "now", "jitter"] = "end",
    dated: bool = False,
) -> Figures:
    """What 64 workers get done in 600 s at 2000 a minute, each request taking 40 to 300 ms."""
    clock = VirtualClock()
    service = Service(clock, "2000/minute")
    figures = Figures(0, 0)

    class Skewed(VirtualClock):
        """The same time, with the time of day set wrong."""

        def monotonic(self) -> float:
            return clock.monotonic()

        def wall(self) -> float:
            return clock.wall() + skew

        async def sleep(self, seconds: float) -> None:
            await clock.sleep(seconds)

    def latency(number: int) -> float:
        return (20 + number * 7919 % 131) / 1000

    async def worker(limiter: HeaderRateLimiter, number: int) -> None:
        nonlocal figures
        while True:
            await limiter.acquire(math.inf)
            if clock.now >= 1600:
                limiter.observe(None, {})
                return
            number += 64
            await clock.sleep(latency(number))
            status, headers = service.handle()
            if dated:
                headers["Date"] = formatdate(int(clock.wall()), usegmt=True)
            if clock.now < 1600:
                figures = Figures(service.done, service.refused)
            if says == "now" and headers["X-Rate-Limit-Remaining"] != "0":
                headers["X-Rate-Limit-Retry"] = str(int(clock.wall()))
            elif says == "jitter":
                headers["X-Rate-Limit-Retry"] = str(int(headers["X-Rate-Limit-Retry"]) + number // 64 % 2)
            await clock.sleep(latency(number * 3))
            limiter.observe(status, headers)

    async def everyone() -> None:
        limiters = [HeaderRateLimiter(clock=Skewed(), spread=spread) for _ in range(processes)]
        await asyncio.gather(*(worker(limiters[number % processes], number) for number in range(64)))

    asyncio.run(clock.run(everyone()))
    return figures


@pytest.mark.parametrize("spread", [False, True])
def test_one_process_uses_the_limit_and_is_never_refused(spread: bool) -> None:
    figures = ten_minutes(spread=spread)
    assert figures.done >= 0.98 * 20_000
    assert figures.refused == 0


@pytest.mark.parametrize(("spread", "share"), [(False, 0.02), (True, 0.002)])
def test_two_processes_share_a_limit(spread: bool, share: float) -> None:
    figures = ten_minutes(spread=spread, processes=2)
    assert figures.done >= 0.98 * 20_000
    assert figures.refused <= share * 20_000


@pytest.mark.parametrize("spread", [False, True])
@pytest.mark.parametrize("skew", [0.5, 30, 4000, -0.5, -4000])
def test_a_clock_that_is_wrong_costs_a_few_refusals_at_most(spread: bool, skew: float) -> None:
    figures = ten_minutes(spread=spread, skew=skew)
    assert figures.done >= 0.97 * 20_000
    assert figures.refused <= 0.005 * 20_000


@pytest.mark.parametrize("spread", [False, True])
@pytest.mark.parametrize("skew", [0, -1.5, -30, -600, 30])
def test_the_date_of_an_answer_puts_a_wrong_clock_right(spread: bool, skew: float) -> None:
    figures = ten_minutes(spread=spread, skew=skew, dated=True)
    assert figures.done >= 0.95 * 20_000  # a date has whole seconds: up to two of each minute go by
    assert figures.refused <= 0.005 * 20_000


@pytest.mark.parametrize("spread", [False, True])
@pytest.mark.parametrize("says", ["now", "jitter"])
def test_other_ways_to_name_the_moment(spread: bool, says: Literal["now", "jitter"]) -> None:
    figures = ten_minutes(spread=spread, says=says)
    assert figures.done >= 0.95 * 20_000
    assert figures.refused <= 0.005 * 20_000


def test_a_window_can_be_looked_at_without_waiting() -> None:
    window = Window()
    assert window.opens(5.0) == 5.0
    window.sent(5.0)
    assert window.opens(5.5) == 6.0
    assert not window.shut(5.5)
