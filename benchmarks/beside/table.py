"""The tables, in Markdown."""

from collections.abc import Iterable
from statistics import median
from typing import Final

from benchmarks.beside.contestants import KEPT, OURS
from benchmarks.beside.results import Found, Results, ratio

NONE: Final = ""
_PACKAGES: Final = ("aiohttp", "msgspec", "uvloop", "httpx", "pydantic", "voucherify", "generated_client")


def rows(head: list[str], body: Iterable[list[str]]) -> str:
    """A table."""
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"|{'|'.join(f' {cell} ' if cell else ' ' for cell in line)}|" for line in lines)


def calls_table(results: Results, concurrency: int = 64) -> str:
    """CPU time a call, over bare aiohttp's, and calls a second, with so many at a time."""
    head = [f"{concurrency} calls at a time" if concurrency > 1 else "call by call", "get", "create", "list of 100"]
    columns = [f"{call} {concurrency}" for call in ("get", "create", "list")]
    return rows(
        head,
        ([name, *(_cost(results, name, load) for load in columns)] for name in _measured(results, columns)),
    )


def _cost(results: Results, name: str, load: str) -> str:
    found = results.clients[name]
    cpu, speed = found.median(load, "cpu_us"), found.median(load, "per_second")
    if cpu is None or speed is None:
        return NONE
    over = ratio(results, name, load, "cpu_us")
    beside = f" ({over.median:.2f}: {over.least:.2f} to {over.most:.2f})" if over and found.beside != name else ""
    return f"{cpu:,.0f} µs{beside}, {speed:,.0f}/s"


def waits_table(results: Results) -> str:
    """How long gets take, with few and many at a time, and what a slow server leaves."""
    head = ["get", "alone: p50, p99", "64: p50, p99", "512: p50, p99", "512, server takes 50 ms", "peak at 512"]
    body = []
    for name in results.clients:
        found = results.clients[name]
        slow, peak = found.median("slow get 512", "per_second"), found.median("get 512", "peak_mib")
        body.append(
            [
                name,
                *(_waits(found, f"get {concurrency}") for concurrency in (1, 64, 512)),
                NONE if slow is None else f"{slow:,.0f}/s",
                NONE if peak is None else f"{peak:,.0f} MiB",
            ]
        )
    return rows(head, body)


def _waits(found: Found, load: str) -> str:
    half, most = found.median(load, "p50_ms"), found.median(load, "p99_ms")
    return NONE if half is None or most is None else f"{_ms(half)}, {_ms(most)} ms"


def _ms(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def parts_table(results: Results) -> str:
    """Import, decoding and encoding alone."""
    head = [
        "alone",
        "import",
        "its memory",
        "modules",
        "decode an order",
        "a page of 100",
        "make and encode a body",
    ]
    head += ["memory of an order"]
    body = []
    for name, found in results.clients.items():
        if not found.imported or not found.codecs:
            continue
        body.append(
            [
                name,
                f"{_middle('ms', found.imported):,.0f} ms",
                f"{_middle('mib', found.imported):,.0f} MiB",
                f"{_middle('modules', found.imported):,.0f}",
                f"{_middle('order_us', found.codecs):,.1f} µs",
                f"{_middle('page_us', found.codecs):,.0f} µs",
                f"{_middle('body_us', found.codecs):,.1f} µs",
                f"{_middle('order_bytes', found.codecs) / 1000:,.1f} kB",
            ]
        )
    return rows(head, body)


def _middle(figure: str, each: Iterable[object]) -> float:
    values: list[float] = [getattr(one, figure) for one in each]
    return median(values)


def _measured(results: Results, columns: Iterable[str]) -> list[str]:
    return [name for name, found in results.clients.items() if any(load in found.loads for load in columns)]


def where(results: Results) -> str:
    """The machine, and the versions."""
    here = results.machine
    versions: dict[str, str] = {}
    for found in results.clients.values():
        versions |= {name: found.versions[name] for name in _PACKAGES if name in found.versions}
    packages = ", ".join(f"{name} {version}" for name, version in versions.items() if name != "generated_client")
    over = [ratio(results, OURS, f"{call} 64", "cpu_us", KEPT) for call in ("get", "create", "list")]
    kept = f" (this client over it: {', '.join(f'{one.median:.2f}' for one in over if one)})" if all(over) else ""
    pinned = "server and client on a core each" if here.pinned else "server and client not pinned to cores"
    return (
        f"{here.cpu}, {here.cores} cores, {here.system}, Python {here.python}, {packages}; {here.server} with "
        f"fixed answers, {pinned}; medians of {results.rounds} interleaved rounds, each in fresh processes. In "
        "brackets, CPU time over bare aiohttp's on the same loop: median, least and greatest of the rounds. Blocks "
        f"kept: with glibc told to keep the blocks that answers are read into, as this client tells it{kept}. The "
        "official SDK's 32 threads do 64 calls and 512 alike; what a call waits for a thread is not counted. A "
        "server that sleeps between requests, as this one does, makes sending dearer on virtual machines, for all "
        "clients alike."
    )


def rounds(results: Results) -> str:
    """What was not simply measured once in each round."""
    fewer = [
        f"{name}: {', '.join(loads)}"
        for name, found in results.clients.items()
        if (loads := [f"{load} ({len(done)})" for load, done in found.loads.items() if len(done) < results.rounds])
    ]
    note = "Machine, versions and brackets: as in the README. Of the imports of a round, the quickest of three."
    few = f" Loads that took long, in fewer rounds than {results.rounds}: {'; '.join(fewer)}." if fewer else ""
    return note + few


def missing(results: Results) -> str:
    """Who could not be measured, and why."""
    return "\n".join(f"Not measured: {name} ({why})." for name, why in results.missing.items())


def short_tables(results: Results) -> str:
    """What says most."""
    return "\n\n".join(text for part in (calls_table, where, missing) if (text := part(results)))


def more_tables(results: Results) -> str:
    """What else was found."""
    few_and_many = (calls_table(results, concurrency) for concurrency in (1, 512))
    return "\n\n".join([*few_and_many, waits_table(results), parts_table(results), rounds(results)])


def tables(results: Results) -> str:
    """All of it."""
    return f"{short_tables(results)}\n\n{more_tables(results)}\n"
