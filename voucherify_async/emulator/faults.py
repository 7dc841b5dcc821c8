"""A script of faults: which requests go wrong, how, and how often.

Pure: this says what is to happen; `delivery.py` does it to the connection.
"""

from __future__ import annotations

import math
import random
import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

__all__ = ["Fault", "FaultKind", "Faults"]

FaultKind = Literal[
    "status",
    "delay",
    "drop",
    "reset",
    "partial_headers",
    "truncated",
    "truncated_gzip",
    "broken_json",
    "drip",
    "redirect",
    "hang_up",
    "excess",
    "bomb",
    "endless",
    "wrong_encoding",
    "unknown_encoding",
    "bad_charset",
]
if TYPE_CHECKING:
    Body = str | bytes | None
else:
    # msgspec cannot tell text and bytes apart in JSON; over HTTP it is text, checked below.
    Body = Any
KINDS: Final[frozenset[str]] = frozenset(FaultKind.__args__)  # type: ignore[attr-defined]
# These spoil the real answer, so there has to be one.
_NEED_THE_ANSWER: Final = KINDS - {"status", "delay", "drop", "reset", "redirect"}
_MOST_BYTES: Final = 2**32

_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# These say where an answer ends, which is the emulator's to know.
_FRAMING: Final = frozenset(("content-length", "transfer-encoding"))


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of the script.

    Kinds:

    - `status`: answer `status` with `headers` and `body` (an error object of the service if there is none).
    - `delay`: wait `delay` seconds of real time, then go on as usual.
    - `drop`: close the connection without an answer.
    - `reset`: the same with a TCP reset.
    - `partial_headers`: close within the header of the answer.
    - `truncated`: send half of the body under a Content-Length for all of it, then close.
    - `truncated_gzip`: send half of the gzipped body, under a Content-Length that fits that half.
    - `broken_json`: the answer's status, and half of its JSON under a Content-Length that fits.
    - `drip`: send the body in pieces over `delay` seconds.
    - `redirect`: answer `status` (302 if it is not a 3xx) with the `Location` of `headers`, else this emulator's.
    - `hang_up`: send the whole answer, wait `delay` seconds, then close the connection without having said so. A
      request that comes meanwhile is lost unseen, as one that meets the end of an idle connection.
    - `excess`: send the whole answer, and `delay` seconds later, behind its end, `body` (an unreadable status line,
      if there is none); the connection stays open.
    - `bomb`: the answer's status, and a gzipped body that unpacks to `size_bytes` blanks.
    - `endless`: the answer's status, and `size_bytes` blanks without a Content-Length.
    - `wrong_encoding`: say that the body is gzipped, and send it plain.
    - `unknown_encoding`: say that the body is encoded as `zz-unknown`, and send it plain; `Content-Encoding` in
      `headers` says another, here and in `wrong_encoding`.
    - `bad_charset`: send the body with the first byte of each string value replaced by one that is no UTF-8.

    `times` is how often (None: always); `rate` the probability with which a request that fits is hit; `skip` how
    many requests that fit go through first. `method` and `path` (a pattern such as `/v1/orders/*`, against the path
    as it was sent; `*` also matches slashes) say which requests fit; without a path, all but `/_emulator/`.

    `when` is `before` or `after` the effect on the server; without it `before`, but `after` for the kinds that
    spoil the real answer; those can be `before` too, and then spoil an answer of 502.
    `status` is 200 to 599; `headers` cannot say how long the answer is (`Content-Length`, `Transfer-Encoding`).
    `delay` is waited for in every kind before the fault happens (in `drip`: while; in `hang_up` and `excess`:
    behind the answer). `size_bytes` is 1 to 2**32. An answer of 204 has no body that could be spoilt.
    """

    kind: FaultKind
    times: int | None = 1
    rate: float = 1.0
    skip: int = 0
    method: str | None = None
    path: str | None = None
    when: Literal["before", "after"] | None = None
    status: int = 500
    headers: dict[str, str] = {}
    delay: float = 0.0
    body: Body = None
    size_bytes: int = 64 * 1024 * 1024

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"A fault's kind is one of {', '.join(sorted(KINDS))}, not {self.kind!r}")
        if self.when not in (None, "before", "after"):
            raise ValueError(f"A fault happens before or after the effect, not {self.when!r}")
        if self.body is not None and not isinstance(self.body, str | bytes):
            raise ValueError("A fault's body is text or bytes")
        if not 0 <= self.rate <= 1:
            raise ValueError(f"A fault's rate is between 0 and 1, not {self.rate}")
        if not 200 <= self.status <= 599:
            raise ValueError(f"A fault's status is between 200 and 599, not {self.status}")
        if self.times is not None and self.times < 1:
            raise ValueError(f"A fault happens once at least, or always (None), not {self.times} times")
        if self.skip < 0:
            raise ValueError(f"A fault lets no less than 0 requests through first, not {self.skip}")
        if not 0 <= self.delay < math.inf:
            raise ValueError(f"A fault's delay is 0 seconds or more, not {self.delay}")
        if not 1 <= self.size_bytes <= _MOST_BYTES:
            raise ValueError(f"A fault's size is 1 to {_MOST_BYTES} bytes, not {self.size_bytes}")
        for name, value in self.headers.items():
            _check_header(name, value)

    @property
    def moment(self) -> str:
        """`before` or `after`, worked out."""
        return self.when or ("after" if self.kind in _NEED_THE_ANSWER else "before")

    def fits(self, method: str, path: str) -> bool:
        """Whether it is meant for this request."""
        if self.method is not None and self.method.upper() != method:
            return False
        return self.path is None or fnmatchcase(path, self.path)


def _check_header(name: str, value: str) -> None:
    if not _HEADER_NAME.fullmatch(name) or name.lower() in _FRAMING:
        raise ValueError(f"A fault's headers cannot have one called {name!r}")
    if any(mark in value for mark in "\r\n\0"):
        raise ValueError(f"A fault's header is one line, not {value!r}")


class Faults:
    """The script: the first entry that fits a request is done to it."""

    def __init__(self, chances: random.Random) -> None:
        self.chances = chances
        self._entries: list[_Entry] = []

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, *faults: Fault) -> None:
        """Append to the script."""
        self._entries.extend(_Entry(fault) for fault in faults)

    def mix(self, rate: float, *faults: Fault, times: int | None = None) -> None:
        """Append entries so that one of `faults`, each as likely, hits a request that fits with probability `rate`.

        `times` is how often each can happen (None: always); when one is used up, the rate no longer holds. Raises
        ValueError if the faults are not all for the same requests (`method`, `path`, `skip`), or have a `rate` or
        `times` of their own, which would count for nothing.
        """
        if not 0 <= rate <= 1:
            raise ValueError(f"A fault's rate is between 0 and 1, not {rate}")
        if not faults:
            raise ValueError("A mix is of one fault at least")
        if len({(fault.method, fault.path, fault.skip) for fault in faults}) > 1:
            raise ValueError("The faults of a mix are for the same requests: method, path and skip are one for all")
        if any(fault.rate != 1 or fault.times not in (1, times) for fault in faults):
            raise ValueError("The faults of a mix share its rate and its times, and have none of their own")
        # An entry is asked only about requests that those before it have let through.
        self.add(
            *(
                msgspec.structs.replace(fault, rate=min(1, rate / (len(faults) - place * rate)), times=times)
                for place, fault in enumerate(faults)
            )
        )

    def clear(self) -> None:
        """No faults any more."""
        self._entries.clear()

    @property
    def pending(self) -> list[Fault]:
        """Those that can still happen, with the times that are left."""
        return [msgspec.structs.replace(one.fault, times=one.left, skip=one.skip) for one in self._entries]

    def take(self, method: str, path: str) -> Fault | None:
        """What is to be done to this request."""
        for entry in self._entries:
            if not entry.fault.fits(method, path):
                continue
            if entry.skip > 0:
                entry.skip -= 1
                continue
            if entry.fault.rate < 1 and self.chances.random() >= entry.fault.rate:
                continue
            if entry.left is not None:
                entry.left -= 1
                if entry.left <= 0:
                    self._entries.remove(entry)
            return entry.fault
        return None


class _Entry:
    __slots__ = ("fault", "left", "skip")

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.left = fault.times
        self.skip = fault.skip
