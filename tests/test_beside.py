"""What `make bench PART=peers` measures with, and what becomes of its figures on the way to the README."""

import asyncio
import importlib
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import peers, readme, targets
from benchmarks.beside import neutral
from benchmarks.beside import worker as process
from benchmarks.beside.answers import KEYS, LIST, ONE, PAGE, new_order, order
from benchmarks.beside.clients import bare, ours, structs
from benchmarks.beside.contestants import BARE, CONTESTANTS, KEPT, OFFICIAL, OURS, Contestant
from benchmarks.beside.neutral import configuration, standin
from benchmarks.beside.plot import SERIES, plot
from benchmarks.beside.results import Codecs, Found, Import, Load, Machine, Ratio, Results, ratio
from benchmarks.beside.run import CALLS, SLOW, Field, loads, worker
from benchmarks.beside.standin import ORDER, ORDERS, answer_to
from benchmarks.beside.table import calls_table, more_tables, parts_table, tables, waits_table, where
from benchmarks.bulk.process import Taken
from benchmarks.bulk.rowreaders import OURS as ROWS
from benchmarks.bulk.rows import Result, Run
from benchmarks.curves.plot import plot as curves_plot
from benchmarks.curves.results import Curve, Curves, Point
from benchmarks.curves.table import curve_tables
from benchmarks.peers import UnavailableError
from benchmarks.typical.results import Counted, Job, Typical
from voucherify_async import Order, OrderPage

HERE = Path(sys.executable)
SVG = "{http://www.w3.org/2000/svg}"

figures = st.floats(0.01, 1e7)


def load(cpu_us: float = 100.0) -> Load:
    return Load(calls=10, per_second=1000.0, cpu_us=cpu_us, p50_ms=0.5, p99_ms=150.0, peak_mib=40.0)


def results_of(costs: dict[str, list[float]]) -> Results:
    """Clients that do all three calls at the same cost."""
    names = (*SERIES, "get 1", "get 512", SLOW)
    clients = {
        name: Found(
            beside=BARE,
            versions={"aiohttp": "3.14.5", "pip": "24.0"},
            loads={one: [load(cost) for cost in of] for one in names},
            codecs=[Codecs(order_us=1.7, page_us=140.0, body_us=1.4, order_bytes=3100.0)],
            imported=[Import(ms=130.0, mib=38.0, modules=317)],
        )
        for name, of in costs.items()
    }
    machine = Machine(cpu="Z80", cores=2, system="CP/M", python="3.11.7", server="nginx/1.22.1", pinned=True)
    return Results(machine=machine, rounds=3, clients=clients)


RESULTS = results_of({BARE: [100.0, 110.0, 90.0], OURS: [50.0, 66.0, 90.0]})


# --- The server -----------------------------------------------------------------------------------------------


def test_the_answers_are_orders_to_all_who_decode_them() -> None:
    assert msgspec.json.decode(ONE, type=Order).source_id == "bench-1"
    assert len(msgspec.json.decode(LIST, type=OrderPage).orders) == PAGE
    assert len(msgspec.json.decode(LIST, type=structs.Page).orders) == PAGE


def test_a_struct_by_hand_has_every_field_that_is_answered() -> None:
    assert msgspec.to_builtins(msgspec.json.decode(ONE, type=structs.Order)).keys() >= order(1).keys()
    assert set(structs.Item.__struct_fields__) >= order(1)["items"][0].keys()


@given(st.integers(0, 10**9))
def test_this_client_sends_the_same_order_as_the_others(number: int) -> None:
    assert msgspec.json.decode(msgspec.json.encode(ours.new_order(number))) == new_order(number)


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (b"GET /v1/orders/bench-1 HTTP/1.1\r\nHost: h\r\n\r\n", ORDER),
        (b"GET /v1/orders?limit=100&page=1 HTTP/1.1\r\nHost: h\r\n\r\n", ORDERS),
        (b"POST /v1/orders HTTP/1.1\r\ncontent-LENGTH: 4\r\n\r\n{  }", ORDER),
    ],
)
def test_a_request_is_answered_when_all_of_it_is_there(request_: bytes, answer: bytes) -> None:
    for end in range(len(request_)):
        assert answer_to(request_[:end]) == (None, request_[:end])
    assert answer_to(request_ + b"GET /") == (answer, b"GET /")


