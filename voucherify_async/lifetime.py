"""The life of a client: which event loop and process it belongs to, what is under way in it, and how it ends."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import suppress
from types import AsyncGeneratorType, TracebackType
from typing import Any, Final, Self

import aiohttp

from voucherify_async.deadlines import Deadlines, Lane
from voucherify_async.direct import DirectPath
from voucherify_async.errors import ClientClosedError, EventLoopError
from voucherify_async.slots import Slots

CLOSED: Final = "the client is closed; make a new one"
CLOSED_MEANWHILE: Final = "the client was closed while the call was under way"
# Seconds that tasks may take whose call is under way when their loop ends.
_LONGEST_CLEAN_UP: Final = 10.0


class Opened:
    """A session that is open, on the one event loop that it belongs to.

    Attributes:
        http: aiohttp's.
        slots: the turns at its connections.
        deadlines: of the calls.
        direct: a way around the session for small requests; None if there is none.
        closer: closes it; None if it is a user's.
    """

    __slots__ = ("closer", "deadlines", "direct", "http", "loop", "process", "slots")

    def __init__(
        self,
        http: aiohttp.ClientSession,
        slots: Slots,
        calls: set[asyncio.Task[Any]] | None,
        direct: DirectPath | None = None,
    ) -> None:
        self.http = http
        self.slots = slots
        self.direct = direct
        self.loop = asyncio.get_running_loop()
        self.process = os.getpid()
        self.deadlines: Deadlines[WithinCall] = Deadlines(self.loop, WithinCall.expire)
        self.closer = None if calls is None else _closes_at_the_end(http, direct, calls)
        if self.closer is not None:
            with suppress(StopIteration):  # which is how it says that it waits at its yield now
                self.closer.__anext__().send(None)

    @property
    def usable(self) -> bool:
        """Whether it is open."""
        return not self.http.closed

    async def close(self) -> None:
        """Close the session, if it is ours."""
        self.deadlines.close()
        self.slots.close()
        if self.direct is not None:
            self.direct.close()
        if isinstance(self.closer, AsyncGeneratorType):
            await self.http.close()
            if not self.closer.ag_running:  # else its loop ends just now, and closes it too
                await self.closer.aclose()


async def _closes_at_the_end(
    http: aiohttp.ClientSession, direct: DirectPath | None, calls: set[asyncio.Task[Any]]
) -> AsyncGenerator[None, None]:
    """Close when the generator is, which `asyncio.run` and its like do to all that are left when their loop ends.

    A client that goes on to the next loop, at module level say, leaves no open sockets behind that way. Generators
    of the user's own are closed at the same time, and what they call at once in doing so is waited for.
    """
    process, loop = os.getpid(), asyncio.get_running_loop()
    try:
        yield
    finally:
        # Else it is closed already, or a fork's copy, whose sockets are its parent's too.
        if os.getpid() == process and not http.closed:
            try:
                # Not for ever: a loop may be ended without cancelling its tasks, one of which never ends.
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LONGEST_CLEAN_UP):
                        await asyncio.sleep(0)
                        while under_way := [task for task in calls if not task.done() and task.get_loop() is loop]:
                            await asyncio.wait(under_way)
            finally:
                if direct is not None:
                    direct.close()
                await http.close()


# Sessions that came over a fork. Their sockets and the selector behind them are the parent's too, and taking one
# down here would disturb it there, so they are kept as they are.
_INHERITED: Final[list[Opened]] = []


class Lifetime:
    """Opens a client's session when it is first needed, knows what is under way, and ends it all.

    Args:
        make_session: makes a session on the running loop.
        make_direct: makes a way around one of ours, if there is one.
        injected: a user's session, which is used in place of one of ours and never closed.
        connections: how many there may be at the same time.
    """

    def __init__(
        self,
        make_session: Callable[[], aiohttp.ClientSession],
        make_direct: Callable[[aiohttp.ClientSession], DirectPath | None],
        *,
        injected: aiohttp.ClientSession | None,
        connections: int,
    ) -> None:
        self._make_session = make_session
        self._make_direct = make_direct
        self._injected = injected
        self._connections = connections
        self._opened: Opened | None = None
        self._resting: list[Opened] = []  # of loops that stand still, and may go on
        self._tasks: set[asyncio.Task[None]] = set()  # ours
        self._calls: set[asyncio.Task[Any]] = set()  # users' tasks that are within a call
        self._ended: set[asyncio.Task[Any]] = set()  # those whose call a closing client has ended
        self._closing: asyncio.Task[None] | None = None
        self.closed = False

    def opened(self) -> Opened:
        """The session of the running loop, opened if there is none yet.

        Raises:
            ClientClosedError: the client was closed, or the session that was given.
            EventLoopError: it is at work on another loop, or the injected session belongs to one.
        """
        loop = asyncio.get_running_loop()
        opened = self._opened
        if opened is not None and opened.loop is loop and not opened.http.closed:
            return opened
        if self.closed:
            raise ClientClosedError(CLOSED)
        if opened is not None and opened.process != os.getpid():
            _INHERITED.append(opened)
        elif opened is not None and opened.loop is not loop:
            if self._injected is not None or opened.loop.is_running():
                raise EventLoopError("the client belongs to another event loop; make one client for each loop")
            self._resting.append(opened)
        # aiohttp keeps the loop to itself, and its own complaint comes late and does not name the cause.
        if self._injected is not None and getattr(self._injected, "_loop", loop) is not loop:
            raise EventLoopError("the session that was given belongs to another event loop")
        if self._injected is not None and self._injected.closed:
            raise ClientClosedError("the session that was given is closed")
        self._opened = self._on_this(loop)
        return self._opened

    def _on_this(self, loop: asyncio.AbstractEventLoop) -> Opened:
        """The session of a loop that goes on, or a new one."""
        # A loop that has ended took its connections, tasks and calls with it.
        self._tasks = {task for task in self._tasks if not task.get_loop().is_closed()}
        self._calls.difference_update([call for call in self._calls if call.get_loop().is_closed()])
        self._ended &= self._calls
        _INHERITED.extend(one for one in self._resting if one.process != os.getpid())
        self._resting = [one for one in self._resting if one.process == os.getpid() and not one.loop.is_closed()]
        for place, rested in enumerate(self._resting):
            if rested.loop is loop:
                del self._resting[place]
                if rested.usable:
                    return rested
                break
        if self._injected is None:
            session = self._make_session()
            return Opened(session, Slots(self._connections), self._calls, self._make_direct(session))
        return Opened(self._injected, Slots(_fewest(self._connections, self._injected.connector)), None)

    def call(self, lane: "Lane[WithinCall] | None" = None) -> "WithinCall":
        """What a call happens within, so that closing the client ends it, and its deadline."""
        return WithinCall(self, lane)

    def spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Start a task that is cancelled when the client is closed."""
        if self.closed:
            work.close()
            raise ClientClosedError(CLOSED)
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # told to those who wait; if nobody does any more, it is nobody's concern

    async def aclose(self) -> None:
        """End all calls and tasks of this loop and close its connections; an injected session stays open.

        Raises:
            EventLoopError: the client is at work on another loop.
        """
        loop = asyncio.get_running_loop()
        opened = self._opened
        elsewhere = opened is not None and opened.loop is not loop and opened.process == os.getpid()
        if elsewhere and opened is not None and not opened.loop.is_closed():
            raise EventLoopError("the client belongs to another event loop; close it there")
        self.closed = True
        if self._closing is None or self._closing.get_loop() is not loop:
            self._closing = loop.create_task(self._close_all())
        # Half a clean-up would leave sockets behind: who is cancelled while waiting for it does not end it.
        await asyncio.shield(self._closing)

    async def _close_all(self) -> None:
        opened, self._opened = self._opened, None
        loop = asyncio.get_running_loop()
        if opened is not None and opened.process != os.getpid():
            _INHERITED.append(opened)
        tasks = [task for task in self._tasks if task.get_loop() is loop]
        for task in tasks:
            task.cancel()
        calls = [call for call in self._calls if call.get_loop() is loop]
        for call in set(calls).difference(tasks):
            self._ended.add(call)
            call.cancel()
        self._calls.difference_update(calls)
        await asyncio.gather(*tasks, return_exceptions=True)
        resting, self._resting = self._resting, [one for one in self._resting if one.loop is not loop]
        for one in resting if opened is None else [opened, *resting]:
            if one.loop is loop and one.process == os.getpid():
                await one.close()


