"""All orders that fit, as rows: exports are created, waited for, read and deleted on the way."""

import datetime
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import anyio

from voucherify_async.bulk.windows import Window, fields_with_created_at, windows_of, without_created_at
from voucherify_async.errors import ConfigurationError, VoucherifyError
from voucherify_async.exportfile import ExportRows
from voucherify_async.exportquery import OrderExportOrder
from voucherify_async.jobs import ExportJob
from voucherify_async.models.orders import OrderRow
from voucherify_async.resources.exports import Exports

if TYPE_CHECKING:
    from voucherify_async.resources.orders import Orders

_WHOLE: Final = Window(None, None)
# An export that stays does no harm, so nobody has to wait long for its end.
_DELETING_SECONDS: Final = 10.0


class ExportedRows:
    """The rows of one export or of several, one after another, see `Orders.export_rows`."""

    def __init__(
        self,
        orders: "Orders",
        exports: Exports,
        *,
        fields: Sequence[str] | None,
        filters: Mapping[str, Any] | None,
        order: OrderExportOrder | None,
        delete: bool,
        width: datetime.timedelta | None,
        timeout: float | None,
    ) -> None:
        self._orders = orders
        self._exports = exports
        self._fields = fields
        self._filters = filters
        self._order: OrderExportOrder | None = order
        self._delete = delete
        self._width = width
        self._timeout = timeout
        self._hidden = False  # rows are not to show their `created_at`
        self._windows: deque[Window] = deque()  # for which no export is made yet
        self._ahead: tuple[Window, ExportJob] | None = None
        self._window = _WHOLE
        self._rows: ExportRows | None = None
        self._ready: Iterator[OrderRow] = iter(())
        self._made: list[ExportJob] = []  # and not deleted
        self._entered = False
        self._ended = False

    async def __aenter__(self) -> Self:
        if self._entered:
            raise ConfigurationError("rows", "are read once; call export_rows() again")
        self._entered = True
        try:
            self._windows.extend(await self._cut())
            await self._open_next()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended = True
        self._ready = iter(())
        if self._rows is not None:
            await self._rows.__aexit__(None, None, None)
        await self._delete_made(self._made)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> OrderRow:
        for row in self._ready:  # the shortest way to the next one, if it is there
            return row
        return await self._next()

    async def _next(self) -> OrderRow:
        if not self._entered:
            raise ConfigurationError("rows", "use it with a context: async with client.orders.export_rows()")
        try:
            rows = await self._next_rows()
        except VoucherifyError:
            self._ended = True  # what is behind the failure would not be all that is left
            raise
        if not rows:
            raise StopAsyncIteration
        self._ready = iter(rows)
        return next(self._ready)

    async def _next_rows(self) -> list[OrderRow]:
        """The next rows, as many as come together; none at the end. Cancelled, it can be called again."""
        while not self._ended:
            if self._rows is None:
                await self._open_next()
                continue
            rows = await self._rows.next_rows()
            if not rows:
                await self._rows.__aexit__(None, None, None)
                await self._delete_made(self._made[:1])
                self._rows = None
                continue
            if self._window != _WHOLE:
                rows = self._window.own(rows)
            if self._hidden:
                without_created_at(rows)
            if rows:
                return rows
        return []

    async def _cut(self) -> list[Window]:
        if self._width is None:
            return [_WHOLE]
        ends = [
            [order.created_at for order in (await self._orders.list(limit=1, order=direction)).orders]
            for direction in ("created_at", "-created_at")
        ]
        (first, *_), (last, *_) = ends[0] or [None], ends[1] or [None]
        if first is None or last is None:
            return [_WHOLE]
        windows = windows_of(first, last, self._width, newest_first=self._order == "-created_at")
        if len(windows) > 1:
            self._fields, self._hidden = fields_with_created_at(self._fields)
        return windows

    async def _open_next(self) -> None:
        """Begin to read the export that is there, and have the next one made meanwhile."""
        await self._create_ahead()
        if self._ahead is None:
            self._ended = True
            return
        window, job = self._ahead
        rows = job.rows(timeout=self._timeout)
        await rows.__aenter__()
        self._rows, self._window, self._ahead = rows, window, None
        with suppress(VoucherifyError):  # these rows are to be had all the same; behind them it is tried again
            await self._create_ahead()

    async def _create_ahead(self) -> None:
        if self._ahead is not None or not self._windows:
            return
        window = self._windows[0]
        job = await self._orders.create_export(
            fields=self._fields, filters=window.filters(self._filters), order=self._order
        )
        self._made.append(job)
        self._ahead = self._windows.popleft(), job

    async def _delete_made(self, jobs: list[ExportJob]) -> None:
        """As well as it goes: neither does it fail what is going on, nor does it hide why that failed."""
        if self._delete and jobs:
            with anyio.move_on_after(_DELETING_SECONDS, shield=True):
                for job in jobs:
                    with suppress(VoucherifyError):
                        await self._exports.delete(job.id)
        self._made = [job for job in self._made if job not in jobs]
