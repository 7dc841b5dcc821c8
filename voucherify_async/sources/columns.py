"""Which column of CSV is which field of an order, and making orders of cells: pure."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from msgspec import UNSET, Struct

from voucherify_async.errors import ConfigurationError, SourceError
from voucherify_async.inputs import check_type
from voucherify_async.models.orders import NewOrder, OrderItem
from voucherify_async.options import check_range
from voucherify_async.sources import cells
from voucherify_async.sources.fields import Kind, Target, part_of, plain, target_of
from voucherify_async.sources.jsonlines import items_of

ReadCell: TypeAlias = Callable[[str], Any]

_MOST_DECIMALS: Final = 6
_KEYS: Final = ("source_id", "id")


class Layout:
    """What a user says about the columns, checked.

    Args:
        columns: foreign names of columns, and the fields that they are; None for one that does not matter.
        decimals: of the currency, if amounts stand in it; None if they stand in its smallest unit.
        defaults: cells of fields that are not given.

    Raises:
        ConfigurationError: a field is not known, or a default does not fit it.
    """

    def __init__(
        self, columns: Mapping[str, str | None], decimals: int | None, defaults: Mapping[str, str]
    ) -> None:
        check_range("decimals", decimals, 0, _MOST_DECIMALS)
        check_type("columns", columns, Mapping)
        check_type("defaults", defaults, Mapping)
        self.columns: dict[str, tuple[str, Target | None]] = {}
        for name, path in columns.items():
            argument = f"columns[{name!r}]"
            check_type(argument, name, str)
            if plain(name) in self.columns:
                raise ConfigurationError(argument, "is there twice, but for case, blanks and underscores")
            self.columns[plain(name)] = name, None if path is None else _known(argument, path)
        self._readers: dict[Kind, ReadCell] = {
            "text": str,
            "count": cells.whole_number,
            "money": cells.whole_number,
            "price": cells.number,
            "flag": cells.flag,
            "time": cells.moment,
            "metadata": cells.json_object,
            "items": items_of,
        }
        if decimals is not None:
            self._readers["money"] = functools.partial(cells.smallest_units, decimals=decimals)
            self._readers["price"] = self._readers["money"]
        self.defaults: dict[Target, Any] = {}
        for name, cell in defaults.items():
            argument = f"defaults[{name!r}]"
            target = _known(argument, name)
            if str(target) in _KEYS:
                raise ConfigurationError(argument, "is an order's own; it cannot be the same for all")
            if not (isinstance(cell, str) and cell):
                raise ConfigurationError(argument, "must be what would stand in a cell, a string that is not empty")
            try:
                self.defaults[target] = self.reader(target)(cell)
            except ValueError as error:
                raise ConfigurationError(argument, str(error)) from None

    def reader(self, target: Target) -> ReadCell:
        """What reads the cells of a field."""
        return str if target.key is not None else self._readers[target.kind]


def _known(argument: str, path: object) -> Target:
    target = target_of(path) if isinstance(path, str) else None
    if target is None:
        raise ConfigurationError(argument, f"there is no field {path!r}")
    return target


class MisfitError(ValueError):
    """A cell does not fit; its column is in front."""


class _Part:
    """Makes a struct of some cells of a row."""

    def __init__(self, struct: type[Struct]) -> None:
        self._struct = struct
        self._constants: dict[str, Any] = {}
        self._cells: list[tuple[int, str, ReadCell, str]] = []
        self._parts: dict[str, _Part] = {}
        self._metadata_keys: list[tuple[int, str]] = []
        self._metadata_constants: dict[str, Any] = {}

    def add(self, path: tuple[str, ...], target: Target, index: int | None, value: Any) -> None:
        """Say what a field is: the cell at an index, read by `value`, or without an index `value` itself."""
        name = path[0]
        if len(path) > 1:
            if name not in self._parts:
                self._parts[name] = _Part(part_of(self._struct, name))
            self._parts[name].add(path[1:], target, index, value)
        elif target.key is not None:
            if index is None:
                self._metadata_constants[target.key] = value
            else:
                self._metadata_keys.append((index, target.key))
        elif index is None and target.kind == "metadata":
            self._metadata_constants = value | self._metadata_constants
        elif index is None:
            self._constants[name] = value
        else:
            self._cells.append((index, name, value, str(target)))

    def make(self, row: Sequence[str]) -> Any:
        """The struct, or unset if nothing of it is given."""
        given = self._constants.copy()
        for index, name, read, column in self._cells:
            if cell := row[index]:
                try:
                    given[name] = read(cell)
                except ValueError as error:
                    raise MisfitError(f"{column}: {error}") from None
        for name, part in self._parts.items():
            made = part.make(row)
            if made is not UNSET:
                given[name] = made
        if self._metadata_keys or self._metadata_constants:
            metadata = self._metadata_constants | given.get("metadata", {})
            metadata |= {key: row[index] for index, key in self._metadata_keys if row[index]}
            if metadata:
                given["metadata"] = metadata
        return self._struct(**given) if given else UNSET


class Columns:
    """The columns of one file: makes orders and items of its rows.

    Args:
        header: its cells.
        layout: what the user said about them.
        allow_keyless: neither `source_id` nor `id` need be there.

    Raises:
        SourceError: a column is not known, or is there twice, or one that is needed is missing.
    """

    def __init__(self, header: Sequence[str], layout: Layout, *, allow_keyless: bool) -> None:
        self.count = len(header)
        self._order = _Part(NewOrder)
        self._item = _Part(OrderItem)
        found: dict[Target, int] = {}
        for index, target in enumerate(_targets(header, layout)):
            if target is not None:
                if target in found:
                    raise SourceError(f"two columns are {target}")
                found[target] = index
        self._order_indices = [index for target, index in found.items() if not target.of_item]
        self._item_indices = [index for target, index in found.items() if target.of_item]
        self._names = {index: str(target) for target, index in found.items()}
        self.grouped = bool(self._item_indices)
        for target, value in layout.defaults.items():
            self._add(target, None, value)
        for target, index in found.items():
            self._add(target, index, layout.reader(target))
        by_name = {str(target): index for target, index in found.items()}
        self._keys = [by_name.get(name) for name in _KEYS]
        if self.grouped and any(target.kind == "items" for target in (*found, *layout.defaults)):
            raise SourceError("there are columns of items and items as JSON, one must go")
        if not self.grouped and any(target.of_item for target in layout.defaults):
            raise SourceError("there are defaults for items, but no column of them")
        if self._keys == [None, None] and (self.grouped or not allow_keyless):
            raise SourceError("no column is the order's source_id or id")

    def _add(self, target: Target, index: int | None, value: Any) -> None:
        if target.of_item:
            self._item.add(target.path[1:], target, index, value)
        else:
            self._order.add(target.path, target, index, value)

    def keys(self, row: Sequence[str]) -> tuple[str, str]:
        """The order's `source_id` and `id`, empty where they are not given."""
        source_id, own_id = self._keys
        return "" if source_id is None else row[source_id], "" if own_id is None else row[own_id]

    def order(self, row: Sequence[str]) -> NewOrder:
        """The order of a row, without the line item.

        Raises:
            MisfitError: a cell does not fit.
        """
        order = self._order.make(row)
        return NewOrder() if order is UNSET else order

    def check_repeated(self, row: Sequence[str], first: Sequence[str], first_number: int) -> None:
        """Refuse a further row of an order that says something else of it than the first.

        Raises:
            MisfitError: a cell says something else.
        """
        for index in self._order_indices:
            if row[index] and row[index] != first[index]:
                raise MisfitError(f"{self._names[index]}: line {first_number} of the same order says another")

    def item(self, row: Sequence[str]) -> OrderItem | None:
        """The line item of a row, None if it has none.

        Raises:
            MisfitError: a cell does not fit.
        """
        if not any(row[index] for index in self._item_indices):
            return None
        item: OrderItem = self._item.make(row)
        return item


def _targets(header: Sequence[str], layout: Layout) -> Iterator[Target | None]:
    mapped = dict(layout.columns)
    for name in header:
        if (said := mapped.pop(plain(name), None)) is not None:
            yield said[1]
            continue
        target = target_of(name)
        if target is None:
            raise SourceError(f"there is no field for the column {name!r}; map it to one, or to None")
        yield target
    if mapped:
        missing = ", ".join(repr(name) for name, _ in mapped.values())
        raise SourceError(f"columns are mapped that are not there: {missing}")
