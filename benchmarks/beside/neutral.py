"""The server that is measured against: nginx with fixed answers, on a core of its own; or the stand-in."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from string import Template

from benchmarks.beside.answers import LIST, ONE
from benchmarks.peers import ROOT, UnavailableError
from benchmarks.system import free_port, program_of

_CONFIGURATION = Template("""
daemon off;
worker_processes 1;
pid $folder/nginx.pid;
error_log $folder/error.log;
$user
events { worker_connections 8192; multi_accept on; }
http {
    access_log off;
    default_type application/json;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    tcp_nodelay on;
    open_file_cache max=10 inactive=1h;
    client_body_temp_path $folder/body;
    proxy_temp_path $folder/proxy;
    fastcgi_temp_path $folder/fastcgi;
    uwsgi_temp_path $folder/uwsgi;
    scgi_temp_path $folder/scgi;
    server {
        listen 127.0.0.1:$port backlog=4096;
        root $folder;
        location = /v1/orders {
            if ($$request_method = POST) { return 200 '$one'; }
            try_files /page.json =404;
        }
        location /v1/orders/ { return 200 '$one'; }
    }
}
""")


def configuration(folder: Path, port: int, *, root: bool) -> str:
    """Of nginx: unlimited keep-alive, no log, one process."""
    # Its processes could not read the folder otherwise.
    user = "user root;" if root else ""
    return _CONFIGURATION.substitute(folder=folder, port=port, one=ONE.decode(), user=user)


def cores() -> tuple[list[str], list[str]]:
    """What to put in front of the server's command and of a client's, so that each has a core of its own."""
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(allowed) < 2 or shutil.which("taskset") is None:
        return [], []
    return ["taskset", "-c", str(allowed[1])], ["taskset", "-c", str(allowed[0])]


@contextmanager
def neutral() -> Iterator[tuple[str, str]]:
    """The address of a server that answers at once, and what it is."""
    try:
        program = program_of("nginx", package="nginx-light")
    except UnavailableError as error:
        print(f"Not nginx, but a stand-in in Python, which is slower: {error}", file=sys.stderr)
        with standin(0) as url:
            yield url, "stand-in"
        return
    version = subprocess.run([program, "-v"], capture_output=True, check=True, text=True).stderr.strip()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        port = free_port()
        (folder / "page.json").write_bytes(LIST)
        (folder / "nginx.conf").write_text(configuration(folder, port, root=os.geteuid() == 0))
        command = [*cores()[0], program, "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
        with subprocess.Popen(command) as process:
            try:
                _await_port(port, process)
                yield f"http://127.0.0.1:{port}", version.rpartition(": ")[2]
            finally:
                process.terminate()


@contextmanager
def standin(milliseconds: float, python: Path | None = None) -> Iterator[str]:
    """The address of one that takes so long for each answer; `python` runs it, or else this interpreter."""
    command = [*cores()[0], str(python or sys.executable), "-m", "benchmarks.beside.standin", str(milliseconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def _await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        if process.poll() is not None:
            break
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise UnavailableError(f"nginx does not answer at port {port}")
