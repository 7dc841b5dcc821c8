"""Orders, as they are sent and as they are stored (OpenAPI v2018-08-01, orders.json).

What is sent (`NewOrder`, `OrderChanges`, `OrderItem`, `Customer` and their parts) tells three things apart: a
field that is not given is not sent, None is sent as `null`, a value as itself. The limits of the API stand in
the types, and are checked before anything is sent.

What comes back (`Order` and the `Stored...` parts) is read liberally: a field that is missing is None, an
unknown field is ignored, and so is an unknown value of an enumeration, which passes as the string it is. A
stored part is a kind of what was sent, so it can be sent again: it then says only what it knows.

Neither shows in its `repr` what was not given: of some twenty fields few are, and the others would hide them.

Money is a whole number in the smallest unit of the currency.

Fields stand in the order in which the documents' examples give them, the rare ones last: msgspec looks for each key
behind the one before it, and reads a page a tenth faster so.
"""

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

MAX_ITEMS: Final = 500

Id: TypeAlias = Annotated[str, Meta(min_length=1)]
AwareTime: TypeAlias = Annotated[datetime.datetime, Meta(tz=True)]
Metadata: TypeAlias = dict[str, Any]

if TYPE_CHECKING:
    # Editors offer those that are known. The service may take more, so any string is right.
    Status: TypeAlias = Literal["CREATED", "PAID", "CANCELED", "FULFILLED"] | str
    RelatedObject: TypeAlias = Literal["product", "sku"] | str
else:
    Status = RelatedObject = str  # msgspec takes no union of two kinds of string


