"""What commands print as their result."""

import sys
from collections.abc import Mapping
from typing import Any

import msgspec

from voucherify_async import Order

__all__ = ["order_json", "print_document", "print_line"]


def order_json(order: Order) -> bytes:
    """An order in one line, without the fields that it has no value for."""
    known = {name: value for name, value in msgspec.structs.asdict(order).items() if value is not None}
    return msgspec.json.encode(known)


def print_line(document: bytes) -> None:
    """Print JSON in a line. It is UTF-8 wherever it goes."""
    sys.stdout.buffer.write(document + b"\n")


def print_document(document: bytes, *, as_json: bool) -> None:
    """Print JSON: set out for people on a terminal, in a line elsewhere, and where it is asked for."""
    if as_json or not sys.stdout.isatty():
        print_line(document)
        return
    from rich.console import Console  # noqa: PLC0415 - slow to import

    Console().print_json(document.decode())


def print_facts(facts: Mapping[str, Any]) -> None:
    """Print what is known of something, a line for each fact."""
    width = max(map(len, facts))
    for name, fact in facts.items():
        print(f"{name:<{width}}  {fact}")
