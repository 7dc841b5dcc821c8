"""Webhooks: whether Voucherify sent them, and what they tell.

    receiver = WebhookReceiver(os.environ["VOUCHERIFY_WEBHOOK_SECRET"])
    match await receiver.receive(chunks, request.headers.get(SIGNATURE_HEADER)):
        case OrderPaid(order=order): ...
        case WebhookEvent(type=other): ...  # everything else, also what is unknown

`integrations/fastapi.py` and `integrations/aiohttp.py` do the reading for you. What Voucherify documents
("Introduction to webhooks", "Distribution webhooks") and what follows from it:

- Order events come from distributions. The `type` of such a webhook is a name that somebody typed in there; what
  happened is in `event.type`, and that is the `type` here. With the payload editor an order may be cut down or left
  out; what is no whole order passes as a plain `WebhookEvent`.
- An endpoint has ten seconds to answer with a 2xx. Otherwise the webhook comes again, twelve times within 24 hours,
  and by hand even later; then it is switched off. So put aside what takes time, answer, and expect duplicates: keep
  `event_id`, which is the same however often and by however many webhooks an event is told of.
- The time of a webhook is signed with it, but as it may rightly be a day old, its age proves nothing against
  replays; the `event_id` that you have seen does.
- Nothing is said about their sequence. Compare `order.updated_at` with what you have, or read the order again.
- **There is no event for a finished import, export or other async action**, and orders that are imported tell of
  themselves to nobody. So a job cannot be awaited by a webhook; `await job` looks, and all jobs share their looks.
"""

import datetime
import hashlib
import hmac
import re
from collections.abc import AsyncIterable, Iterable
from contextlib import suppress
from typing import Any, Final

import msgspec
from msgspec import Struct

from voucherify_async.call import UNREADABLE, any_json, json_decoder
from voucherify_async.errors import ConfigurationError, WebhookPayloadError, WebhookSignatureError
from voucherify_async.models.orders import AwareTime, Order, StoredCustomer
from voucherify_async.options import check_range
from voucherify_async.secretive import hushed

__all__ = [
    "SIGNATURE_HEADER",
    "OrderCanceled",
    "OrderCreated",
    "OrderEvent",
    "OrderPaid",
    "OrderUpdated",
    "WebhookEvent",
    "WebhookReceiver",
    "parse_event",
    "sign",
    "verify_signature",
]

SIGNATURE_HEADER: Final = "x-voucherify-signature"
"""The header that a webhook is signed in."""
# An order has at most 500 items, and the redemption that is told with it shows them once more.
_MAX_BODY_BYTES: Final = 1024 * 1024

# What stands between the white space outside of strings: strings, with what is escaped in them, and all else.
# Possessive, so that no text takes longer than its length makes it; a string that never ends reaches to the end.
_SIGNED: Final = re.compile(rb"""((?:[^" \t\r\n]++|"(?:[^"\\]++|\\.)*+"?+)++)[ \t\r\n]*+|[ \t\r\n]++""", re.DOTALL)


class WebhookEvent(Struct, frozen=True, kw_only=True):
    """Something that happened, of a type that is not known here or whose data are not whole.

    Attributes:
        type: what happened, such as `customer.order.paid`; empty if it does not say.
        id: of this sending, `whs_...`.
        event_id: of what happened; keep it to tell duplicates. None if it does not say.
        name: the name of the event in the distribution that sends it; else the type again.
        project_id: of the project it happened in.
        created_at: when it happened; else when the sending was made.
        data: what the event is about, as plain values.
        raw: the whole payload, as plain values.
    """

    type: str
    id: str | None = None
    event_id: str | None = None
    name: str | None = None
    project_id: str | None = None
    created_at: datetime.datetime | None = None
    data: Any = None
    raw: dict[str, Any] = {}


class OrderEvent(WebhookEvent, frozen=True, kw_only=True):
    """Something that happened to an order.

    Attributes:
        order: as it was afterwards.
        customer: whose order it is.
        referrer: who brought the customer.

    The other attributes are those of `WebhookEvent`.
    """

    order: Order
    customer: StoredCustomer | None = None
    referrer: StoredCustomer | None = None


class OrderCreated(OrderEvent, frozen=True, kw_only=True):
    """An order was created: `customer.order.created`."""


class OrderUpdated(OrderEvent, frozen=True, kw_only=True):
    """An order was changed: `customer.order.updated`."""


class OrderPaid(OrderEvent, frozen=True, kw_only=True):
    """An order was paid: `customer.order.paid`."""


class OrderCanceled(OrderEvent, frozen=True, kw_only=True):
    """An order was canceled: `customer.order.canceled`."""


_ORDER_EVENTS: Final[dict[str, type[OrderEvent]]] = {
    "customer.order.created": OrderCreated,
    "customer.order.updated": OrderUpdated,
    "customer.order.paid": OrderPaid,
    "customer.order.canceled": OrderCanceled,
}


class _OrderData(Struct):
    order: Order
    customer: StoredCustomer | None = None
    referrer: StoredCustomer | None = None


class _OrderSending(Struct):
    data: _OrderData


_decode_order_sending: Final = json_decoder(_OrderSending)


