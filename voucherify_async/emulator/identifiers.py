"""Ids, keys and tokens that look like the service's, made from a seed.

Each kind of random choice draws from a stream of its own, so that one more request (and its request id) does not
change the ids of the orders that follow, nor one more look at an export the tokens.
"""

from __future__ import annotations

import hashlib
import random
import string

__all__ = ["Identifiers", "chosen_seed", "download_token_holds", "seed_text"]

_ALPHANUMERIC = string.ascii_letters + string.digits


class Identifiers:
    """The source of everything random in one emulator.

    `opening` is how often its database file was opened before. The streams of each opening are others: what was
    given once does not come again, be it deleted since.
    """

    def __init__(self, seed: str, opening: int = 0) -> None:
        root = f"{seed}@{opening}" if opening else seed
        self._objects = random.Random(f"{root}/objects")  # noqa: S311 - made to be repeatable, protects nothing
        self._requests = random.Random(f"{root}/requests")  # noqa: S311 - as above
        self._keys = random.Random(f"{root}/keys")  # noqa: S311 - as above
        self._links = random.Random(f"{root}/links")  # noqa: S311 - as above
        self.chances = random.Random(f"{root}/chances")  # noqa: S311 - as above

    def object_id(self, prefix: str) -> str:
        """Such as `ord_v5vupdacgud1CwUSyKqSlHuk`."""
        return f"{prefix}_{''.join(self._objects.choices(_ALPHANUMERIC, k=24))}"

    def hex_id(self, prefix: str) -> str:
        """Such as `aa_0a875d56c805df6601` or `prod_0b7d7c4e814be5c502`."""
        return f"{prefix}_{self._objects.getrandbits(72):018x}"

    def request_id(self) -> str:
        """Such as `v-0baa1ad023d0656a84`."""
        return f"v-{self._requests.getrandbits(72):018x}"

    def uuid(self) -> str:
        """The shape of the service's keys."""
        digits = f"{self._keys.getrandbits(128):032x}"
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    def access_token(self) -> str:
        """An OAuth token of 50 characters, as in the document's example."""
        return "".join(self._keys.choices(_ALPHANUMERIC, k=50))

    def download_token(self, secret: str, export_id: str, expires_at: int) -> str:
        """A token that opens one export until a time, and that can be checked without being stored."""
        nonce = f"{self._links.getrandbits(64):016x}"
        return f"{expires_at}-{nonce}-{_seal(secret, export_id, expires_at, nonce)}"


def chosen_seed() -> str:
    """A seed for an emulator that was given none; it is told, so that it can be given another time."""
    return str(random.SystemRandom().getrandbits(64))


def seed_text(seed: int | str) -> str:
    """The seed as it is told and kept. Raises ValueError for one that cannot be written."""
    text = str(seed)
    text.encode()
    return text


def download_token_holds(token: str, secret: str, export_id: str, now: float) -> bool:
    """Whether this token opens this export now."""
    parts = token.split("-")
    if len(parts) != 3 or not parts[0].isascii() or not parts[0].isdigit():
        return False
    expires_at, nonce, seal = int(parts[0]), parts[1], parts[2]
    return now < expires_at and seal == _seal(secret, export_id, expires_at, nonce)


def _seal(secret: str, export_id: str, expires_at: int, nonce: str) -> str:
    return hashlib.sha256(f"{secret}/{export_id}/{expires_at}/{nonce}".encode()).hexdigest()[:32]
