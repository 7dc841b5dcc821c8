"""`orders get`, `orders create`, `orders update`: orders one by one."""

from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

import click
import msgspec

from voucherify_async import NewOrder, NotFoundError, OrderChanges, VoucherifyClient
from voucherify_async.cli.output import order_json, print_document
from voucherify_async.cli.running import DONE, SOME_FAILED, Surroundings, complain, run
from voucherify_async.sources.jsonlines import StrictOrder, reason_of

__all__ = ["create", "get", "update"]


def get(order_ids: Sequence[str], *, as_json: bool) -> int:
    """Print orders; the exit status."""

    async def work(client: VoucherifyClient, _: Surroundings) -> int:
        status = DONE
        for order_id in order_ids:
            try:
                order = await client.orders.get(order_id)
            except NotFoundError as error:
                complain(error)
                status = SOME_FAILED
            else:
                print_document(order_json(order), as_json=as_json)
        return status

    return run(work)


def create(file: BinaryIO | None, fields: Mapping[str, Any], *, as_json: bool) -> int:
    """Create an order and print it; the exit status."""
    new = _given(file, fields)

    async def work(client: VoucherifyClient, _: Surroundings) -> int:
        print_document(order_json(await client.orders.create(new)), as_json=as_json)
        return DONE

    return run(work)


def update(order_id: str, file: BinaryIO | None, fields: Mapping[str, Any], *, as_json: bool) -> int:
    """Change an order and print it; the exit status."""
    given = msgspec.structs.asdict(_given(file, fields))
    if given.pop("id") is not msgspec.UNSET:
        raise click.UsageError("the id of an order cannot be changed")
    changes = OrderChanges(**given)

    async def work(client: VoucherifyClient, _: Surroundings) -> int:
        print_document(order_json(await client.orders.update(order_id, changes)), as_json=as_json)
        return DONE

    return run(work)


def _given(file: BinaryIO | None, fields: Mapping[str, Any]) -> NewOrder:
    """The order in the file, with the options before what it says."""
    named = {name: value for name, value in fields.items() if value not in (None, {})}
    if file is None:
        if not named:
            raise click.UsageError("give a FILE, - for standard input, or options that say what the order is")
        return NewOrder(**named)
    content = file.read()
    try:
        msgspec.json.decode(content, type=StrictOrder)
        order = msgspec.json.decode(content, type=NewOrder)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise click.UsageError(f"{file.name}: {reason_of(error)}") from None
    return msgspec.structs.replace(order, **named)
