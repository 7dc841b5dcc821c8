"""Programs that pip does not install, which are taken from Debian where that can be done."""

import os
import random
import shutil
import socket
import subprocess
from pathlib import Path

from benchmarks.peers import UnavailableError, run_or_give_up


def program_of(name: str, *, package: str) -> str:
    """Where a program is; it is installed if that can be done.

    Raises:
        UnavailableError: it is not there, and only an administrator of a Debian could install it.
    """
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])
    if (found := shutil.which(name, path=path)) is not None:
        return found
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise UnavailableError(f"{name} is not installed (Debian: apt-get install {package})")
    # Run level 1: it is not to be started as a service.
    environ = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    run_or_give_up(["apt-get", "update", "-qq"], stdout=subprocess.DEVNULL, **environ)
    install: list[str | Path] = ["apt-get", "install", "-qq", "-y", "--no-install-recommends", package]
    run_or_give_up(install, stdout=subprocess.DEVNULL, **environ)
    return shutil.which(name, path=path) or f"/usr/sbin/{name}"


def free_port(*, lasting: bool = False) -> int:
    """A port that nobody listens on just now.

    Args:
        lasting: for a server that is started again: not one that the system gives to connections meanwhile.
    """
    while True:
        with socket.socket() as one:
            try:
                one.bind(("127.0.0.1", random.randint(20_000, 30_000) if lasting else 0))
            except OSError:
                continue
            port: int = one.getsockname()[1]
            return port
