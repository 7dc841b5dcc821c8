"""What an export is asked for: pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from voucherify_async.errors import ConfigurationError
from voucherify_async.inputs import check_type, checked_json
from voucherify_async.options import check_choice

OrderExportOrder = Literal["created_at", "-created_at", "updated_at", "-updated_at", "status", "-status"]


def export_body(
    fields: Sequence[str] | None, filters: Mapping[str, Any] | None, order: OrderExportOrder | None
) -> bytes:
    """The body of the request for an export.

    Raises:
        ConfigurationError: an argument does not fit.
    """
    check_choice("order", order, OrderExportOrder)
    if isinstance(fields, (str, Mapping)):
        raise ConfigurationError("fields", f"must be a sequence of names, not {type(fields).__name__}")
    if fields is not None:
        check_type("fields", fields, Iterable)
    columns = None if fields is None else list(fields)
    if not all(isinstance(column, str) and column for column in columns or ()):
        raise ConfigurationError("fields", "must be names, none of them empty")
    parameters: dict[str, object] = {} if order is None else {"order": order}
    if columns is not None:
        parameters["fields"] = msgspec.Raw(checked_json("fields", columns, msgspec.json.decode, free=True))
    if filters is not None:
        check_type("filters", filters, Mapping)
        parameters["filters"] = msgspec.Raw(checked_json("filters", dict(filters), msgspec.json.decode, free=True))
    return msgspec.json.encode({"parameters": parameters} if parameters else {})
