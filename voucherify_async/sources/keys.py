"""Which keys came already, of any number of orders: pure."""

from array import array
from bisect import bisect_left
from hashlib import blake2b
from typing import Final

_BUCKETS: Final = 4096


class SeenKeys:
    """Remembers keys by 64 bits of a digest: 11 bytes each, where a set takes several times that.

    Among a million keys, two have the same 64 bits once in 37 million such files; the second one is refused then.
    """

    def __init__(self) -> None:
        self._buckets = [array("Q") for _ in range(_BUCKETS)]

    def add(self, key: str) -> bool:
        """Remember a key. Returns whether it is new."""
        digest = int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big")
        bucket = self._buckets[digest % _BUCKETS]
        place = bisect_left(bucket, digest)
        if place < len(bucket) and bucket[place] == digest:
            return False
        bucket.insert(place, digest)
        return True
