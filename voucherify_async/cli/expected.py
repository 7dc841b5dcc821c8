"""How many orders a file will come to, for the time that is left."""

from pathlib import Path

from voucherify_async.sources.blocks import Blocks, PathSource

__all__ = ["count_lines", "expected_orders"]


async def count_lines(path: Path) -> int:
    """How many lines a file has, unpacked if it is gzipped.

    Raises:
        OSError, SourceError: it cannot be read to its end.
    """
    blocks = Blocks(PathSource(path), gzipped=False)
    count, last = 0, b""
    try:
        while block := await blocks.next():
            count += block.count(b"\n")
            last = block
    finally:
        await blocks.aclose()
    return count + (not last.endswith(b"\n") and bool(last))


def expected_orders(orders: int, lines: int, all_lines: int | None) -> int | None:
    """How many orders there will be, if it goes on as so far; None if nobody knows.

    Args:
        orders: so many have been read.
        lines: from so many lines.
        all_lines: of so many.
    """
    if all_lines is None or not lines or not orders:
        return None
    return max(orders, round(orders * all_lines / lines))
