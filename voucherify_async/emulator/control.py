"""The endpoints under `/_emulator/`: what Python code does with the attributes of `Emulator`, over HTTP.

No credentials are asked for, so the emulator belongs on loopback. Bodies are JSON, whatever their `Content-Type`
says. One that does not fit is answered with 400, `details` says where, and nothing of it is done.

| | |
|---|---|
| `GET /_emulator` | is it up; the version of this interface, the seed, and the endpoints |
| `GET /_emulator/effects` | `requests`, `handled` (by "METHOD route"), `arrived`, `orders` (by source id or id) |
| `GET /_emulator/requests` | the last requests, oldest first; bodies in base64, secrets as `***` |
| `GET, POST, DELETE /_emulator/faults` | the script; POST adds one fault or an array (the fields of `Fault`) |
| `GET, POST /_emulator/clock` | `{"advance": seconds}`, `{"set": Unix seconds or ISO 8601}`, `{"run": true}` |
| `GET, POST /_emulator/jobs` | `import_seconds`, `export_seconds` (null: natural), `paused`, `fail_next_import` |
| | (a message, or `{"message", "status"}`), `fail_next_export` (true) |
| `GET, POST /_emulator/settings` | `rate_limit`, `bulk_limit`, `cycle_limit`, `oauth_expires_in`, |
| | `download_seconds`, `download_url`, `download_ranges` |
| `POST /_emulator/reset` | everything back to the beginning; `{"seed": ...}` begins with that seed |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from voucherify_async.emulator.clock import Clock, format_ms, parse_seconds
from voucherify_async.emulator.endpoints import Answer
from voucherify_async.emulator.faults import Fault
from voucherify_async.emulator.problems import bad_method, bad_path, invalid_payload
from voucherify_async.emulator.ratelimit import RateLimit

if TYPE_CHECKING:
    from voucherify_async.emulator.server import Emulator

__all__ = ["Control"]


class ClockOrder(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /_emulator/clock`."""

    advance: float | None = None
    set: float | str | None = None
    run: bool = False


class ImportFailure(msgspec.Struct, forbid_unknown_fields=True):
    """How the next import is to fail."""

    message: str = "Internal error"
    status: Literal["DONE", "FAILED"] = "FAILED"


