"""Reading orders from a file: `read_orders`."""

import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Protocol, Self, TypeAlias

from voucherify_async.errors import ConfigurationError, SourceError
from voucherify_async.models.orders import NewOrder
from voucherify_async.options import check_choice, check_function
from voucherify_async.sources.blocks import Blocks, ByteSource, PathSource, open_source, standard_input
from voucherify_async.sources.columns import Layout
from voucherify_async.sources.csvorders import CsvOrders
from voucherify_async.sources.found import BadLine, Found
from voucherify_async.sources.jsonlines import JsonLines

Format: TypeAlias = Literal["jsonl", "csv"]

_FORMATS: Final[Mapping[str, Format]] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".csv": "csv"}
_STANDARD_INPUT: Final = "-"


class BinaryFile(Protocol):
    """What was opened in binary mode. `read1` is used if there is one: it does not wait for more than it has."""

    def read(self, size: int, /) -> bytes:
        """The next bytes, at most so many, and none at the end."""
        ...


def read_orders(
    source: str | os.PathLike[str] | BinaryFile,
    *,
    format: Format | None = None,  # noqa: A002 - what it is called everywhere
    columns: Mapping[str, str | None] | None = None,
    decimals: int | None = None,
    defaults: Mapping[str, str] | None = None,
    allow_keyless: bool = False,
    on_bad_line: Callable[[BadLine], object] | None = None,
) -> "OrderReader":
    """Read orders from a file, for `upsert_all` and `import_all`. Nothing is opened before the first is asked for.

    A line that is no order is never passed over in silence: it goes to `on_bad_line`, or without that stops the
    reading with a `SourceError`. Each line is in one order that is given, or reported once.

    **JSON Lines**: a line is an order as the API takes it, with the fields of `NewOrder`. An unknown field, here or
    in a part, makes a bad line, except for `_failure` beside the fields of the order: so what `failure_line` wrote
    can be read again. `null` is sent as null. Times have a zone. Of a name that stands twice in an object, the last
    counts. A line has at most 8 MiB.

    **CSV**: separated by commas, in UTF-8, with a header. A column is named by the path of its field, in any case,
    with or without blanks and underscores:

    | column | field |
    |---|---|
    | `source_id`, `id`, `status`, `amount`, `created_at`, `referrer_id`, ... | of the order |
    | `customer.source_id`, `customer.email`, `customer.address.city`, ..., `referrer. ...` | of its parts |
    | `item.source_id`, `item.quantity`, `item.price`, `item.product.name`, `item.sku.sku`, ... | of a line item |
    | `metadata.X`, `customer.metadata.X`, `item.metadata.X`, `item.product.metadata.X`, ... | X, as a string |
    | `metadata`, `customer.metadata`, `item.metadata`, ... | a JSON object; `metadata.X` counts before it |
    | `items` | a JSON array of line items as the API takes them, whatever `decimals` says |

    - Without `item.` columns, a row is an order. With them, a row is a line item, and rows of one key that stand
      together are one order. What further rows say of the order must be what the first says, or empty. A row with
      all its `item.` cells empty adds no item.
    - With `item.` columns, if a line is bad its order is left out whole, since what is there in part would be
      sent as if it were all; its other lines are reported as one `BadLine`. So is an order of more than 500 items.
      Lines of an order that stood further up already, and was given without them, are reported too, since their
      items would replace those: sort such a file by its key. (Keys are remembered for that, in 11 bytes each.) A
      line of which nobody can tell the order has the orders next to it left out.
    - An empty cell is not given. There is no way to say null or an empty string; JSON Lines have one.
    - Amounts and prices are whole numbers in the smallest unit of the currency, or with `decimals` decimal numbers
      in the currency. Numbers below zero make a bad line. A time (ISO 8601) without a zone is UTC.
    - A cell has at most 131,072 characters, unless `csv.field_size_limit` says otherwise; a row has at most 8 MiB.

    Args:
        source: a path, which may be one of a named pipe; `"-"` for standard input; or a file opened in binary mode,
            which stays open.
        format: `jsonl` or `csv`; without it the name tells (`.jsonl`, `.ndjson`, `.json`, `.csv`, each with `.gz`
            or without); what has no name is JSON Lines. What is gzipped is told by its first bytes.
        columns: for CSV: foreign names of columns and the fields that they are,
            `{"InvoiceNo": "source_id", "StockCode": "item.source_id", "Comment": None}`; None for one that does not
            matter.
        decimals: for CSV: how many the currency has, 2 for euros; then `12.95` is 1295, and `0.001` a bad line.
        defaults: for CSV: cells for what is not given, `{"status": "PAID", "item.related_object": "product"}`.
        allow_keyless: orders may have neither `source_id` nor `id`. Each time they are sent they become new ones.
            CSV of line items needs a key all the same.
        on_bad_line: called with each bad line, and awaited if it can be; what it raises stops the reading.

    Returns:
        An async iterator of orders, to be closed by `async with` if it is not read to its end.

    Raises:
        ConfigurationError: an argument does not fit.
    """
    check_function("on_bad_line", on_bad_line)
    name, reading = _byte_source(source)
    known = _format(name, format)
    if known == "csv":
        layout = Layout({} if columns is None else columns, decimals, {} if defaults is None else defaults)
        parser: Parser = CsvOrders(layout, allow_keyless=allow_keyless)
    else:
        for argument, value in (("columns", columns), ("decimals", decimals), ("defaults", defaults)):
            if value is not None:
                raise ConfigurationError(argument, "is for CSV, and this is read as JSON Lines")
        parser = JsonLines(allow_keyless=allow_keyless)
    gzipped = name is not None and name.lower().endswith(".gz")
    return OrderReader(Blocks(reading, gzipped=gzipped), parser, name, on_bad_line)


