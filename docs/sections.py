"""Sections taken over from files of the project: `<!-- section: README.md, Figures -->` stands for that one."""

import re
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[1]
_WANTED = re.compile(r"<!-- section: (?P<file>[\w./]+), (?P<title>.+?) -->")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by mkdocs with the text of each page."""
    return _WANTED.sub(
        lambda wanted: _section(wanted["file"], wanted["title"]), markdown
    )


def _section(file: str, title: str) -> str:
    text = (_ROOT / file).read_text(encoding="utf-8")
    found = re.search(
        rf"^## {re.escape(title)}\n(?P<body>.*?)(?=^## |\Z)",
        text,
        re.MULTILINE | re.DOTALL,
    )
    if found is None:
        raise LookupError(f"{file} has no section {title!r}")
    # A level up, as the page has the section's title; and what is linked in docs/ is beside the page.
    return re.sub(r"^###", "##", found["body"], flags=re.MULTILINE).replace(
        "](docs/", "]("
    )
