"""What keeps something to itself: structs, and functions that are given keys."""

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, NoReturn, ParamSpec, TypeVar

import msgspec

from voucherify_async.errors import ConfigurationError

P = ParamSpec("P")
R = TypeVar("R")


def hushed(function: Callable[P, R]) -> Callable[P, R]:
    """Let a `ConfigurationError` leave without the frames it was raised in, whose variables hold what was given.

    Error trackers show the variables of a traceback. The error itself names the argument, which is enough.
    """

    @wraps(function)
    def quiet(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except ConfigurationError as error:
            del args, kwargs
            error.__context__ = None  # it was raised for another, whose frames tell as much
            raise error.with_traceback(None) from None

    return quiet


class Secretive(msgspec.Struct, frozen=True):
    """A struct that shows some of its fields and hides the rest, wherever it is printed.

    rich does not ask for `repr()` but for `__rich_repr__`, which msgspec would answer with every field.
    """

    def _shown(self) -> Iterator[tuple[str, object]]:
        """What may be seen: names and values."""
        raise NotImplementedError

    def __repr__(self) -> str:
        shown = "".join(f" {name}={value!r}" for name, value in self._shown())
        return f"<{type(self).__name__}{shown}>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return list(self._shown())


class NeverPickled(Secretive, frozen=True):
    """A secretive struct that holds a token, or may."""

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__} is not pickled: it holds a token, or may")
