"""The documents as schemathesis goes by them: with what `known_errors_of_the_documents.toml` says of requests."""

import copy
import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from tests.documents import KNOWN_ERRORS, Document, documents, steps, unlisted

__all__ = ["REQUESTS", "sent"]

REQUESTS: Final = KNOWN_ERRORS["request"]


def sent(name: str, entries: Iterable[dict[str, Any]] = REQUESTS) -> dict[str, Any]:
    """The document with what is said of requests, beside answers as they were; each operation with all statuses."""
    answers = copy.deepcopy(documents()[name].content)
    mended = Document(name)
    for entry in entries:
        if name in entry["documents"]:
            for place in entry["at"]:
                for found in places(mended, steps(place)):
                    found.update(entry["also"])
                    if found.get("nullable") and "enum" in found:
                        # Null has to be among the values, too, says OpenAPI 3.0.3; TOML has none.
                        found["enum"] = [*found["enum"], None]
    # Requests and answers share schemas: those of requests get names of their own.
    requests = json.loads(json.dumps(mended.content).replace("#/components/schemas/", "#/components/schemas/Sent"))
    answers["components"]["schemas"] |= {
        f"Sent{schema}": content for schema, content in requests["components"]["schemas"].items()
    }
    for path, methods in answers["paths"].items():
        for method, operation in methods.items():
            if method == "parameters":
                methods[method] = requests["paths"][path][method]
                continue
            asked = requests["paths"][path][method]
            operation |= {part: asked[part] for part in ("parameters", "requestBody") if part in asked}
            for status, entry in unlisted(operation).items():
                response = {"description": entry["reason"], "content": entry["content"]}
                operation["responses"].setdefault(str(status), response)
    return answers


def places(document: Document, way: list[str]) -> Iterator[Any]:
    """What stands there; after `*`, each thing that does."""
    if way[-1] == "*":
        yield from document.at(way[:-1]).values()
    else:
        yield document.at(way)
