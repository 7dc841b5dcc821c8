"""The report of a live run, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.live.sightings import Difference, Sightings, differences
from tests.live.structs import unknown_fields

__all__ = ["report"]


def report(heading: Sequence[str], broken: Iterable[str], emulator: Sightings, service: Sightings) -> str:
    """What differs.

    Args:
        heading: which run it was, and what it left.
        broken: the contract tests that failed on the service.
        emulator, service: what was seen of each.

    Returns:
        A page that says in each part that there is nothing, where there is nothing.
    """
    found = list(differences(emulator, service))
    parts = ["# What differs from the emulator", "", *(f"- {line}" for line in heading)]
    parts += _listed("What is documented, and did not hold", broken)
    parts += _table("What the service does otherwise", [one for one in found if one.what == "did"])
    parts += _table("Answers that look otherwise", [one for one in found if one.what != "did"])
    unknown = (f"`{field}` in the answer of `{operation}`" for operation, field in unknown_fields(service))
    parts += _listed("Fields that the structs do not know", unknown)
    return "\n".join(parts) + "\n"


def _listed(title: str, lines: Iterable[str]) -> list[str]:
    return ["", f"## {title}", "", *([f"- {line}" for line in lines] or ["Nothing."])]


def _table(title: str, found: Sequence[Difference]) -> list[str]:
    if not found:
        return ["", f"## {title}", "", "Nothing."]
    rows = [
        " | ".join(("", one.about, *((one.what,) if one.what != "did" else ()), *_cells(one), "")).strip()
        for one in found
    ]
    names = ["about", "emulator", "service"] if found[0].what == "did" else ["about", "what", "emulator", "service"]
    return ["", f"## {title}", "", f"| {' | '.join(names)} |", "|---" * len(names) + "|", *rows]


def _cells(one: Difference) -> tuple[str, str]:
    return one.emulator.replace("|", "\\|"), one.service.replace("|", "\\|")
