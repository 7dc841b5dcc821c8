"""How many modules are loaded for the client, in a fresh interpreter."""

import subprocess
import sys
from typing import Final

_NEEDED: Final = "import aiohttp, anyio, msgspec"
_CLIENT: Final = "from voucherify_async import VoucherifyClient"


def count_modules() -> dict[str, float]:
    """Count this package's, and those of others that its dependencies would not have loaded."""
    loaded = _loaded_by(f"{_NEEDED}; {_CLIENT}") - _loaded_by(_NEEDED)
    own = {name for name in loaded if name.partition(".")[0] == "voucherify_async"}
    return {"own": len(own), "foreign": len(loaded - own)}


def _loaded_by(code: str) -> set[str]:
    command = [sys.executable, "-c", f"import sys; {code}; print(*sys.modules)"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
