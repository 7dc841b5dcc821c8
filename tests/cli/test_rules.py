"""The pure parts of the command line, by law."""

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voucherify_async import BulkReport, NewOrder, OrderFailure, OrderRow
from voucherify_async.cli.checking import hint_at
from voucherify_async.cli.expected import count_lines, expected_orders
from voucherify_async.cli.failurefile import FailureFile
from voucherify_async.cli.feed import Feed, stem
from voucherify_async.cli.outcome import BadLineStop, Outcome
from voucherify_async.cli.pace import Pace, duration
from voucherify_async.cli.rowtext import csv_text, json_text
from voucherify_async.cli.running import Interruption, Surroundings, status_of
from voucherify_async.cli.stoppable import StoppableSource, Stopped
from voucherify_async.csvrows import CsvRows
from voucherify_async.errors import (
    BadRequestError,
    ConfigurationError,
    ConnectError,
    RateLimitError,
    ServerError,
    SourceError,
)


class TestPace:
    @given(st.floats(1, 10_000), st.integers(1, 100_000))
    def test_what_goes_evenly_has_its_pace_and_its_end(self, seconds: float, per_second: int) -> None:
        pace = Pace(100.0)
        steps = 50
        for step in range(1, steps + 1):
            pace.reached(100.0 + seconds * step / steps, round(per_second * seconds * step / steps))
        now = 100.0 + seconds
        assert pace.per_second(now) == pytest.approx(per_second, abs=2 / min(seconds, 20) + 1e-6)
        done = round(per_second * seconds)
        assert pace.seconds_left(now, done + 10 * per_second) == pytest.approx(10, rel=0.9)
        assert pace.seconds_left(now, done) == 0

    def test_it_is_too_early_to_say_at_the_beginning(self) -> None:
        pace = Pace(0.0)
        assert pace.per_second(0.1) is None
        pace.reached(0.2, 5)
        assert pace.seconds_left(0.2, 10) is None

    def test_only_the_last_seconds_count(self) -> None:
        pace = Pace(0.0)
        for second in range(1, 101):
            pace.reached(float(second), second if second <= 50 else 50 + 10 * (second - 50))
        assert pace.per_second(100.0) == pytest.approx(10)

    def test_what_is_begun_again_has_no_pace_below_zero(self) -> None:
        pace = Pace(0.0)
        pace.reached(1.0, 100)
        pace.reached(2.0, 10)
        pace.reached(3.0, 20)
        assert pace.per_second(3.0) == pytest.approx(10)

    def test_who_knows_better_is_believed(self) -> None:
        pace = Pace(0.0)
        pace.reached(1.0, 12_000, per_second=7.0)
        assert pace.per_second(1.0) == 7.0
        assert pace.seconds_left(1.0, 12_070) == 10

    def test_what_stands_still_has_no_end(self) -> None:
        pace = Pace(0.0)
        pace.reached(1.0, 0)
        assert pace.seconds_left(1.0, 10) is None

    @pytest.mark.parametrize(
        ("seconds", "text"), [(0, "0:00"), (7.4, "0:07"), (59.6, "1:00"), (754, "12:34"), (3723, "1:02:03")]
    )
    def test_lengths_of_time(self, seconds: float, text: str) -> None:
        assert duration(seconds) == text


class TestExpected:
    @given(st.integers(1, 1000), st.integers(1, 50))
    def test_at_the_end_it_is_what_there_was(self, orders: int, lines_each: int) -> None:
        assert expected_orders(orders, orders * lines_each, orders * lines_each) == orders

    def test_nobody_knows_at_the_beginning(self) -> None:
        assert expected_orders(0, 0, 10) is None
        assert expected_orders(5, 5, None) is None

    @pytest.mark.parametrize(("text", "count"), [(b"", 0), (b"a", 1), (b"a\n", 1), (b"a\nb", 2), (b"\n\n", 2)])
    async def test_lines_are_counted(self, tmp_path: Path, text: bytes, count: int) -> None:
        path = tmp_path / "file"
        path.write_bytes(text)
        assert await count_lines(path) == count


