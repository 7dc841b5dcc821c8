"""What happened on the server, and whether that is what the client told.

The server is asked over plain HTTP, when no faults are left: no client under test has a part in it.
"""

import asyncio
import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import aiohttp
import msgspec

from benchmarks.faults.work import Outcome, Task, Value

COUNTED: Final = ("POST /v1/orders", "PUT /v1/orders/*")
_FIELDS: Final = ("id", "source_id", "amount", "status", "metadata")
_SHOWN: Final = 5


class Seen(NamedTuple):
    """The server's state.

    Attributes:
        keyed: the value of each order with a source id.
        keyless: how many orders without one carry this number.
        effects: how often anything was done to the order with this source id.
        arrived: the requests to each route.
        arrived_for: the requests for the order with this source id.
    """

    keyed: dict[str, Value]
    keyless: Counter[int]
    effects: dict[str, int]
    arrived: dict[str, int]
    arrived_for: dict[str, int]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The counts of one client's run.

    Attributes:
        lost: orders with a key whose last value is not on the server, whatever the caller was told.
        doubled: creates without a key that stand on the server more than once.
        wrong: calls whose caller was told that it was done, and it is not there, or that it failed, and it is.
        beyond: orders with a key to which fewer things were done than the client told were done, or for which other
            than the requests arrived that it told were sent.
        told: how many calls ended how.
        sent: the requests to each route as the client tells; None if it does not.
        arrived: those that the server counted.
        examples: a few of the cases, in words.
    """

    lost: int
    doubled: int
    wrong: int
    beyond: int
    told: dict[str, int]
    sent: dict[str, int | None]
    arrived: dict[str, int]
    examples: list[str]

    @property
    def agrees(self) -> bool:
        """Whether the client told of every single request, and of none that did not arrive."""
        return self.sent == self.arrived

    @property
    def faultless(self) -> bool:
        """Nothing lost, nothing done twice, nothing untrue told."""
        return not (self.lost or self.doubled or self.wrong or self.beyond) and self.agrees


async def look(http: aiohttp.ClientSession) -> Seen:
    """Read everything back. The session has the address and the keys."""
    effects = await _json(http, "GET", "/_emulator/effects")
    keyed: dict[str, Value] = {}
    keyless: Counter[int] = Counter()
    # Listing reaches 10,000 orders and no more.
    for row in await _exported(http):
        if row["source_id"]:
            keyed[row["source_id"]] = Value(int(row["amount"]), row["status"])
        else:
            keyless[json.loads(row["metadata"])["n"]] += 1
    return Seen(
        keyed,
        keyless,
        {key: sum(counts.values()) for key, counts in effects["orders"].items()},
        {route: effects["requests"].get(route, 0) for route in COUNTED},
        effects["arrived"],
    )


async def _exported(http: aiohttp.ClientSession) -> Iterable[dict[str, str]]:
    export = await _json(http, "POST", "/v1/orders/export", {"parameters": {"fields": _FIELDS}})
    while export["status"] not in ("DONE", "ERROR"):
        await asyncio.sleep(0.05)
        export = await _json(http, "GET", f"/v1/exports/{export['id']}")
    async with http.get(export["result"]["url"]) as answer:
        answer.raise_for_status()
        return csv.DictReader(io.StringIO(await answer.text(), newline=""))


async def _json(http: aiohttp.ClientSession, method: str, path: str, body: Any = None) -> Any:
    async with http.request(method, path, json=body) as answer:
        answer.raise_for_status()
        return await answer.json()


def judge(told: Sequence[tuple[Task, Outcome]], seen: Seen) -> Verdict:
    """Hold what the client told, in the order in which the tasks were given, against what the server has."""
    last = {task.key: task for task, _ in told if task.kind != "keyless"}
    lost = [key for key, task in last.items() if seen.keyed.get(key) != task.value]
    doubled = [number for number, times in seen.keyless.items() if times > 1]
    wrong = [
        (task, outcome)
        for task, outcome in told
        if outcome.told != "unknown" and (outcome.told == "done") != _is_there(task, last, seen)
    ]
    beyond = _beyond(told, seen)
    examples = [
        *(f"lost: {key}, wanted {last[key].value}, there is {seen.keyed.get(key)}" for key in lost[:_SHOWN]),
        *(f"doubled: {number} stands there {seen.keyless[number]} times" for number in doubled[:_SHOWN]),
        *(f"wrong: {task.kind} {task.number}, told {outcome}" for task, outcome in wrong[:_SHOWN]),
        *(
            f"beyond: {key}, {seen.effects.get(key, 0)} effects of {seen.arrived_for.get(key, 0)} requests"
            for key in beyond[:_SHOWN]
        ),
    ]
    return Verdict(
        lost=len(lost),
        doubled=len(doubled),
        wrong=len(wrong),
        beyond=len(beyond),
        told=dict(Counter(outcome.told for _, outcome in told)),
        sent={route: _sent(outcome for task, outcome in told if task.route == route) for route in COUNTED},
        arrived=seen.arrived,
        examples=examples,
    )


def _is_there(task: Task, last: dict[str, Task], seen: Seen) -> bool:
    if task.kind == "keyless":
        return seen.keyless[task.number] > 0
    if last[task.key] == task:
        return seen.keyed.get(task.key) == task.value
    # Created and then updated: that it stands there at all tells of the first, for an update creates nothing.
    return task.key in seen.keyed


def _beyond(told: Sequence[tuple[Task, Outcome]], seen: Seen) -> list[str]:
    calls: dict[str, list[Outcome]] = {}
    for task, outcome in told:
        if task.kind != "keyless":
            calls.setdefault(task.key, []).append(outcome)
    beyond = []
    for key, outcomes in calls.items():
        effects, arrived = seen.effects.get(key, 0), seen.arrived_for.get(key, 0)
        sent = _sent(outcomes)
        least = sum(outcome.told == "done" for outcome in outcomes)
        if not least <= effects <= arrived or (sent is not None and sent != arrived):
            beyond.append(key)
    return beyond


def _sent(outcomes: Iterable[Outcome]) -> int | None:
    sent = 0
    for outcome in outcomes:
        if outcome.attempts is None:
            return None
        sent += outcome.attempts
    return sent