class Parser(Protocol):
    """Turns the bytes of a file into orders; see `JsonLines` and `CsvOrders`."""

    lines: int

    @property
    def unread_from(self) -> int: ...

    def feed(self, piece: bytes, *, last: bool = False) -> Iterator[Found]: ...


class OrderReader:
    """An async iterator of the orders in a file; see `read_orders`, which makes it.

    Cancelling a waiter loses nothing: the next one gets what it would have got.

    Attributes:
        orders: how many were given so far.
        bad_lines: how many lines are in no order, so far; of CSV, rows.
    """

    def __init__(
        self,
        blocks: Blocks,
        parser: Parser,
        name: str | None,
        on_bad_line: Callable[[BadLine], object] | None,
    ) -> None:
        self.orders = 0
        self.bad_lines = 0
        self._blocks = blocks
        self._parser = parser
        self._name = name
        self._on_bad_line = on_bad_line
        self._found: Iterator[Found] = iter(())
        self._fetching = False
        self._ended = False
        self._error: Exception | None = None

    @property
    def lines(self) -> int:
        """How many lines were read so far, orders and bad ones; of CSV, rows. Blank ones do not count."""
        return self._parser.lines

    @property
    def bytes_read(self) -> int:
        """How many bytes of the file were read so far, packed as they are."""
        return self._blocks.bytes_read

    @property
    def bytes_total(self) -> int | None:
        """How many bytes the file has, packed as they are; None for what is no plain file."""
        return self._blocks.bytes_total

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the file, if it was opened here. There are no more orders then."""
        self._ended = True
        self._found = iter(())
        await self._blocks.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> NewOrder:
        if self._fetching:
            raise ConfigurationError("orders", "are being read by another task already")
        try:
            while True:
                for found in self._found:
                    if not isinstance(found, BadLine):
                        self.orders += 1
                        return found
                    await self._tell(found)
                if self._ended:
                    break
                await self._fetch()
        except Exception as error:
            if isinstance(error, SourceError):
                error.source = self._name
            self._error = self._error or error
            await self.aclose()
            raise
        # Who asks again after an error must not take it for the end.
        if self._error is not None:
            raise self._error
        await self.aclose()
        raise StopAsyncIteration

    async def _tell(self, bad: BadLine) -> None:
        self.bad_lines += bad.count
        if self._on_bad_line is None:
            raise SourceError(bad.reason, line=bad.number)
        outcome = self._on_bad_line(bad)
        if inspect.isawaitable(outcome):
            await outcome

    async def _fetch(self) -> None:
        self._fetching = True
        try:
            block = await self._blocks.next()
        except SourceError as error:
            error.line = self._parser.unread_from
            raise
        finally:
            self._fetching = False
        if not self._ended:  # closed meanwhile
            self._ended = not block
            self._found = self._parser.feed(block, last=self._ended)


def _byte_source(source: object) -> tuple[str | None, ByteSource]:
    """Where the bytes come from, and its name."""
    if source == _STANDARD_INPUT:
        return None, standard_input()
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        return path.name, PathSource(path)
    name = getattr(source, "name", None)
    return Path(name).name if isinstance(name, str) else None, open_source(source)


def _format(name: str | None, said: Format | None) -> Format:
    check_choice("format", said, Format)
    if said is not None or name is None:
        return said or "jsonl"
    suffix = Path(name.lower().removesuffix(".gz")).suffix
    if suffix not in _FORMATS:
        raise ConfigurationError("format", f"cannot be told by the name {name!r}; say jsonl or csv")
    return _FORMATS[suffix]
