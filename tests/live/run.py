"""One run against the real service: its clients, what it may send, what it leaves and what it writes down."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from tests.live.budget import Budget
from tests.live.report import report
from tests.live.sightings import Sightings
from tests.live.traces import MARK, Cleaned, Traces, prefix_of
from voucherify_async import Auth, RetryPolicy, Timeouts, VoucherifyClient, VoucherifyError

__all__ = ["LiveRun", "NotToBeRunError", "what_is_lacking"]

_NEEDED = """\
make live runs the contract tests against the real service, with a sandbox project of Voucherify's. It needs

  VOUCHERIFY_APP_ID, VOUCHERIFY_APP_TOKEN   the keys of the project
  VOUCHERIFY_SANDBOX_APP_ID                 the app id again: you say that it is a sandbox, orders are written to it
  VOUCHERIFY_CLUSTER or VOUCHERIFY_BASE_URL if it is not in Europe

in the environment. It sends at most 80 requests (100 where cleaning up has to repeat some). Orders cannot be
deleted: those that it makes end as CANCELED."""

_PARTLY = "Not all was tried: `not seen`, `never` and `-` may say no more than that"

# The clean-up outlasts a period of an hour.
_HOUR_SECONDS = 3_700.0


def what_is_lacking(environ: Mapping[str, str]) -> str | None:
    """What to say if a run cannot begin for want of variables."""
    missing = [name for name in ("VOUCHERIFY_APP_ID", "VOUCHERIFY_APP_TOKEN") if not environ.get(name)]
    if missing:
        return f"{' and '.join(missing)} missing.\n\n{_NEEDED}"
    if environ.get("VOUCHERIFY_SANDBOX_APP_ID") != environ["VOUCHERIFY_APP_ID"]:
        return f"VOUCHERIFY_SANDBOX_APP_ID is not VOUCHERIFY_APP_ID.\n\n{_NEEDED}"
    return None


class NotToBeRunError(Exception):
    """Nothing was written: the keys are not taken, or too little of the limit is left."""


class LiveRun:
    """Made from the environment, as `VoucherifyClient.from_env`. `say` shows lines to who runs it.

    Attributes:
        planned, ended: how many contract tests there are, and how many were not broken off.
        broken: those that failed, and why.
    """

    def __init__(self, run_id: str, say: Callable[..., None]) -> None:
        self.id = run_id
        self.traces = Traces(run_id)
        self.sightings = Sightings({prefix_of(run_id): "<run>-", run_id: "<run>"})
        self.budget = Budget(lambda: len(self.traces))
        self.planned = 0
        self.ended = 0
        self.broken: list[str] = []
        self._cleaned = Cleaned()
        self._say = say

    def client(self, auth: Auth | None = None) -> VoucherifyClient:
        """A client of the service, which goes by the budget of the run."""
        return VoucherifyClient.from_env(auth=auth, rate_limiter=self.budget, timeouts=Timeouts(total=180))

    async def begin(self) -> None:
        """Ask whether it can be. Raises NotToBeRunError."""
        try:
            async with self.client() as client:
                await client.orders.list(limit=1)
        except VoucherifyError as error:
            raise NotToBeRunError(f"The service cannot be had: {error}") from None
        if shortage := self.budget.shortage():
            raise NotToBeRunError(shortage)

    async def clean_up(self) -> None:
        """Take away what can be, however long the limit has to be waited for."""
        self.budget.open_up(self._tell_of_wait)
        client = VoucherifyClient.from_env(
            rate_limiter=self.budget,
            timeouts=Timeouts(total=_HOUR_SECONDS),
            retry=RetryPolicy(max_wait=_HOUR_SECONDS),
        )
        async with client:
            await self.traces.clean_up(client, self._cleaned)

    def _tell_of_wait(self, seconds: float) -> None:
        self._say(f"The limit is used up: cleaning up goes on in {seconds:.0f} seconds. {self._left()}")

    def write(self, file: Path, emulated: Sightings) -> None:
        """Write down what differs from the emulator, and say where, and what is left."""
        cleaned = self._cleaned
        heading = [
            f"Run `{self.id}`, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {self.budget.sent} requests",
            f"{self.ended - len(self.broken)} of {self.planned} contract tests passed, {len(self.broken)} failed",
            *([_PARTLY] if self.broken or self.ended < self.planned else []),
            f"{cleaned.canceled} orders CANCELED, {cleaned.exports_deleted} exports deleted, "
            f"{cleaned.tokens_revoked} tokens revoked",
            self._left(),
            *(f"Not cleaned up: {line}" for line in cleaned.left),
        ]
        file.write_text(report(heading, self.broken, emulated, self.sightings), encoding="utf-8")
        self._say(*heading, f"What differs from the emulator: {file}")

    def _left(self) -> str:
        found = f"source ids that begin with {prefix_of(self.id)}, metadata {MARK} = {self.id}"
        unclean = len(self.traces.orders) + len(self.traces.exports)
        also = f"; {unclean} orders and exports not cleaned up yet" if unclean else ""
        customers = f"; customers {', '.join(self.traces.customers)}" if self.traces.customers else ""
        return f"Orders of this run stay: {found}{customers}{also}"