def test_the_settings_of_nginx_have_the_answer_in_quotes_and_its_own_variables_left() -> None:
    written = configuration(Path("/place"), 8080, root=False)
    assert f"return 200 '{ONE.decode()}';" in written
    assert "if ($request_method = POST)" in written
    assert "listen 127.0.0.1:8080 " in written
    # What would end the quoted answer, or be taken for a variable in it.
    assert not {"'", "$"} & set(ONE.decode())
    assert "user root;" not in written
    assert "user root;" in configuration(Path("/place"), 8080, root=True)


# --- The clients ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with standin(0) as url:
        yield url


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", ["ours", "bare", "tuned", "floor"])
async def test_each_client_gets_the_same_orders_from_the_server(name: str, call: str, url: str) -> None:
    client = importlib.import_module(f"benchmarks.beside.clients.{name}")
    async with client.open_calls(url) as calls:
        found: list[Any] = await asyncio.gather(*(calls[call](number) for number in range(3)))
    for one in found:
        ids = [each.id for each in one.orders] if call == "list" else [one.id]
        assert ids == [order(number)["id"] for number in (range(PAGE) if call == "list" else [1])]


async def test_a_load_has_so_many_calls_under_way_and_counts_each() -> None:
    under_way, most, numbers = 0, 0, []

    async def call(number: int) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        numbers.append(number)
        await asyncio.sleep(0)
        under_way -= 1

    found = await process.side_by_side(call, 7, 0.01)
    assert most == 7
    assert found["calls"] == len(numbers) - 14  # that warmed up
    assert numbers == list(range(len(numbers)))
    assert found["p50_ms"] <= found["p99_ms"]


async def test_a_load_without_time_is_a_call_of_each() -> None:
    async def call(_: int) -> None: ...

    assert (await process.side_by_side(call, 5, 0.0))["calls"] == 5


def test_a_load_in_threads_has_so_many_calls_under_way_and_counts_each() -> None:
    together = threading.Barrier(4)
    numbers = []

    def call(number: int) -> None:
        together.wait(10)  # nobody goes on unless four are there
        numbers.append(number)

    found = process.in_threads(call, 4, 0.0)
    assert found["calls"] == 4
    assert sorted(numbers) == list(range(12))  # two of each warmed up


def test_a_worker_answers_with_figures(url: str) -> None:
    with worker(Contestant("ours", lambda: HERE), HERE) as one:
        got = one.ask(call="get", url=url, concurrency=2, seconds=0.01)
        assert msgspec.json.decode(got, type=Load).calls >= 2
        assert msgspec.json.decode(one.ask(seconds=0.001), type=Codecs).order_bytes > 1000


def test_a_client_that_cannot_be_imported_is_left_out() -> None:
    with ExitStack() as stack, pytest.raises(UnavailableError, match="ended with status 1"):
        stack.enter_context(worker(Contestant("nobody", lambda: HERE), HERE))


def test_a_client_that_fails_is_left_out_and_the_others_go_on(url: str) -> None:
    field = Field({BARE: HERE, OURS: HERE}, {})
    with ExitStack() as stack:
        field.start(stack)
        assert field.ask(BARE, call="no such call", url=url, concurrency=1, seconds=0.0) is None
        assert field.ask(OURS, call="get", url=url, concurrency=1, seconds=0.0) is not None
    assert list(field.clients) == [OURS]
    assert field.missing == {BARE: "it failed: its process ended with status 1"}
    with ExitStack() as stack:
        field.start(stack)  # of the next round
        assert list(field.clients) == [OURS]
        assert field.ask(OURS, call="get", url=url, concurrency=1, seconds=0.0) is not None


def test_what_cannot_be_installed_is_told() -> None:
    for command in (["/no/such/program"], [sys.executable, "-c", "raise SystemExit(3)"]):
        with pytest.raises(UnavailableError):
            peers.run_or_give_up([*command])


def test_nothing_is_generated_without_the_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "ROOT", tmp_path / "clone")
    with pytest.raises(UnavailableError, match="is not there to generate from"):
        peers.generated_client_python()


def test_without_nginx_there_is_a_stand_in_and_a_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(name: str, *, package: str) -> str:
        raise UnavailableError("nginx is not installed")

    monkeypatch.setattr(neutral, "program_of", missing)
    with neutral.neutral() as (_, server):
        assert server == "stand-in"
    assert "nginx is not installed" in capsys.readouterr().err


