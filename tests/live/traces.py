"""What a run leaves on the service, and taking it away again as far as that goes.

The answer to an export that was made may be lost, with its id: one whose filters name the run is found in the
listing. A token whose answer was lost ends by itself, after a quarter of an hour.

Voucherify has no call that deletes an order: those of a run are set to CANCELED, and are found by their source id
and their metadata.
"""

from __future__ import annotations

from typing import Final

import msgspec

from tests.live.budget import BudgetSpentError
from voucherify_async import ImportFailedError, NotFoundError, OrderChanges, VoucherifyClient, VoucherifyError

__all__ = ["MARK", "Cleaned", "Traces", "prefix_of"]

MARK: Final = "voucherify_async_contract"
"""The key in the metadata of every order of a run; its value is the id of the run."""

_FAILURES: Final = (VoucherifyError, BudgetSpentError)
_IMPORT_SECONDS: Final = 60.0


def prefix_of(run_id: str) -> str:
    """How the source ids of a run begin."""
    return f"contract-{run_id}-"


class Cleaned(msgspec.Struct):
    """What a clean-up did, so far. `left` says what it could not do, and why."""

    canceled: int = 0
    exports_deleted: int = 0
    tokens_revoked: int = 0
    left: list[str] = []


class Traces:
    """Noted before a request is sent where that is possible: an answer may be lost, and the order be there."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self.orders: dict[str, None] = {}
        self.customers: dict[str, None] = {}
        self.exports: dict[str, None] = {}
        self.imports: dict[str, None] = {}
        self._tokens: dict[str, None] = {}

    def note_token(self, access_token: str) -> None:
        """A token that was made."""
        self._tokens[access_token] = None

    def forget_token(self, access_token: str) -> None:
        """One that was revoked."""
        self._tokens.pop(access_token, None)

    def __len__(self) -> int:
        """How many requests the clean-up needs."""
        return len(self.imports) + len(self.orders) + len(self.exports) + len(self._tokens) + 1

    async def clean_up(self, client: VoucherifyClient, cleaned: Cleaned) -> None:
        """Cancel the orders, delete the exports, revoke the tokens. One that fails does not keep the others."""
        for job_id in list(self.imports):
            # Its orders may not be there yet, and would stay as they are made.
            try:
                await client.orders.import_job(job_id).wait(timeout=_IMPORT_SECONDS)
            except ImportFailedError:
                pass
            except _FAILURES as error:
                cleaned.left.append(f"orders that import {job_id} makes yet: {error}")
                continue
            del self.imports[job_id]
        # The mark again: a test may have put other metadata in its place.
        changes = OrderChanges(status="CANCELED", metadata={MARK: self._run_id})
        for source_id in list(self.orders):
            try:
                await client.orders.update(source_id, changes)
                cleaned.canceled += 1
            except NotFoundError:
                pass  # it was refused, as some are meant to be
            except _FAILURES as error:
                cleaned.left.append(f"order {source_id}: {error}")
                continue
            del self.orders[source_id]
        try:
            for export in (await client.exports.list(limit=100, order="-created_at")).exports:
                if prefix_of(self._run_id) in str(export.parameters):
                    self.exports[export.id] = None
        except _FAILURES as error:
            cleaned.left.append(f"exports that are not known of, if any: {error}")
        for export_id in list(self.exports):
            try:
                await client.exports.delete(export_id)
                cleaned.exports_deleted += 1
            except NotFoundError:
                pass
            except _FAILURES as error:
                cleaned.left.append(f"export {export_id}: {error}")
                continue
            del self.exports[export_id]
        for access_token in list(self._tokens):
            try:
                await client.oauth.revoke(access_token)
                cleaned.tokens_revoked += 1
            except NotFoundError:
                pass
            except _FAILURES as error:
                cleaned.left.append(f"an OAuth token, which ends by itself: {error}")
                continue
            self.forget_token(access_token)
