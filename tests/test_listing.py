"""Listing all orders while others create and change them: the law of it, and its life in a client."""

import asyncio
import datetime
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from itertools import count
from random import Random
from typing import Final, Literal, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import FakeClock, http, raw_server, until
from voucherify_async import (
    BadRequestError,
    ClientClosedError,
    ConfigurationError,
    EventLoopError,
    ListingCapError,
    ListingIncompleteError,
    NewOrder,
    Order,
    OrderChanges,
    OrderListing,
    OrderPage,
    RetryPolicy,
    VoucherifyClient,
)
from voucherify_async.emulator import Emulator
from voucherify_async.emulator.faults import Fault
from voucherify_async.listing import MOST_LOOKS, PAGE, Reading
from voucherify_async.resources.orders import OrderListOrder

SORTS: Final[tuple[OrderListOrder, ...]] = get_args(OrderListOrder)
SORT = st.sampled_from(SORTS)
EPOCH = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


# --- The law ------------------------------------------------------------------------------------------------


class Service:
    """Orders, sorted anew for each request; those of one moment stand as they came, or as `chance` will have it.

    Attributes:
        began: when the first of them were there, and nobody had listed any.
    """

    def __init__(self, count: int, *, tells_total: bool = True, chance: Random | None = None) -> None:
        self.orders: dict[str, Order] = {}
        self.tells_total = tells_total
        self.chance = chance
        self._now = 0
        self._ranked: dict[OrderListOrder, list[Order]] = {}
        for _ in range(count):
            self._now += len(self.orders) % 3 // 2
            self.create(1)
        self.began = self.now
        self._now += 1

    def pass_time(self) -> None:
        self._now += 1

    @property
    def now(self) -> datetime.datetime:
        return EPOCH + datetime.timedelta(milliseconds=self._now)

    def create(self, count: int) -> None:
        for number in range(len(self.orders), len(self.orders) + count):
            self._put(Order(id=f"ord_{number:06d}", created_at=self.now, updated_at=self.now))

    def update(self, first: float, count: int) -> None:
        """Change some that are neighbours in the order of their creation; `first` is a share of them all."""
        self._change(first, count, {})

    def move(self, first: float, count: int, to: int) -> None:
        """Set the time of creation by hand."""
        self._change(first, count, {"created_at": EPOCH + datetime.timedelta(milliseconds=to)})

    def _change(self, first: float, count: int, changes: Mapping[str, object]) -> None:
        ids = list(self.orders)
        start = int(first * len(ids))
        for order_id in ids[start : start + count]:
            self._put(msgspec.structs.replace(self.orders[order_id], updated_at=self.now, **changes))

    def _put(self, order: Order) -> None:
        self.orders[order.id] = order
        self._ranked.clear()

    def page(self, sort: OrderListOrder, number: int) -> OrderPage:
        if sort not in self._ranked or self.chance:
            by = sort.lstrip("-")
            orders = list(self.orders.values())
            if self.chance:
                self.chance.shuffle(orders)
            self._ranked[sort] = sorted(orders, key=lambda order: getattr(order, by) or EPOCH)
            if sort.startswith("-"):
                self._ranked[sort].reverse()
        ranked = self._ranked[sort]
        shown = ranked[(number - 1) * PAGE : number * PAGE]
        return OrderPage(orders=shown, total=len(ranked) if self.tells_total else None)


Change = Callable[[Service], None]


