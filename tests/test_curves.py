"""What `make bench PART=curves` measures with, and how its curves are drawn."""

import asyncio
import math
from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.beside.results import Machine
from benchmarks.curves import calls, rows, waiting
from benchmarks.curves.plot import Linear, Logarithmic, plot, scale_of
from benchmarks.curves.results import BY_HAND, OURS, Costs, Curve, Curves
from benchmarks.curves.table import curve_tables, tables
from benchmarks.server import Server, emulator
from voucherify_async.emulator import Emulator

SVG = "{http://www.w3.org/2000/svg}"
MACHINE = Machine(cpu="Z80", cores=2, system="CP/M", python="3.11.7", server="the emulator", pinned=False)
costs = st.floats(1e-4, 1e7)


def curve_of(ours: dict[int, list[float]], hand: dict[int, list[float]], work: str = "get") -> Curve:
    found = Costs()
    for who, line in ((BY_HAND, hand), (OURS, ours)):
        for size, each in line.items():
            for cost in each:
                found.add(who, size, cost)
    return found.curve(work=work, size="calls at a time", cost="CPU, µs", by_hand="aiohttp <by hand>")


def curves_of(*curves: Curve) -> Curves:
    return Curves(machine=MACHINE, rounds=3, curves=list(curves))


CURVE = curve_of({1: [10.0, 30.0, 20.0], 512: [25.0]}, {1: [40.0], 512: [50.0]})


# --- What is measured -----------------------------------------------------------------------------------------


async def test_gets_and_pages_cost_both_clients_something() -> None:
    with emulator() as server:
        found = await calls.curves(server, 1, concurrencies=(1, 3), pages=(1, 100), calls=20)
    for curve, sizes in zip(found, ([1, 3], [1, 100]), strict=True):
        assert list(curve.lines) == [OURS, BY_HAND]
        for line in curve.lines.values():
            assert [point.size for point in line] == sizes
            assert all(cost > 0 for point in line for cost in point.costs)


@pytest.mark.parametrize(("count", "requests"), [(10, 1), (130, 2)])
async def test_jobs_that_are_waited_for_share_their_requests(emulator: Emulator, count: int, requests: int) -> None:
    server = Server(emulator.url, emulator.app_id, emulator.app_token)
    # From a thread: it speaks to the emulator, which runs here, without asyncio too.
    job_ids = await asyncio.to_thread(asyncio.run, waiting.make(server, count))
    each, _ = await asyncio.to_thread(asyncio.run, waiting.by_hand(server, job_ids))
    assert each == 1
    assert emulator.effects.requests["GET", "/v1/async-actions/*"] == count * (1 + waiting.LOOKS)
    each, _ = await asyncio.to_thread(asyncio.run, waiting.with_client(server, job_ids))
    assert each == pytest.approx(requests / count)
    assert sum(effects.imported for effects in emulator.effects.orders.values()) == count


def test_rows_are_read_by_both() -> None:
    for curve in rows.run(1, sizes=(200, 2_000)):
        assert [point.size for line in curve.lines.values() for point in line] == [200, 2_000] * 2


# --- How it is shown ------------------------------------------------------------------------------------------


def test_a_table_gives_the_medians_by_size_in_one_table_for_the_curves_of_a_work() -> None:
    shown = curve_tables(curves_of(CURVE, CURVE, curve_of({1: [0.0123]}, {1: [1234.5]}, work="other")))
    assert f"| CPU, µs | {OURS} | 20.0 | 25.0 |" in shown
    assert f"| CPU, µs | {OURS} | 0.012 |" in shown
    assert f"| CPU, µs | {BY_HAND} | 1,234 |" in shown
    first, second = shown.split("\n\n")
    assert (len(first.splitlines()), len(second.splitlines())) == (2 + 4, 2 + 2)
    for table in (first, second):
        assert len({line.count("|") for line in table.splitlines()}) == 1


def test_the_tables_name_the_machine_and_what_is_done_by_hand() -> None:
    curves = curves_of(CURVE, curve_of({1: [1.0]}, {1: [1.0]}, work="list"))
    assert "Z80, 2 cores, CP/M, Python 3.11.7; medians of 3" in tables(curves)
    assert "By hand: get and list with aiohttp <by hand>." in tables(curves)
    assert msgspec.json.decode(msgspec.json.encode(curves), type=Curves) == curves


@given(st.lists(costs, min_size=1))
def test_every_cost_has_its_place_on_its_scale(values: list[float]) -> None:
    scale = scale_of(values)
    assert isinstance(scale, Logarithmic) == (max(values) > 20 * min(values))
    for value in values:
        assert -1e-9 <= scale.at(value) <= 1 + 1e-9
    assert [scale.at(tick) for tick in scale.ticks()] == sorted(scale.at(tick) for tick in scale.ticks())
    assert scale.at(scale.ticks()[-1]) == pytest.approx(1)


@given(costs)
def test_a_plain_scale_begins_at_nothing_and_has_few_lines(most: float) -> None:
    ticks = Linear(most).ticks()
    assert ticks[0] == 0
    assert 2 <= len(ticks) <= 6
    assert ticks[-1] >= most or math.isclose(ticks[-1], most)


@given(st.lists(st.lists(costs, min_size=1, max_size=3), min_size=1, max_size=7), st.integers(1, 8))
def test_the_plot_has_a_dot_within_its_panel_for_each_point(lines: list[list[float]], panels: int) -> None:
    line = {10**number: each for number, each in enumerate(lines)}
    picture = ElementTree.fromstring(plot(curves_of(*[curve_of(line, line, work="<get & list>")] * panels)))
    found = picture.findall(f"{SVG}g")
    assert len(found) == panels
    width, height = (float(part) for part in picture.attrib["viewBox"].split()[2:])
    for panel in found:
        dots = panel.findall(f"{SVG}circle")
        assert len(dots) == 2 * len(lines)
        x, y = (float(part) for part in panel.attrib["transform"][len("translate(") : -1].split())
        for dot in dots:
            assert 0 < x + float(dot.attrib["cx"]) < width
            assert y < y + float(dot.attrib["cy"]) < height
        assert "<get & list>" in {text.text for text in panel.findall(f"{SVG}text")}


def test_there_is_no_plot_of_nothing() -> None:
    with pytest.raises(ValueError, match="nothing to draw"):
        plot(curves_of())
