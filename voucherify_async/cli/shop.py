"""Orders as a shop would have them, made up from a seed: the same seed, the same orders."""

import datetime
import random
from collections.abc import Iterator
from typing import Final

from msgspec import UNSET

from voucherify_async import Customer, NewOrder, OrderItem, Product

__all__ = ["shop_orders"]

OPENING: Final = datetime.datetime(2025, 11, 3, 8, 0, tzinfo=datetime.UTC)

# One order in so many is a dealer's, with nearly as many lines as the API takes.
DEALER_EVERY: Final = 1500
DEALER_LINES: Final = (480, 500)

_PRODUCTS: Final = (
    "Kerzenhalter „Füchse“, 3er-Set",
    'Picture frame 5" x 7", oak',
    "Moules à crème brûlée, lot de 6",
    "Śliwki w czekoladzie 250 g",
    "Cojín bordado Peñíscola",
    "Smörgåsbricka, björk",
    "抹茶碗",
    "Кружка эмалированная 0,4 л",
    "Tea towel 'Grüezi'",
    "Lantern, brass; glass sides",
    "Gift voucher £20",
    "Piñata llama \N{PARTY POPPER}",
    "Şekerlik, gümüş",
    "Door stop",
)
_COUNTRIES: Final = ("Deutschland", "United Kingdom", "France", "Polska", "España", "Österreich", "Türkiye", "日本")
_CHANNELS: Final = ("web", "app", "store", "phone")
_CHANNEL_WEIGHTS: Final = (60, 25, 10, 5)
_STATUSES: Final = ("CREATED", "PAID", "FULFILLED", "CANCELED")
_STATUS_WEIGHTS: Final = (8, 40, 47, 5)
_QUANTITIES: Final = (1, 2, 3, 6, 12, 24, 144)
_QUANTITY_WEIGHTS: Final = (50, 20, 10, 8, 7, 4, 1)


def shop_orders(count: int, seed: int) -> Iterator[NewOrder]:
    """Make up orders that differ from each other as real ones do.

    Some customers are unknown, some lines cost nothing, a few orders were canceled, and now and then one has
    nearly 500 lines. Amounts are in the smallest unit of the currency.

    Args:
        count: how many; fewer of the same seed are the first of more.
        seed: which ones.
    """
    chance = random.Random(seed)  # noqa: S311 - for variety, not for secrets
    moment = OPENING
    for number in range(1, count + 1):
        moment += datetime.timedelta(seconds=chance.randint(1, 400))
        if number % DEALER_EVERY == DEALER_EVERY // 2:
            line_count = chance.randint(*DEALER_LINES)
        else:
            line_count = min(1 + int(chance.expovariate(1 / 7)), 60)
        lines = [_line(chance) for _ in range(line_count)]
        yield NewOrder(
            source_id=f"shop-{seed}-{number}",
            status=chance.choices(_STATUSES, _STATUS_WEIGHTS)[0],
            amount=sum(amount for _, amount in lines),
            items=[item for item, _ in lines],
            created_at=moment,
            customer=UNSET if chance.random() < 0.2 else Customer(source_id=f"customer-{chance.randint(1, 800)}"),
            metadata={
                "channel": chance.choices(_CHANNELS, _CHANNEL_WEIGHTS)[0],
                "country": chance.choice(_COUNTRIES),
            },
        )


def _line(chance: random.Random) -> tuple[OrderItem, int]:
    product = chance.randrange(len(_PRODUCTS))
    variant = chance.randrange(1, 40)
    quantity = chance.choices(_QUANTITIES, _QUANTITY_WEIGHTS)[0]
    price = 0 if chance.random() < 0.01 else chance.randint(1, 40) * 50 - 1 + product
    item = OrderItem(
        source_id=f"sku-{product:02}-{variant:02}",
        related_object="product",
        product=Product(name=f"{_PRODUCTS[product]}, No. {variant}"),
        quantity=quantity,
        price=price,
    )
    return item, price * quantity
