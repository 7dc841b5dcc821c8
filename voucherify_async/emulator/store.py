"""The orders: pure state, no HTTP, no clock of its own.

An order's data is never changed in place, a change makes a new dict: so a snapshot (an export) is a list of
references. Two indexes are kept sorted on every change, so that a page of a listing is a slice.

Guesses, where the documents are silent:

- A create with an `id` that does not exist is an error (404): ids are the service's to give. In an import the
  order is named in `failed`.
- A `source_id` that belongs to another order is refused (409, `duplicate_found`).
- An explicit `created_at` moves an order that exists, in create and update; in an import it is ignored.
- An id goes before a source id that reads the same.
- By `updated_at`, an order that was never changed is sorted by its `created_at`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from voucherify_async.emulator.catalogue import Catalogue, Mark
from voucherify_async.emulator.composing import compose, stated_amounts
from voucherify_async.emulator.identifiers import Identifiers
from voucherify_async.emulator.problems import duplicate, not_found
from voucherify_async.emulator.timeindex import TimeIndex

__all__ = ["Cause", "OrderRecord", "Orders"]

Cause = Literal["created", "updated", "imported"]

_encode = msgspec.json.Encoder().encode


class OrderRecord:
    """One order: what is answered, its place in the listing, and how often what happened to it."""

    __slots__ = ("_encoded", "created_ms", "data", "effects", "id", "sequence", "source_id", "stated", "updated_ms")

    def __init__(self, order_id: str, sequence: int, created_ms: int = 0) -> None:
        self.id = order_id
        self.sequence = sequence
        self.source_id: str | None = None
        self.stated: dict[str, int] = {}
        self.created_ms = created_ms
        self.updated_ms = 0
        self.data: dict[str, Any] = {}
        self.effects: dict[Cause, int] = {"created": 0, "updated": 0, "imported": 0}
        self._encoded: bytes | None = None

    @property
    def encoded(self) -> bytes:
        """The order as JSON, kept until it changes."""
        if self._encoded is None:
            self._encoded = _encode(self.data)
        return self._encoded

    def put(self, data: dict[str, Any], stated: dict[str, int], created_ms: int, updated_ms: int) -> None:
        """Replace what is answered, and the amounts as they were given."""
        self.data = data
        self.stated = stated
        self.source_id = data["source_id"]
        self.created_ms = created_ms
        self.updated_ms = updated_ms
        self._encoded = None

    def dump(self) -> dict[str, Any]:
        """What a database keeps."""
        return {
            "sequence": self.sequence,
            "created_ms": self.created_ms,
            "updated_ms": self.updated_ms,
            "effects": self.effects,
            "stated": self.stated,
            # The answer has been written by now, after an import it has not: nothing is written twice.
            "data": self.data if self._encoded is None else msgspec.Raw(self._encoded),
        }


class Orders:
    """All orders of the project."""

    def __init__(self, identifiers: Identifiers, catalogue: Catalogue, mark: Mark) -> None:
        self._identifiers = identifiers
        self._catalogue = catalogue
        self._mark = mark
        self._records: dict[str, OrderRecord] = {}
        self._by_source: dict[str, OrderRecord] = {}
        self._sequence = 0
        self._snapshot: list[dict[str, Any]] | None = None
        self._by_created: TimeIndex[OrderRecord] = TimeIndex()
        self._by_updated: TimeIndex[OrderRecord] = TimeIndex()

    def __len__(self) -> int:
        return len(self._records)

    def restore(self, stored: Iterable[dict[str, Any]]) -> None:
        """Take up what a database kept."""
        # In the order in which they were made, which is that of an export's rows.
        for kept in sorted(stored, key=lambda kept: int(kept["sequence"])):
            data = kept["data"]
            record = OrderRecord(data["id"], kept["sequence"])
            record.put(data, kept.get("stated", {}), kept["created_ms"], kept["updated_ms"])
            record.effects = kept["effects"]
            self._records[record.id] = record
            if record.source_id is not None:
                self._by_source[record.source_id] = record
        records = self._records.values()
        self._sequence = max((record.sequence for record in records), default=0)
        self._by_created.fill((record.created_ms, record) for record in records)
        self._by_updated.fill((record.updated_ms, record) for record in records)

    def get(self, key: str) -> OrderRecord:
        """By id or source id. Raises the 404."""
        record = self._records.get(key) or self._by_source.get(key)
        if record is None:
            raise not_found("order", key)
        return record

    def page(self, order: str, limit: int, page: int) -> list[OrderRecord]:
        """One page; `order` is `created_at` or `updated_at`, with a dash to begin with the newest."""
        index = self._by_updated if order.endswith("updated_at") else self._by_created
        return index.page((page - 1) * limit, limit, descending=order.startswith("-"))

    def snapshot(self) -> list[dict[str, Any]]:
        """Every order's data as of now: the same list, not to be changed, until an order changes."""
        if self._snapshot is None:
            self._snapshot = [record.data for record in self._records.values()]
        return self._snapshot

    def effects(self) -> dict[str, dict[Cause, int]]:
        """Per source id (or id, for an order without) how often it was created, updated, imported."""
        return {record.source_id or record.id: dict(record.effects) for record in self._records.values()}

    def effects_of(self, key: str) -> dict[Cause, int]:
        """The same for one order; nothing for one that does not exist."""
        record = self._records.get(key) or self._by_source.get(key)
        return {} if record is None else dict(record.effects)

    def upsert(self, given: dict[str, Any], now_ms: int) -> OrderRecord:
        """A create: of a new order, or over one that has this id or source id."""
        record = self._existing(given)
        return self._apply(record, given, now_ms, "created" if record is None else "updated")

    def update(self, key: str, given: dict[str, Any], now_ms: int) -> OrderRecord:
        """Change what is given of an order that exists."""
        record = self.get(key)
        for item in given.get("items") or ():
            for thing in (item.get("product"), item.get("sku")):
                if thing is not None:
                    # It works in requests that create orders (documents: OrderItem), and this one creates none.
                    thing.pop("override", None)
        # The id stands in the path; one in the body is not a property of an update (documents: OrderBase).
        return self._apply(record, given, now_ms, "updated")

    def import_one(self, given: dict[str, Any], now_ms: int) -> OrderRecord:
        """As a create, but the time of creation is that of the import."""
        given.pop("created_at", None)
        return self._apply(self._existing(given), given, now_ms, "imported")

    def _existing(self, given: dict[str, Any]) -> OrderRecord | None:
        order_id = given.get("id")
        if order_id is not None:
            record = self._records.get(order_id)
            if record is None:
                raise not_found("order", order_id)
            return record
        source_id = given.get("source_id")
        return None if source_id is None else self._by_source.get(source_id)

    def _apply(self, record: OrderRecord | None, given: dict[str, Any], now_ms: int, cause: Cause) -> OrderRecord:
        self._refuse_taken_source(record, given)
        # All that can fail comes before the first change to the orders, and the catalogue takes its own back: an
        # order that is refused leaves nothing behind.
        with self._catalogue.all_or_nothing():
            new = record is None
            if record is None:
                order_id = self._identifiers.object_id("ord")
                record = OrderRecord(order_id, self._sequence + 1, now_ms)
            created_ms = given.get("created_at")
            if created_ms is None:
                created_ms = record.created_ms
            stated = stated_amounts(given, record.stated)
            data = self._composed(record, given, stated, created_ms, None if new else now_ms)

        if new:
            self._sequence = record.sequence
            self._records[record.id] = record
        else:
            self._by_updated.remove(record.updated_ms, record)
            if record.source_id is not None:
                del self._by_source[record.source_id]
            if created_ms != record.created_ms:
                self._by_created.remove(record.created_ms, record)
        if new or created_ms != record.created_ms:
            self._by_created.add(created_ms, record)
        self._snapshot = None
        sorted_ms = created_ms if new else now_ms
        record.put(data, stated, created_ms, sorted_ms)
        record.effects[cause] += 1
        if record.source_id is not None:
            self._by_source[record.source_id] = record
        self._by_updated.add(sorted_ms, record)
        self._mark("order", record.id, record)
        return record

    def _composed(
        self,
        record: OrderRecord,
        given: dict[str, Any],
        stated: dict[str, int],
        created_ms: int,
        updated_ms: int | None,
    ) -> dict[str, Any]:
        catalogue, was = self._catalogue, record.data
        customer_id = self._linked(given.get("customer", {}), was.get("customer_id"))
        referrer_id = was.get("referrer_id")
        if "referrer_id" in given:
            referrer_id = given["referrer_id"]
            if referrer_id is not None:
                catalogue.require_customer(referrer_id)
        referrer_id = self._linked(given.get("referrer", {}), referrer_id)
        return compose(
            record.id,
            given,
            was,
            stated=stated,
            items=catalogue.complete_items(given["items"] or []) if "items" in given else None,
            customer_id=customer_id,
            referrer_id=referrer_id,
            created_ms=created_ms,
            updated_ms=updated_ms,
        )

    def _linked(self, given: dict[str, Any] | None, otherwise: str | None) -> str | None:
        """The id of a customer: `null` takes it away, an object that says nothing leaves it."""
        if given is None:
            return None
        return self._catalogue.link_customer(given) if given else otherwise

    def _refuse_taken_source(self, record: OrderRecord | None, given: dict[str, Any]) -> None:
        source_id = given.get("source_id")
        holder = None if source_id is None else self._by_source.get(source_id)
        if holder is not None and holder is not record:
            raise duplicate("order", "source_id", str(source_id))
