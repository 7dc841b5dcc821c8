"""Webhooks: who sent them, and what they tell."""

import datetime
import json
import pickle
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.pretty import pretty_repr

from tests.secretwatch import SecretWatch
from voucherify_async import ConfigurationError, StoredCustomer, WebhookPayloadError, WebhookSignatureError
from voucherify_async.webhooks import (
    OrderCanceled,
    OrderCreated,
    OrderEvent,
    OrderPaid,
    OrderUpdated,
    WebhookEvent,
    WebhookReceiver,
    parse_event,
    sign,
    verify_signature,
)

SECRET = "a-secret-of-webhooks"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def sending(kind: str = "customer.order.paid", **changes: Any) -> dict[str, Any]:
    """A webhook of a distribution, in the shape of the one that Voucherify's documents show."""
    customer = {"id": "cust_1", "name": "Zoë", "source_id": "c-1", "metadata": {}, "object": "customer"}
    order = {
        "id": "ord_1",
        "source_id": "web-1001",
        "status": "PAID",
        "amount": 2500,
        "total_amount": 2500.0,
        "created_at": "2026-03-12T14:41:49.128Z",
        "items": [{"object": "order_item", "product_id": "prod_1", "quantity": 1, "product": {"name": "Tea"}}],
        "customer": {"id": "cust_1", "summary": None, "loyalty": None, "object": "customer"},
        "object": "order",
        "is_new_here": True,
    }
    return {
        "id": "whs_1",
        "project_id": "proj_1",
        "created_at": "2026-03-12T14:41:51.000Z",
        "type": "Our order webhook",
        "data": {"customer": customer, "referrer": None, "order": order, "redemption": None},
        "source": {"id": "distr_1", "object": "distribution", "target_url": "https://shop.example/hook"},
        "event": {"id": "evcus_1", "type": kind, "created_at": "2026-03-12T14:41:50.000Z", "entity_id": "cust_1"},
        **changes,
    }


def parsed(document: object) -> WebhookEvent:
    return parse_event(json.dumps(document).encode())


