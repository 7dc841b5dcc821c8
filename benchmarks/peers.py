"""Other vendors' clients, each installed into an environment of its own under `.peers`."""

import subprocess
import sys
from pathlib import Path

OFFICIAL_SDK = "6.1.1"
HOME = Path(__file__).parents[1] / ".peers"


def official_sdk_python() -> Path:
    """An interpreter that has Voucherify's own SDK; its environment is made once."""
    home = HOME / f"voucherify-{OFFICIAL_SDK}"
    python = home / "bin" / "python"
    ready = home / ".installed"
    if not ready.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", f"voucherify=={OFFICIAL_SDK}"], check=True)
        ready.touch()
    return python
