"""JSON Lines to orders, and back where an order failed: pure."""

import functools
import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import UNSET, Struct

from voucherify_async.errors import SourceError
from voucherify_async.inputs import checked_json
from voucherify_async.models.orders import MAX_ITEMS, NewOrder, OrderItem
from voucherify_async.sources.found import NO_KEY, BadLine, Found, too_many_items
from voucherify_async.sources.lines import MAX_LINE_BYTES, Lines

FAILURE: Final = "_failure"


@functools.cache
def strict(struct: type[Struct], *more: tuple[str, type, Any]) -> type[Struct]:
    """A struct that reads what this one reads, and refuses unknown fields, here and in its parts.

    The length of a list is not checked, so that it can be told.

    Args:
        struct: what it is made after.
        more: further fields, as `msgspec.defstruct` takes them.
    """
    hints = get_type_hints(struct, include_extras=True)
    fields = [(name, _strict_type(hints[name]), UNSET) for name in struct.__struct_fields__]
    return msgspec.defstruct(
        f"Strict{struct.__name__}", [*fields, *more], forbid_unknown_fields=True, kw_only=True, gc=False
    )


def _strict_type(hint: Any) -> Any:
    if isinstance(hint, type) and issubclass(hint, Struct):
        return strict(hint)
    if get_origin(hint) in {Union, UnionType}:
        return functools.reduce(operator.or_, map(_strict_type, get_args(hint)))
    if get_origin(hint) is Annotated and get_origin(get_args(hint)[0]) is Sequence:
        return _strict_type(get_args(hint)[0])
    if get_origin(hint) is Sequence:
        return list[_strict_type(get_args(hint)[0])]  # type: ignore[misc]
    return hint


StrictOrder: Final = strict(NewOrder, ("failure", msgspec.Raw, msgspec.field(name=FAILURE, default=msgspec.Raw())))


class _Key(Struct):
    source_id: Any = None
    id: Any = None


# What fits is read a second time, as what the rest of the library knows: a `NewOrder` and nothing else.
_check: Callable[[bytes], Any] = msgspec.json.Decoder(StrictOrder).decode
_check_items: Callable[[str], Any] = msgspec.json.Decoder(list[strict(OrderItem)]).decode  # type: ignore[misc]
_decode_items = msgspec.json.Decoder(list[OrderItem]).decode
_decode_order = msgspec.json.Decoder(NewOrder).decode
_decode_key = msgspec.json.Decoder(_Key).decode
_MISFITS: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class JsonLines:
    """Turns the pieces of a file of JSON Lines into orders.

    Attributes:
        lines: how many there were so far, not counting blank ones.
        unread_from: the number of the first line that is neither in an order nor reported yet.
    """

    def __init__(self, *, allow_keyless: bool = False) -> None:
        self.lines = 0
        self._allow_keyless = allow_keyless
        self._cut = Lines()
        self._number = 0

    @property
    def unread_from(self) -> int:
        return self._number + 1

    def feed(self, piece: bytes, *, last: bool = False) -> Iterator[Found]:
        """What is complete with this piece; to be read to its end before the next call.

        Args:
            piece: the next bytes of the file.
            last: no more will come.

        Raises:
            SourceError: it is UTF-16, or a JSON array.
        """
        for line in self._cut.feed(piece, last=last):
            self._number += 1
            if line is None or line.strip():
                self.lines += 1
                if self.lines == 1 and line is not None and line.lstrip().startswith(b"["):
                    raise SourceError("begins a JSON array; an order a line is read", line=self._number)
                yield self._found(line)

    def _found(self, line: bytes | None) -> Found:
        if line is None:
            return self._bad(f"is longer than {MAX_LINE_BYTES} bytes")
        try:
            items = _check(line).items
            if items and len(items) > MAX_ITEMS:
                return self._bad(too_many_items(len(items)), line)
            order = _decode_order(line)
        except _MISFITS as error:
            return self._bad(reason_of(error), line)
        if order.key is None and not self._allow_keyless:
            return self._bad(NO_KEY)
        return order

    def _bad(self, reason: str, line: bytes | None = None) -> BadLine:
        return BadLine(number=self._number, last_number=self._number, reason=reason, key=_key_of(line))


def _key_of(line: bytes | None) -> str | None:
    if line is not None:
        with suppress(*_MISFITS):
            found = _decode_key(line)
            for key in (found.source_id, found.id):
                if key and isinstance(key, str):
                    return key
    return None


def items_of(text: str) -> list[OrderItem]:
    """The items that stand as a JSON array in a cell.

    Raises:
        ValueError: they do not fit.
    """
    try:
        _check_items(text)
        items: list[OrderItem] = _decode_items(text)
    except _MISFITS as error:
        raise ValueError(reason_of(error)) from None
    if len(items) > MAX_ITEMS:
        raise ValueError(too_many_items(len(items)))
    return items


def reason_of(error: Exception) -> str:
    """What does not fit, with its path in front."""
    if isinstance(error, UnicodeDecodeError):
        return "is not UTF-8"
    if isinstance(error, RecursionError):
        return "is nested too deep"
    problem, marker, place = str(error).rpartition(" - at `$")
    if not marker:
        return str(error)
    return f"{place.rstrip('`').lstrip('.')}: {problem}"


def failure_line(order: NewOrder, reason: str, **more: object) -> bytes:
    """An order that failed, as a line that `read_orders` reads again: the order, and `_failure` beside its fields.

    Args:
        order: as it was to be sent. What the service had added to its parts is left out.
        reason: why it failed.
        more: what else to note down, such as `line=7`; anything that JSON knows.

    Returns:
        The line with its end.

    Raises:
        ConfigurationError: the order, or `more`, has something that JSON does not know.
    """
    body = checked_json("order", order, msgspec.json.decode)
    with suppress(msgspec.ValidationError):
        body = msgspec.json.encode(_decode_order(body))
    failure = checked_json("more", {"reason": reason, **more}, msgspec.json.decode, free=True)
    comma = b"" if body == b"{}" else b","
    return b'%b%b"%b":%b}\n' % (body[:-1], comma, FAILURE.encode(), failure)