ROWS = st.builds(
    OrderRow,
    id=st.none() | st.text("aé\n\",' ", min_size=1),
    source_id=st.none() | st.text(min_size=1, alphabet=st.characters(codec="utf-8", exclude_characters="\0")),
    amount=st.none() | st.integers(0, 2**53),
    created_at=st.none() | st.datetimes(timezones=st.just(UTC)),
    metadata=st.dictionaries(st.sampled_from(["channel"]), st.none() | st.text("b, \n", min_size=1), min_size=1),
)


class TestRowText:
    @given(st.lists(ROWS))
    def test_csv_comes_back_as_it_was(self, rows: list[OrderRow]) -> None:
        text = csv_text(["id", "source_id", "amount", "created_at", "metadata.channel"])
        written = text.head + b"".join(text.of(row) for row in rows)
        found: list[OrderRow] = []
        reader = CsvRows()
        while got := reader.feed(b"" if found else written, last=True):
            found += got
        assert [row for row in found if row != OrderRow(metadata={"channel": None})] == [
            row for row in rows if row != OrderRow(metadata={"channel": None})
        ]

    @given(ROWS)
    def test_json_says_what_is_known(self, row: OrderRow) -> None:
        line = json_text().of(row)
        assert line.count(b"\n") == 1
        assert msgspec.json.decode(line, type=OrderRow) == row
        assert None not in msgspec.json.decode(line).values()

    def test_metadata_as_a_whole_is_json(self) -> None:
        row = OrderRow(status="PAID", metadata={"a": [1]})
        assert csv_text(["status", "metadata"]).of(row) == b'PAID,"{""a"":[1]}"\r\n'
        assert csv_text(None).head == b"id,source_id,status\r\n"


async def endless() -> AsyncIterator[int]:
    number = 0
    while True:
        yield number
        number += 1


class TestStoppableSource:
    async def test_it_gives_what_comes_until_it_is_stopped(self) -> None:
        source = StoppableSource(endless())
        assert [await anext(source) for _ in range(3)] == [0, 1, 2]
        source.stop()
        for _ in range(2):
            with pytest.raises(Stopped):
                await anext(source)

    async def test_one_that_waits_is_stopped_at_once(self) -> None:
        async def silent() -> AsyncIterator[int]:
            await asyncio.Event().wait()
            yield 1

        source = StoppableSource(silent())
        waiting = asyncio.ensure_future(anext(source))
        await asyncio.sleep(0)
        source.stop()
        with pytest.raises(Stopped):
            await waiting

    async def test_a_timeout_of_the_source_itself_is_its_own(self) -> None:
        async def slow() -> AsyncIterator[int]:
            yield 1
            raise TimeoutError

        source = StoppableSource(slow())
        assert await anext(source) == 1
        with pytest.raises(TimeoutError):
            await anext(source)

    async def test_its_end_is_an_end(self) -> None:
        async def two() -> AsyncIterator[int]:
            yield 1
            yield 2

        assert [number async for number in StoppableSource(two())] == [1, 2]


class TestInterruption:
    async def test_the_first_signal_asks_and_the_second_ends(self) -> None:
        asked = []
        interruption = Interruption()

        async def work() -> None:
            interruption.begin()
            with interruption.asks(lambda: asked.append(1)):
                await asyncio.Event().wait()

        import signal

        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        interruption.receive(signal.SIGTERM)
        assert (asked, task.cancelling()) == ([1], 0)
        interruption.receive(signal.SIGINT)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert interruption.status == 143


class TestSurroundings:
    def test_a_wait_for_the_limit_is_told_if_it_is_long(self, capsys: pytest.CaptureFixture[str]) -> None:
        around = Surroundings()
        around.paused(0.5)
        around.paused(58.4)
        assert capsys.readouterr().err == "The limit is used up: nothing is sent for 58 s.\n"


class TestNames:
    @pytest.mark.parametrize(
        ("source", "name"),
        [
            ("-", "orders"),
            ("orders.jsonl", "orders"),
            ("/a/b/shop.CSV.GZ", "shop"),
            ("orders.failed.jsonl", "orders.failed"),
            (".csv", ".csv"),
            ("history", "history"),
        ],
    )
    def test_a_run_names_its_files_after_its_source(self, source: str, name: str) -> None:
        assert stem(source) == name

    @given(st.text())
    def test_a_key_is_never_shown_in_full(self, key: str) -> None:
        shown = hint_at(key).removesuffix("...")
        assert len(shown) <= 4
        assert len(shown) * 2 <= len(key)


