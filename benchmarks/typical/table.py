"""The table, in Markdown."""

from collections.abc import Iterator

from benchmarks.beside.table import rows
from benchmarks.typical.results import Job, Typical


def requests_table(typical: Typical) -> str:
    """Requests by job and client."""
    head = ["requests", "by", "in all", "do the work", "only ask", "refused (429)", "takes", "lost", "doubled"]
    return rows(head, _body(typical))


def _body(typical: Typical) -> Iterator[list[str]]:
    for job in typical.jobs:
        for who, one in typical.counted[job.name].items():
            figures = (one.sent, one.carried_out, one.looks, one.refused)
            yield [
                job.name,
                who,
                *(f"{figure:,}" for figure in figures),
                f"{one.seconds:,.0f} s",
                f"{one.lost:,}",
                f"{one.doubled:,}",
            ]


def conditions(typical: Typical) -> str:
    """What the figures depend on."""
    told = ". ".join(_condition(job) for job in typical.jobs)
    speeds = " to ".join(f"{speed:g}" for speed in sorted({job.speed for job in typical.jobs}))
    return (
        f"Counted by the emulator. {told}. The loop by hand sends imports of 2,000 orders and looks at each import "
        "and each export once a second, first after a second; it syncs in 32 threads, and one that is refused "
        f"waits as `Retry-After` says. The clock of service and clients runs {speeds} times as fast as the real "
        "one: what they compute counts as so much longer."
    )


def _condition(job: Job) -> str:
    if job.rate_limit is not None:
        number, _, period = job.rate_limit.partition("/")
        return f"The {job.name}: with a limit of {int(number):,} a {period}"
    each = "import" if job.work == "import" else "export"
    return f"The {job.name}: the service takes {job.service_seconds:g} s for an {each}"


def missing(typical: Typical) -> str:
    """Who could not be counted, and why."""
    return "\n".join(f"Not counted: {name} ({why})." for name, why in typical.missing.items())


def tables(typical: Typical) -> str:
    """All of it."""
    parts = (requests_table(typical), conditions(typical), missing(typical))
    return "\n\n".join(part for part in parts if part) + "\n"