class WithinCall:
    """While a task is within this, a closing client ends what it waits for, with a `ClientClosedError`.

    So does a deadline, with a `TimeoutError`. As `asyncio.timeout` does, the task is cancelled and the cancelling
    is taken back on the way out. One that comes from the user goes on, without its traceback: the frames below hold
    the signed headers.

    Args:
        life: of the client.
        lane: of the deadline, None for no limit.

    Attributes:
        timed_out: whether it ended with the `TimeoutError`.
    """

    __slots__ = ("_before", "_lane", "_life", "_outermost", "_overdue", "_task", "timed_out")

    def __init__(self, life: Lifetime, lane: "Lane[WithinCall] | None" = None) -> None:
        self._life = life
        self._lane = lane
        self._overdue = False
        self.timed_out = False

    def __enter__(self) -> Self:
        life = self._life
        if life.closed:
            raise ClientClosedError(CLOSED_MEANWHILE)
        task: Any = asyncio.current_task()
        self._task: asyncio.Task[Any] = task
        self._before = task.cancelling()
        # Of a call within a call of the same task, such as one that signs, the outer one sees to the closing.
        self._outermost = task not in life._calls
        if self._outermost:
            life._calls.add(task)
        if self._lane is not None:
            self._lane.enter(self)
        return self

    def expire(self) -> None:
        """Its deadline has come."""
        self._overdue = True
        self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, life = self._task, self._life
        if self._lane is not None:
            self._lane.leave(self)
        ended = False
        if self._outermost:
            life._calls.discard(task)
            ended = task in life._ended
        if not ended and not self._overdue and error is None:
            return
        left = self._before
        if ended:
            life._ended.discard(task)
            left = task.uncancel()
        if self._overdue:
            left = task.uncancel()
        if isinstance(error, asyncio.CancelledError):
            error.__traceback__ = None
            if ended and left <= self._before:
                raise ClientClosedError(CLOSED_MEANWHILE) from None
            if self._overdue and left <= self._before:
                self.timed_out = True
                raise TimeoutError from None


def _fewest(connections: int, connector: aiohttp.BaseConnector | None) -> int:
    """How many requests a user's connector takes at once without a queue of its own."""
    limits = [] if connector is None else [connector.limit, connector.limit_per_host]
    return min([connections, *(limit for limit in limits if limit)])