class JobsOrder(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /_emulator/jobs`; what is not given stays."""

    import_seconds: float | msgspec.UnsetType | None = msgspec.UNSET
    export_seconds: float | msgspec.UnsetType | None = msgspec.UNSET
    paused: bool | None = None
    fail_next_import: str | ImportFailure | None = None
    fail_next_export: bool = False


class SettingsOrder(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /_emulator/settings`; what is not given stays."""

    rate_limit: str | msgspec.UnsetType | None = msgspec.UNSET
    bulk_limit: str | msgspec.UnsetType | None = msgspec.UNSET
    cycle_limit: str | msgspec.UnsetType | None = msgspec.UNSET
    oauth_expires_in: int | msgspec.UnsetType = msgspec.UNSET
    download_seconds: int | msgspec.UnsetType = msgspec.UNSET
    download_url: str | msgspec.UnsetType | None = msgspec.UNSET
    download_ranges: bool | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        # Before any is set, and they are set last: that begins a new window, which cannot be taken back if another
        # setting does not fit.
        for rule in (self.rate_limit, self.bulk_limit, self.cycle_limit):
            if isinstance(rule, str):
                RateLimit(rule)


class ResetOrder(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /_emulator/reset`."""

    seed: int | str | None = None


class Control:
    """Carries out what comes under `/_emulator/`."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    def handle(self, method: str, path: str, body: bytes) -> Answer:
        """Answer one request. Raises ServiceError."""
        place = path.removeprefix("/_emulator").strip("/")
        methods = _ROUTES.get(place)
        if methods is None:
            raise bad_path(path)
        run = methods.get(method)
        if run is None:
            raise bad_method(method, methods)
        if method == "POST" and not body and place != "reset":
            raise invalid_payload("The request has no body")
        try:
            return Answer.of(run(self, body))
        except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:
            raise invalid_payload(str(error)) from None

    def index(self, _body: bytes) -> dict[str, Any]:
        """Whether it is up, and what there is."""
        endpoints = [
            f"{method} /_emulator/{place}" for place, methods in _ROUTES.items() for method in methods if place
        ]
        emulator = self._emulator
        return {"status": "ok", "version": 1, "url": emulator.url, "seed": emulator.seed, "endpoints": endpoints}

    def effects(self, _body: bytes) -> dict[str, Any]:
        """What happened."""
        return self._emulator.effects.dump()

    def requests(self, _body: bytes) -> dict[str, Any]:
        """What came over the wire."""
        return {"requests": self._emulator.requests}

    def faults(self, _body: bytes) -> dict[str, Any]:
        """The script."""
        return {"faults": self._emulator.faults.pending}

    def add_faults(self, body: bytes) -> dict[str, Any]:
        """Append to the script."""
        added = msgspec.json.decode(body, type=Fault | list[Fault])
        self._emulator.faults.add(*(added if isinstance(added, list) else [added]))
        return self.faults(body)

    def clear_faults(self, body: bytes) -> dict[str, Any]:
        """Empty the script."""
        self._emulator.faults.clear()
        return self.faults(body)

    def clock(self, _body: bytes) -> dict[str, Any]:
        """The time."""
        clock = self._emulator.clock
        now = clock.now()
        return {
            "now": now,
            "iso": format_ms(round(now * 1000)),
            "frozen": clock.frozen if isinstance(clock, Clock) else None,
        }

    def set_clock(self, body: bytes) -> dict[str, Any]:
        """Change the time."""
        order = msgspec.json.decode(body, type=ClockOrder)
        clock = self._emulator.clock
        if not isinstance(clock, Clock):
            raise invalid_payload("This emulator was given a clock of its own that cannot be set")
        if order.set is not None:
            clock.set(parse_seconds(order.set) + (order.advance or 0.0))
        elif order.advance is not None:
            clock.advance(order.advance)
        if order.run:
            clock.run()
        return self.clock(body)

    def jobs(self, _body: bytes) -> dict[str, Any]:
        """The settings of the jobs."""
        emulator = self._emulator
        return {
            "import_seconds": emulator.import_seconds,
            "export_seconds": emulator.export_seconds,
            "paused": emulator.jobs_paused,
        }

    def set_jobs(self, body: bytes) -> dict[str, Any]:
        """Change them."""
        order = msgspec.json.decode(body, type=JobsOrder)
        emulator = self._emulator
        _turn(emulator, {"import_seconds": order.import_seconds, "export_seconds": order.export_seconds})
        if order.paused is not None:
            (emulator.pause_jobs if order.paused else emulator.resume_jobs)()
        if order.fail_next_import is not None:
            stated = order.fail_next_import
            failure = ImportFailure(stated) if isinstance(stated, str) else stated
            emulator.fail_next_import(failure.message, status=failure.status)
        if order.fail_next_export:
            emulator.fail_next_export()
        return self.jobs(body)

    def settings(self, _body: bytes) -> dict[str, Any]:
        """The other settings."""
        emulator = self._emulator
        return {
            "rate_limit": emulator.rate_limit,
            "bulk_limit": emulator.bulk_limit,
            "cycle_limit": emulator.cycle_limit,
            "oauth_expires_in": emulator.oauth_expires_in,
            "download_seconds": emulator.download_seconds,
            "download_url": emulator.download_url,
            "download_ranges": emulator.download_ranges,
        }

    def set_settings(self, body: bytes) -> dict[str, Any]:
        """Change them."""
        order = msgspec.json.decode(body, type=SettingsOrder)
        # The limits last, which stand first: see `SettingsOrder`.
        _turn(self._emulator, {name: getattr(order, name) for name in reversed(order.__struct_fields__)})
        return self.settings(body)

    def reset(self, body: bytes) -> dict[str, Any]:
        """Begin anew."""
        order = msgspec.json.decode(body or b"{}", type=ResetOrder)
        self._emulator.reset(order.seed)
        return {"status": "ok", "seed": self._emulator.seed}


def _turn(emulator: Emulator, given: dict[str, Any]) -> None:
    """Set what is given, or nothing if one of it does not fit. Raises ValueError."""
    before: dict[str, Any] = {}
    try:
        for name, value in given.items():
            if value is not msgspec.UNSET:
                was = getattr(emulator, name)
                setattr(emulator, name, value)
                before[name] = was
    except ValueError:
        for name, was in before.items():
            setattr(emulator, name, was)
        raise


_Run = Callable[[Control, bytes], dict[str, Any]]
_ROUTES: Final[dict[str, dict[str, _Run]]] = {
    "": {"GET": Control.index},
    "effects": {"GET": Control.effects},
    "requests": {"GET": Control.requests},
    "faults": {"GET": Control.faults, "POST": Control.add_faults, "DELETE": Control.clear_faults},
    "clock": {"GET": Control.clock, "POST": Control.set_clock},
    "jobs": {"GET": Control.jobs, "POST": Control.set_jobs},
    "settings": {"GET": Control.settings, "POST": Control.set_settings},
    "reset": {"POST": Control.reset},
}
