"""An export's file as a polars frame, made block by block. Needs the extra `polars`.

What fits is what fits `OrderRow`: where polars is stricter, a column is converted as the cells of rows are.
"""

import csv
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from voucherify_async.csvcolumns import Column, column_of
from voucherify_async.csvlines import Lines, header_of
from voucherify_async.csvrows import MAX_ROW_BYTES
from voucherify_async.exportfile import NOT_FITTING, does_not_fit
from voucherify_async.files import in_thread
from voucherify_async.models.jobs import Export
from voucherify_async.models.orders import AwareTime, OrderRow
from voucherify_async.resumable import ResumableDownload

try:
    import polars as pl
except ImportError as missing:
    raise ImportError("to_polars() needs polars: pip install 'voucherify-async[polars]'") from missing

# Large enough that polars is busy with rows, and small beside any frame that is worth one.
_BLOCK_BYTES: Final = 4 * 1024 * 1024
# A cell in quotes, from its beginning to its end. If all quotes are in their places, no other ones are left. It
# begins with the quote itself, because signs are searched for much faster than places between them.
_QUOTED: Final = re.compile(rb'"(?<![^,\n]")(?:[^"]++|"")*+"(?![^,\r\n])')
# How zlib, gzip and zstd begin. polars unpacks what begins so, and a text may: with `x^`, for instance.
_PACKED: Final = (b"x\x01", b"x^", b"x\x9c", b"x\xda", b"\x1f\x8b", b"\x28\xb5\x2f\xfd")
_TIME: Final = pl.Datetime("us", "UTC")
_TIME_FORMAT: Final = "%Y-%m-%dT%H:%M:%S%.fZ"
_TIMES: Final[dict[str, Any]] = dict.fromkeys(("created_at", "updated_at"), list[AwareTime | None])
_LISTS: Final = _TIMES | {
    field.name: list[int | None] for field in msgspec.structs.fields(OrderRow) if field.type == int | None
}


async def read_frame(
    job_id: str, *, ready: Callable[[], Awaitable[Export]], resumable: Callable[[], ResumableDownload]
) -> pl.DataFrame:
    """See `ExportJob.to_polars`."""
    await ready()
    blocks, pieces, waiting = FrameBlocks(), list[bytes](), 0
    download = resumable()
    try:
        await download.open()
        while piece := await download.chunk():
            pieces.append(piece)
            waiting += len(piece)
            if waiting >= _BLOCK_BYTES:
                await in_thread(blocks.feed, b"".join(pieces))
                pieces, waiting = [], 0
        return await in_thread(blocks.end, b"".join(pieces))
    except NOT_FITTING as error:
        raise does_not_fit(job_id, error) from None
    finally:
        download.close()


