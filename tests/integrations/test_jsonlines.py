"""Rows as JSON Lines."""

import json
from collections.abc import AsyncIterator

from voucherify_async import OrderRow
from voucherify_async.integrations.jsonlines import json_lines


async def test_each_row_is_a_line_and_a_piece_has_many() -> None:
    read = 0

    async def rows() -> AsyncIterator[OrderRow]:
        nonlocal read
        for number in range(10_000):
            read += 1
            yield OrderRow(source_id=f"web-{number}", total_amount=0, metadata={"channel": None})

    lines: list[bytes] = []
    async for piece in json_lines(rows()):
        assert piece.endswith(b"\n")
        lines += piece.splitlines()
        assert read == len(lines), "no row is read before those ahead of it are taken"
    assert json.loads(lines[0]) == {"source_id": "web-0", "total_amount": 0, "metadata": {"channel": None}}
    assert [json.loads(line)["source_id"] for line in lines] == [f"web-{number}" for number in range(10_000)]


async def test_no_rows_are_no_lines() -> None:
    async def rows() -> AsyncIterator[OrderRow]:
        nothing: list[OrderRow] = []
        for row in nothing:
            yield row

    assert [piece async for piece in json_lines(rows())] == []