def test_who_is_set_beside_whom_runs_on_the_same_loop_and_at_the_same_concurrencies() -> None:
    for contestant in CONTESTANTS.values():
        other = CONTESTANTS[contestant.beside]
        assert other.uvloop == contestant.uvloop
        assert set(other.concurrencies) >= set(contestant.concurrencies)


def test_a_round_asks_for_every_call_at_every_concurrency() -> None:
    asked = dict(loads(CONTESTANTS[OURS], "http://fast", "http://slow"))
    assert set(asked) == {f"{call} {number}" for call in CALLS for number in (1, 64, 512)} | {SLOW}
    assert {request["url"] for name, request in asked.items() if name != SLOW} == {"http://fast"}


def test_what_is_decoded_by_hand_is_what_is_decoded_alone() -> None:
    assert bare.codecs()["order"](ONE) == msgspec.json.decode(ONE, type=structs.Order)
    assert KEYS > 256  # so many URLs yarl keeps


# --- The figures ----------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(figures, figures), min_size=1, max_size=9))
def test_a_ratio_is_taken_round_by_round(rounds: list[tuple[float, float]]) -> None:
    results = results_of({BARE: [base for base, _ in rounds], OURS: [own for _, own in rounds]})
    found = ratio(results, OURS, "get 64", "cpu_us")
    assert found is not None
    assert found.least == min(own / base for base, own in rounds)
    assert found.most == max(own / base for base, own in rounds)
    assert found.least <= found.median <= found.most
    assert ratio(results, BARE, "get 64", "cpu_us") == (1.0, 1.0, 1.0)


def test_a_ratio_needs_both() -> None:
    alone = results_of({OURS: [50.0]})
    assert ratio(alone, OURS, "get 64", "cpu_us") is None
    assert ratio(RESULTS, OURS, "get 4096", "cpu_us") is None


def test_a_table_gives_medians_and_the_ratio_with_its_spread() -> None:
    assert f"| {OURS} | 66 µs (0.60: 0.50 to 1.00), 1,000/s |" in calls_table(RESULTS)
    assert f"| {BARE} | 100 µs, 1,000/s |" in calls_table(RESULTS)
    assert calls_table(RESULTS, 512).startswith("| 512 calls at a time | get | create | list of 100 |")


def test_what_is_left_without_the_kept_blocks_is_told() -> None:
    assert "(this client over it: 0.80, 0.80, 0.80)." in where(results_of({KEPT: [50.0], OURS: [40.0]}))
    assert "over it:" not in where(RESULTS)


def test_what_was_measured_in_fewer_rounds_is_told() -> None:
    some = results_of({BARE: [100.0, 110.0, 90.0], OURS: [50.0, 66.0, 90.0]})
    assert "fewer rounds" not in more_tables(some)
    del some.clients[BARE].loads["get 512"][2:]
    assert f"in fewer rounds than 3: {BARE}: get 512 (2)." in more_tables(some)


def test_every_row_of_a_table_has_a_cell_for_each_column() -> None:
    some = results_of({BARE: [100.0], OURS: [50.0]})
    del some.clients[OURS].loads["create 64"], some.clients[OURS].loads[SLOW], some.clients[OURS].loads["get 1"]
    for table in (calls_table(some), calls_table(some, 512), waits_table(some), parts_table(some)):
        assert len({line.count("|") for line in table.splitlines()}) == 1
        assert OURS in table


def test_the_tables_name_the_machine_and_who_is_missing() -> None:
    results = results_of({BARE: [100.0]})
    results.missing["httpx and pydantic"] = "no network"
    shown = tables(results)
    assert "Z80, 2 cores, CP/M, Python 3.11.7, aiohttp 3.14.5; nginx/1.22.1 with fixed answers" in shown
    assert "Not measured: httpx and pydantic (no network)." in shown
    assert "pip" not in shown


def test_results_come_back_from_json_as_they_were() -> None:
    assert msgspec.json.decode(msgspec.json.encode(RESULTS), type=Results) == RESULTS


@given(st.lists(st.lists(figures, min_size=1, max_size=3), min_size=1, max_size=5))
def test_the_plot_has_a_dot_within_it_for_each_call_of_each_client(costs: list[list[float]]) -> None:
    results = results_of({f"<client & {number}>": of for number, of in enumerate(costs)})
    picture = ElementTree.fromstring(plot(results))
    width, height = (float(part) for part in picture.attrib["viewBox"].split()[2:])
    dots = picture.findall(f"{SVG}circle")
    assert len(dots) == len(SERIES) * (1 + len(costs))  # the legend has them as well
    for dot in dots:
        assert 0 < float(dot.attrib["cx"]) < width
        assert 0 < float(dot.attrib["cy"]) < height
    assert "<client & 0>" in {text.text for text in picture.findall(f"{SVG}text")}


