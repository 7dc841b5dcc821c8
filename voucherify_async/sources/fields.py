"""The fields of an order, as columns of CSV name them: pure.

They are found by walking the structs, so none can be forgotten.
"""

import functools
from collections.abc import Iterator, Sequence
from typing import Final, Literal, NamedTuple, TypeAlias, cast

from msgspec import Struct
from msgspec.inspect import (
    BoolType,
    DateTimeType,
    DictType,
    FloatType,
    IntType,
    ListType,
    NoneType,
    StrType,
    StructType,
    Type,
    UnionType,
    type_info,
)

from voucherify_async.models.orders import NewOrder, OrderItem

Kind: TypeAlias = Literal["text", "count", "money", "price", "flag", "time", "metadata", "items"]

_ITEM: Final = "item"
_MONEY: Final = ("amount", "price")


class Target(NamedTuple):
    """Where a cell goes.

    Attributes:
        path: of the field, `("item", "product", "price")`.
        kind: what its cells hold.
        key: of the metadata, for a column `metadata.X`; then the path is that of the metadata.
    """

    path: tuple[str, ...]
    kind: Kind
    key: str | None = None

    @property
    def of_item(self) -> bool:
        """Whether it is a field of a line item."""
        return self.path[0] == _ITEM

    def __str__(self) -> str:
        return ".".join(self.path if self.key is None else (*self.path, self.key))


def _walk(struct: type[Struct], above: tuple[str, ...]) -> Iterator[Target]:
    for name, types in fields_of(struct).items():
        match types:
            case [StructType(cls=part)]:
                yield from _walk(part, (*above, name))
            case _:
                yield Target((*above, name), _kind(name, types))


@functools.cache
def fields_of(struct: type[Struct]) -> dict[str, list[Type]]:
    """By the name of each field, the types that it may have besides null."""
    fields = {}
    for field in cast("StructType", type_info(struct)).fields:
        types = field.type.types if isinstance(field.type, UnionType) else (field.type,)
        fields[field.name] = [one for one in types if not isinstance(one, NoneType)]
    return fields


def _kind(name: str, types: Sequence[Type]) -> Kind:
    match types:
        case [StrType()]:
            return "text"
        case [BoolType()]:
            return "flag"
        case [DateTimeType()]:
            return "time"
        case [DictType()]:
            return "metadata"
        case [ListType(item_type=StructType(cls=cls))] if cls is OrderItem:
            return "items"
        case [IntType()]:
            return "money" if name.endswith(_MONEY) else "count"
        case [IntType(), FloatType()]:
            return "price"
    raise TypeError(f"no kind of cell for {name}: {types}")


def plain(name: str) -> str:
    """A name without regard to case, blanks and underscores."""
    return "".join(name.casefold().replace("_", " ").split())


TARGETS: Final = (*_walk(NewOrder, ()), *_walk(OrderItem, (_ITEM,)))
_BY_NAME: Final = {tuple(map(plain, target.path)): target for target in TARGETS}


def part_of(struct: type[Struct], name: str) -> type[Struct]:
    """The struct that a field is."""
    return cast("StructType", fields_of(struct)[name][0]).cls


def target_of(name: str) -> Target | None:
    """The field that a column of this name is; None if there is none."""
    parts = name.split(".")
    names = tuple(map(plain, parts))
    if names in _BY_NAME:
        return _BY_NAME[names]
    for length in range(1, len(parts)):
        found = _BY_NAME.get(names[:length])
        key = ".".join(parts[length:])
        if found is not None and found.kind == "metadata" and key:
            return found._replace(key=key)
    return None
