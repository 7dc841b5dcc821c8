"""Counts what an interpreter does: functions entered, instructions, and what the event loop is asked for."""

import sys
from asyncio import BaseEventLoop
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from socket import socket
from types import FrameType
from typing import Any, Final

import voucherify_async

Work = Callable[[], Awaitable[object]]

_OURS: Final = str(Path(voucherify_async.__file__).parent)
_TESTS: Final = str(Path(__file__).parent)
# The functions of asyncio that stand for something.
_TELLING: Final = {
    BaseEventLoop._run_once.__code__: "loop_turns",  # type: ignore[attr-defined]
    BaseEventLoop.call_at.__code__: "timers",  # `call_later` goes by it
    BaseEventLoop.create_task.__code__: "tasks",
}
# By name: not every system has each of these types.
_POLLS: Final = {"epoll", "kqueue", "devpoll", "poll"}


class Tally:
    """Counts what is done in this thread while some work is awaited.

    Attributes:
        paused: nothing is counted while it is true: what runs is not the client's.
    """

    def __init__(self) -> None:
        self.paused = False
        self._counts: Counter[str] = Counter()

    async def calls(self, work: Work) -> Counter[str]:
        """Count the functions that are entered, coroutines that go on among them."""
        self._counts = Counter()
        sys.setprofile(self._profile)
        try:
            await work()
        finally:
            sys.setprofile(None)
        return self._counts

    async def instructions(self, work: Work) -> int:
        """Count the bytecode instructions of this package."""
        self._counts = Counter()
        sys.settrace(self._trace)
        try:
            await work()
        finally:
            sys.settrace(None)
        return self._counts["opcode"]

    def _profile(self, frame: FrameType, event: str, called: Any) -> None:
        file = frame.f_code.co_filename
        if self.paused or file.startswith(_TESTS):
            return
        if event == "call":
            self._counts["frames"] += 1
            self._counts["own_frames"] += file.startswith(_OURS)
            if (telling := _TELLING.get(frame.f_code)) is not None:
                self._counts[telling] += 1
        elif event == "c_call":
            self._counts["own_c_calls"] += file.startswith(_OURS)
            owner = getattr(called, "__self__", None)
            self._counts["system_calls"] += isinstance(owner, socket) or type(owner).__name__ in _POLLS

    def _trace(self, frame: FrameType, event: str, _: Any) -> Callable[..., Any] | None:
        if not frame.f_code.co_filename.startswith(_OURS):
            return None
        # In this order: Python 3.13 asks for opcodes only in a frame that has its function already.
        frame.f_trace = self._step
        frame.f_trace_opcodes = True
        return self._step

    def _step(self, frame: FrameType, event: str, _: Any) -> Callable[..., Any]:
        self._counts[event] += 1
        return self._step
