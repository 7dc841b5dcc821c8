"""The file of a checkpoint."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voucherify_async import ConfigurationError, OrderFailure
from voucherify_async.bulk.journal import Accepted, Done, Failed, Journal, NotSent, Record, Sent, Settled

FAILURE = OrderFailure(key="ü\n", reason="it says\tno", position=7, outcome_unknown=True)
RECORDS: list[Record] = [
    Done(0, 1, 0),
    Failed(7, 2, 3, FAILURE),
    Sent(8, 3),
    Accepted(8, 3, "aa_1"),
    Settled(8, 3, 6, 2, 1, [FAILURE, FAILURE]),
    NotSent(),
]


def written(path: Path, records: list[Record]) -> None:
    journal = Journal(path, "upsert_all", lambda record: None)
    for record in records:
        journal.append(record)
    journal.close()


def read(path: Path) -> list[Record]:
    found: list[Record] = []
    Journal(path, "upsert_all", found.append).close()
    return found


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "state"
    written(path, RECORDS)
    assert read(path) == RECORDS
    written(path, RECORDS[:2])
    assert read(path) == RECORDS + RECORDS[:2]
    assert path.stat().st_mode & 0o077 == 0


def test_a_kill_at_any_byte_leaves_the_records_before_it(tmp_path: Path) -> None:
    path = tmp_path / "state"
    written(path, RECORDS)
    whole = path.read_bytes()
    ends = [place + 1 for place, byte in enumerate(whole) if byte == ord("\n")]
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        kept = RECORDS[: max(0, sum(end <= size for end in ends) - 1)]
        assert read(path) == kept
        written(path, [Done(99, 9, 9)])
        assert read(path) == [*kept, Done(99, 9, 9)]


@given(st.binary(max_size=40), st.integers(0, 300))
def test_what_a_power_failure_leaves_is_read_up_to_it(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes, place: int
) -> None:
    path = tmp_path_factory.mktemp("journal") / "state"
    written(path, RECORDS)
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    path.write_bytes(whole[: first + place] + junk)
    kept = read(path)
    whole_records = whole[first : first + place].count(b"\n")
    assert kept[:whole_records] == RECORDS[:whole_records]
    written(path, [Done(99, 9, 9)])
    assert read(path) == [*kept, Done(99, 9, 9)]


def test_it_is_of_one_kind_of_run(tmp_path: Path) -> None:
    path = tmp_path / "state"
    written(path, [])
    with pytest.raises(ConfigurationError, match="one of upsert_all") as caught:
        Journal(path, "import_all", lambda record: None)
    assert caught.value.argument == "checkpoint"


@pytest.mark.parametrize(
    "content",
    [b"precious\n", b"precious", b"[]", b'["done",1,2,3]\n', b'["voucherify-async checkpoint",2,"upsert_all"]\n'],
)
def test_another_file_is_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="no checkpoint"):
        Journal(path, "upsert_all", lambda record: None)
    assert path.read_bytes() == content


def test_two_runs_cannot_have_it(tmp_path: Path) -> None:
    path = tmp_path / "state"
    journal = Journal(path, "upsert_all", lambda record: None)
    with pytest.raises(ConfigurationError, match="in use") as caught:
        Journal(path, "upsert_all", lambda record: None)
    assert isinstance(caught.value.__cause__, BlockingIOError)
    journal.remove()
    assert not path.exists()
    Journal(path, "upsert_all", lambda record: None).close()


def test_nothing_is_written_behind_half_a_record(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="Windows has no limit of this kind")
    path = tmp_path / "state"
    journal = Journal(path, "upsert_all", lambda record: None)
    journal.append(RECORDS[0])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 5, before[1]))
    try:
        with pytest.raises(OSError, match=r"[Ff]ile too large|No space"):
            journal.append(RECORDS[1])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    with pytest.raises(OSError, match=r"[Ff]ile too large|No space"):
        journal.append(RECORDS[2])
    journal.close()
    assert read(path) == RECORDS[:1]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no such files here")
def test_a_pipe_or_a_device_is_no_checkpoint(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (Path(os.devnull), tmp_path / "pipe"):
        with pytest.raises(ConfigurationError, match="no pipe or device"):
            Journal(path, "upsert_all", lambda record: None)


def test_a_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere" / "state"):
        with pytest.raises(OSError, match=os.fspath(path)):
            Journal(path, "upsert_all", lambda record: None)