def test_there_is_no_plot_of_nothing() -> None:
    with pytest.raises(ValueError, match="nothing to draw"):
        plot(results_of({}))


# --- What it is held to ---------------------------------------------------------------------------------------


@given(limits=st.tuples(figures, figures), found=figures, at_most=st.booleans())
def test_a_target_or_an_aim_that_is_missed_says_so(
    limits: tuple[float, float], found: float, at_most: bool
) -> None:
    aim, must = sorted(limits, reverse=not at_most)
    middle = Ratio(found, found / 2, found * 2)
    *_, cell, other = targets.Target("speed", must, aim, (middle, None), at_most=at_most).row()
    assert cell.endswith(", missed") == (found > must if at_most else found < must)
    assert ("missed" in cell) == (found > aim if at_most else found < aim)
    assert cell.startswith(f"{found:.2f} ({found / 2:.2f} to {found * 2:.2f})") or found < 0.05
    assert other == ""


def test_the_targets_of_calls_are_taken_over_those_of_whom_they_speak() -> None:
    held = {one.what: one.found for one in targets.of_calls(RESULTS)}
    assert held["CPU of a get over bare aiohttp's, 64 at a time"] == ((0.6, 0.5, 1.0), None)
    assert held["time of the import over that of aiohttp and msgspec"] == ((1.0, 1.0, 1.0), None)
    share = held["of the possible 10,240 gets a second, the server takes 50 ms"][0]
    assert share == pytest.approx((1000 / 102.4,) * 3)
    others = [found for what, found in held.items() if "official" in what or "generator" in what or "tuned" in what]
    assert others == [(None, None)] * 8  # they were not measured
    both = results_of({OURS: [50.0], OFFICIAL: [500.0]})
    speeds = [one.found[0] for one in targets.of_calls(both) if "official" in one.what]
    assert speeds == [(1.0, 1.0, 1.0)] * 4


def test_the_targets_of_many_orders_are_this_client_s() -> None:
    grown = {10_000: Run(9e5, 1.0, 46.0), 1_000_000: Run(3e5, 1.0, 43.0)}
    of_rows = targets.of_rows(
        [Result("csv", "structs", 3e5, 1.0, 9.0), Result(ROWS, "structs", 7e5, 1.0, 3.0)], grown
    )
    of_imports = targets.of_imports({10_000: [Taken(peak_mib=40.0)], 1_000_000: [Taken(peak_mib=101.0)]})
    shown = targets.table([*of_rows, *of_imports])
    assert (
        "of an export of 1,000,000 | ≥ 400,000 | ≥ 580,000 | 500,000 (300,000 to 700,000), aim missed | |" in shown
    )
    assert "rows of an export more than for 10,000 | ≤ 60.0 MiB | ≤ 1.0 MiB | 3.0 MiB, aim missed | |" in shown
    assert "orders by `import_all` more than for 10,000 | ≤ 60.0 MiB | ≤ 1.0 MiB | 61.0 MiB, missed | |" in shown


# --- The README -----------------------------------------------------------------------------------------------


@given(before=st.text("ab\n<"), old=st.text("ab\n<"), after=st.text("ab\n<"), shown=st.text("xy\n", min_size=1))
def test_what_is_between_the_markers_is_replaced_and_nothing_else(
    before: str, old: str, after: str, shown: str
) -> None:
    begin, other = readme.BEGIN.format(name="calls"), readme.BEGIN.format(name="jobs")
    text = f"{other}{old}{readme.END}{before}{begin}{old}{readme.END}{after}"
    once = readme.replaced(text, "calls", shown)
    assert once == f"{other}{old}{readme.END}{before}{begin}\n\n{shown.strip()}\n\n{readme.END}{after}"
    assert readme.replaced(once, "calls", shown) == once


@pytest.mark.parametrize("text", ["", "{0}", "{1}", "{1}{0}", "{0}{1}{0}{1}", "{2}{1}"])
def test_a_page_without_its_markers_is_refused(text: str) -> None:
    begin, other = readme.BEGIN.format(name="calls"), readme.BEGIN.format(name="jobs")
    with pytest.raises(ValueError, match="needs these two lines"):
        readme.replaced(text.format(begin, readme.END, other), "calls", "table")


