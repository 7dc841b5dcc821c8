"""The client's options: frozen, named, and checked when they are made."""

import math
from os import PathLike, fspath
from typing import Literal, TypeAlias, get_args

import msgspec

from voucherify_async.errors import ConfigurationError

Cluster: TypeAlias = Literal["eu", "us", "as"]


def check_seconds(argument: str, value: float | None) -> None:
    """Refuse what is no positive, finite number of seconds. None stands for no limit."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigurationError(argument, f"must be a number of seconds, not {type(value).__name__}")
    if not (value > 0 and math.isfinite(value)):
        raise ConfigurationError(argument, f"must be a positive, finite number of seconds, not {value}")


def check_range(argument: str, value: int | None, low: int, high: int) -> None:
    """Refuse what is no whole number from `low` to `high`. None stands for not given."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigurationError(argument, f"must be a whole number, not {type(value).__name__}")
    if not low <= value <= high:
        raise ConfigurationError(argument, f"must be from {low} to {high}, not {value}")


def check_choice(argument: str, value: object, choices: object) -> None:
    """Refuse what is none of a `Literal`'s values. None stands for not given."""
    if value is None:
        return
    if value not in (allowed := get_args(choices)):
        raise ConfigurationError(argument, f"must be one of {', '.join(map(str, allowed))}, not {value!r}")


def check_function(argument: str, value: object) -> None:
    """Refuse what cannot be called. None stands for not given."""
    if value is not None and not callable(value):
        raise ConfigurationError(argument, f"must be a function, not {type(value).__name__}")


def check_file(argument: str, path: object) -> None:
    """Refuse what is no path of a file."""
    name = fspath(path) if isinstance(path, PathLike) else path
    if not isinstance(name, str):
        raise ConfigurationError(argument, f"must be the path of a file, not {type(path).__name__}")
    if not name or "\0" in name:
        raise ConfigurationError(argument, f"cannot be the path of a file: {name!r}")


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """How long a call may take, in seconds. None means no limit, and has to be asked for.

    Attributes:
        total: the whole call with all its attempts and waits.
        connect: making one connection: name, TCP and TLS.
        read: until the head of an answer is there, and then between two pieces of it.
        pool: waiting for one of the pool's connections to become free; then a `PoolTimeoutError`.
    """

    total: float | None = 120.0
    connect: float | None = 10.0
    read: float | None = 60.0
    pool: float | None = 30.0

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            check_seconds(f"timeouts.{name}", getattr(self, name))


class PoolLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How many connections are kept, and for how long.

    Attributes:
        max_connections: open at the same time; further requests wait for one, see `Timeouts.pool`.
        keepalive: seconds for which an idle connection is kept.
    """

    max_connections: int = 512
    keepalive: float = 15.0

    def __post_init__(self) -> None:
        check_range("pool.max_connections", self.max_connections, 1, 65_536)
        check_seconds("pool.keepalive", self.keepalive)


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How often a request is repeated, and how long it waits before that.

    Only what does no harm is repeated: see `voucherify_async.retry`. A client has a budget of repeats besides, so
    that they do not multiply an outage: see `voucherify_async.budget`.

    Attributes:
        max_attempts: the first one included; 1 means no repeats. With all ten and their usual waits, an outage of
            about twenty seconds is outlived; `Timeouts.total` ends it sooner.
        base_delay: seconds; the longest first wait. It doubles with each attempt, and the wait is drawn
            evenly from zero to it ("full jitter").
        max_delay: seconds; the longest wait of our own choosing.
        max_wait: seconds; the longest wait for the service's limits, a little more than their shortest period. A
            longer one raises at once and says how long it would be.
    """

    max_attempts: int = 10
    base_delay: float = 0.25
    max_delay: float = 10.0
    max_wait: float = 75.0

    def __post_init__(self) -> None:
        check_range("retry.max_attempts", self.max_attempts, 1, 100)
        for name in ("base_delay", "max_delay", "max_wait"):
            check_seconds(f"retry.{name}", getattr(self, name))
