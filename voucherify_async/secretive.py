"""Structs that keep something to themselves."""

from collections.abc import Iterator
from typing import Any, NoReturn

import msgspec


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
