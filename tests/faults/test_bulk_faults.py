"""Bulk runs through faults, in short, and whether the counting would notice what it is there to notice."""

from collections import Counter

import pytest

from benchmarks.faults.bulk import BulkEntry, Method, bulk_run, judge_bulk
from benchmarks.faults.oracle import Seen
from benchmarks.faults.work import Value
from benchmarks.server import Server
from voucherify_async import BulkReport, OrderFailure
from voucherify_async.emulator import Emulator


@pytest.mark.parametrize(("method", "count"), [("upsert_all", 700), ("import_all", 1500)])
async def test_reports_are_true_through_faults(emulator: Emulator, method: Method, count: int) -> None:
    server = Server(emulator.url, emulator.app_id, emulator.app_token)
    verdict = (await bulk_run(method, server, count, 0.3, speed=20)).verdict
    assert verdict.faultless, verdict
    assert verdict.failed == count / 50
    # It was put to the test.
    assert verdict.arrived > (1.2 * count if method == "upsert_all" else 12)


# The last two are of one order; the third is refused.
ENTRIES = [BulkEntry(position) for position in (1, 2, 7, 10, 14)]
VALUES = {entry.key: entry.value for entry in ENTRIES if not entry.refused}
FIRST_OF_TWO = ENTRIES[3].value


def failures(*positions: int, unknown: bool = False) -> list[OrderFailure]:
    return [
        OrderFailure(key=entry.key, reason="no", position=entry.position, outcome_unknown=unknown)
        for entry in ENTRIES
        if entry.position in positions
    ]


def judged(failed: list[OrderFailure], there: dict[str, Value]) -> tuple[int, int, int]:
    report = BulkReport(
        read=5, done=5 - len(failed), failed=failed, failed_count=len(failed), retried=0, skipped=0, seconds=1
    )
    verdict = judge_bulk(ENTRIES, report, Seen(there, Counter(), {}, {}, {}), sent=5, arrived=5)
    assert verdict.faultless == (verdict.lost == verdict.doubled == verdict.wrong == verdict.untold == 0)
    return verdict.lost, verdict.doubled, verdict.wrong


@pytest.mark.parametrize(
    ("failed", "there", "counts"),
    [
        (failures(7), VALUES, (0, 0, 0)),
        (failures(7), VALUES | {ENTRIES[4].key: FIRST_OF_TWO}, (1, 0, 1)),
        (failures(7, 14), VALUES | {ENTRIES[4].key: FIRST_OF_TWO}, (1, 0, 0)),
        (failures(7, 14), VALUES, (0, 0, 1)),
        (failures(7) + failures(14, unknown=True), VALUES, (0, 0, 0)),
        (failures(7), {}, (3, 0, 4)),
        ([], VALUES, (0, 0, 1)),
        (failures(7), VALUES | {"refused-7": ENTRIES[2].value}, (0, 1, 1)),
        (failures(7), VALUES | {"another": Value(1, "PAID")}, (0, 1, 0)),
    ],
)
def test_the_judge(failed: list[OrderFailure], there: dict[str, Value], counts: tuple[int, int, int]) -> None:
    assert judged(failed, there) == counts


@pytest.mark.parametrize(
    ("read", "done", "failed_count", "sent", "untold"),
    [(5, 4, 1, 5, 0), (4, 3, 1, 5, 1), (5, 5, 1, 5, 1), (5, 3, 2, 5, 1), (5, 4, 1, 6, 0)],
)
def test_the_judge_of_counts(read: int, done: int, failed_count: int, sent: int, untold: int) -> None:
    report = BulkReport(
        read=read, done=done, failed=failures(7), failed_count=failed_count, retried=0, skipped=0, seconds=1
    )
    verdict = judge_bulk(ENTRIES, report, Seen(VALUES, Counter(), {}, {}, {}), sent=sent, arrived=5)
    assert verdict.untold == untold
    assert verdict.faultless == (untold == 0 and sent == 5)
