"""A watch over a test: no key and no token of it shows in what a log, an error tracker or a debugger may keep.

It learns secrets where they are made, hears everything that is told meanwhile, and searches that at the end: a log
may come before the watch knows that what it shows is a secret. It changes nothing that it looks at.
"""

import logging
import pickle
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from copy import copy
from functools import wraps
from pathlib import Path
from traceback import walk_tb
from types import FrameType, TracebackType
from typing import Any, ClassVar, Final, Self
from urllib.parse import quote, unquote

import _pytest
import msgspec
import pytest
from msgspec.structs import replace
from rich.pretty import pretty_repr

from voucherify_async import ApiResponse, VoucherifyClient, emulator, session
from voucherify_async.auth import SignedHeaders
from voucherify_async.call import Call
from voucherify_async.emulator import Emulator
from voucherify_async.emulator.identifiers import Identifiers
from voucherify_async.exportfile import ExportRows
from voucherify_async.jobs import ExportJob, Snapshots, _Job
from voucherify_async.session import SessionManager

# What a user calls and awaits. Resources, the client's `request` and the poller all go through `send`.
_BOUNDARY: Final[tuple[tuple[type, str], ...]] = (
    (SessionManager, "send"),
    (_Job, "wait"),
    (Snapshots, "__anext__"),
    (ExportJob, "download"),
    (ExportRows, "__aenter__"),
    (ExportRows, "__anext__"),
    (VoucherifyClient, "aclose"),
)
_SIGNING: Final = {"x-app-token", "authorization", "proxy-authorization", "cookie"}
_TOKENS_OF_ANSWERS: Final = re.compile(rb'(?:[?&]token=|"access_token" ?: ?")([^"&\s\\#]+)')
# Tests say "t" and "token", which stand in many words.
_SHORTEST: Final = 6
# Frames that hold what a test wrote down itself, and those of the service.
_NOT_THE_CLIENT: Final = tuple(
    str(Path(file).resolve().parent) for file in (__file__, _pytest.__file__, emulator.__file__)
)
_CLIENT: Final = str(Path(session.__file__).resolve().parent)
# Of each type of answer, so many are looked at in full.
_SAMPLE: Final = 3
_PLAIN: Final = (str, bytes, int, float, type(None))


def told_by(error: BaseException) -> Iterator[tuple[str, str]]:
    """Everything that may be shown of an error, of its causes and its contexts, and where it would be."""
    links, seen = [error], set[int]()
    while links:
        link = links.pop()
        if id(link) in seen:
            continue
        seen.add(id(link))
        links += [near for near in (link.__cause__, link.__context__) if near is not None]
        links += link.exceptions if isinstance(link, BaseExceptionGroup) else ()
        name = type(link).__name__
        yield f"str() of {name}", str(link)
        yield f"repr() of {name}", repr(link)
        yield f"vars() of {name}", repr(vars(link))
        yield f"the pickle of {name}", _shown(_pickled, link)
        for frame, line in _frames(link.__traceback__):
            code = frame.f_code
            for variable, value in frame.f_locals.items():
                place = f"the traceback of {name}, {code.co_filename}:{line} in {code.co_name}, {variable}"
                # As `traceback` shows variables, and as rich does, which asks objects in another way.
                yield place, _shown(repr, value)
                if not isinstance(value, _PLAIN):
                    yield f"{place} by rich", _shown(_by_rich, value)


def all_told(error: BaseException) -> str:
    """The same, in one."""
    return "\n".join(text for _, text in told_by(error))


def _frames(trace: TracebackType | None) -> Iterator[tuple[FrameType, int]]:
    for frame, line in walk_tb(trace):
        if not frame.f_code.co_filename.startswith(_NOT_THE_CLIENT):
            yield frame, line