class Run:
    """What a reading asked for, and what it gave.

    Attributes:
        there: the ids of all orders when the last page was listed.
        shown_first: each order as the service showed it first.
        straight: how many were given before the list was looked through again.
    """

    def __init__(self, service: Service, sort: OrderListOrder, between: Iterator[Change]) -> None:
        self.asked: list[tuple[OrderListOrder, int]] = []
        self.given: list[Order] = []
        self.there: set[str] = set()
        self.shown_first: dict[str, Order] = {}
        self.straight: int | None = None
        self.began = service.began
        self.error: ListingIncompleteError | None = None
        reading = Reading(sort)
        try:
            while (wanted := reading.next_page()) is not None:
                if wanted[1] == 1 and self.asked and self.straight is None:
                    self.straight = len(self.given)
                self.asked.append(wanted)
                page = service.page(*wanted)
                for order in page.orders:
                    self.shown_first.setdefault(order.id, order)
                self.there = set(service.orders)
                self.given += reading.take(page)
                next(between, lambda service: None)(service)
        except ListingIncompleteError as error:
            self.error = error

    def obeys(self, sort: OrderListOrder, *, by_hand: bool = False) -> None:
        """Each order once, as it was first seen, in the order asked for but for those that moved past the reading.

        Those come last, as a rule; in between, if more than a page of others moved with them from one page to the
        next. Towards the end of an ascending list nothing can move past the reading. Times of creation set by hand
        keep no order at all.
        """
        ids = [order.id for order in self.given]
        assert len(set(ids)) == len(ids)
        assert self.given == [self.shown_first[order_id] for order_id in ids]
        assert set(ids) <= self.there
        if self.error is None:
            assert set(ids) == self.there
        else:
            assert self.error.reached == len(ids) < (self.error.total or len(ids) + 1)
        if by_hand:
            return
        descending = sort.startswith("-")
        unmoved = [
            order
            for order in self.given[: self.straight]
            if (order.updated_at or EPOCH) <= self.began or not descending
        ]
        keys = [getattr(order, sort.lstrip("-")) for order in unmoved]
        assert keys == sorted(keys, reverse=descending)


def changes(*, by_hand: bool = False) -> st.SearchStrategy[list[Change]]:
    """What happens between one page and the next, for some pages."""
    share, few = st.floats(0, 1, exclude_max=True), st.integers(1, 30) | st.integers(1, 200)
    kinds: list[st.SearchStrategy[Change]] = [
        st.builds(lambda count: lambda service: service.create(count), few),
        st.builds(lambda first, count: lambda service: service.update(first, count), share, few),
        st.just(Service.pass_time),
    ]
    if by_hand:
        moments = st.integers(-5, 20)
        kinds.append(
            st.builds(lambda first, count, to: lambda service: service.move(first, count, to), share, few, moments)
        )

    def all_of(several: list[Change]) -> Change:
        def change(service: Service) -> None:
            for one in several:
                one(service)
                service.pass_time()

        return change

    return st.lists(st.lists(st.one_of(kinds), max_size=4).map(all_of), max_size=15)


SIZES = st.integers(0, 450) | st.sampled_from([0, 1, 99, 100, 101, 199, 200, 201, 300, 400])


@given(sort=SORT, size=SIZES, between=changes())
@settings(max_examples=300)
def test_each_order_is_given_once_whatever_is_created_and_changed_meanwhile(
    sort: OrderListOrder, size: int, between: list[Change]
) -> None:
    service = Service(size)
    run = Run(service, sort, iter(between))
    run.obeys(sort)
    assert run.error is None
    if sort == "created_at":
        assert run.straight is None


@given(sort=SORT, size=SIZES, between=changes(by_hand=True), chance=st.none() | st.integers(0, 2**32))
@settings(max_examples=200)
def test_if_orders_are_missing_an_error_says_how_many(
    sort: OrderListOrder, size: int, between: list[Change], chance: int | None
) -> None:
    """Times of creation set by hand, and ties that fall anew each time, can hide an order from any listing."""
    service = Service(size, chance=None if chance is None else Random(chance))
    Run(service, sort, iter(between)).obeys(sort, by_hand=True)


