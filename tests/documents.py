"""Voucherify's OpenAPI documents, where they stand beside the project, and what they say an answer has to be.

`known_errors_of_the_documents.toml` lists where they contradict themselves; they are read as it says.
"""

import json
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
import msgspec
import pytest

__all__ = [
    "KNOWN_ERRORS",
    "NAMES",
    "Document",
    "as_json_schema",
    "documents",
    "needs_documents",
    "steps",
    "unlisted",
]

_FOLDER: Final = Path(__file__).resolve().parents[2] / "shared" / "voucherify-api"
NAMES: Final = ("orders.json", "async-actions.json", "exports.json", "oauth.json")
KNOWN_ERRORS: Final[dict[str, list[dict[str, Any]]]] = tomllib.loads(
    Path(__file__).with_name("known_errors_of_the_documents.toml").read_text(encoding="utf-8")
)

needs_documents = pytest.mark.skipif(
    not _FOLDER.is_dir(), reason="Voucherify's OpenAPI documents are not beside the project"
)


class Document:
    """One of them, with its known errors mended."""

    def __init__(self, name: str, errors: Iterable[dict[str, Any]] = KNOWN_ERRORS["error"]) -> None:
        self.name = name
        self.content: dict[str, Any] = json.loads((_FOLDER / name).read_text(encoding="utf-8"))
        for error in errors:
            if name in error["documents"]:
                *way, last = steps(error["at"])
                holder = self.at(way)
                if last not in holder:
                    raise LookupError(f"{name} has no {error['at']} any more: the entry of its error has to go")
                holder[last] = error["instead"]
        self._validators: dict[str, jsonschema_rs.Draft202012Validator] = {}

    def at(self, way: list[str]) -> Any:
        """What stands there."""
        found: Any = self.content
        for step in way:
            found = found[int(step)] if isinstance(found, list) else found[step]
        return found

    def operations(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Each operation, with its method and the template of its path."""
        for path, methods in self.content["paths"].items():
            for method, operation in methods.items():
                if method != "parameters":
                    yield method, path, operation

    def operation(self, method: str, path: str, *, download: bool = False) -> dict[str, Any] | None:
        """What is said of this method on this path, as it was sent; None where nothing is."""
        paths = self.content["paths"]
        parent, _, key = path.rpartition("/")
        # The documents have one path twice: with a token it is the file, without one the export.
        templates = [
            one for one in paths if one.startswith(f"{parent}/{{") and (one.endswith("{export_Id}") == download)
        ]
        for place in [path, *(templates if key else ())]:
            if method.lower() in paths.get(place, ()):
                found: dict[str, Any] = paths[place][method.lower()]
                return found
        return None

    def objection(
        self, operation: dict[str, Any] | None, status: int, content_type: str, body: bytes | None
    ) -> str | None:
        """What is wrong with an answer; `body` is None where it is a file that is still being made."""
        listed = operation["responses"].get(str(status)) if operation is not None else None
        response = unlisted(operation).get(status) if listed is None else listed
        if response is None:
            return "a status that the documents do not know"
        schemas = {kind: content["schema"] for kind, content in response.get("content", {}).items()}
        if not schemas or body == b"":
            return "a body, where there is none" if body else "no body, where there is one" if schemas else None
        schema = schemas.get(content_type.partition(";")[0])
        if schema is None:
            return f"{content_type}, which is none of {', '.join(schemas)}"
        if body is None or not content_type.startswith("application/json"):
            return None
        try:
            value = msgspec.json.decode(body)  # `json` reads NaN, too
        except msgspec.DecodeError as error:
            return f"no JSON: {error}"
        return self.misfit(schema, value)

    def misfit(self, schema: dict[str, Any], value: Any) -> str | None:
        """The first place where the value does not fit the schema, and why."""
        validator = self._validators.get(key := json.dumps(schema))
        if validator is None:
            validator = self._validators[key] = self.validator(schema)
        if validator.is_valid(value):
            return None
        error = next(iter(validator.iter_errors(value)))
        return f"at /{'/'.join(map(str, error.instance_path))}: {error.message}"

    def validator(self, schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
        """A validator for a schema that may refer to the components of this document."""
        whole = as_json_schema({**schema, "components": self.content["components"]})
        return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)


def unlisted(operation: dict[str, Any] | None) -> dict[int, dict[str, Any]]:
    """The statuses that an operation can answer besides; None is a path or a method that leads nowhere."""
    name = operation["operationId"] if operation is not None else None
    return {
        status: entry
        for entry in KNOWN_ERRORS["unlisted"]
        if name in entry.get("operations", [name])
        for status in entry["statuses"]
    }


def steps(pointer: str) -> list[str]:
    """The way that a JSON pointer describes (RFC 6901, section 4)."""
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def as_json_schema(schema: Any) -> Any:
    """OpenAPI 3.0 says `nullable` where JSON Schema says that null is one of the types."""
    if isinstance(schema, list):
        return [as_json_schema(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    changed = {name: as_json_schema(part) for name, part in schema.items() if name != "nullable"}
    if schema.get("nullable") is not True:
        return changed
    if "type" not in changed:
        return {"anyOf": [changed, {"type": "null"}]}
    changed["type"] = [changed["type"], "null"]
    if None not in changed.get("enum", [None]):
        changed["enum"] = [*changed["enum"], None]
    return changed


@cache
def documents() -> dict[str, Document]:
    """All four, read once; empty where they are not at hand."""
    return {name: Document(name) for name in NAMES} if _FOLDER.is_dir() else {}
