"""All orders of a project, listed page by page while others may change them.

A page is a stretch of a list that is sorted anew for each request, so orders can move between two of them:

- `created_at`: a new order comes last, and no other moves.
- `-created_at`: a new order comes first and pushes the others back; the last ones of a page are listed again.
- `updated_at`: a change takes an order to the end and pulls those behind it forward; if it had been listed before,
  one of them slips onto a page that has been read.
- `-updated_at`: a change takes an order to the front; if it had not been listed before, it is not met any more.

So orders that were listed before are passed over, by their ids, and in the end their number is held against the
`total` that each page tells. While it is smaller, the list is looked through again. What is missing with a dash in
front was created or changed since, and stands at the front of the same list now: one request, as a rule. Otherwise
it may be anywhere, and is looked for by `created_at`, where no change moves anything: one look finds it all, unless
times of creation are set by hand, or the service sorts orders of one moment now this way, now that. Looking again
has an end in any case, and an error tells if something is missing then.

Pages are asked for one after another: one that is answered before the one in front of it loses what moves between
them. No way of deleting an order is documented, so none that was listed is taken to be gone.
"""

import asyncio
from collections import deque
from types import TracebackType
from typing import Final, Self

from voucherify_async.errors import (
    ClientClosedError,
    ConfigurationError,
    ListingCapError,
    ListingIncompleteError,
)
from voucherify_async.models.orders import Order, OrderPage
from voucherify_async.resources.orders import OrderListOrder, Orders
from voucherify_async.session import SessionManager

# The most that the service allows (OpenAPI v2018-08-01, `GET /v1/orders`).
PAGE: Final = 100
MOST_PAGES: Final = 100
# The first may find what it looks for at the front; the second finds everything there is to find; one to be sure.
MOST_LOOKS: Final = 3


class Reading:
    """Which page to ask for next, and which orders on one are new: pure."""

    def __init__(self, order: OrderListOrder) -> None:
        self._asked_for: Final = order
        self._found: set[str] = set()
        self._looks = 0
        self._next: tuple[OrderListOrder, int] | None = (order, 1)
        self._error: ListingIncompleteError | None = None

    def next_page(self) -> tuple[OrderListOrder, int] | None:
        """By what to sort and the number of the page; None if all orders have been found.

        Raises:
            ListingCapError: the pages are at their end, and the orders are not.
            ListingIncompleteError: some are missing, and looking again did not help.
        """
        if self._error is not None:
            raise self._error
        return self._next

    def take(self, page: OrderPage) -> list[Order]:
        """The orders on the page that was asked for which were on none before."""
        found = self._found
        new = []
        for order in page.orders:
            if order.id not in found:
                found.add(order.id)
                new.append(order)
        self._go_on(len(page.orders), page.total)
        return new

    def _go_on(self, listed: int, total: int | None) -> None:
        assert self._next is not None  # noqa: S101 - a page is only taken after it was asked for
        sort, number = self._next
        reached = len(self._found)
        if total == reached:
            self._next = None
            return
        if total is not None and total < reached:
            total = None  # as good as not told: there are more
        if listed >= PAGE and (total is None or total > number * PAGE):
            self._next = (sort, number + 1)
            if number == MOST_PAGES:
                self._error = ListingCapError(total=total, reached=reached)
        elif total is None:
            self._next = None
        elif self._looks == MOST_LOOKS:
            self._error = ListingIncompleteError(total=total, reached=reached)
        else:
            self._looks += 1
            at_the_front = self._looks == 1 and self._asked_for.startswith("-")
            self._next = (self._asked_for if at_the_front else "created_at", 1)


class OrderListing:
    """All orders, one after another, see `client.orders.iterate`.

    Several tasks may iterate the same one: each order is given to one of them.

    Attributes:
        total: how many orders there are, as the service told last; None before it did.
        given: how many of them were given.
    """

    def __init__(self, orders: Orders, session: SessionManager, order: OrderListOrder) -> None:
        self._list = orders.list
        self._session = session
        self._order: Final = order
        self._reader: asyncio.Task[None] | None = None
        self._begin()

    def _begin(self) -> None:
        self.total: int | None = None
        self.given = 0
        self._stored: deque[Order] = deque()
        # Set when there may be something to give, an end included, and when a page may be asked for.
        self._news, self._room = asyncio.Event(), asyncio.Event()

    async def __aenter__(self) -> Self:
        if self._reader is not None:
            raise ConfigurationError("orders", "are being read already; use an iterate() of their own")
        self._begin()
        self._reader = self._session.spawn(self._read(Reading(self._order)))
        self._reader.add_done_callback(lambda reader: self._news.set())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        reader, self._reader = self._reader, None
        self._stored.clear()
        self._news.set()
        if reader is not None:
            reader.cancel()
            await asyncio.wait([reader])

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Order:
        while not self._stored:
            if self._reader is None:
                raise ConfigurationError("orders", "use it with a context: async with orders.iterate() as orders")
            if self._reader.done():
                raise _end_of(self._reader)
            self._news.clear()
            await self._news.wait()
        order = self._stored.popleft()
        self.given += 1
        if len(self._stored) == PAGE:
            self._room.set()
        return order

    async def _read(self, reading: Reading) -> None:
        """Keep at least one page in store, and at most two."""
        while (wanted := reading.next_page()) is not None:
            while len(self._stored) > PAGE:
                self._room.clear()
                await self._room.wait()
            order, number = wanted
            page = await self._list(limit=PAGE, page=number, order=order)
            if page.total is not None:
                self.total = page.total
            self._stored.extend(reading.take(page))
            self._news.set()


def _end_of(reader: "asyncio.Task[None]") -> BaseException:
    if reader.cancelled():
        return ClientClosedError("the client was closed while orders were listed")
    return reader.exception() or StopAsyncIteration()
