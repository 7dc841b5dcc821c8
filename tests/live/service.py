"""What a contract test is given: the emulator, or the real service. It cannot tell which."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from tests.live.sightings import Sightings
from tests.live.traces import MARK, Traces, prefix_of
from voucherify_async import (
    ApiError,
    ApiResponse,
    Auth,
    Customer,
    NewOrder,
    RateLimitError,
    ServerError,
    VoucherifyClient,
)

__all__ = ["Service"]

T = TypeVar("T")


class Service:
    """A client, and what is kept of what it sees and leaves."""

    def __init__(
        self,
        run_id: str,
        client: VoucherifyClient,
        signed_by: Callable[[Auth], VoucherifyClient],
        sightings: Sightings,
        traces: Traces,
    ) -> None:
        self.run_id = run_id
        self.client = client
        self.signed_by = signed_by
        self.sightings = sightings
        self.traces = traces

    def key(self, name: str) -> str:
        """The source id of this name in this run; what may be there of it is cleaned up."""
        key = prefix_of(self.run_id) + name
        self.traces.orders[key] = None
        return key

    def order(self, name: str, **fields: Any) -> NewOrder:
        """An order of this run, found again by its source id and its metadata."""
        metadata = {MARK: self.run_id, **fields.pop("metadata", {})}
        return NewOrder(source_id=self.key(name), metadata=metadata, **fields)

    def customer(self, name: str) -> Customer:
        """A customer of this run, who stays: customers are none of this package's business."""
        key = prefix_of(self.run_id) + name
        self.traces.customers[key] = None
        return Customer(source_id=key, metadata={MARK: self.run_id})

    def token(self, access_token: str) -> None:
        """A token of this run: it is revoked, and nothing that a service says of it shows it."""
        self.traces.note_token(access_token)
        self.sightings.hide(access_token)

    def note(self, probe: str, value: object) -> None:
        """Keep what the service does where the documents leave it open: a difference is no failure."""
        self.sightings.note(probe, value)

    async def answer(self, operation: str, call: Awaitable[ApiResponse[T]]) -> T:
        """The result of a call, its answer looked at."""
        response = await call
        self.sightings.see(operation, response.status, response.headers, response.body)
        return response.data

    async def refusal(self, operation: str, call: Awaitable[Any], *statuses: int) -> ApiError:
        """The error of a call that the documents say is refused, with one of these statuses."""
        try:
            await call
        except (RateLimitError, ServerError):
            raise  # of this hour, not of the service
        except ApiError as error:
            self._saw(operation, error)
            if error.status in statuses:
                return error
            pytest.fail(f"{operation} is refused with {error.status}")
        pytest.fail(f"{operation} is not refused")

    async def probe(self, name: str, operation: str, call: Awaitable[ApiResponse[T]]) -> T | None:
        """What comes of a call of which the documents do not say whether it is refused; None if it is."""
        try:
            found = await self.answer(operation, call)
        except (RateLimitError, ServerError):
            raise  # of this hour, not of the service
        except ApiError as error:
            self._saw(operation, error)
            self.note(name, {"status": error.status, "key": error.key, "details": error.details})
            return None
        self.note(name, "taken")
        return found

    def _saw(self, operation: str, error: ApiError) -> None:
        self.sightings.see(operation, error.status, error.headers, error.body)
        told = {"code": error.code, "key": error.key, "message": error.message, "details": error.details}
        self.note(f"{operation} refused with {error.status}", told)
