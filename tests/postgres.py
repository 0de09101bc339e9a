"""A PostgreSQL of the tests' own: a fresh cluster on a free loopback port, gone afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.waiting import until


def binaries() -> Path | None:
    """Return the folder of the newest installed server, None when there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    named = shutil.which("initdb")
    return found[-1].parent if found else (Path(named).parent if named else None)


@contextmanager
def cluster() -> Generator[str]:
    """Yield the SQLAlchemy URL of a running server's database."""
    bin_ = binaries()
    assert bin_ is not None
    who = {"user": "postgres"} if os.geteuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="bqc-pg-", dir="/tmp"))
    if who:
        shutil.chown(folder, "postgres")
    port = _free_port()
    quiet = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **who}
    init = [bin_ / "initdb", "-D", folder / "data", "-A", "trust", "-U", "copilot", "--no-sync", "-E", "UTF8"]
    subprocess.run(init, check=True, **quiet)
    options = ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}", "-p", str(port)]
    server = subprocess.Popen([bin_ / "postgres", "-D", folder / "data", *options], **quiet)
    try:
        until(lambda: _answers(port), 20)
        yield f"postgresql+psycopg://copilot@127.0.0.1:{port}/postgres"
    finally:
        server.send_signal(signal.SIGINT)  # a fast shutdown: it does not wait for clients to leave
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
        shutil.rmtree(folder, ignore_errors=True)


def _answers(port: int) -> bool:
    import psycopg

    try:
        psycopg.connect(f"host=127.0.0.1 port={port} user=copilot dbname=postgres", connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