class Address(Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    """A customer's address."""

    line_1: str | None | UnsetType = UNSET
    line_2: str | None | UnsetType = UNSET
    postal_code: str | None | UnsetType = UNSET
    city: str | None | UnsetType = UNSET
    state: str | None | UnsetType = UNSET
    country: str | None | UnsetType = UNSET


class Customer(Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    """A customer, or a referrer: named by `id`, or created or updated by `source_id`.

    Attributes:
        id: Voucherify's id of a customer who is known already.
        source_id: the merchant's id; a customer is created or updated under it.
        birthdate: day of birth, `YYYY-MM-DD`. `birthday` is its deprecated name.
        metadata: any keys with JSON values.
    """

    id: Id | None | UnsetType = UNSET
    source_id: Id | None | UnsetType = UNSET
    name: str | None | UnsetType = UNSET
    description: str | None | UnsetType = UNSET
    email: str | None | UnsetType = UNSET
    phone: str | None | UnsetType = UNSET
    birthdate: str | None | UnsetType = UNSET
    birthday: str | None | UnsetType = UNSET
    address: Address | None | UnsetType = UNSET
    metadata: Metadata | None | UnsetType = UNSET


class Product(Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    """The product of an item.

    Attributes:
        override: true stores name, price and metadata with the product, where an order is created or imported;
            otherwise they are used for this order only.
        price: for one unit, in the smallest unit of the currency.
    """

    id: Id | None | UnsetType = UNSET
    source_id: Id | None | UnsetType = UNSET
    name: str | None | UnsetType = UNSET
    price: int | float | None | UnsetType = UNSET
    metadata: Metadata | None | UnsetType = UNSET
    override: bool | None | UnsetType = UNSET


class Sku(Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    """The variant of a product. `sku` is its name; the rest is as in `Product`."""

    id: Id | None | UnsetType = UNSET
    source_id: Id | None | UnsetType = UNSET
    sku: str | None | UnsetType = UNSET
    price: int | float | None | UnsetType = UNSET
    metadata: Metadata | None | UnsetType = UNSET
    override: bool | None | UnsetType = UNSET


class OrderItem(Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    """A line of an order.

    Attributes:
        source_id: the merchant's id of the product or SKU; `related_object` says of which.
        related_object: `product` or `sku`.
        product_id, sku_id: Voucherify's ids, instead of `source_id`.
        quantity: how many units.
        price: of one unit.
        amount: `price * quantity`; worked out by the service if it is not given.
        discount_amount: taken off this line.
    """

    source_id: str | None | UnsetType = UNSET
    related_object: RelatedObject | None | UnsetType = UNSET
    product_id: str | None | UnsetType = UNSET
    sku_id: str | None | UnsetType = UNSET
    quantity: int | None | UnsetType = UNSET
    amount: int | None | UnsetType = UNSET
    discount_amount: int | None | UnsetType = UNSET
    price: int | None | UnsetType = UNSET
    product: Product | None | UnsetType = UNSET
    sku: Sku | None | UnsetType = UNSET
    metadata: Metadata | None | UnsetType = UNSET
    discount_quantity: int | None | UnsetType = UNSET
    initial_quantity: int | None | UnsetType = UNSET
    initial_amount: int | None | UnsetType = UNSET


class OrderFields(Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    """What orders and changes of orders have in common.

    Attributes:
        status: `CREATED`, `PAID`, `CANCELED` or `FULFILLED`.
        amount: the sum of the items; worked out by the service if there are items.
        discount_amount: taken off the whole order, besides what is taken off its items.
        items: at most 500; they replace those that are there.
        metadata: any keys with JSON values.
        created_at: an aware datetime.
    """

    source_id: Id | None | UnsetType = UNSET
    status: Status | None | UnsetType = UNSET
    amount: int | None | UnsetType = UNSET
    initial_amount: int | None | UnsetType = UNSET
    discount_amount: int | None | UnsetType = UNSET
    items: Annotated[Sequence[OrderItem], Meta(max_length=MAX_ITEMS)] | None | UnsetType = UNSET
    metadata: Metadata | None | UnsetType = UNSET
    created_at: AwareTime | None | UnsetType = UNSET
    customer: Customer | None | UnsetType = UNSET
    referrer: Customer | None | UnsetType = UNSET
    referrer_id: str | None | UnsetType = UNSET


class OrderChanges(OrderFields, frozen=True, kw_only=True):
    """What `orders.update` changes. A field that is not given stays as it is, None clears it.

    The attributes are those of `OrderFields`.
    """


class NewOrder(OrderFields, frozen=True, kw_only=True):
    """An order to be created or imported. One with an `id` or `source_id` that exists is updated instead.

    Attributes:
        id: Voucherify's id of an order that exists.
        source_id: the merchant's id of the order. Give one: it makes creating the order repeatable.

    The other attributes are those of `OrderFields`; an import sets `created_at` to its own time.
    """

    id: Id | None | UnsetType = UNSET

    @property
    def key(self) -> str | None:
        """What the order is known by, `source_id` or else `id`; None if it has neither."""
        return self.source_id or self.id or None


# --- What the service has stored ----------------------------------------------------------------------------


class StoredAddress(Address, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """An `Address` as the service gives it back."""

    line_1: str | None = None
    line_2: str | None = None
    postal_code: str | None = None
    city: str | None = None
    state: str | None = None
    country: str | None = None


class StoredCustomer(Customer, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A `Customer` as the service gives it back: in an order, its id and little else."""

    id: str | None = None
    source_id: str | None = None
    name: str | None = None
    description: str | None = None
    email: str | None = None
    phone: str | None = None
    birthdate: str | None = None
    birthday: str | None = None
    address: StoredAddress | None = None
    metadata: Metadata | None = None
    object: str | None = None


class StoredProduct(Product, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A `Product` as the service gives it back."""

    id: str | None = None
    source_id: str | None = None
    name: str | None = None
    price: int | float | None = None
    metadata: Metadata | None = None
    override: bool | None = None


class StoredSku(Sku, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A `Sku` as the service gives it back."""

    id: str | None = None
    source_id: str | None = None
    sku: str | None = None
    price: int | float | None = None
    metadata: Metadata | None = None
    override: bool | None = None


class StoredItem(OrderItem, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """An `OrderItem` as the service gives it back, with what it worked out.

    Attributes:
        subtotal_amount: `amount` less the line's discounts.
        applied_discount_amount, applied_discount_quantity, applied_quantity, applied_quantity_amount: what
            redemptions did to this line.
    """

    id: str | None = None
    source_id: str | None = None
    related_object: str | None = None
    product_id: str | None = None
    sku_id: str | None = None
    quantity: int | None = None
    amount: int | None = None
    discount_amount: int | None = None
    price: int | None = None
    product: StoredProduct | None = None
    sku: StoredSku | None = None
    metadata: Metadata | None = None
    discount_quantity: int | None = None
    initial_quantity: int | None = None
    initial_amount: int | None = None
    subtotal_amount: int | None = None
    applied_discount_amount: int | None = None
    applied_discount_quantity: int | None = None
    applied_quantity: int | None = None
    applied_quantity_amount: int | None = None
    object: str | None = None


class OrderRedemption(Struct, frozen=True, kw_only=True, gc=False, repr_omit_defaults=True):
    """An incentive that was redeemed with an order, or rolled back."""

    date: AwareTime | None = None
    rollback_id: str | None = None
    rollback_date: AwareTime | None = None
    related_object_type: str | None = None
    related_object_id: str | None = None
    related_object_parent_id: str | None = None
    stacked: list[str] | None = None
    rollback_stacked: list[str] | None = None


class Order(Struct, frozen=True, kw_only=True, gc=False, repr_omit_defaults=True):
    """An order as the service has stored it.

    Attributes:
        id: Voucherify's id.
        source_id: the merchant's.
        status: `CREATED`, `PAID`, `CANCELED`, `FULFILLED`, or what the service may add.
        created_at, updated_at: aware datetimes.
        amount: the sum of the items, before discounts.
        discount_amount: taken off the whole order.
        items_discount_amount: taken off its items.
        total_discount_amount: both together.
        total_amount: what is left to pay.
        initial_amount: the sum of the items before anything was added to the order.
        applied_discount_amount, items_applied_discount_amount, total_applied_discount_amount: of one redemption.
        customer_id, referrer_id: Voucherify's ids.
        redemptions: by the id of each.
    """

    id: str
    source_id: str | None = None
    created_at: AwareTime | None = None
    updated_at: AwareTime | None = None
    status: str | None = None
    amount: int | None = None
    initial_amount: int | None = None
    discount_amount: int | None = None
    items_discount_amount: int | None = None
    total_discount_amount: int | None = None
    total_amount: int | None = None
    items: list[StoredItem] | None = None
    metadata: Metadata | None = None
    customer: StoredCustomer | None = None
    referrer: StoredCustomer | None = None
    customer_id: str | None = None
    referrer_id: str | None = None
    object: str | None = None
    redemptions: dict[str, OrderRedemption] | None = None
    applied_discount_amount: int | None = None
    items_applied_discount_amount: int | None = None
    total_applied_discount_amount: int | None = None


class OrderPage(Struct, frozen=True, kw_only=True, gc=False, repr_omit_defaults=True):
    """A page of the list of orders.

    Attributes:
        orders: at most 100.
        total: how many orders the project has.
    """

    orders: list[Order]
    total: int | None = None
    object: str | None = None
    data_ref: str | None = None


class OrderRow(Struct, frozen=True, kw_only=True, gc=False, repr_omit_defaults=True):
    """A row of an order export. A column that was not asked for is None, and so is an empty cell.

    Attributes:
        metadata: of the columns `metadata.X`, by X, as the strings they are, None for an empty cell; of the
            column `metadata`, its JSON decoded. Empty without either.
    """

    id: str | None = None
    source_id: str | None = None
    created_at: AwareTime | None = None
    updated_at: AwareTime | None = None
    status: str | None = None
    amount: int | None = None
    discount_amount: int | None = None
    items_discount_amount: int | None = None
    total_discount_amount: int | None = None
    total_amount: int | None = None
    customer_id: str | None = None
    referrer_id: str | None = None
    metadata: Metadata = {}
