"""`orders list`."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from voucherify_async import Order, VoucherifyClient
from voucherify_async.cli.output import order_json, print_line
from voucherify_async.cli.running import DONE, Surroundings, run

if TYPE_CHECKING:
    from voucherify_async.resources.orders import OrderListOrder

__all__ = ["list_orders"]

PAGE: Final = 100


def list_orders(limit: int | None, order: "OrderListOrder", *, as_json: bool) -> int:
    """List orders; the exit status.

    Args:
        limit: how many; None for all that listing reaches.
        order: what they are sorted by.
        as_json: print them as JSON, on a terminal too.
    """
    show = _print_lines if as_json or not sys.stdout.isatty() else _print_table

    async def work(client: VoucherifyClient, _: Surroundings) -> int:
        if limit is not None and limit <= PAGE:
            show((await client.orders.list(limit=limit, order=order)).orders)
            return DONE
        page: list[Order] = []
        left = limit
        async with client.orders.iterate(order=order) as orders:
            try:
                async for one in orders:
                    page.append(one)
                    left = None if left is None else left - 1
                    if left == 0:
                        break
                    if len(page) == PAGE:
                        show(page)
                        page.clear()
            finally:  # what came before an error, such as the end of what listing reaches, is the user's
                if page:
                    show(page)
        return DONE

    return run(work)


def _print_lines(orders: Sequence[Order]) -> None:
    for order in orders:
        print_line(order_json(order))


def _print_table(orders: Sequence[Order]) -> None:
    from rich.console import Console  # noqa: PLC0415 - slow to import
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("source_id", "id", "status", "created_at"):
        table.add_column(name, overflow="fold")
    for name in ("items", "total_amount"):
        table.add_column(name, justify="right")
    for order in orders:
        created = f"{order.created_at:%Y-%m-%d %H:%M:%S}" if order.created_at else ""
        total = "" if order.total_amount is None else f"{order.total_amount:,}"
        table.add_row(
            order.source_id or "", order.id, order.status or "", created, f"{len(order.items or ()):,}", total
        )
    Console().print(table)