@given(sort=SORT, size=SIZES)
def test_no_page_is_asked_for_that_brings_nothing(sort: OrderListOrder, size: int) -> None:
    run = Run(Service(size), sort, iter(()))
    run.obeys(sort)
    assert run.asked == [(sort, number) for number in range(1, max(1, -(-size // PAGE)) + 1)]


@pytest.mark.parametrize("sort", SORTS)
def test_changes_without_an_end_do_not_keep_the_reading_from_ending(sort: OrderListOrder) -> None:
    def forever() -> Iterator[Change]:
        share = 0.0
        while True:
            share = (share + 0.37) % 1

            def change(service: Service, first: float = share) -> None:
                service.pass_time()
                service.create(20)
                service.pass_time()
                service.update(first, 150)

            yield change

    run = Run(Service(420), sort, forever())
    run.obeys(sort)
    assert run.error is None
    assert len(run.asked) < 40


@pytest.mark.parametrize(
    ("sort", "change", "again"),
    [
        # Nothing moves under a new order at the end.
        ("created_at", lambda service: service.create(1), []),
        # The new one is the first.
        ("-created_at", lambda service: service.create(1), [("-created_at", 1)]),
        # The first one goes to the end, and pulls the hundred and first onto the page that was read.
        ("updated_at", lambda service: service.update(0.0, 1), [("created_at", 1), ("created_at", 2)]),
        # The last one, which was to come yet, goes to the front.
        ("-updated_at", lambda service: service.update(0.0, 1), [("-updated_at", 1)]),
    ],
)
def test_what_moved_past_the_reading_costs_few_requests(
    sort: OrderListOrder, change: Change, again: list[tuple[OrderListOrder, int]]
) -> None:
    def at_once(service: Service) -> None:
        service.pass_time()
        change(service)

    run = Run(Service(250), sort, iter([at_once]))
    run.obeys(sort)
    assert run.asked == [(sort, 1), (sort, 2), (sort, 3), *again]
    assert run.error is None


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize(("size", "given"), [(9_999, 9_999), (10_000, 10_000), (10_001, 10_000), (10_250, 10_000)])
def test_listing_ends_at_the_cap_and_says_so(sort: OrderListOrder, size: int, given: int) -> None:
    run = Run(Service(size), sort, iter(()))
    assert (len(run.given), len(run.asked)) == (given, 100)
    assert run.straight is None
    assert isinstance(run.error, ListingCapError) == (size > given)
    if run.error is not None:
        assert (run.error.total, run.error.reached) == (size, given)


def test_an_order_that_goes_beyond_the_cap_meanwhile_is_not_passed_over_in_silence() -> None:
    run = Run(Service(10_000), "-created_at", iter([Service.pass_time, lambda service: service.create(1)]))
    assert isinstance(run.error, ListingCapError)
    assert (run.error.total, run.error.reached, len(run.given)) == (10_001, 9_999, 9_999)


def test_orders_that_are_full_to_the_cap_are_all_found_though_they_move() -> None:
    run = Run(Service(10_000), "updated_at", iter([Service.pass_time, lambda service: service.update(0.0, 3)]))
    run.obeys("updated_at")
    assert run.error is None


@pytest.mark.parametrize(("size", "requests"), [(0, 1), (99, 1), (100, 2), (250, 3)])
def test_where_no_total_is_told_a_short_page_is_the_end(size: int, requests: int) -> None:
    run = Run(Service(size, tells_total=False), "-created_at", iter(()))
    assert (len(run.given), len(run.asked), run.error) == (size, requests, None)


@pytest.mark.parametrize("size", [10_000, 10_001])
def test_where_no_total_is_told_the_cap_is_an_error_all_the_same(size: int) -> None:
    run = Run(Service(size, tells_total=False), "created_at", iter(()))
    assert isinstance(run.error, ListingCapError)
    assert (run.error.total, run.error.reached, len(run.asked)) == (None, 10_000, 100)


def test_a_total_that_cannot_be_right_is_as_good_as_none() -> None:
    reading, given = Reading("created_at"), list[Order]()
    service = Service(250)
    while (wanted := reading.next_page()) is not None:
        given += reading.take(msgspec.structs.replace(service.page(*wanted), total=7))
    assert len(given) == 250


# --- Over sockets -------------------------------------------------------------------------------------------


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(seed=1, import_seconds=0) as emulator:
        yield emulator


async def fill(client: VoucherifyClient, size: int) -> None:
    for start in range(0, size, 2000):
        orders = [NewOrder(source_id=f"o-{number}") for number in range(start, min(start + 2000, size))]
        await (await client.orders.import_orders(orders))


def listed(emulator: Emulator) -> int:
    return emulator.effects.requests["GET", "/v1/orders"]


async def source_ids(listing: OrderListing) -> list[str | None]:
    async with listing as orders:
        return [order.source_id async for order in orders]


def reading() -> set["asyncio.Task[object]"]:
    """The tasks of listings."""
    return {task for task in asyncio.all_tasks() if "OrderListing._read" in repr(task.get_coro())}


class Gate:
    """A rate limiter that lets something happen before each request, and sees how many are under way."""

    def __init__(self, before: Callable[[int], Awaitable[object]]) -> None:
        self.before = before
        self.asked = 0
        self.under_way = 0
        self.most = 0

    async def acquire(self, max_wait: float) -> None:
        self.asked += 1
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await self.before(self.asked)

    def observe(self, status: int | None, headers: Mapping[str, str]) -> None:
        self.under_way -= 1


@pytest.mark.parametrize(("size", "requests"), [(0, 1), (1, 1), (100, 1), (200, 2), (250, 3)])
async def test_all_orders_are_listed_with_as_few_requests_as_can_be(
    emulator: Emulator, client: VoucherifyClient, size: int, requests: int
) -> None:
    await fill(client, size)
    async with client.orders.iterate() as orders:
        found = [order.source_id async for order in orders]
        assert (orders.total, orders.given) == (size, size)
        with pytest.raises(StopAsyncIteration):
            await orders.__anext__()
    assert found == [f"o-{number}" for number in range(size)]
    assert listed(emulator) == requests
    assert dict(emulator.requests[-1].query) == {"limit": "100", "page": str(requests), "order": "created_at"}


@pytest.mark.parametrize("sort", SORTS)
async def test_orders_that_change_between_two_pages_are_listed_once(
    emulator: Emulator, client: VoucherifyClient, sort: OrderListOrder
) -> None:
    await fill(client, 350)

    async def meanwhile(request: int) -> None:
        if 1 < request < 5:
            await client.orders.update(f"o-{request}", OrderChanges(status="PAID"))
            await client.orders.update(f"o-{340 + request}", OrderChanges(status="PAID"))
            await client.orders.create(NewOrder(source_id=f"new-{request}"))

    gate = Gate(meanwhile)
    async with emulator.client(rate_limiter=gate) as reader:
        found = await source_ids(reader.orders.iterate(order=sort))
    assert len(found) == len(set(found)) == 353
    assert set(found) == emulator.effects.orders.keys()
    assert gate.most == 1
    assert gate.asked <= 8


async def test_no_more_than_two_pages_wait(emulator: Emulator, client: VoucherifyClient) -> None:
    await fill(client, 450)
    listing = client.orders.iterate()
    await asyncio.sleep(0)
    assert listed(emulator) == 0  # nothing before it is entered
    async with listing as orders:
        await until(lambda: listed(emulator) == 2 and len(orders._stored) == 200)
        for _ in range(99):
            await orders.__anext__()
        for _ in range(20):
            await client.orders.get("o-1")
        assert listed(emulator) == 2
        await orders.__anext__()
        await until(lambda: len(orders._stored) == 200)
        assert (listed(emulator), orders.given, orders.total) == (3, 100, 450)


async def test_more_orders_than_listing_reaches(emulator: Emulator, client: VoucherifyClient) -> None:
    await fill(client, 10_001)
    orders = client.orders.iterate()
    with pytest.raises(ListingCapError, match="10000 of 10001 orders") as caught:
        await source_ids(orders)
    assert (caught.value.total, caught.value.reached, orders.given) == (10_001, 10_000, 10_000)
    assert listed(emulator) == 100


async def test_a_total_that_counts_more_than_is_listed_is_told_in_the_end(clock: FakeClock) -> None:
    body = b'{"orders":[{"id":"ord_1"},{"id":"ord_2"},{"id":"ord_1"}],"total":3}'
    async with raw_server(http(200, body)) as server:
        async with VoucherifyClient("i", "t", base_url=server.url, clock=clock) as client:
            async with client.orders.iterate(order="-updated_at") as orders:
                assert [(await orders.__anext__()).id for _ in range(2)] == ["ord_1", "ord_2"]
                with pytest.raises(ListingIncompleteError, match="2 of 3 orders") as caught:
                    await orders.__anext__()
                assert not isinstance(caught.value, ListingCapError)
                with pytest.raises(ListingIncompleteError):  # again: no end that looks like a good one
                    await orders.__anext__()
    assert len(server.requests) == 1 + MOST_LOOKS
    assert [line.partition("order=")[2].split()[0] for line in server.lines] == [
        *["-updated_at"] * 2,
        *["created_at"] * 2,
    ]


async def test_the_total_that_was_told_last_stays(clock: FakeClock) -> None:
    ids = ",".join(f'{{"id":"ord_{number}"}}' for number in range(100)).encode()
    pages = http(200, b'{"orders":[%b],"total":101}' % ids), http(200, b'{"orders":[{"id":"ord_100"}]}')
    async with raw_server(*pages) as server:
        async with VoucherifyClient("i", "t", base_url=server.url, clock=clock) as client:
            async with client.orders.iterate() as orders:
                assert [order.id async for order in orders] == [f"ord_{number}" for number in range(101)]
    assert (orders.total, orders.given, len(server.requests)) == (101, 101, 2)


async def test_a_listing_says_so_if_its_client_is_at_work_on_another_loop(emulator: Emulator) -> None:
    async with emulator.client() as client:
        await client.orders.list()
        with pytest.raises(EventLoopError):
            await asyncio.to_thread(asyncio.run, source_ids(client.orders.iterate()))


async def test_an_error_comes_after_the_orders_before_it(emulator: Emulator, client: VoucherifyClient) -> None:
    await fill(client, 250)
    emulator.faults.add(Fault(kind="status", status=400, path="/v1/orders", skip=2))
    async with client.orders.iterate() as orders:
        for _ in range(200):
            await orders.__anext__()
        for _ in range(2):
            with pytest.raises(BadRequestError):
                await orders.__anext__()
    # Entered again, it begins from the beginning.
    assert len(await source_ids(orders)) == orders.given == 250


async def test_a_page_that_fails_for_a_while_is_asked_for_again(
    emulator: Emulator, client: VoucherifyClient
) -> None:
    await fill(client, 250)
    emulator.faults.mix(0.3, Fault(kind="drop", path="/v1/orders"), Fault(kind="truncated", path="/v1/orders"))
    assert len(await source_ids(client.orders.iterate(order="-created_at"))) == 250


async def test_a_user_s_mistake_in_a_limiter_comes_out_of_the_listing(emulator: Emulator) -> None:
    async def fail(request: int) -> None:
        raise ZeroDivisionError

    async with emulator.client(rate_limiter=Gate(fail)) as client:
        with pytest.raises(ZeroDivisionError):
            await source_ids(client.orders.iterate())


@pytest.mark.parametrize("order", ["amount", "", None, 7, ["created_at"]])
async def test_an_unknown_order_is_refused_at_once(client: VoucherifyClient, order: object) -> None:
    with pytest.raises(ConfigurationError) as caught:
        client.orders.iterate(order=order)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    assert caught.value.argument == "order"


async def test_a_listing_is_used_with_a_context_and_by_one_at_a_time(client: VoucherifyClient) -> None:
    await client.orders.create(NewOrder(source_id="o-1"))
    orders = client.orders.iterate()
    with pytest.raises(ConfigurationError, match="with a context"):
        await orders.__anext__()
    for _ in range(2):
        async with orders:
            with pytest.raises(ConfigurationError, match="being read already"):
                await orders.__aenter__()
            assert [order.source_id async for order in orders] == ["o-1"]
        # It gives nothing any more, and does not look as if that were all.
        with pytest.raises(ConfigurationError, match="with a context"):
            await orders.__anext__()


async def test_tasks_that_share_a_listing_share_the_orders(client: VoucherifyClient) -> None:
    await fill(client, 350)
    parts: list[list[str]] = [[], [], []]

    async def take(part: list[str], orders: OrderListing) -> None:
        async for order in orders:
            part.append(order.id)
            await asyncio.sleep(0)

    async with client.orders.iterate() as orders:
        await asyncio.gather(*(take(part, orders) for part in parts))
    assert all(parts)
    assert len({order_id for part in parts for order_id in part}) == sum(map(len, parts)) == 350


# --- Leaving ------------------------------------------------------------------------------------------------


@asynccontextmanager
async def nothing_left(emulator: Emulator, client: VoucherifyClient) -> AsyncIterator[None]:
    """No task goes on, no request is made, and every connection is free, when this is left."""
    yield
    assert not reading()
    asked = listed(emulator)
    slots = client._session._life.opened().slots
    assert slots.free == slots.count
    for _ in range(5):
        await asyncio.sleep(0)
    assert listed(emulator) == asked


async def stumble(client: VoucherifyClient) -> None:
    async with client.orders.iterate() as orders:
        async for order in orders:
            if order.source_id == "o-120":
                raise ZeroDivisionError


async def test_leaving_early_leaves_nothing_behind(emulator: Emulator, client: VoucherifyClient) -> None:
    await fill(client, 450)
    async with nothing_left(emulator, client):
        async with client.orders.iterate() as orders:
            async for _ in orders:
                break
        with pytest.raises(ConfigurationError, match="with a context"):  # nor are those given that were read ahead
            await orders.__anext__()
    async with nothing_left(emulator, client):
        with pytest.raises(ZeroDivisionError):
            await stumble(client)
    async with nothing_left(emulator, client):
        async with client.orders.iterate():
            pass


async def test_leaving_does_not_wait_for_a_page_under_way(emulator: Emulator, client: VoucherifyClient) -> None:
    await fill(client, 250)
    emulator.faults.add(Fault(kind="delay", delay=60, path="/v1/orders", skip=1))
    async with asyncio.timeout(10), nothing_left(emulator, client):
        async with client.orders.iterate() as orders:
            await orders.__anext__()
            await until(lambda: listed(emulator) == 2, lambda: asyncio.sleep(0.001))


async def test_one_who_waits_while_another_leaves_is_told(emulator: Emulator, client: VoucherifyClient) -> None:
    await fill(client, 1)
    emulator.faults.add(Fault(kind="delay", delay=60, path="/v1/orders"))
    async with client.orders.iterate() as orders:
        waiting = asyncio.create_task(anext(orders))
        await until(lambda: listed(emulator) == 1, lambda: asyncio.sleep(0.001))
    with pytest.raises(ConfigurationError, match="with a context"):
        await waiting


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 8, 13, 21])
async def test_a_client_that_is_closed_meanwhile_ends_the_listing(
    emulator: Emulator, client: VoucherifyClient, clock: FakeClock, turns: int
) -> None:
    await fill(client, 450)
    reader = emulator.client(clock=clock)
    async with reader.orders.iterate() as orders:
        for _ in range(turns):
            await asyncio.sleep(0)
        await reader.aclose()
        with pytest.raises(ClientClosedError):
            async for _ in orders:
                pass
    assert not reading()
    with pytest.raises(ClientClosedError):
        await reader.orders.iterate().__aenter__()


async def test_a_client_that_is_closed_while_one_waits_wakes_them(emulator: Emulator, clock: FakeClock) -> None:
    emulator.faults.add(Fault(kind="delay", delay=60, path="/v1/orders"))
    reader = emulator.client(clock=clock)
    async with reader.orders.iterate() as orders:
        waiting = asyncio.create_task(anext(orders))
        await until(lambda: listed(emulator) == 1, lambda: asyncio.sleep(0.001))
        await reader.aclose()
        with pytest.raises(ClientClosedError):
            await waiting


async def test_cancelling_at_any_moment_leaves_everything_in_order(
    emulator: Emulator, client: VoucherifyClient
) -> None:
    await fill(client, 250)
    outcomes: set[Literal["cancelled", "ended"]] = set()

    async def work() -> None:
        async with client.orders.iterate() as orders:
            async for _ in orders:
                pass

    turns = 0
    while "ended" not in outcomes:
        task = asyncio.create_task(work())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        outcomes.add("cancelled" if task.cancelled() else "ended")
        for _ in range(2):  # a leaving that is cancelled itself does not wait for the reader to end
            await asyncio.sleep(0)
        assert not reading()
        turns += 1
    assert outcomes == {"cancelled", "ended"}
    assert len(await source_ids(client.orders.iterate())) == 250


async def test_cancelling_while_leaving_ends_the_reader_all_the_same(
    emulator: Emulator, client: VoucherifyClient
) -> None:
    await fill(client, 1)
    emulator.faults.add(Fault(kind="delay", delay=60, path="/v1/orders"))
    orders = client.orders.iterate()
    await orders.__aenter__()
    await until(lambda: listed(emulator) == 1, lambda: asyncio.sleep(0.001))
    leaving = asyncio.create_task(orders.__aexit__(None, None, None))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait([leaving])
    await until(lambda: not reading())
    # It may be entered again at once.
    assert await source_ids(orders) == ["o-0"]


async def test_waiting_for_a_page_can_be_given_up_and_taken_up_again(
    emulator: Emulator, client: VoucherifyClient
) -> None:
    await fill(client, 250)
    found = list[str | None]()
    async with client.orders.iterate() as orders:
        for turns in count():
            if orders.given == 250:
                break
            task = asyncio.create_task(anext(orders))
            for _ in range(turns % 4):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                found.append(task.result().source_id)
            await asyncio.sleep(0)
    assert found == [f"o-{number}" for number in range(250)]


async def test_a_view_of_the_client_lists_with_its_own_options(
    emulator: Emulator, client: VoucherifyClient
) -> None:
    emulator.faults.add(Fault(kind="status", status=500, path="/v1/orders"))
    view = client.with_options(retry=RetryPolicy(max_attempts=1), headers={"X-Trace": "7"})
    with pytest.raises(Exception, match="500"):
        await source_ids(view.orders.iterate())
    assert emulator.requests[-1].headers["x-trace"] == "7"
