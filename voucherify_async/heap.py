"""What the C library must be told, so that reading from a socket does not go through the kernel's memory maps.

asyncio reads into a fresh object of 256 KiB and shrinks it to what came (selector_events.py, `max_size`). glibc
takes blocks from 128 KiB on from the kernel, each by `mmap`, and gives them back by `munmap`: that and the page
faults in between were a third of what a call costs. It does so until a larger block of that kind is freed, and then
keeps smaller ones in its heap (mallopt(3), M_MMAP_THRESHOLD: the threshold is dynamic).
"""

from typing import Final

# More than asyncio reads at once. glibc keeps twice as much of what is freed at the end of its heap, at most: room
# for the answers of 64 calls with a page of orders each.
_BLOCK_BYTES: Final = 4 * 1024 * 1024


def keep_reads_in_the_heap() -> None:
    """Free a block that is larger than what asyncio reads into. It is never touched, so it takes no memory.

    It takes 20 µs, does nothing where the threshold is higher already or set by hand, and nothing to allocators
    that know no such threshold.
    """
    bytes(_BLOCK_BYTES)
