"""Rows of an export as text: pure."""

import csv
import io
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from voucherify_async import ConfigurationError, OrderRow

__all__ = ["RowText", "csv_text", "json_text"]

# What the service gives if no fields are asked for.
USUAL_FIELDS: Final = ("id", "source_id", "status")


class RowText(NamedTuple):
    """A way to write rows.

    Attributes:
        head: what stands before them.
        of: a row with the end of its line.
    """

    head: bytes
    of: Callable[[OrderRow], bytes]


def json_text() -> RowText:
    """JSON Lines, without the fields that a row has no value for."""

    def line(row: OrderRow) -> bytes:
        known = {name: value for name, value in msgspec.structs.asdict(row).items() if value not in (None, {})}
        return msgspec.json.encode(known) + b"\n"

    return RowText(b"", line)


def csv_text(fields: Sequence[str] | None) -> RowText:
    """CSV with these columns.

    Raises:
        ConfigurationError: rows have no such field; its column would be empty.
    """
    columns = USUAL_FIELDS if fields is None else fields
    for column in columns:
        field, dot, _ = column.partition(".")
        if field not in OrderRow.__struct_fields__ or (dot and field != "metadata"):
            raise ConfigurationError("fields", f"rows have no field {column!r}")
    line = io.StringIO()
    writer = csv.writer(line)

    def encoded(cells: Sequence[Any]) -> bytes:
        line.seek(0)
        line.truncate()
        writer.writerow(cells)
        return line.getvalue().encode()

    return RowText(encoded(columns), lambda row: encoded([_cell(row, column) for column in columns]))


def _cell(row: OrderRow, column: str) -> Any:
    field, dot, key = column.partition(".")
    value = row.metadata.get(key) if dot else getattr(row, field, None)
    if isinstance(value, datetime):  # as the service writes it, but for what is finer than its milliseconds
        return value.isoformat(timespec="auto" if value.microsecond % 1000 else "milliseconds").replace(
            "+00:00", "Z"
        )
    if isinstance(value, (dict, list)):
        return msgspec.json.encode(value).decode()
    return value
