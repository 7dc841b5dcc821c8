"""`python -m benchmarks.readme RESULTS [--readme FILE] [--plot FILE] [--curves FILE]`: results into the README.

RESULTS is what `make bench` wrote, or some of its parts. The README's text between the two markers is replaced by
the tables of those that are there and are shown: it is never written by hand. With `--plot` and `--curves`, the
plots of `peers` and of `curves` are drawn too and shown above their tables.
"""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

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
from benchmarks.typical import table as typical_table
from benchmarks.typical.results import Typical

BEGIN: Final = "<!-- benchmark: what follows is written by python -m benchmarks.readme -->"
END: Final = "<!-- benchmark: end -->"


class Parts(msgspec.Struct):
    """The parts of the results that are shown; None for one that was not run."""

    peers: Results | None = None
    typical: Typical | None = None
    curves: Curves | None = None
    imports: dict[int, list[Taken]] | None = None
    rows: tuple[list[Result], dict[int, Run]] | None = None

    def targets(self) -> Iterator[targets.Target]:
        """Those of the parts that are there."""
        if self.peers is not None:
            yield from targets.of_calls(self.peers)
        if self.rows is not None:
            yield from targets.of_rows(*self.rows)
        if self.imports is not None:
            yield from targets.of_imports(self.imports)


def shown_of(parts: Parts, plot: str | None, curves: str | None) -> str:
    """The tables of the parts that are there, each below its plot, if that is drawn.

    Args:
        parts: what was measured.
        plot: the address of the plot of `peers`, None without it.
        curves: the address of the plot of `curves`, None without it.

    Raises:
        ValueError: there is none.
    """
    shown = []
    if held_to := list(parts.targets()):
        shown.append(targets.table(held_to))
    if parts.peers is not None:
        shown += [f"![CPU time of a call, by client]({plot})"] if plot else []
        shown.append(clients_table.tables(parts.peers))
    if parts.typical is not None:
        shown.append(typical_table.tables(parts.typical))
    if parts.curves is not None:
        shown += [f"![What a unit of work costs as the work grows]({curves})"] if curves else []
        shown.append(curves_table.tables(parts.curves))
    if not shown:
        raise ValueError("the results hold none of the parts that are shown: peers, typical, curves, imports, rows")
    return "\n\n".join(text.strip() for text in shown)


def drawn(parts: Parts, plot: Path | None, curves: Path | None) -> dict[Path, str]:
    """The pictures that are asked for, by their files.

    Raises:
        ValueError: there is nothing to draw one of them from.
    """
    pictures = {}
    if plot is not None:
        if parts.peers is None:
            raise ValueError("--plot: the results hold no part `peers`")
        pictures[plot] = clients_plot.plot(parts.peers)
    if curves is not None:
        if parts.curves is None:
            raise ValueError("--curves: the results hold no part `curves`")
        pictures[curves] = curves_plot.plot(parts.curves)
    return pictures


def replaced(text: str, shown: str) -> str:
    """The text with this between its markers.

    Raises:
        ValueError: they are not there, each once and in their order.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError(f"the text needs these two lines, once each, in this order:\n{BEGIN}\n{END}")
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{shown.strip()}\n\n{END}{rest.partition(END)[2]}"


def main() -> None:
    """Do it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.readme", description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("--readme", type=Path, default=Path("README.md"), help="(default: %(default)s)")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the plot of `peers` into this SVG file")
    parser.add_argument("--curves", type=Path, metavar="FILE", help="draw the curves into this SVG file")
    args = parser.parse_args()
    parts = msgspec.json.decode(args.results.read_bytes(), type=Parts)
    links = [file and os.path.relpath(file, args.readme.parent) for file in (args.plot, args.curves)]
    try:
        pictures = drawn(parts, args.plot, args.curves)
        written = replaced(args.readme.read_text(encoding="utf-8"), shown_of(parts, *links))
    except ValueError as error:
        parser.error(str(error))
    for file, picture in pictures.items():
        file.write_text(picture, encoding="utf-8")
    args.readme.write_text(written, encoding="utf-8")


if __name__ == "__main__":
    main()