async def pieces(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


class TestSignatures:
    @pytest.mark.parametrize(
        ("payload", "signature"),
        [
            (b'{"a":1}', "a17d2ac229d1ebbb5f10e839c7985c4818e5986eab297f7e5979196d4d7d3ed2"),
            (b'{\n  "a": 1\n}', "a17d2ac229d1ebbb5f10e839c7985c4818e5986eab297f7e5979196d4d7d3ed2"),
            (b'{"a\\"b":1}', "f7cf97814a03146abedb9793f56e1dec34f618f82d10395310d053f749483ffb"),
            (b'{\n  "a\\"b": 1\n}', "f7cf97814a03146abedb9793f56e1dec34f618f82d10395310d053f749483ffb"),
        ],
    )
    def test_the_vectors_of_voucherify_s_documents(self, payload: bytes, signature: str) -> None:
        verify_signature(payload, signature, "secretKey")
        assert sign(payload, "secretKey") == signature
        with pytest.raises(WebhookSignatureError):
            verify_signature(payload, signature, "secretkey")

    @given(value=JSON, indent=st.sampled_from([None, 0, 3, "\t"]), plain=st.booleans())
    def test_white_space_between_the_parts_does_not_matter(
        self, value: object, indent: int | str | None, plain: bool
    ) -> None:
        spaced = json.dumps(value, indent=indent, ensure_ascii=plain).encode("utf-8", "surrogatepass")
        compact = json.dumps(value, separators=(",", ":"), ensure_ascii=plain).encode("utf-8", "surrogatepass")
        assert sign(spaced, SECRET) == sign(compact, SECRET)
        assert sign(spaced.replace(b"\n", b"\r\n"), SECRET) == sign(compact, SECRET)

    @given(st.text('"\\ \t\r\n{}:a1é').map(str.encode))
    @example(b'"\\')
    @example(b'" \\" ')
    @example(b'\\" "')
    def test_bytes_that_are_no_json_are_read_as_a_machine_would(self, payload: bytes) -> None:
        kept, inside, escaped = bytearray(), False, False
        for byte in payload:
            if inside or byte not in b" \t\r\n":
                kept.append(byte)
            if byte == ord('"') and not escaped:
                inside = not inside
            escaped = inside and not escaped and byte == ord("\\")
        # Within a string nothing is taken out, so what is kept is kept again.
        assert sign(payload, SECRET) == sign(bytes(kept), SECRET)
        assert (sign(payload, SECRET) == sign(payload + b"x", SECRET)) is False

    @pytest.mark.parametrize("part", [b'"', b"\\", b'"\\', b" ", b'"a" ', b"1 ", b'\\"', b'"\\"'])
    def test_no_text_takes_longer_than_its_length_makes_it(self, part: bytes) -> None:
        def cpu_seconds(length: int) -> float:
            text, taken = part * (length // len(part)), []
            for _ in range(3):
                begin = time.process_time()
                sign(text, SECRET)
                taken.append(time.process_time() - begin)
            return min(taken)

        # Sixteen times as long; a rule that looks back would take 256 times as long.
        assert cpu_seconds(1024 * 1024) < 100 * max(cpu_seconds(64 * 1024), 1e-5)

    @given(st.data())
    def test_no_byte_can_be_changed(self, data: st.DataObject) -> None:
        payload = json.dumps(sending(), separators=(",", ":")).encode()
        place = data.draw(st.integers(0, len(payload) - 1))
        byte = data.draw(st.integers(33, 255).filter(lambda byte: byte != payload[place]))
        with pytest.raises(WebhookSignatureError):
            verify_signature(payload[:place] + bytes([byte]) + payload[place + 1 :], sign(payload, SECRET), SECRET)

    @given(st.none() | st.text(st.characters(codec=None)))  # headers may hold lone surrogates
    @example("é")
    @example("\udcff")
    @example(sign(b"{}", SECRET).upper())
    @example(sign(b"{}", SECRET) + " ")
    def test_no_other_signature_fits_and_none_makes_it_stumble(self, signature: str | None) -> None:
        with pytest.raises(WebhookSignatureError, match=r"the payload has no|is of no secret"):
            verify_signature(b"{}", signature, SECRET)

    def test_one_secret_is_replaced_by_another(self) -> None:
        for used in ("new", "old"):
            verify_signature(b"{}", sign(b"{}", used), "new", "old")
        with pytest.raises(WebhookSignatureError):
            verify_signature(b"{}", sign(b"{}", "older"), "new", "old")

    @pytest.mark.parametrize("secrets", [(), ("",), ("a", ""), (b"a",), (None,), ("a", "\udcff")])
    def test_secrets_that_anybody_has(self, secrets: tuple[Any, ...]) -> None:
        for use in (lambda: verify_signature(b"{}", "", *secrets), lambda: WebhookReceiver(*secrets)):
            with pytest.raises(ConfigurationError) as caught:
                use()
            assert caught.value.argument == "secrets"

    def test_a_decoded_payload_is_refused(self) -> None:
        with pytest.raises(ConfigurationError, match="payload: must be bytes as they came, not dict"):
            verify_signature({}, "", SECRET)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]

    def test_a_signature_as_the_bytes_of_a_header_is_refused(self) -> None:
        with pytest.raises(ConfigurationError, match="signature: must be the header's text, not bytes"):
            verify_signature(b"{}", b"0" * 64, SECRET)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]

    async def test_no_secret_shows(self, secret_watch: SecretWatch) -> None:
        secret_watch.learn("the webhooks' secret", SECRET)
        receiver = WebhookReceiver(SECRET)
        secret_watch.hear_of(receiver)
        secret_watch.hear("its parts", pretty_repr([getattr(receiver, name) for name in receiver.__slots__]))
        with pytest.raises(TypeError):
            pickle.dumps(receiver)
        with pytest.raises(WebhookSignatureError):
            await receiver.receive(pieces(b"{}"), "0" * 64)
        with pytest.raises(WebhookSignatureError):
            verify_signature(b"{}", "0" * 64, SECRET)
        with pytest.raises(ConfigurationError):
            WebhookReceiver(SECRET, "")
        with pytest.raises(ConfigurationError):
            WebhookReceiver(f"{SECRET}\udcff")
        with pytest.raises(ConfigurationError):
            WebhookReceiver(SECRET, max_body_bytes=0)