def _is_ours(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(_CLIENT)


def _shown(way: Callable[[Any], str], thing: object) -> str:
    """What a way of showing shows. What cannot be shown so, such as something half made or not pickled, hides."""
    try:
        return way(thing)
    except Exception:
        return ""


def _by_rich(thing: object) -> str:
    return pretty_repr(thing, max_width=1000, max_length=100)


def _pickled(thing: object) -> str:
    return pickle.dumps(thing).decode("latin-1")


class SecretWatch(logging.Handler):
    """Learns, hears and searches while its context lasts. Within another watch's context, it alone does."""

    _watching: ClassVar[list["SecretWatch"]] = []

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._secrets: dict[str, str] = {}
        self._heard: dict[str, str] = {}
        self._kinds = Counter[type]()
        self._patch = pytest.MonkeyPatch()

    def __enter__(self) -> Self:
        for other in self._watching[-1:]:
            other._unhook()
        self._watching.append(self)
        self._hook()
        return self

    def __exit__(self, *_: object) -> None:
        self._unhook()
        self._watching.remove(self)
        for other in self._watching[-1:]:
            other._hook()

    # --- Learning and searching -----------------------------------------------------------------------------

    def learn(self, what: str, value: str) -> None:
        """Take in a secret. In a header, what stands before a blank is a scheme or a prefix."""
        secret = value.rpartition(" ")[2]
        if len(secret) >= _SHORTEST:
            self._secrets |= dict.fromkeys((secret, quote(secret, safe=""), unquote(secret)), what)

    def hear(self, where: str, text: str) -> None:
        """Take in something that was told."""
        self._heard.setdefault(text, where)

    def hear_error(self, error: BaseException) -> None:
        """Take in everything that may be shown of an error."""
        for where, text in told_by(error):
            self.hear(where, text)

    def hear_of(self, thing: object) -> None:
        """Take in what an object shows of itself. It is asked for more than its `repr()` if that is a new one."""
        name, text = type(thing).__name__, repr(thing)
        if text not in self._heard:
            self.hear(f"repr() of {name}", text)
            self.hear(f"str() of {name}", str(thing))
            self.hear(f"{name} by rich", _by_rich(thing))
        if hasattr(thing, "__dict__"):
            self.hear(f"vars() of {name}", repr(vars(thing)))

    def leaks(self) -> list[str]:
        """Which secrets show and where, without the secrets."""
        return sorted(
            {
                f"{what} shows in {where}"
                for text, where in self._heard.items()
                for secret, what in self._secrets.items()
                if secret in text
            }
        )

    # --- Hooks ----------------------------------------------------------------------------------------------

    def emit(self, record: logging.LogRecord) -> None:
        """Hear a log record."""
        record = copy(record)  # formatting one leaves marks on it
        where = f"a log record of {record.name}"
        try:
            self.hear(where, self.format(record))
        except Exception:
            self.handleError(record)
        self.hear(f"{where}, its args", repr(record.args))
        if record.exc_info and record.exc_info[1] is not None:
            self.hear(f"{where}, its error", repr(record.exc_info[1]))

    def _hook(self) -> None:
        root = logging.getLogger()
        self._level = root.level
        root.setLevel(logging.DEBUG)
        root.addHandler(self)
        self._after(SignedHeaders, "__init__", self._learn_headers)
        self._after(
            Emulator, "__init__", lambda made, emulator, *_: self.learn("the app_token", emulator.app_token)
        )
        self._after(Identifiers, "access_token", lambda made, *_: self.learn("an OAuth token", made))
        self._after(Identifiers, "download_token", lambda made, *_: self.learn("the token of a download", made))
        self._after(VoucherifyClient, "__init__", self._hear_client)
        self._after(warnings.WarningMessage, "__init__", self._hear_warning)
        self._before(pytest.RaisesExc, "__exit__", self._hear_expected)
        for owner, name in _BOUNDARY:
            self._around(owner, name)

    def _unhook(self) -> None:
        self._patch.undo()
        root = logging.getLogger()
        root.removeHandler(self)
        root.setLevel(self._level)

    def _after(self, owner: type, name: str, look: Callable[..., None]) -> None:
        original = getattr(owner, name)

        @wraps(original)
        def watched(*args: Any, **kwargs: Any) -> Any:
            made = original(*args, **kwargs)
            look(made, *args)
            return made

        self._patch.setattr(owner, name, watched)

    def _before(self, owner: type, name: str, look: Callable[..., None]) -> None:
        original = getattr(owner, name)

        @wraps(original)
        def watched(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            look(*args)
            return original(*args, **kwargs)

        self._patch.setattr(owner, name, watched)

    def _around(self, owner: type, name: str) -> None:
        original = getattr(owner, name)

        @wraps(original)
        async def watched(*args: Any, **kwargs: Any) -> Any:
            # What a token is, the body of an answer tells; who did not ask for it gets none all the same.
            kept_for_us = any(isinstance(arg, Call) and not arg.keep_body for arg in args)
            args = tuple(replace(arg, keep_body=True) if isinstance(arg, Call) else arg for arg in args)
            try:
                answer = await original(*args, **kwargs)
            except StopAsyncIteration:
                raise
            except BaseException as error:
                self.hear_error(error)
                raise
            if isinstance(answer, ApiResponse):
                self._hear_answer(answer, args, kwargs)
                if kept_for_us:
                    answer = replace(answer, body=b"")
            return answer

        self._patch.setattr(owner, name, watched)

    def _learn_headers(self, _: None, headers: SignedHeaders, *__: object) -> None:
        for name, value in headers.items():
            if name.lower() in _SIGNING:
                self.learn(f"the value of {name}", value)

    def _hear_client(self, _: None, client: VoucherifyClient, *__: object) -> None:
        self.hear_of(client)
        for part in vars(client).values():
            self.hear_of(part)

    def _hear_answer(self, answer: ApiResponse[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        tokens = _TOKENS_OF_ANSWERS.findall(answer.body)
        for token in tokens:
            self.learn("a token of an answer", token.decode(errors="replace"))
        self.hear("repr() of ApiResponse", repr(answer))
        # The rest not for each: a test may get ten thousand of them.
        self._kinds[type(answer.data)] += 1
        if self._kinds[type(answer.data)] > _SAMPLE and not tokens:
            return
        parts = [answer, *args, *kwargs.values()]
        if isinstance(answer.data, msgspec.Struct):
            parts.append(answer.data)
            self.hear(f"the pickle of {type(answer.data).__name__}", _shown(_pickled, answer.data))
        self.hear("the pickle of ApiResponse", _shown(_pickled, answer))
        for part in parts:
            self.hear_of(part)

    def _hear_warning(self, _: None, warning: warnings.WarningMessage, *__: object) -> None:
        self.hear(f"a {warning.category.__name__}", f"{warning.message} {warning.message!r}")

    def _hear_expected(
        self, _: object, kind: type[BaseException] | None, error: BaseException | None, *__: object
    ) -> None:
        # A test that talks to the emulator by itself may get errors of its own.
        if error is not None and any(_is_ours(frame) for frame, _ in _frames(error.__traceback__)):
            self.hear_error(error)
