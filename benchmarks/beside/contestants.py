"""Who is measured, with which interpreter, and beside whom."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks import peers

CONCURRENCIES: Final = (1, 64, 512)
BARE: Final = "aiohttp and msgspec by hand"
BARE_UVLOOP: Final = f"{BARE}, uvloop"
OURS: Final = "voucherify_async"
OURS_UVLOOP: Final = f"{OURS}, uvloop"
TUNED: Final = f"{BARE}, tuned"
TUNED_UVLOOP: Final = f"{TUNED}, uvloop"
KEPT: Final = f"{BARE}, blocks kept"
OFFICIAL: Final = "official SDK, 32 threads"
GENERATED: Final = "openapi-generator, asyncio"
# In bytes, see mallopt(3).
_BLOCKS_KEPT: Final = {"MALLOC_MMAP_THRESHOLD_": "4194304", "MALLOC_TRIM_THRESHOLD_": "8388608"}


class Contestant(NamedTuple):
    """A client as it is run.

    Attributes:
        client: the module of `clients`.
        python: gives the interpreter, or raises `UnavailableError`.
        uvloop: whether it runs on uvloop.
        beside: whose figures its ratios are taken over.
        concurrencies: at which it is measured.
        environ: what is set for its process.
    """

    client: str
    python: Callable[[], Path]
    uvloop: bool = False
    beside: str = BARE
    concurrencies: tuple[int, ...] = CONCURRENCIES
    environ: Mapping[str, str] = {}


CONTESTANTS: Final[dict[str, Contestant]] = {
    BARE: Contestant("bare", peers.bare_python),
    OURS: Contestant("ours", peers.bare_python),
    TUNED: Contestant("tuned", peers.bare_python),
    # Like a process that has freed a large block before, by chance or as this client does (`heap.py`).
    KEPT: Contestant("bare", peers.bare_python, environ=_BLOCKS_KEPT),
    BARE_UVLOOP: Contestant("bare", peers.bare_python, uvloop=True, beside=BARE_UVLOOP),
    OURS_UVLOOP: Contestant("ours", peers.bare_python, uvloop=True, beside=BARE_UVLOOP),
    TUNED_UVLOOP: Contestant("tuned", peers.bare_python, uvloop=True, beside=BARE_UVLOOP),
    "official SDK, one thread": Contestant("official", peers.official_sdk_python, concurrencies=(1,)),
    # As many threads for 64 calls as for 512: more make it slower.
    OFFICIAL: Contestant("official", peers.official_sdk_python, concurrencies=(64, 512)),
    GENERATED: Contestant("generated", peers.generated_client_python),
    "httpx and pydantic": Contestant("httpx_pydantic", peers.httpx_python),
    "floor: asyncio.Protocol by hand": Contestant("floor", peers.bare_python),
    "floor, uvloop": Contestant("floor", peers.bare_python, uvloop=True, beside=BARE_UVLOOP),
}