class WebhookReceiver:
    """Takes webhooks of a project: checks who sent them, and reads them. It holds no state, and shows no secret.

    Args:
        secrets: of the project's webhooks; several while one is being replaced by another.
        max_body_bytes: the longest payload that is taken; 1 MiB if not given.

    Raises:
        ConfigurationError: there is no secret, or one is no UTF-8, or empty: anybody could sign with that.
    """

    __slots__ = ("_keys", "_most_bytes")

    @hushed
    def __init__(self, *secrets: str, max_body_bytes: int = _MAX_BODY_BYTES) -> None:
        check_range("max_body_bytes", max_body_bytes, 1, 2**40)
        self._keys = _keys(secrets)
        self._most_bytes = max_body_bytes

    async def receive(self, chunks: AsyncIterable[bytes], signature: str | None) -> WebhookEvent:
        """Read a request's body, check it and tell what it says.

        Args:
            chunks: of the body as it came. No more of them is read than is taken.
            signature: the header `x-voucherify-signature`; None if there is none.

        Returns:
            An `OrderCreated`, `OrderUpdated`, `OrderPaid`, `OrderCanceled`, or a plain `WebhookEvent` for all else.

        Raises:
            WebhookSignatureError: Voucherify did not send it, or not for this project.
            WebhookPayloadError: it is too long, or no JSON object.
            ConfigurationError: the signature is no text.
        """
        payload = bytearray()
        async for chunk in chunks:
            payload += chunk
            if len(payload) > self._most_bytes:
                raise WebhookPayloadError(f"the payload is longer than {self._most_bytes} bytes")
        _verify(payload, signature, self._keys)
        return parse_event(bytes(payload))


def verify_signature(payload: bytes, signature: str | None, *secrets: str) -> None:
    """Check that a payload was signed with one of the secrets. How long it takes tells nothing of them.

    Args:
        payload: the body of the request as it came, not decoded and encoded again.
        signature: the header `x-voucherify-signature`; None if there is none.
        secrets: of the project's webhooks; several while one is being replaced by another.

    Raises:
        WebhookSignatureError: it was not.
        ConfigurationError: there is no secret, or one is empty or no UTF-8; or another argument is of no such type.
    """
    try:
        keys = _keys(secrets)
    finally:
        del secrets  # a traceback may show its frames' variables
    if not isinstance(payload, bytes | bytearray):
        raise ConfigurationError("payload", f"must be bytes as they came, not {type(payload).__name__}")
    _verify(payload, signature, keys)


@hushed
def sign(payload: bytes, secret: str) -> str:
    """The signature of a payload, as Voucherify sends it; for tests of your endpoint.

    Args:
        payload: JSON; white space between its parts does not matter.
        secret: of the project's webhooks.
    """
    (key,) = _keys([secret])
    return _signature(payload, key)


def parse_event(payload: bytes) -> WebhookEvent:
    """What a payload says. It is taken as it is: check its signature first.

    Raises:
        WebhookPayloadError: it is no JSON object.
    """
    try:
        raw = any_json(payload)
    except UNREADABLE as error:
        raise WebhookPayloadError(f"the payload is no JSON: {error}") from None
    if not isinstance(raw, dict):
        raise WebhookPayloadError("the payload is no JSON object")
    event = raw.get("event")
    happened = event if isinstance(event, dict) else {}
    name = _text(raw.get("type"))
    # A webhook of the project's settings says the same in both places, one of a distribution says it here alone.
    kind = _text(happened.get("type")) or name or ""
    common: dict[str, Any] = {
        "type": kind,
        "id": _text(raw.get("id")),
        "event_id": _text(happened.get("id")),
        "name": name,
        "project_id": _text(raw.get("project_id")),
        "created_at": _time(happened.get("created_at")) or _time(raw.get("created_at")),
        "data": raw.get("data"),
        "raw": raw,
    }
    if (order_event := _ORDER_EVENTS.get(kind)) is not None:
        with suppress(msgspec.ValidationError):
            about = _decode_order_sending(payload).data
            return order_event(order=about.order, customer=about.customer, referrer=about.referrer, **common)
    return WebhookEvent(**common)


@hushed
def _keys(secrets: Iterable[str]) -> tuple[hmac.HMAC, ...]:
    """What signs with each secret. It does not show the secret, and need not hash it again each time."""
    keys = []
    for secret in secrets:
        if not isinstance(secret, str) or not secret:
            raise ConfigurationError("secrets", "must be texts that are not empty")
        try:
            keys.append(hmac.new(secret.encode(), digestmod=hashlib.sha256))
        except UnicodeEncodeError:  # which holds the text; bytes that are no UTF-8 come so from the environment
            raise ConfigurationError("secrets", "must be UTF-8") from None
    if not keys:
        raise ConfigurationError("secrets", "are missing; the project's settings show one")
    return tuple(keys)


def _verify(payload: bytes | bytearray, signature: str | None, keys: tuple[hmac.HMAC, ...]) -> None:
    if not isinstance(signature, str | None):
        raise ConfigurationError("signature", f"must be the header's text, not {type(signature).__name__}")
    # A header may hold anything; `compare_digest` refuses text that is not ASCII, and takes any bytes.
    given = (signature or "").encode(errors="replace")
    fitting = [hmac.compare_digest(_signature(payload, key).encode(), given) for key in keys]
    if not any(fitting):
        raise WebhookSignatureError(
            "the payload has no signature" if signature is None else "the signature is of no secret given here"
        )


def _signature(payload: bytes | bytearray, key: hmac.HMAC) -> str:
    signing = key.copy()
    signing.update(_canonical(payload))
    return signing.hexdigest()


def _canonical(payload: bytes | bytearray) -> bytes:
    """The text that is signed: without the white space outside of strings, and every other byte as it came."""
    return b"".join(_SIGNED.findall(payload))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _time(value: object) -> datetime.datetime | None:
    with suppress(msgspec.ValidationError):
        return msgspec.convert(value, AwareTime)
    return None
