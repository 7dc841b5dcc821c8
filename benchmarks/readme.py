"""`python -m benchmarks.readme RESULTS [--readme FILE] [--plot FILE]`: put what was measured into the README.

RESULTS is what `python -m benchmarks --parts peers --json RESULTS` wrote. The README's text between the two markers
is replaced: it is never written by hand. With `--plot`, the plot is drawn as well, and shown above the tables.
"""

import argparse
import os
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.beside.plot import plot
from benchmarks.beside.results import Results
from benchmarks.beside.table import tables

BEGIN: Final = "<!-- benchmark: what follows is written by python -m benchmarks.readme -->"
END: Final = "<!-- benchmark: end -->"


class Parts(msgspec.Struct):
    """The part of the results that is shown."""

    peers: Results


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
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the plot into this SVG file")
    args = parser.parse_args()
    results = msgspec.json.decode(args.results.read_bytes(), type=Parts).peers
    shown = tables(results)
    if args.plot is not None:
        link = os.path.relpath(args.plot, args.readme.parent)
        shown = f"![CPU time of a call, by client]({link})\n\n{shown}"
    text = args.readme.read_text(encoding="utf-8")
    try:
        written = replaced(text, shown)
    except ValueError as error:
        parser.error(f"{args.readme}: {error}")
    if args.plot is not None:
        args.plot.write_text(plot(results), encoding="utf-8")
    args.readme.write_text(written, encoding="utf-8")


if __name__ == "__main__":
    main()
