"""Which fields of an answer the package's structs do not know: they are passed over when it is read."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Final

import msgspec.inspect

from tests.live.sightings import Sightings
from tests.shapes import Shape, of_type
from voucherify_async import (
    AsyncAction,
    AsyncActionPage,
    Export,
    ExportPage,
    OAuthToken,
    Order,
    OrderPage,
    TokenIntrospection,
)

__all__ = ["unknown_fields"]

_STRUCTS: Final[dict[str, Any]] = {
    "orders.create": Order,
    "orders.get": Order,
    "orders.update": Order,
    "orders.list": OrderPage,
    "async_actions.get": AsyncAction,
    "async_actions.list": AsyncActionPage,
    "exports.get": Export,
    "exports.list": ExportPage,
    "oauth.generate": OAuthToken,
    "oauth.introspect": TokenIntrospection,
}


def unknown_fields(seen: Sightings) -> Iterator[tuple[str, str]]:
    """Operation and field, for each that no struct has."""
    for name, answer in sorted(seen.answers.items()):
        operation, _, status = name.partition(" ")
        if status == "200" and operation in _STRUCTS:
            known = _shape(operation)
            yield from ((operation, field) for field in sorted(answer.fields) if not _has(known, field.split(".")))


@cache
def _shape(operation: str) -> Shape:
    return of_type(msgspec.inspect.type_info(_STRUCTS[operation]))


def _has(shape: Shape, way: list[str]) -> bool:
    for step in way:
        if shape.fields is None:
            return True  # free: what a result holds is read in another way
        name = step.removesuffix("[]")
        if name not in shape.fields:
            return False
        shape = shape.fields[name]
        if step.endswith("[]") and shape.inner is not None:
            shape = shape.inner
    return True
