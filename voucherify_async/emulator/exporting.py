"""What an export may ask for, and its CSV.

The header is the field names; cells follow RFC 4180. `metadata` is a JSON object, `metadata.X` the plain value
(lists and objects as JSON, booleans as `true` and `false`); what an order does not have is an empty cell.

Guesses, where the documents are silent: `fields: []` means the default fields; without `order`, rows come in the
order in which the orders were made, and those that are equal in it do so too (reversed, when it is descending).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from voucherify_async.emulator.filters import Predicate, check_filters
from voucherify_async.emulator.problems import ServiceError, invalid_payload

__all__ = ["check_parameters", "csv_chunks", "file_chunks"]

_FIELDS: Final = (
    "id",
    "source_id",
    "created_at",
    "updated_at",
    "status",
    "amount",
    "discount_amount",
    "items_discount_amount",
    "total_discount_amount",
    "total_amount",
    "customer_id",
    "referrer_id",
    "metadata",
)
_DEFAULT_FIELDS: Final = ["id", "source_id", "status"]
_ORDERS: Final = ("-created_at", "created_at", "-updated_at", "updated_at", "-status", "status")
_ROWS_A_CHUNK: Final = 500

_encode = msgspec.json.Encoder().encode


def check_parameters(parameters: Any) -> dict[str, Any]:
    """The parameters as the export shows them, the default fields filled in. Raises the 400."""
    if parameters is None:
        parameters = {}
    if not isinstance(parameters, dict):
        raise invalid_payload("Property .parameters should be object")
    fields = parameters.get("fields")
    if fields is None:
        fields = _DEFAULT_FIELDS
    if not isinstance(fields, list):
        raise invalid_payload("Property .parameters.fields should be array")
    for field in fields:
        if not isinstance(field, str) or (field not in _FIELDS and not _is_metadata_key(field)):
            raise ServiceError(
                400,
                "invalid_export_fields",
                "Invalid Export",
                f"Unsupported field used. Allowed fields: {', '.join(_FIELDS)}",
            )
    shown: dict[str, Any] = {"fields": list(fields or _DEFAULT_FIELDS)}
    order = parameters.get("order")
    if order is not None:
        if order not in _ORDERS:
            raise invalid_payload(
                f"Property .parameters.order should be equal to one of the allowed values [ {', '.join(_ORDERS)} ]"
            )
        shown["order"] = order
    if parameters.get("filters") is not None:
        shown["filters"] = check_filters(parameters["filters"])
    return shown


def _is_metadata_key(field: str) -> bool:
    return field.startswith("metadata.") and field != "metadata."


def file_chunks(orders: Sequence[dict[str, Any]], holds: Predicate, parameters: dict[str, Any]) -> Iterator[bytes]:
    """The file of an export; a chunk is empty where orders have only been looked through."""
    chosen: list[dict[str, Any]] = []
    for start in range(0, len(orders), _ROWS_A_CHUNK):
        chosen += filter(holds, orders[start : start + _ROWS_A_CHUNK])
        yield b""
    order = parameters.get("order")
    if order is not None:
        name = order.removeprefix("-")
        # An order that was never changed has no time of it, and stands where `Orders.page` has it.
        chosen.sort(key=lambda data: data[name] or data["created_at"])
        if order.startswith("-"):
            chosen.reverse()  # sorting in reverse would leave those that are equal as they came
    yield from csv_chunks(chosen, parameters["fields"])


def csv_chunks(orders: list[dict[str, Any]], fields: list[str]) -> Iterator[bytes]:
    """The file, some hundred rows at a time."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(fields)
    for start in range(0, max(len(orders), 1), _ROWS_A_CHUNK):
        rows = orders[start : start + _ROWS_A_CHUNK]
        # By column: what kind of field it is, is asked once and not for every cell.
        writer.writerows(zip(*[_column(rows, field) for field in fields], strict=True))
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()


def _column(orders: list[dict[str, Any]], field: str) -> list[Any]:
    if field == "metadata":
        return [_encode(data["metadata"]).decode() for data in orders]
    if field.startswith("metadata."):
        key = field.removeprefix("metadata.")
        return [_cell(data["metadata"].get(key)) for data in orders]
    # Texts, whole numbers and what is not there: the writer has them as they are.
    return [data.get(field) for data in orders]


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _encode(value).decode() if isinstance(value, dict | list) else value