def test_the_pages_of_the_project_have_a_place_for_each_table() -> None:
    for page, name, _ in readme.blocks(PARTS):
        readme.replaced((peers.ROOT / page).read_text(encoding="utf-8"), name, "table")


LINE = {OURS: [Point(1, [1.0])], "by hand": [Point(1, [2.0])]}
CURVE = Curve(work="get", size="calls", cost="CPU", by_hand="aiohttp", lines=LINE)
CURVES = Curves(machine=RESULTS.machine, rounds=1, curves=[CURVE])
JOB = Job(name="sync", work="sync", count=1, rate_limit="1/minute", speed=1.0)
PARTS = readme.Parts(
    peers=RESULTS,
    typical=Typical([JOB], {"sync": {OURS: Counted(requests={}, refused=0, seconds=1.0, lost=0, doubled=0)}}),
    curves=CURVES,
    imports={10_000: [Taken(peak_mib=40.0)], 1_000_000: [Taken(peak_mib=41.0)]},
    rows=(
        [Result(ROWS, "structs", 7e5, 1.0, 3.0)],
        {10_000: Run(9e5, 1.0, 40.0), 1_000_000: Run(8e5, 1.0, 43.0)},
    ),
)


def pages(folder: Path, monkeypatch: pytest.MonkeyPatch, results: object) -> tuple[Path, Path]:
    """Pages with a place for each table, and the command line for these results."""
    (folder / "docs/pictures").mkdir(parents=True)
    found = folder / "results.json"
    found.write_bytes(msgspec.json.encode(results))
    for page in (readme.README, readme.FIGURES):
        names = dict.fromkeys(name for of, name, _ in readme.blocks(PARTS) if of == page)
        places = "\n".join(f"{readme.BEGIN.format(name=name)}\n{name} of before\n{readme.END}" for name in names)
        (folder / page).write_text(f"# Title\n\n{places}\n\nMore.\n", encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["readme", str(found), "--root", str(folder)])
    return folder / readme.README, folder / readme.FIGURES


def test_the_command_writes_the_tables_and_the_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, figures = pages(tmp_path, monkeypatch, PARTS)
    readme.main()
    written, more = first.read_text(encoding="utf-8"), figures.read_text(encoding="utf-8")
    assert "of before" not in written + more
    assert written.endswith(f"{readme.END}\n\nMore.\n")
    assert "CPU of a get over bare aiohttp's" in written
    assert "orders by `import_all` more than for 10,000" in written
    assert f"![CPU time of a call, by client](docs/pictures/calls.svg)\n\n{calls_table(RESULTS)}" in written
    assert calls_table(RESULTS, 512) in more
    assert curve_tables(CURVES) in more
    assert (tmp_path / readme.CALLS).read_text(encoding="utf-8") == plot(RESULTS)
    assert (tmp_path / readme.CURVES).read_text(encoding="utf-8") == curves_plot(CURVES)


def test_the_command_leaves_the_tables_of_other_parts_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, figures = pages(tmp_path, monkeypatch, {"peers": RESULTS, "levels": {}})
    readme.main()
    left = [
        name for name in ("targets", "calls", "jobs", "curves") if f"{name} of before" in first.read_text("utf-8")
    ]
    assert left == ["targets", "jobs", "curves"]  # the targets are of a whole run
    assert "calls of before" not in figures.read_text(encoding="utf-8")
    assert not (tmp_path / readme.CURVES).exists()


def test_the_command_writes_nothing_without_a_part_that_is_shown_or_a_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first, figures = pages(tmp_path / "one", monkeypatch, {"calls": 1})
    before = first.read_text(encoding="utf-8")
    with pytest.raises(SystemExit):
        readme.main()
    assert "none of the parts that are shown" in capsys.readouterr().err
    first, figures = pages(tmp_path / "other", monkeypatch, {"peers": RESULTS})
    figures.write_text("# Title\n", encoding="utf-8")
    with pytest.raises(SystemExit):
        readme.main()
    assert "docs/figures.md: the text needs these two lines" in " ".join(capsys.readouterr().err.split())
    assert first.read_text(encoding="utf-8") == before
    assert not list((tmp_path / "other").rglob("*.svg"))
