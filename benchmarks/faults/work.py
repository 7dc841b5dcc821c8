"""The work that each client is given, and what it tells of it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal, NamedTuple

from benchmarks.server import Server

Kind = Literal["create", "update", "keyless"]
Told = Literal["done", "failed", "unknown"]


class Value(NamedTuple):
    """What an order is to be when a task is done."""

    amount: int
    status: str


class Task(NamedTuple):
    """One call: create the order of this number under a key, update it, or create it without a key."""

    kind: Kind
    number: int

    @property
    def key(self) -> str:
        """The order's source id."""
        return f"fault-{self.number}"

    @property
    def method(self) -> str:
        """The HTTP method."""
        return "PUT" if self.kind == "update" else "POST"

    @property
    def path(self) -> str:
        """The path of the request."""
        return f"/v1/orders/{self.key}" if self.kind == "update" else "/v1/orders"

    @property
    def route(self) -> str:
        """What the emulator counts it under."""
        return "PUT /v1/orders/*" if self.kind == "update" else "POST /v1/orders"

    @property
    def value(self) -> Value:
        """What is to be there afterwards; an update changes both."""
        if self.kind == "update":
            return Value(1_000_000 + self.number, "FULFILLED")
        return Value(100 + self.number, "PAID" if self.number % 2 else "CREATED")

    @property
    def body(self) -> dict[str, Any]:
        """The order as every client sends it."""
        amount, status = self.value
        lines = {"sku-1": amount - 50, "sku-2": 50}
        body: dict[str, Any] = {
            "status": status,
            "amount": amount,
            "items": [
                {"source_id": sku, "related_object": "sku", "quantity": 1, "price": price}
                for sku, price in lines.items()
            ],
        }
        if self.kind == "create":
            body["source_id"] = self.key
        elif self.kind == "keyless":
            body["metadata"] = {"n": self.number}
        return body


class Outcome(NamedTuple):
    """What the caller was told, and by how many requests, where the client tells that.

    `failed` says that it was not done, `unknown` that it may have been done.
    """

    told: Told
    attempts: int | None


class Report(NamedTuple):
    """The outcome of each task, in their order, and the seconds that all of them took."""

    outcomes: list[Outcome]
    seconds: float


# Does the tasks, so many at a time.
Client = Callable[[Server, Sequence[Task], int], Awaitable[Report]]


async def side_by_side(tasks: Sequence[Task], concurrency: int, do: Callable[[Task], Awaitable[Outcome]]) -> Report:
    """Do the tasks, `concurrency` at a time."""
    waiting = iter(enumerate(tasks))
    outcomes: dict[int, Outcome] = {}

    async def worker() -> None:
        for place, task in waiting:
            outcomes[place] = await do(task)

    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(worker())
    return Report([outcomes[place] for place in range(len(tasks))], time.perf_counter() - started)
