"""The file of budgets, and the counts beside it."""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

FILE: Final = Path(__file__).with_name("budgets.toml")

Counts = Mapping[str, Mapping[str, float]]


class Budget(NamedTuple):
    """What was counted when it was set, and the part of it by which it may be exceeded."""

    counted: float
    air: float

    @property
    def most(self) -> float:
        """What may be spent."""
        return self.counted * (1 + self.air)


def budgets(text: str) -> dict[tuple[str, str], Budget]:
    """Those that the file has, by section and name."""
    return {
        (section, name): Budget(counted, values["air"])
        for section, values in tomllib.loads(text).items()
        for name, counted in values.items()
        if name != "air"
    }


def beside(counts: Counts, allowed: Mapping[tuple[str, str], Budget]) -> Iterator[str]:
    """The lines of a TOML document: the counts, each with its budget as a comment."""
    for section, values in counts.items():
        yield f"[{section}]"
        for name, value in values.items():
            budget = allowed.get((section, name))
            yield f"{f'{name} = {value:g}':32}# {'no budget' if budget is None else f'at most {budget.most:g}'}"
        yield ""


def renewed(text: str, counts: Counts) -> str:
    """The file with these counts in place of its numbers. Its comments, and what was not counted, stay."""
    return "".join(f"{line}\n" for line in _renewed_lines(text, counts))


def _renewed_lines(text: str, counts: Counts) -> Iterator[str]:
    section = ""
    for line in text.splitlines():
        name, equals, rest = line.partition(" = ")
        if line.startswith("["):
            section = line.strip("[]")
        if equals and name in counts.get(section, {}):
            _, mark, comment = rest.partition("  #")
            yield f"{name} = {counts[section][name]:g}{mark}{comment}"
        else:
            yield line
