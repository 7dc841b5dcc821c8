"""What `make bench PART=typical` counts with: each job is done, and every request is counted."""

import msgspec
import pytest

from benchmarks.typical.contestants import OFFICIAL, OURS, voucherify_async
from benchmarks.typical.results import Counted, Job, Typical
from benchmarks.typical.run import JOBS, count
from benchmarks.typical.table import tables

IMPORT = Job(name="import", work="import", count=4_100, service_seconds=2.0, speed=100.0)
EXPORTS = Job(name="exports", work="exports", count=5, service_seconds=20.0, speed=100.0)
SYNC = Job(name="sync", work="sync", count=150, rate_limit="100/minute", speed=120.0)

COUNTED = Counted(
    requests={"POST /v1/orders": 1_200, "GET /v1/exports": 30}, refused=200, seconds=61.4, lost=0, doubled=1
)


async def test_an_import_is_counted_request_by_request() -> None:
    found = await count(IMPORT, voucherify_async)
    assert found.requests["POST /v1/orders/import"] == found.carried_out == 3
    assert found.sent == 3 + found.looks
    assert (found.refused, found.lost, found.doubled) == (0, 0, 0)
    assert found.seconds >= 3 * IMPORT.service_seconds


async def test_exports_share_their_looks() -> None:
    found = await count(EXPORTS, voucherify_async)
    assert found.carried_out == 5
    # They come one by one, and may be looked at when some of them are made. A look each would be 8 times 5.
    assert found.looks <= 16
    assert (found.lost, found.doubled) == (0, 0)


async def test_a_sync_is_done_as_the_limit_allows() -> None:
    found = await count(SYNC, voucherify_async)
    assert found.carried_out == 150
    assert (found.lost, found.doubled) == (0, 0)
    assert found.seconds >= 59


def test_requests_are_told_apart_by_what_they_are_for() -> None:
    assert (COUNTED.sent, COUNTED.looks, COUNTED.refused, COUNTED.carried_out) == (1_230, 30, 200, 1_000)


def test_the_table_has_a_row_for_each_client_of_each_job_and_names_who_is_missing() -> None:
    names = {job.name: {OURS: COUNTED, OFFICIAL: COUNTED} for job in JOBS[:2]}
    typical = Typical(list(JOBS), {**names, JOBS[2].name: {OURS: COUNTED}}, {OFFICIAL: "no network"})
    shown = tables(typical)
    lines = [line for line in shown.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + 5
    assert len({line.count("|") for line in lines}) == 1
    assert f"| {JOBS[0].name} | {OURS} | 1,230 | 1,000 | 30 | 200 | 61 s | 0 | 1 |" in lines
    assert "takes 5 s for an import" in shown
    assert "a limit of 2,000 a minute" in shown
    assert f"Not counted: {OFFICIAL} (no network)." in shown
    assert msgspec.json.decode(msgspec.json.encode(typical), type=Typical) == typical


@pytest.mark.parametrize("job", JOBS)
def test_a_job_is_of_a_known_kind(job: Job) -> None:
    assert job.work in ("import", "exports", "sync")
    assert (job.rate_limit is not None) == (job.work == "sync")
