"""Orders by chance, and what reads bytes in pieces."""

import datetime
from collections.abc import Iterator
from typing import Any, Protocol

import msgspec
from hypothesis import strategies as st

from tests.sources.test_lines import pieces
from voucherify_async import NewOrder, OrderItem
from voucherify_async.sources.found import BadLine, Found

TEXT = st.text(st.sampled_from('ab,"\n\r üß\u2028😀.0'), min_size=1, max_size=5)
WHOLE = st.integers(0, 2**53 - 1)
ZONES = st.integers(-14 * 60, 14 * 60).map(
    lambda minutes: datetime.timezone(datetime.timedelta(minutes=minutes)) if minutes else datetime.UTC
)
TIMES = st.datetimes(timezones=ZONES)


class Parser(Protocol):
    """`JsonLines` and `CsvOrders`."""

    lines: int

    @property
    def unread_from(self) -> int: ...

    def feed(self, piece: bytes, *, last: bool = False) -> Iterator[Found]: ...


def read(parser: Parser, data: bytes, cuts: list[int]) -> tuple[list[NewOrder], list[BadLine]]:
    """What a parser finds in data that is cut at some places."""
    found = [one for piece in pieces(data, cuts) for one in parser.feed(piece)]
    found += parser.feed(b"", last=True)
    orders = [one for one in found if not isinstance(one, BadLine)]
    bad = [one for one in found if isinstance(one, BadLine)]
    return orders, bad


def _values(info: msgspec.inspect.Type, *, in_csv: bool) -> st.SearchStrategy[Any]:
    match info:
        case msgspec.inspect.UnionType(types=types):
            known = [one for one in types if not isinstance(one, msgspec.inspect.NoneType)]
            if len(known) == 2:
                return st.one_of(WHOLE, st.floats(0, 1e9))
            values = _values(known[0], in_csv=in_csv)
            return values if in_csv else st.none() | values
        case msgspec.inspect.StrType():
            return TEXT
        case msgspec.inspect.IntType():
            return WHOLE
        case msgspec.inspect.BoolType():
            return st.booleans()
        case msgspec.inspect.DateTimeType():
            return TIMES
        case msgspec.inspect.DictType():
            values = TEXT if in_csv else st.one_of(st.none(), st.integers(0, 9), TEXT, st.lists(TEXT, max_size=2))
            return st.dictionaries(TEXT, values, min_size=1, max_size=2)
        case msgspec.inspect.ListType(item_type=msgspec.inspect.StructType(cls=cls)):
            return st.lists(structs(cls, in_csv=in_csv), min_size=1, max_size=3)
        case msgspec.inspect.StructType(cls=cls):
            return structs(cls, in_csv=in_csv)
    raise TypeError(info)


def structs(struct: type, *, in_csv: bool, without: tuple[str, ...] = ()) -> st.SearchStrategy[Any]:
    """Structs with some of their fields; in CSV, those that CSV can say."""
    info = msgspec.inspect.type_info(struct)
    assert isinstance(info, msgspec.inspect.StructType)
    fields = {field.name: _values(field.type, in_csv=in_csv) for field in info.fields if field.name not in without}

    @st.composite
    def some(draw: st.DrawFn) -> Any:
        names = draw(st.lists(st.sampled_from(sorted(fields)), min_size=1, max_size=4, unique=True))
        return struct(**{name: draw(fields[name]) for name in names})

    return some()


ITEMS = structs(OrderItem, in_csv=True)
