"""What a JSON value looks like: as an OpenAPI schema says, as a struct has it, and how the two differ."""

from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

import msgspec.inspect
from hypothesis import strategies as st

from tests.documents import Document

__all__ = ["Shape", "Way", "differences", "odd_nulls", "of_schema", "of_type", "places", "values"]

Way: TypeAlias = tuple[str | int, ...]
_PLAIN = {
    msgspec.inspect.StrType: "string",
    msgspec.inspect.IntType: "integer",
    msgspec.inspect.FloatType: "number",
    msgspec.inspect.BoolType: "boolean",
    msgspec.inspect.DateTimeType: "date-time",
}
# What narrows a type down, by the name that a schema has for it and the one that msgspec has.
_LIMITS = {
    "minimum": "ge",
    "exclusiveMinimum": "gt",
    "maximum": "le",
    "exclusiveMaximum": "lt",
    "multipleOf": "multiple_of",
    "minLength": "min_length",
    "maxLength": "max_length",
    "minItems": "min_length",
    "maxItems": "max_length",
    "pattern": "pattern",
}


class Shape(NamedTuple):
    """The shape of a value. `inner` is that of an array's values, or of an object's without known `fields`."""

    type: str = "any"
    null: bool = False
    choices: tuple[str, ...] = ()
    fields: "dict[str, Shape] | None" = None
    required: frozenset[str] = frozenset()
    inner: "Shape | None" = None
    limits: frozenset[str] = frozenset()

    def widened(self, other: "Shape") -> "Shape":
        """The same, with what another schema allows besides."""
        fields = (other.fields or {}) | (self.fields or {})
        choices = tuple(dict.fromkeys([*self.choices, *other.choices]))
        limits = self.limits | other.limits
        return self._replace(fields=fields or None, choices=choices, inner=self.inner or other.inner, limits=limits)


def of_schema(document: Document, schema: dict[str, Any]) -> Shape:
    """As the schema says; what `allOf` and `oneOf` list is one object with the fields of all."""
    while "$ref" in schema:
        schema = document.at(schema["$ref"].split("/")[1:])
    parts = [of_schema(document, part) for word in ("allOf", "oneOf", "anyOf") for part in schema.get(word, ())]
    fields = {name: of_schema(document, part) for name, part in schema.get("properties", {}).items()}
    required = {name for name in schema.get("required", ()) if name in fields}
    inner = schema.get("items") or schema.get("additionalProperties")
    shape = Shape(
        "date-time" if schema.get("format") == "date-time" else schema.get("type", "any"),
        schema.get("nullable", False),
        tuple(schema.get("enum", ())),
        None,
        frozenset(),
        of_schema(document, inner) if inner else None,
        frozenset(f"{ours} {schema[word]}" for word, ours in _LIMITS.items() if word in schema),
    )
    for part in parts:
        for name, field in (part.fields or {}).items():
            fields[name] = fields[name].widened(field) if name in fields else field
        shape = shape._replace(type=part.type) if shape.type == "any" else shape
        shape = shape.widened(part._replace(fields=None))
    if parts:
        demanded = [part.required for part in parts]
        # Of alternatives, what all of them require.
        required |= frozenset[str]().union(*demanded) if "allOf" in schema else frozenset.intersection(*demanded)
    required |= {name for name in schema.get("required", ()) if name in fields}
    return shape._replace(fields=fields or None, required=frozenset(required))


def of_type(kind: msgspec.inspect.Type) -> Shape:
    """As msgspec reads and writes the type."""
    if isinstance(kind, msgspec.inspect.Metadata):
        return of_type(kind.type)
    if isinstance(kind, msgspec.inspect.UnionType):
        kinds = [of_type(one) for one in kind.types]
        # A whole number is a number.
        known = {one.type: one for one in kinds if one.type != "null"}
        if set(known) == {"integer", "number"}:
            del known["integer"]
        chosen = next(iter(known.values()))
        return chosen._replace(type=" or ".join(sorted(known)), null=any(one.type == "null" for one in kinds))
    if isinstance(kind, msgspec.inspect.NoneType):
        return Shape("null")
    if isinstance(kind, msgspec.inspect.LiteralType):
        return Shape("string", choices=tuple(map(str, kind.values)))
    if isinstance(kind, msgspec.inspect.StructType):
        fields = {field.encode_name: of_type(field.type) for field in kind.fields}
        required = frozenset(field.encode_name for field in kind.fields if field.required)
        return Shape("object", fields=fields, required=required)
    if isinstance(kind, msgspec.inspect.CollectionType):
        return Shape("array", inner=of_type(kind.item_type), limits=_limits(kind))
    if isinstance(kind, msgspec.inspect.DictType):
        value = of_type(kind.value_type)
        return Shape("object", inner=None if value.type == "any" else value)
    return Shape(_PLAIN.get(type(kind), "any"), limits=_limits(kind))


