"""What was seen of a service: the shapes of its answers, and what it did where the documents are silent. Pure.

Two services are compared by what they do, not by their ids, times and links: those are masked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

__all__ = ["Difference", "Sightings", "differences"]

_MASKS: Final = (
    (re.compile(r"https?://[^\s\"'<>]+"), "<url>"),
    (re.compile(r"\b(ord|cust|prod|sku|exp|aa)_[A-Za-z0-9]{6,}"), r"<\1>"),
    (re.compile(r"\bv-[0-9a-f]{12,}"), "<request>"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)?"), "<time>"),
)
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
# Theirs or the user's own names, not the service's.
_FREE: Final = frozenset(("metadata", "filters"))
# They say something of the connection, or of the moment.
_PASSING_HEADERS: Final = frozenset(("connection", "keep-alive", "transfer-encoding", "content-length", "date"))


class Answer(NamedTuple):
    """All answers of one operation with one status, put together: field to types, and content types."""

    fields: dict[str, set[str]]
    content_types: set[str]


class Difference(NamedTuple):
    """Something that the service does otherwise than the emulator."""

    about: str
    what: str
    emulator: str
    service: str


class Sightings:
    """What was seen of one service. `own` are texts of this run, such as its prefix, that stand for nothing."""

    def __init__(self, own: Mapping[str, str]) -> None:
        self._own = dict(own)
        self.answers: dict[str, Answer] = {}
        self.headers: set[str] = set()
        self.notes: dict[str, str] = {}

    def see(self, operation: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Take in an answer."""
        seen = self.answers.setdefault(f"{operation} {status}", Answer({}, set()))
        self.headers.update(name.lower() for name in headers if name.lower() not in _PASSING_HEADERS)
        seen.content_types.add(headers.get("Content-Type", "none"))
        try:
            content = json.loads(body)
        except ValueError:
            return
        for place, kind in _fields(content, ""):
            seen.fields.setdefault(place, set()).add(kind)

    def note(self, probe: str, value: object) -> None:
        """Take in what it did; anything that JSON has."""
        self.notes[probe] = self.masked(json.dumps(value, sort_keys=True, ensure_ascii=False))

    def hide(self, secret: str) -> None:
        """Never show this."""
        self._own[secret] = "<secret>"

    def masked(self, text: str) -> str:
        """Without what is of this run alone."""
        for own, name in self._own.items():
            text = text.replace(own, name)
        for pattern, name in _MASKS:
            text = pattern.sub(name, text)
        return text


def differences(emulator: Sightings, service: Sightings) -> Iterator[Difference]:
    """What the service did otherwise, answer by answer and probe by probe."""
    for name in sorted(emulator.notes.keys() | service.notes.keys()):
        theirs, ours = service.notes.get(name, "not seen"), emulator.notes.get(name, "not seen")
        if theirs != ours:
            yield Difference(name, "did", ours, theirs)
    for name in sorted(emulator.answers.keys() | service.answers.keys()):
        one, other = emulator.answers.get(name), service.answers.get(name)
        if one is None or other is None:
            yield Difference(
                name, "answer", "never" if one is None else "seen", "never" if other is None else "seen"
            )
            continue
        for field in sorted(one.fields.keys() | other.fields.keys()):
            yield from _unlike(name, f"field `{field}`", one.fields.get(field), other.fields.get(field))
        yield from _unlike(name, "content type", one.content_types, other.content_types)
    for header in sorted(emulator.headers ^ service.headers):
        there, here = header in service.headers, header in emulator.headers
        yield Difference("all", f"header `{header}`", "sent" if here else "-", "sent" if there else "-")


def _unlike(name: str, what: str, emulator: set[str] | None, service: set[str] | None) -> Iterator[Difference]:
    if emulator != service:
        yield Difference(name, what, _listed(emulator), _listed(service))


def _listed(kinds: set[str] | None) -> str:
    return " or ".join(sorted(kinds)) if kinds else "-"


def _fields(value: Any, place: str) -> Iterator[tuple[str, str]]:
    if place:
        yield place, _kind(value)
    if isinstance(value, dict) and place.rpartition(".")[2] not in _FREE:
        for name, part in value.items():
            yield from _fields(part, f"{place}.{name}" if place else name)
    elif isinstance(value, list):
        for part in value:
            yield from _fields(part, f"{place}[]")


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return "time" if _TIME.fullmatch(value) else "string"
    kinds = {bool: "boolean", int: "integer", float: "number", list: "array", dict: "object", type(None): "null"}
    return kinds[type(value)]