class FrameBlocks:
    """Turns the blocks of a CSV file into a frame, keeping of the text only the row that is not complete."""

    def __init__(self) -> None:
        self._rest = b""  # it begins with a row, or in front of the header
        self._columns: list[Column] | None = None
        self._names: list[str] = []
        self._frames: list[pl.DataFrame] = []
        self._row_count = 0

    def feed(self, block: bytes) -> None:
        """Take up the rows that are complete with this block.

        Raises:
            csv.Error, UnicodeDecodeError, msgspec.ValidationError: as `CsvRows.feed`.
        """
        self._take(block, last=False)

    def end(self, block: bytes) -> pl.DataFrame:
        """The whole, with the last block.

        Raises:
            csv.Error, UnicodeDecodeError, msgspec.ValidationError: as `CsvRows.feed`.
        """
        self._take(block, last=True)
        return pl.concat(self._frames, rechunk=False) if self._frames else pl.DataFrame()

    def _take(self, block: bytes, *, last: bool) -> None:
        text = self._rest + block
        whole = text if last else text[: text.rfind(b"\n") + 1]
        end = 0
        if self._columns is None:
            header, end = header_of(whole, last=last)
            if header is not None:
                self._columns = [column_of(name) for name in header]
                self._names = [f"{index}" for index in range(len(header))]
                if not any(column.field for column in self._columns):
                    raise csv.Error(f"no column of the header is known: {','.join(header)[:200]}")
                self._frames.append(self._typed(self._columns, self._of_table([])))
        if self._columns is not None:
            texts, end = self._texts(whole, end, last=last)
            self._frames.append(self._typed(self._columns, texts))
            self._row_count += texts.height
        self._rest = text[end:]
        if len(self._rest) > MAX_ROW_BYTES:
            raise csv.Error(f"row {self._row_count + 1} is longer than {MAX_ROW_BYTES} bytes")

    def _texts(self, block: bytes, start: int, *, last: bool) -> tuple[pl.DataFrame, int]:
        """All cells as they are, and where the last row ends."""
        rows = block[start:]
        if self._is_regular(rows):
            try:
                return self._read(rows), len(block)
            except pl.exceptions.PolarsError:
                pass  # the csv module says what is wrong, and where
        lines = Lines(block, start, last=last)
        table = lines.rest()
        for number, cells in enumerate(table, self._row_count + 1):
            if len(cells) != len(self._names):
                raise csv.Error(f"row {number} has {len(cells)} cells, the header {len(self._names)}")
        return self._of_table(table), lines.end

    def _is_regular(self, rows: bytes) -> bool:
        """Whether polars cuts it as the csv module does: it has a mind of its own about quotes and short rows."""
        outside = _QUOTED.sub(b"", rows) if b'"' in rows else rows
        breaks, returns = outside.count(b"\n"), outside.count(b"\r")
        return (
            not rows.startswith(_PACKED)
            and len(self._names) > 1  # with one column, an empty line would pass for an empty cell
            and outside.endswith(b"\n")
            and b'"' not in outside
            and outside.count(b",") == breaks * (len(self._names) - 1)
            and returns in (0, breaks)
            and returns == outside.count(b"\r\n")
        )

    def _read(self, rows: bytes) -> pl.DataFrame:
        found = pl.read_csv(rows, has_header=False, new_columns=self._names, infer_schema=False)
        if b'"' not in rows:
            return found
        return found.with_columns(pl.when(pl.all() != "").then(pl.all()))  # quoted ones are not null by themselves

    def _of_table(self, table: list[list[str]]) -> pl.DataFrame:
        columns = zip(*table, strict=True) if table else [()] * len(self._names)
        return pl.DataFrame(
            [
                pl.Series(name, [cell or None for cell in cells], dtype=pl.String)
                for name, cells in zip(self._names, columns, strict=True)
            ]
        )

    def _typed(self, columns: list[Column], texts: pl.DataFrame) -> pl.DataFrame:
        found: dict[str, pl.Series] = {}
        for column, cells in zip(columns, texts.get_columns(), strict=True):
            if not column.field:
                continue
            name = column.field if column.key is None else f"metadata.{column.key}"
            typed = self._column(name, cells)
            # Of two columns for one field, the later one counts, unless its cell is empty.
            found[name] = typed if name not in found else typed.zip_with(typed.is_not_null(), found[name])
        return pl.DataFrame([cells.alias(name) for name, cells in found.items()])

    def _column(self, name: str, cells: pl.Series) -> pl.Series:
        try:
            if name in _LISTS and name not in _TIMES:
                return cells.cast(pl.Int64)
            if name in _TIMES:
                return cells.str.to_datetime(_TIME_FORMAT, time_unit="us", time_zone="UTC")
        except pl.exceptions.PolarsError:
            return self._converted(name, cells)
        return cells

    def _converted(self, name: str, cells: pl.Series) -> pl.Series:
        try:
            values = msgspec.convert(cells.to_list(), _LISTS[name], strict=False)
        except msgspec.ValidationError as error:
            problem, _, place = str(error).rpartition(" - at `$[")
            row = self._row_count + int(place.rstrip("]`")) + 1
            raise msgspec.ValidationError(f"row {row}: {problem} - at `$.{name}`") from None
        return pl.Series(values, dtype=_TIME if name in _TIMES else pl.Int64)
