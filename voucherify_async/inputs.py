"""What users hand in, checked before anything is sent: pure.

Types and limits stand in the structs: what is to be sent is read back as its own type, which names the place of a
misfit. If what is read is not what was handed in, a walk finds what is changed on its way into JSON without a word.
"""

import datetime
import decimal
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import msgspec

from voucherify_async.errors import ConfigurationError


def _base_value(value: object) -> object:
    """The plain value of a kind of string or number, such as those of markupsafe and numpy."""
    for base in (str, int, float):
        if isinstance(value, base):
            return base(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


_encode = msgspec.json.Encoder(enc_hook=_base_value).encode

_PLAIN: Final = frozenset({str, int, bool, type(None), msgspec.UnsetType})
_UNWRITABLE: Final = (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError)
_DEEPEST_NAMED: Final = 16  # of what holds itself there is no innermost part
_FREE: Final = frozenset({"metadata"})  # fields whose content is the user's own


def check_type(argument: str, value: object, expected: type) -> None:
    """Refuse what is of another type."""
    if not isinstance(value, expected):
        raise ConfigurationError(argument, f"must be {expected.__name__}, not {type(value).__name__}")


def checked_json(argument: str, value: object, check: Callable[[bytes], object], *, free: bool = False) -> bytes:
    """The JSON of an argument, or a `ConfigurationError` that names what does not fit.

    Args:
        argument: as the caller knows it, such as `"order"`.
        value: structs, and in their free fields anything that JSON knows.
        check: the decoder of the type that it must have.
        free: dicts may stand anywhere: the value is the user's own, and not one of our structs.
    """
    try:
        body = _encode(value)
        try:
            kept = check(body) == value
        except msgspec.ValidationError:
            # It says more: that something is a Decimal, and not that it is a string where a number belongs.
            _refuse_changed(argument, value, free=free)
            raise
        if not kept:
            _refuse_changed(argument, value, free=free)
    except msgspec.ValidationError as error:
        problem, marker, place = str(error).rpartition(" - at `$")
        raise ConfigurationError(
            f"{argument}{place.rstrip('`')}" if marker else argument, problem if marker else str(error)
        ) from None
    except ConfigurationError as error:
        raise error from None
    except _UNWRITABLE as error:
        raise ConfigurationError(_unwritable(argument, value), f"cannot be written as JSON: {error}") from None
    return body


def _unwritable(place: str, value: object, depth: int = _DEEPEST_NAMED) -> str:
    """Where it is that JSON cannot be written: the first part of a part that cannot be by itself."""
    for inner, part in _parts(place, value) if depth else ():
        try:
            _encode(part)
        except _UNWRITABLE:
            return _unwritable(inner, part, depth - 1)
    return place


def _parts(place: str, value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            if (part := getattr(value, name)) is not msgspec.UNSET:  # which has no form by itself
                yield f"{place}.{name}", part
    elif isinstance(value, (list, tuple, set, frozenset)):
        for index, part in enumerate(value):
            yield f"{place}[{index}]", part
    elif isinstance(value, Mapping):
        for name, part in value.items():
            yield f"{place}[{name!r}]", part


def _refuse_changed(place: str, value: object, *, free: bool) -> None:
    """Refuse what JSON would hold as something else, and dicts where a struct belongs."""
    if isinstance(value, msgspec.Struct):
        parts = msgspec.structs.astuple(value)
        if _PLAIN.issuperset(map(type, parts)):
            return
        for name, part in zip(value.__struct_fields__, parts, strict=True):
            if type(part) not in _PLAIN:
                _refuse_changed(f"{place}.{name}", part, free=free or name in _FREE)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for index, part in enumerate(value):
            if type(part) not in _PLAIN:
                _refuse_changed(f"{place}[{index}]", part, free=free)
    elif isinstance(value, (dict, Mapping)):  # dict alone spares asking what else is a mapping
        if not free:
            raise ConfigurationError(place, "must be a struct, not a mapping: its field names could not be checked")
        for name, part in value.items():
            if type(part) not in _PLAIN:
                _refuse_changed(f"{place}[{name!r}]", part, free=True)
    else:
        _refuse_changed_scalar(place, value)


def _refuse_changed_scalar(place: str, value: object) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigurationError(place, f"JSON has no {value}")
    if isinstance(value, datetime.datetime) and value.utcoffset() is None:
        raise ConfigurationError(place, "must be a datetime with a time zone")
    if isinstance(value, (decimal.Decimal, bytes, bytearray, memoryview)):
        raise ConfigurationError(place, f"JSON has no {type(value).__name__}; write it as a number or a string")
