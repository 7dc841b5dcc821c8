"""What stands in a cell of CSV, as what the API takes: pure.

An empty cell is not given, and comes to none of these. Each raises a `ValueError` that says what is wrong.
"""

import datetime
import re
from typing import Any, Final

import msgspec

# What a number of JSON holds exactly wherever it is read.
_LARGEST: Final = 2**53 - 1
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,20}")
_DECIMAL: Final = re.compile(r"([+-]?)([0-9]{1,20})(?:\.([0-9]{1,20}))?")
_SHOWN: Final = 40


def whole_number(cell: str) -> int:
    """A whole number, zero or more."""
    text = cell.strip()
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"is no whole number: {_shown(cell)}")
    value = int(text)
    _check_range(value, cell)
    return value


def smallest_units(cell: str, decimals: int) -> int:
    """An amount of a currency in its smallest unit: with 2 decimals, `12.95` is 1295. No float comes near it."""
    match = _DECIMAL.fullmatch(cell.strip())
    if match is None:
        raise ValueError(f"is no decimal number: {_shown(cell)}")
    sign, whole, fraction = match.groups(default="")
    fraction = fraction.rstrip("0")
    if len(fraction) > decimals:
        raise ValueError(f"has more than {decimals} decimals: {_shown(cell)}")
    value = int(sign + whole + fraction.ljust(decimals, "0"))
    _check_range(value, cell)
    return value


def number(cell: str) -> int | float:
    """A number, zero or more, as JSON writes it."""
    try:
        value = msgspec.json.decode(cell.strip(), type=int | float)
    except msgspec.MsgspecError:
        raise ValueError(f"is no number: {_shown(cell)}") from None
    _check_range(value, cell)
    return value


def flag(cell: str) -> bool:
    """`true` or `false`, in any case."""
    text = cell.strip().lower()
    if text not in {"true", "false"}:
        raise ValueError(f"is neither true nor false: {_shown(cell)}")
    return text == "true"


def moment(cell: str) -> datetime.datetime:
    """A time by ISO 8601; without a zone it is UTC."""
    try:
        value = datetime.datetime.fromisoformat(cell.strip())
    except ValueError:
        raise ValueError(f"is no time as ISO 8601 writes it: {_shown(cell)}") from None
    offset = value.utcoffset()
    if offset is None:
        return value.replace(tzinfo=datetime.UTC)
    if offset % datetime.timedelta(minutes=1):
        raise ValueError(f"has a time zone that is no whole number of minutes: {_shown(cell)}")
    return value


def json_object(cell: str) -> dict[str, Any]:
    """A JSON object."""
    try:
        return msgspec.json.decode(cell, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError):
        raise ValueError(f"is no JSON object: {_shown(cell)}") from None


def _check_range(value: float, cell: str) -> None:
    if value < 0:
        raise ValueError(f"is below zero: {_shown(cell)}")
    if value > _LARGEST:
        raise ValueError(f"is larger than {_LARGEST}: {_shown(cell)}")


def _shown(cell: str) -> str:
    return repr(cell if len(cell) <= _SHOWN else f"{cell[:_SHOWN]}...")
