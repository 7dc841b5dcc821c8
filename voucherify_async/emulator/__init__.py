"""A local stand-in for Voucherify's Orders API, so that tests and examples need no account.

It shares nothing with the client, so that a mistake cannot be on both sides; its truth is the service's OpenAPI
documents. What they leave open was guessed, and each module says what: `app` (keys, unknown paths), `store` (ids,
upserts), `composing` (amounts), `catalogue` (customers, products), `checks` (payloads), `jobs`, `filters`,
`exporting`, `ratelimit`, `oauth`. A request for anything but orders, imports, exports, async actions and OAuth
tokens is answered with 404.
"""

from voucherify_async.emulator.clock import Clock
from voucherify_async.emulator.effects import Effects, OrderEffects, RequestRecord
from voucherify_async.emulator.faults import Fault, FaultKind, Faults
from voucherify_async.emulator.server import Emulator

__all__ = ["Clock", "Effects", "Emulator", "Fault", "FaultKind", "Faults", "OrderEffects", "RequestRecord"]