class TestReceiving:
    async def test_a_webhook_in_pieces(self) -> None:
        payload = json.dumps(sending(), indent=2).encode()
        event = await WebhookReceiver("old", SECRET).receive(
            pieces(payload[:7], b"", payload[7:]), sign(payload, SECRET)
        )
        assert isinstance(event, OrderPaid)

    async def test_it_reads_no_more_than_it_takes(self) -> None:
        given: list[bytes] = []

        async def endless() -> AsyncIterator[bytes]:
            while True:
                given.append(b" " * 10)
                yield given[-1]

        receiver = WebhookReceiver(SECRET, max_body_bytes=25)
        with pytest.raises(WebhookPayloadError, match="longer than 25 bytes"):
            await receiver.receive(endless(), "")
        assert len(given) == 3
        payload = b'{"type": "' + b"x" * 13 + b'"}'
        assert (await receiver.receive(pieces(payload), sign(payload, SECRET))).type == "x" * 13

    async def test_what_is_not_signed_is_not_looked_into(self) -> None:
        with pytest.raises(WebhookSignatureError, match="has no signature"):
            await WebhookReceiver(SECRET).receive(pieces(b"no JSON"), None)


class TestEvents:
    @pytest.mark.parametrize(
        ("kind", "expected"),
        [
            ("customer.order.created", OrderCreated),
            ("customer.order.updated", OrderUpdated),
            ("customer.order.paid", OrderPaid),
            ("customer.order.canceled", OrderCanceled),
        ],
    )
    def test_an_order_event(self, kind: str, expected: type[OrderEvent]) -> None:
        event = parsed(sending(kind))
        assert type(event) is expected
        assert isinstance(event, OrderEvent)
        assert (event.type, event.name, event.id, event.event_id) == (kind, "Our order webhook", "whs_1", "evcus_1")
        assert event.project_id == "proj_1"
        assert event.created_at == datetime.datetime(2026, 3, 12, 14, 41, 50, tzinfo=datetime.UTC)
        assert (event.order.id, event.order.source_id, event.order.total_amount) == ("ord_1", "web-1001", 2500)
        assert event.order.items is not None
        assert event.order.items[0].product_id == "prod_1"
        assert event.customer == StoredCustomer(
            id="cust_1", name="Zoë", source_id="c-1", metadata={}, object="customer"
        )
        assert event.referrer is None
        assert event.data["order"]["is_new_here"] is True
        assert event.raw["source"]["id"] == "distr_1"

    def test_without_an_event_the_type_of_the_sending_counts(self) -> None:
        document = sending(type="customer.order.paid")
        del document["event"]
        event = parsed(document)
        assert isinstance(event, OrderPaid)
        assert event.event_id is None
        assert event.created_at == datetime.datetime(2026, 3, 12, 14, 41, 51, tzinfo=datetime.UTC)

    def test_an_unknown_event_passes(self) -> None:
        event = parsed(sending("customer.order.sent.to.the.moon"))
        assert type(event) is WebhookEvent
        assert event.type == "customer.order.sent.to.the.moon"
        assert event.data["order"]["id"] == "ord_1"

    @pytest.mark.parametrize(
        "data", [None, [], {}, {"order": None}, {"order": {"source_id": "x"}}, {"order": {"id": 7}}, {"who": "c"}]
    )
    def test_an_order_that_is_not_whole_passes(self, data: object) -> None:
        event = parsed(sending(data=data))
        assert type(event) is WebhookEvent
        assert (event.type, event.data) == ("customer.order.paid", data)

    @given(st.dictionaries(st.sampled_from(["id", "type", "event", "data", "created_at", "x"]), JSON))
    @example({"event": {"type": 7, "id": [], "created_at": "yesterday"}, "type": None})
    @example({"event": {"type": "customer.order.paid"}, "data": {"order": {"id": "o"}, "customer": 7}})
    def test_any_object_is_an_event(self, document: dict[str, Any]) -> None:
        event = parse_event(json.dumps(document).encode())
        assert event.data == document.get("data")
        assert event.raw == document

    @pytest.mark.parametrize(
        "payload",
        [b"", b"[]", b"7", b'"x"', b"{", b"{} {}", b'{"a": NaN}', b'{"a": "\xff"}', b"[" * 100_000, b"\xff"],
        ids=lambda payload: repr(payload[:12]),
    )
    def test_what_is_no_object_is_no_event(self, payload: bytes) -> None:
        with pytest.raises(WebhookPayloadError, match="is no JSON"):
            parse_event(payload)
