"""How the reference reads the package: an extension of griffe, which reads it without running it.

A method under `@endpoint` is written as one that describes a `Call`; users have what the decorator makes of it, a
coroutine function that returns the call's result. And structs are made with their fields, by msgspec.
"""

import re
from collections.abc import Iterator
from typing import Any

import griffe

_LABELLED = re.compile(r"^(Repeated after a failure|Source): ", re.MULTILINE)
_TOGETHER = re.compile(r"^ +[a-z_]\w*(?:, [a-z_]\w*)+: ", re.MULTILINE)
_STRUCTS = {"Struct", "msgspec.Struct"}


class AsUsed(griffe.Extension):
    """Show endpoints and structs as they are called, and docstrings as they are meant."""

    def on_function(self, *, func: griffe.Function, **_: Any) -> None:
        """Unwrap the `Call`, in the signature and so in the section that tells what comes back."""
        if any(
            str(decorator.value) == "endpoint" for decorator in func.decorators
        ):
            func.labels.add("async")
            if isinstance(func.returns, griffe.ExprSubscript):
                func.returns = func.returns.slice

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Give the two lines a paragraph and a name in bold each, and keep together names that share a line."""
        if obj.docstring is not None:
            text = _LABELLED.sub(r"\n**\1:** ", obj.docstring.value)
            # What follows a plain blank would be taken for a type.
            obj.docstring.value = _TOGETHER.sub(
                lambda names: names[0].replace(", ", ",\N{NO-BREAK SPACE}"),
                text,
            )

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Give each struct the signature that its fields make, now that all bases are known."""
        for found in list(_classes_of(pkg)):
            if _is_struct(found) and "__init__" not in found.members:
                parameters = griffe.Parameters(
                    griffe.Parameter("self"), *_fields_of(found)
                )
                found["__init__"] = griffe.Function(
                    "__init__", parameters=parameters
                )


def _classes_of(scope: griffe.Module | griffe.Class) -> Iterator[griffe.Class]:
    for member in scope.members.values():
        if isinstance(member, griffe.Class):
            yield member
        elif isinstance(member, griffe.Module):
            yield from _classes_of(member)


def _is_struct(found: griffe.Class) -> bool:
    return any(
        not _STRUCTS.isdisjoint(map(str, one.bases))
        for one in (found, *found.mro())
    )


def _fields_of(struct: griffe.Class) -> Iterator[griffe.Parameter]:
    fields: dict[str, griffe.Attribute] = {}
    for one in (*reversed(struct.mro()), struct):
        fields |= {
            name: member
            for name, member in one.members.items()
            if isinstance(member, griffe.Attribute)
            and member.annotation
            and "property" not in member.labels
        }
    for name, field in fields.items():
        yield griffe.Parameter(
            name,
            annotation=field.annotation,
            kind=griffe.ParameterKind.keyword_only,
            default=field.value,
        )
