"""CSV to orders, a row each or grouped from line items: pure, fed with pieces that may be cut anywhere."""

from collections.abc import Iterator

from msgspec.structs import replace

from voucherify_async.errors import SourceError
from voucherify_async.models.orders import MAX_ITEMS, NewOrder, OrderItem
from voucherify_async.sources.columns import Columns, Layout, MisfitError
from voucherify_async.sources.found import NO_KEY, BadLine, Found, too_many_items
from voucherify_async.sources.keys import SeenKeys
from voucherify_async.sources.rows import Row, Rows


class CsvOrders:
    """Turns the pieces of a CSV file into orders.

    Attributes:
        lines: how many rows there were so far, the header and empty ones not counted.
        unread_from: the number of the first line that is neither in an order nor reported yet.
    """

    def __init__(self, layout: Layout, *, allow_keyless: bool = False) -> None:
        self.lines = 0
        self._layout = layout
        self._allow_keyless = allow_keyless
        self._rows = Rows()
        self._columns: Columns | None = None
        self._group: _Group | None = None

    @property
    def unread_from(self) -> int:
        if self._group is not None and self._group.unread_from is not None:
            return self._group.unread_from
        return self._rows.unread_from

    def feed(self, piece: bytes, *, last: bool = False) -> Iterator[Found]:
        """What is complete with this piece; to be read to its end before the next call.

        Args:
            piece: the next bytes of the file.
            last: no more will come.

        Raises:
            SourceError: the header does not fit; or a row is too long, so it cannot be told where it ends; or it is
                UTF-16.
        """
        for row in self._rows.feed(piece, last=last):
            if self._columns is None:
                self._begin(row)
                continue
            self.lines += 1
            if self._group is not None:
                yield from self._group.add(row)
            else:
                yield self._found(row, self._columns)
        if last:
            if self._columns is None:
                raise SourceError("there is no header", line=1)
            if self._group is not None:
                yield from self._group.end()

    def _begin(self, header: Row) -> None:
        if header.cells is None:
            raise SourceError(header.problem, line=header.number)
        try:
            self._columns = Columns(header.cells, self._layout, allow_keyless=self._allow_keyless)
        except SourceError as error:
            error.line = header.number
            raise
        if self._columns.grouped:
            self._group = _Group(self._columns)

    def _found(self, row: Row, columns: Columns) -> Found:
        key = None
        problem = _unreadable(row, columns)
        if row.cells is not None and not problem:
            source_id, own_id = columns.keys(row.cells)
            key = source_id or own_id or None
            try:
                order = columns.order(row.cells)
                if order.key is not None or self._allow_keyless:
                    return order
                problem = NO_KEY
            except MisfitError as misfit:
                problem = str(misfit)
        return _bad(row, problem, key)


def _unreadable(row: Row, columns: Columns) -> str:
    """Why the cells of a row cannot be told apart; empty if they can."""
    if row.cells is not None and len(row.cells) != columns.count:
        return f"has {len(row.cells)} cells, the header {columns.count}"
    return row.problem


def _bad(row: Row, reason: str, key: str | None) -> BadLine:
    return BadLine(number=row.number, last_number=row.last_number, reason=reason, key=key)


class _Open:
    """The order whose line items are being read.

    Args:
        row: its first.
        cells: of that.
        keys: its `source_id` and `id`, empty where they are not given.
    """

    def __init__(self, row: Row, cells: list[str], keys: tuple[str, str]) -> None:
        self.source_id, self.id = keys
        self.first = row
        self.cells = cells
        self.last_number = row.last_number
        self.order: NewOrder | None = None
        self.items: list[OrderItem] = []
        self.item_count = 0
        self.good_rows = 0
        self.problem = ""  # why the order is left out

    @property
    def key(self) -> str:
        return self.source_id or self.id

    def goes_on(self, keys: tuple[str, str]) -> bool:
        """Whether a row with these keys is of this order."""
        source_id, own_id = keys
        return source_id == self.source_id if source_id else own_id == self.id

    def spoil(self, problem: str) -> None:
        """Have the order left out. The first reason is told."""
        self.problem = self.problem or problem
        self.items.clear()


class _Group:
    """Puts together the line items of an order, which stand in rows one behind another.

    An order of which a line is bad, or may be, is left out whole: what is there in part would be sent as if it
    were all.
    """

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._seen = SeenKeys()
        self._open: _Open | None = None
        self._stray: int | None = None  # the line right in front, if nobody knows of which order it is

    @property
    def unread_from(self) -> int | None:
        return None if self._open is None else self._open.first.number

    def add(self, row: Row) -> Iterator[Found]:
        """What is complete with this row."""
        problem = _unreadable(row, self._columns)
        keys = ("", "") if row.cells is None or problem else self._columns.keys(row.cells)
        if row.cells is None or keys == ("", ""):
            self._stray = row.number
            if self._open is not None:
                self._open.spoil(_stray_line(row.number))
            yield _bad(row, problem or NO_KEY, None)
            return
        if self._open is None or not self._open.goes_on(keys):
            yield from self.end()
            self._open = self._begin(row, row.cells, keys)
        self._stray = None
        problem = self._take(self._open, row, row.cells)
        if problem:
            self._open.spoil(f"line {row.number} is bad")
            yield _bad(row, problem, self._open.key)

    def end(self) -> Iterator[Found]:
        """The order that was open."""
        done, self._open = self._open, None
        if done is None:
            return
        if done.item_count > MAX_ITEMS:
            done.spoil(f"it {too_many_items(done.item_count)}")
        if done.order is not None and not done.problem:
            yield replace(done.order, items=done.items) if done.items else done.order
        elif done.good_rows:
            yield BadLine(
                number=done.first.number,
                last_number=done.last_number,
                count=done.good_rows,
                reason=f"order {done.key} is left out: {done.problem}",
                key=done.key,
            )

    def _begin(self, row: Row, cells: list[str], keys: tuple[str, str]) -> _Open:
        opened = _Open(row, cells, keys)
        for name, key in zip(("source_id", "id"), keys, strict=True):
            if key and not self._seen.add(f"{name} {key}"):
                opened.spoil(f"its {name} stands further up too, without these lines; sort the file by it")
        if self._stray is not None:
            opened.spoil(_stray_line(self._stray))
        return opened

    def _take(self, opened: _Open, row: Row, cells: list[str]) -> str:
        """Take a row into its order. Returns what is wrong with it, if anything is."""
        opened.last_number = row.last_number
        try:
            item = self._columns.item(cells)
            if row is opened.first:
                opened.order = self._columns.order(cells)
            else:
                self._columns.check_repeated(cells, opened.cells, opened.first.number)
        except MisfitError as misfit:
            return str(misfit)
        opened.good_rows += 1
        if item is not None:
            opened.item_count += 1
            if not opened.problem and opened.item_count <= MAX_ITEMS:
                opened.items.append(item)
        return ""


def _stray_line(number: int) -> str:
    return f"line {number}, next to it, may be one of its own"
