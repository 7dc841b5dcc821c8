"""`python -m benchmarks.readme RESULTS [--root FOLDER]`: what was measured, into the README and `docs/figures.md`.

RESULTS is what `make bench` wrote, or some of its parts. Each table stands between two markers and is never written
by hand; it is replaced if all parts are there that it is made of, and so are the pictures.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from benchmarks import targets
from benchmarks.beside import plot as clients_plot
from benchmarks.beside import table as clients_table
from benchmarks.beside.results import Results
from benchmarks.bulk.process import Taken
from benchmarks.bulk.rows import Result, Run
from benchmarks.curves import plot as curves_plot
from benchmarks.curves import table as curves_table
from benchmarks.curves.results import Curves
from benchmarks.peers import ROOT
from benchmarks.typical import table as typical_table
from benchmarks.typical.results import Typical

README: Final = Path("README.md")
FIGURES: Final = Path("docs/figures.md")
CALLS: Final = Path("docs/pictures/calls.svg")
CURVES: Final = Path("docs/pictures/curves.svg")
BEGIN: Final = "<!-- benchmark {name}: written by python -m benchmarks.readme -->"
END: Final = "<!-- benchmark: end -->"


class Parts(msgspec.Struct):
    """The parts of the results that are shown; None for one that was not run."""

    peers: Results | None = None
    typical: Typical | None = None
    curves: Curves | None = None
    imports: dict[int, list[Taken]] | None = None
    rows: tuple[list[Result], dict[int, Run]] | None = None


class Block(NamedTuple):
    """What stands between two markers of a page."""

    page: Path
    name: str
    text: str


def blocks(parts: Parts) -> Iterator[Block]:
    """All of which the parts are there."""
    if parts.peers is not None:
        if parts.rows is not None and parts.imports is not None:
            held_to = [
                *targets.of_calls(parts.peers),
                *targets.of_rows(*parts.rows),
                *targets.of_imports(parts.imports),
            ]
            yield Block(README, "targets", targets.table(held_to))
        plot = f"![CPU time of a call, by client]({CALLS})"
        yield Block(README, "calls", f"{plot}\n\n{clients_table.short_tables(parts.peers)}")
        yield Block(FIGURES, "calls", clients_table.more_tables(parts.peers))
    if parts.typical is not None:
        yield Block(README, "jobs", typical_table.tables(parts.typical))
    if parts.curves is not None:
        plot = f"![What a unit of work costs as the work grows]({CURVES})"
        yield Block(README, "curves", f"{plot}\n\n{curves_table.conditions(parts.curves)}")
        yield Block(FIGURES, "curves", curves_table.curve_tables(parts.curves))


def pictures(parts: Parts) -> Iterator[tuple[Path, str]]:
    """All of which the parts are there."""
    if parts.peers is not None:
        yield CALLS, clients_plot.plot(parts.peers)
    if parts.curves is not None:
        yield CURVES, curves_plot.plot(parts.curves)


def replaced(text: str, name: str, shown: str) -> str:
    """The text with this between the markers of that name.

    Raises:
        ValueError: they are not there, once and in their order.
    """
    begin = BEGIN.format(name=name)
    before, found, rest = text.partition(begin)
    _, ended, after = rest.partition(END)
    if not found or not ended or begin in rest:
        raise ValueError(f"the text needs these two lines, the first one once, in this order:\n{begin}\n{END}")
    return f"{before}{begin}\n\n{shown.strip()}\n\n{END}{after}"


def main() -> None:
    """Do it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.readme", description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument(
        "--root", type=Path, default=ROOT, metavar="FOLDER", help="of the pages (default: this one)"
    )
    args = parser.parse_args()
    parts = msgspec.json.decode(args.results.read_bytes(), type=Parts)
    written: dict[Path, str] = {}
    for page, name, shown in blocks(parts):
        text = written.get(page) or (args.root / page).read_text(encoding="utf-8")
        try:
            written[page] = replaced(text, name, shown)
        except ValueError as error:
            parser.error(f"{page}: {error}")
    if not written:
        parser.error("the results hold none of the parts that are shown: peers, typical, curves")
    for file, text in [*written.items(), *pictures(parts)]:
        (args.root / file).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