def feed(**fields: Any) -> Feed:
    return Feed(kind="sync", arguments=["orders", "sync", "a b"], source="a b", columns={}, defaults={}, **fields)


def report(**fields: Any) -> BulkReport:
    counts: dict[str, Any] = {
        "read": 1,
        "done": 1,
        "failed": [],
        "failed_count": 0,
        "retried": 0,
        "skipped": 0,
        "seconds": 1.0,
    }
    return BulkReport(**(counts | fields))


class TestOutcome:
    @pytest.mark.parametrize(
        ("stopped_by", "read", "status"),
        [
            (SourceError("no column", line=1), 0, 2),
            (SourceError("breaks off", line=1), 5, 1),
            (BadLineStop(), 0, 1),
            (ConfigurationError("order", "does not fit"), 5, 2),
            (ConnectError("refused", outcome_unknown=False), 5, 3),
            (OSError(28, "No space left on device"), 5, 3),
            (None, 5, 0),
        ],
    )
    def test_its_status_says_what_stopped_it(self, stopped_by: Exception | None, read: int, status: int) -> None:
        outcome = Outcome(feed=feed(), report=report(read=read), bad_lines=0, stopped_by=stopped_by)
        assert outcome.status == status
        assert (outcome.problem is None) == (stopped_by is None)

    def test_a_checkpoint_is_told_of_if_there_is_one(self, tmp_path: Path) -> None:
        path = tmp_path / "state"
        outcome = Outcome(feed=feed(checkpoint=path), report=report(), bad_lines=0)
        assert outcome.document()["checkpoint"] is None
        path.touch()
        assert outcome.document()["checkpoint"] == str(path)

    def test_people_are_told_everything(self) -> None:
        told = Outcome(feed=feed(), report=report(retried=3, skipped=2, seconds=0.0), bad_lines=4).lines()
        assert told == [
            "orders   1 read, 1 done, 0 failed; 2 by runs before this one",
            "seconds  0.0, 0 orders a second",
            "repeats  3 requests were sent again",
            "lines    4 in no order, told of above",
        ]

    def test_the_way_on_can_be_pasted(self) -> None:
        assert feed().way_on == "To go on: voucherify-async orders sync 'a b'"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (BadRequestError(status=400), 1),
        (RateLimitError(status=429), 3),
        (ServerError(status=503), 3),
        (ConfigurationError("limit", "is wrong"), 2),
    ],
)
def test_an_error_has_a_status(error: Exception, status: int) -> None:
    assert status_of(error) == status


class TestFailureFile:
    def test_an_order_that_the_service_does_not_name_is_not_kept(self, tmp_path: Path) -> None:
        path = tmp_path / "failures"
        with FailureFile(path, go_on=False) as failures:
            failures.put(OrderFailure(key=None, reason="lost", position=None))
        assert not path.exists()

    def test_what_may_have_been_done_is_marked(self, tmp_path: Path) -> None:
        path = tmp_path / "failures"
        with FailureFile(path, go_on=False) as failures:
            order = NewOrder(source_id="a", created_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=1))
            failures.put(OrderFailure(key="a", reason="lost", position=7, outcome_unknown=True, order=order))
            # It is there before the file is closed.
            assert msgspec.json.decode(path.read_bytes()) == {
                "source_id": "a",
                "created_at": "2026-01-02T00:00:00Z",
                "_failure": {"reason": "lost", "position": 7, "outcome_unknown": True},
            }

    @pytest.mark.skipif(not Path("/dev/fd").exists(), reason="a pipe has no path here")
    def test_it_may_be_a_pipe(self) -> None:
        reading, writing = os.pipe()
        with FailureFile(Path(f"/dev/fd/{writing}"), go_on=False) as failures:
            failures.begin()
            failures.put(OrderFailure(key="a", reason="r", position=0, order=NewOrder(source_id="a")))
        os.close(writing)
        with open(reading, "rb") as pipe:
            assert pipe.read() == b'{"source_id":"a","_failure":{"reason":"r","position":0}}\n'

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full disk here")
    def test_an_error_says_which_file(self) -> None:
        with FailureFile(Path("/dev/full"), go_on=False) as failures:
            with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
                failures.put(OrderFailure(key="a", reason="r", position=0, order=NewOrder(source_id="a")))
