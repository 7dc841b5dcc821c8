"""The columns of an export's file, and typed rows from their cells: pure.

The documents are unsure about the header: the field names in one place, `Voucher Type` in another. Names match
without regard to case, blanks and underscores.
"""

import csv
from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final

import msgspec

from voucherify_async.models.orders import OrderRow


def _plain(name: str) -> str:
    return name.casefold().replace(" ", "").replace("_", "")


_FIELDS: Final = {_plain(name): name for name in OrderRow.__struct_fields__}
_TYPES: Final = {field.name: field.type for field in msgspec.structs.fields(OrderRow)} | {"metadata": str | None}
_decode_object: Final = msgspec.json.Decoder(dict[str, Any]).decode


class Column(msgspec.Struct, frozen=True):
    """What a column of the file is for.

    Attributes:
        field: of `OrderRow`; `""` if it is unknown.
        key: of the metadata, if the column is `metadata.X`.
    """

    field: str
    key: str | None = None


def column_of(name: str) -> Column:
    """The column with this name in the header."""
    prefix, dot, key = name.strip().partition(".")
    if dot and _plain(prefix) == "metadata":
        return Column("metadata", key)
    return Column(_FIELDS.get(_plain(name.strip()), ""))


class Columns:
    """The columns of one file. Makes a row of its cells, or many rows at once.

    Many at once are much faster: their cells are checked and converted in one call. What does not fit is told of
    without its row then, and is to be looked for row by row.

    Args:
        names: as the header has them.

    Raises:
        csv.Error: none of them is known.
    """

    def __init__(self, names: list[str]) -> None:
        self._columns: Final = [column_of(name) for name in names]
        if not any(column.field for column in self._columns):
            raise csv.Error(f"no column of the header is known: {','.join(names)[:200]}")
        self._slots: Final = [column.field or "unknown" for column in self._columns]
        for index, column in enumerate(self._columns):
            if column.key is not None or self._slots.index(self._slots[index]) < index:
                self._slots[index] = f"cell_{index}"
        plain = [column.field for column in self._columns if column.field and column.key is None]
        # Of two columns for one field, the later one counts, unless its cell is empty.
        self.many_at_once: Final = len(plain) == len(set(plain))
        self._metadata: Final = self._metadata_maker()
        typed = [(slot, _TYPES.get(slot, str | None)) for slot in self._slots]
        missing: dict[str, Any] = dict.fromkeys(_TYPES.keys() - set(self._slots))
        options: dict[str, Any] = {"array_like": True, "forbid_unknown_fields": True, "gc": False}
        self._cells: Final[Any] = list[msgspec.defstruct("Cells", typed, namespace=missing, **options)]  # type: ignore[misc]
        ended: Any = msgspec.defstruct(
            "Cells", [*typed, ("line_break", tuple[()]), ("nothing", None)], namespace=missing, **options
        )
        self._decode: Final = msgspec.json.Decoder(self._cells, strict=False).decode
        self._decode_ended: Final = msgspec.json.Decoder(list[ended], strict=False).decode

    def __len__(self) -> int:
        return len(self._columns)

    def row(self, cells: list[str]) -> OrderRow:
        """One row.

        Raises:
            msgspec.ValidationError: a cell does not fit its column.
        """
        fields: dict[str, Any] = {}
        metadata: dict[str, Any] = {}
        for column, cell in zip(self._columns, cells, strict=True):
            if column.key is not None:
                metadata[column.key] = cell or None
            elif not cell:
                continue
            elif column.field == "metadata":
                metadata |= _json_object(cell)
            elif column.field:
                fields[column.field] = cell
        fields["metadata"] = metadata
        return msgspec.convert(fields, OrderRow, strict=False)

    def rows(self, table: list[list[str]]) -> list[OrderRow]:
        """Many rows.

        Raises:
            msgspec.ValidationError: somewhere a cell does not fit, or a row has too few or too many.
        """
        return self._rows(
            msgspec.convert([[cell or None for cell in cells] for cells in table], self._cells, strict=False)
        )

    def rows_of_json(self, table: bytes, *, ended: bool) -> list[OrderRow]:
        """Many rows, from an array of arrays of strings, with null for an empty cell.

        Args:
            table: in JSON.
            ended: each row has an empty array and one more null at its end.

        Raises:
            msgspec.DecodeError: somewhere a cell does not fit, or a row has too few or too many.
            UnicodeDecodeError: somewhere it is no UTF-8.
        """
        return self._rows((self._decode_ended if ended else self._decode)(table))

    def _rows(self, found: list[Any]) -> list[OrderRow]:
        # One call with all the fields is several times as fast as anything that goes through them one by one.
        return [
            OrderRow(
                id=cells.id,
                source_id=cells.source_id,
                created_at=cells.created_at,
                updated_at=cells.updated_at,
                status=cells.status,
                amount=cells.amount,
                discount_amount=cells.discount_amount,
                items_discount_amount=cells.items_discount_amount,
                total_discount_amount=cells.total_discount_amount,
                total_amount=cells.total_amount,
                customer_id=cells.customer_id,
                referrer_id=cells.referrer_id,
                metadata=metadata,
            )
            for cells, metadata in zip(found, self._metadata(found), strict=True)
        ]

    def _metadata_maker(self) -> Callable[[list[Any]], list[dict[str, Any]]]:
        """What makes the metadata of many rows."""
        parts = [
            (slot, column.key)
            for slot, column in zip(self._slots, self._columns, strict=True)
            if column.field == "metadata"
        ]
        if not parts:
            return lambda found: [{} for _ in found]
        if parts == [("metadata", None)]:
            return lambda found: [_json_object(text) if (text := cells.metadata) else {} for cells in found]
        if len(parts) == 1:
            ((slot, only),) = parts
            cell = attrgetter(slot)
            return lambda found: [{only: cell(cells)} for cells in found]  # type: ignore[dict-item]
        keys = [key for _, key in parts]
        values = attrgetter(*(slot for slot, _ in parts))
        if None not in keys:
            return lambda found: [dict(zip(keys, values(cells), strict=True)) for cells in found]  # type: ignore[arg-type]
        return lambda found: [_merged(keys, values(cells)) for cells in found]


def _merged(keys: list[str | None], values: tuple[str | None, ...]) -> dict[str, Any]:
    metadata: dict[str, Any] = {}
    for key, value in zip(keys, values, strict=True):
        if key is not None:
            metadata[key] = value
        elif value:
            metadata |= _json_object(value)
    return metadata


def _json_object(cell: str) -> dict[str, Any]:
    try:
        return _decode_object(cell)
    except msgspec.DecodeError as error:
        raise msgspec.ValidationError(f"Expected a JSON object ({error}) - at `$.metadata`") from None