def _limits(kind: msgspec.inspect.Type) -> frozenset[str]:
    """What narrows the type down; that a time has to have a zone is what `date-time` says."""
    found = {name: getattr(kind, name, None) for name in _LIMITS.values()}
    return frozenset(f"{name} {value}" for name, value in found.items() if value is not None)


def differences(documented: Shape, ours: Shape, place: str) -> Iterator[str]:
    """What the struct has not, has besides, or has otherwise: the kind, the place, and what the documents say."""
    if documented.type != ours.type:
        yield f"type {place}: {documented.type}, here {ours.type}"
        return
    if documented.null != ours.null:
        yield f"{'never null' if documented.null else 'null'} {place}"
    if ours.choices:
        yield f"narrowed {place}: {', '.join(documented.choices) or 'anything'}, here {', '.join(ours.choices)}"
    elif documented.choices:
        yield f"choices {place}: {', '.join(documented.choices)}"
    yield from (f"unlimited {place} {limit}" for limit in sorted(documented.limits - ours.limits))
    yield from (f"limited {place} {limit}" for limit in sorted(ours.limits - documented.limits))
    if documented.fields is not None and ours.fields is None:
        yield f"free {place}: {', '.join(documented.fields)}"
    elif ours.fields is not None:
        theirs = documented.fields or {}
        yield from (f"missing {place}.{name}" for name in theirs if name not in ours.fields)
        yield from (f"extra {place}.{name}" for name in ours.fields if name not in theirs)
        both = [name for name in theirs if name in ours.fields]
        yield from (f"optional {place}.{name}" for name in both if name in documented.required - ours.required)
        yield from (f"required {place}.{name}" for name in both if name in ours.required - documented.required)
        for name in both:
            yield from differences(theirs[name], ours.fields[name], f"{place}.{name}")
    if documented.inner is not None and ours.inner is not None:
        yield from differences(documented.inner, ours.inner, f"{place}[]")
    elif documented.inner is not None and ours.fields is None:
        yield f"free {place}[]: {documented.inner.type}"
    elif ours.inner is not None and ours.inner.type != "any" and documented.fields is None:
        yield f"narrowed {place}[]: anything, here {ours.inner.type}"


def odd_nulls(ours: Shape, place: str) -> Iterator[str]:
    """The fields of a struct that may be missing and may not be null, or the other way round."""
    for name, field in (ours.fields or {}).items():
        if (name in ours.required) == field.null:
            yield f"{place}.{name}"
        yield from odd_nulls(field, f"{place}.{name}")
    if ours.inner is not None:
        yield from odd_nulls(ours.inner, f"{place}[]")


_TEXTS = st.text(max_size=6)
_FREE = st.dictionaries(_TEXTS, st.none() | st.booleans() | st.integers(-9, 9) | _TEXTS, max_size=2)


def values(shape: Shape) -> st.SearchStrategy[Any]:
    """Values of this shape."""
    found: st.SearchStrategy[Any]
    if shape.choices:
        found = st.sampled_from(shape.choices)
    elif shape.fields is not None:
        fields = {name: values(part) for name, part in shape.fields.items()}
        found = st.fixed_dictionaries(
            {name: part for name, part in fields.items() if name in shape.required},
            optional={name: part for name, part in fields.items() if name not in shape.required},
        )
    elif shape.type == "array":
        found = st.lists(values(shape.inner or Shape("string")), max_size=2)
    elif shape.type == "object":
        found = _FREE if shape.inner is None else st.dictionaries(_TEXTS, values(shape.inner), max_size=2)
    else:
        found = {
            "string": _TEXTS,
            "integer": st.integers(0, 100),
            "number": st.integers(0, 2**53) | st.floats(0, 1e9),
            "boolean": st.booleans(),
            "date-time": st.datetimes().map(lambda moment: moment.isoformat(timespec="milliseconds") + "Z"),
        }[shape.type]
    return st.none() | found if shape.null else found


def places(shape: Shape, value: Any, way: Way = ()) -> Iterator[tuple[Way, Shape]]:
    """Each place in a value whose type is known, with its shape."""
    yield way, shape
    if isinstance(value, dict):
        for name, part in value.items():
            inner = (shape.fields or {}).get(name, shape.inner)
            if inner is not None:
                yield from places(inner, part, (*way, name))
    elif isinstance(value, list) and shape.inner is not None:
        for index, part in enumerate(value):
            yield from places(shape.inner, part, (*way, index))
