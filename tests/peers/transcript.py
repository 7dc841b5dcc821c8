"""What a foreign client told of its way through the emulator, made the same for every run, and what is kept of it.

`make peers RENEW=yes` keeps what the clients tell now; read the difference before you commit it.
"""

import difflib
import json
import os
import re
from pathlib import Path
from typing import Any, Final

KEPT: Final = Path(__file__).with_name("transcripts")
RENEW: Final = "RENEW"

_IDS: Final = re.compile(r"(?P<kind>ord|cust|prod|sku|exp)_[A-Za-z0-9]{18,24}|aa_[0-9a-f]{18}")
_CHANCE: Final = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)"), "<time>"),
    (re.compile(r"token=\d+-[0-9a-f]{16}-[0-9a-f]{32}"), "token=<token>"),
    (re.compile(r"v-[0-9a-f]{18}"), "<request>"),
    (re.compile(r'(?<="access_token": ")\w{50}(?=")'), "<token>"),
    (re.compile(r'(?<="expires_at": )\d+'), '"<time>"'),
    # Some seconds may have gone by.
    (re.compile(r'(?<="expires_in": )(?:900|89\d)\b'), "900"),
    (re.compile(r'(?<="processing_time": )\d+'), '"<milliseconds>"'),
)


def told_of(printed: str, names: dict[str, str]) -> str:
    """What was printed, without what chance and the clock make different.

    Args:
        printed: a line of JSON for each call.
        names: what stands for values of this run, such as its URL.

    Returns:
        As many lines, with sorted keys. An id is called by its kind and by when it was first seen, so that it still
        shows what belongs together.
    """
    text = "".join(json.dumps(json.loads(line), sort_keys=True) + "\n" for line in printed.splitlines())
    for value, name in names.items():
        text = text.replace(value, name)
    for pattern, name in _CHANCE:
        text = pattern.sub(name, text)
    seen: dict[str, str] = {}
    for found in _IDS.finditer(text):
        seen.setdefault(found[0], f"<{found['kind'] or 'aa'} {len(seen) + 1}>")
    return _IDS.sub(lambda found: seen[found[0]], text)


def difference(name: str, told: str) -> str:
    """How this differs from what is kept under this name, as a unified diff; nothing if it does not.

    With `RENEW` in the environment it is kept instead.
    """
    file = KEPT / f"{name}.jsonl"
    if os.environ.get(RENEW):
        file.write_text(told, encoding="utf-8")
    kept = file.read_text(encoding="utf-8")
    return "\n".join(difflib.unified_diff(kept.splitlines(), told.splitlines(), "kept", "told", n=0, lineterm=""))


def lines_of(told: str) -> list[dict[str, Any]]:
    """The calls, one by one."""
    return [json.loads(line) for line in told.splitlines()]
