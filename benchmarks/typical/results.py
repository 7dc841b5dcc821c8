"""What was counted, as it is kept in JSON."""

import msgspec


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A typical job, and the service that it is done with.

    Attributes:
        name: for people.
        work: which of the three: `import`, `exports` or `sync`.
        count: orders, or exports.
        service_seconds: that an import of 2,000 orders takes, or an export.
        rate_limit: as the emulator takes it, None for no limit.
        speed: seconds of the service's and the clients' clock in a real one.
    """

    name: str
    work: str
    count: int
    service_seconds: float = 0.0
    rate_limit: str | None = None
    speed: float


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """What a client's way of doing a job came to, as the emulator counted it.

    Attributes:
        requests: that arrived, by route, as in `GET /v1/exports`.
        refused: of those, how many were answered with 429.
        seconds: of the service's clock, from the first request to the last answer.
        lost: orders that are not there afterwards, or exports that were not awaited to their end.
        doubled: orders that something was done to more than once.
    """

    requests: dict[str, int]
    refused: int
    seconds: float
    lost: int
    doubled: int

    @property
    def sent(self) -> int:
        """All requests."""
        return sum(self.requests.values())

    @property
    def looks(self) -> int:
        """Requests that only ask."""
        return sum(number for route, number in self.requests.items() if route.startswith("GET "))

    @property
    def carried_out(self) -> int:
        """Requests that do the work."""
        return self.sent - self.looks - self.refused


class Typical(msgspec.Struct):
    """All jobs, and by their names what each client came to. `missing` says why one could not be counted."""

    jobs: list[Job]
    counted: dict[str, dict[str, Counted]]
    missing: dict[str, str] = {}
