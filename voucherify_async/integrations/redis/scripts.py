"""Scripts that run in the server, and the little that is asked of a connection."""

import asyncio
import hashlib
import re
from typing import Any, Final, Protocol

from voucherify_async.errors import ConfigurationError

# Seconds for one trip to the server and back, connecting included. Who asks has better to do than to wait for it.
TRIP_SECONDS: Final = 1.0
_PROJECT: Final = re.compile(r"[A-Za-z0-9._:-]{1,100}")


class RedisClient(Protocol):
    """What is asked of a connection object. `redis.asyncio.Redis` has it, Valkey's and the clusters' too."""

    # Theirs are typed by nothing more.
    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send one command and return its reply."""
        ...


def checked_client(redis: RedisClient) -> RedisClient:
    """Refuse what is no connection object, before anything is sent."""
    command = getattr(redis, "execute_command", None)
    if not callable(command):
        raise ConfigurationError("redis", f"has no method execute_command(): {type(redis).__name__}")
    # The objects of redis-py that are not for asyncio have the method too, and would block the event loop.
    if type(redis).__module__.split(".")[0] in {"redis", "valkey"} and ".asyncio." not in type(redis).__module__:
        raise ConfigurationError("redis", "must be a client for asyncio, such as redis.asyncio.Redis")
    return redis


def key_of(argument: str, project: str, what: str) -> str:
    """The name of a key. What stands in braces decides on the slot of a cluster: the project's keys are together.

    See https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags.
    """
    for name, value in (("project", project), (argument, what)):
        if not isinstance(value, str) or not _PROJECT.fullmatch(value):
            raise ConfigurationError(name, "must be 1 to 100 letters, digits and . _ : -, for names of keys")
    return f"voucherify:{{{project}}}:{what}"


class Script:
    """A script in Lua. It is sent as a whole once, and then called by its digest.

    Args:
        lua: its text. Integers go in, and integers come out.
    """

    def __init__(self, lua: str) -> None:
        self._lua = lua
        self._digest = hashlib.sha1(lua.encode(), usedforsecurity=False).hexdigest()

    async def run(self, redis: RedisClient, keys: list[str], *arguments: str | int) -> list[int]:
        """Run it, and return the integers that it gives. It must do no harm twice: its reply may be lost.

        Raises:
            Exception: what the connection object raises; TimeoutError after `TRIP_SECONDS`.
        """
        rest = (len(keys), *keys, *arguments)
        async with asyncio.timeout(TRIP_SECONDS):
            try:
                reply = await redis.execute_command("EVALSHA", self._digest, *rest)
            except Exception:
                # The server has forgotten it; or has closed a kept connection meanwhile, as after its restart.
                reply = await redis.execute_command("EVAL", self._lua, *rest)
        return [int(number) for number in reply]
