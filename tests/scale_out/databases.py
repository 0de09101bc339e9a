"""The Prefect server's database on a PostgreSQL of the tests': migrated once per version, then restored from a dump."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import psycopg
import sqlalchemy as sa

from deployments.local.files import exclusive
from deployments.local.prepared import MIGRATE
from deployments.local.sandbox_environment import cache_dir
from tests import postgres

SECONDS = 180.0
"""Seconds that one process waits for another one that makes the dump."""


def create(url: str, name: str) -> str:
    """Make a database on the server of `url`; return its SQLAlchemy URL."""
    with psycopg.connect(_plain(url), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    return sa.make_url(url).set(database=name).render_as_string(hide_password=False)


def prefect(url: str) -> str:
    """Make a migrated, never served Prefect database; return the URL that the server takes."""
    made = create(url, "prefect")
    dump = _dump(url)
    restore = [_program("psql"), "-q", "-X", "-d", _plain(made), "-f", dump]
    subprocess.run(restore, check=True, stdout=subprocess.DEVNULL)
    return _asynchronous(made)


def _dump(url: str) -> Path:
    """The dump of the installed Prefect version's tables, made on first use (10-20 s)."""
    path = cache_dir() / f"prefect-{version('prefect')}.postgresql-{_server_version(url)}.sql"
    path.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(path.with_suffix(".lock"), SECONDS):
        if not path.exists():
            _migrate_into(path, create(url, "template"))
    return path


def _migrate_into(path: Path, url: str) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        made = Path(folder) / "dump.sql"
        environ = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
        environ |= {"PREFECT_HOME": folder, "DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
        environ |= {"PREFECT_SERVER_DATABASE_CONNECTION_URL": _asynchronous(url)}
        subprocess.run([sys.executable, "-c", MIGRATE], env=environ, check=True, cwd=folder)
        subprocess.run([_program("pg_dump"), "--no-owner", "-f", made, "-d", _plain(url)], check=True)
        made.replace(path)


def _server_version(url: str) -> str:
    with psycopg.connect(_plain(url)) as connection:
        return str(connection.info.server_version // 10_000)


def _program(name: str) -> str:
    folder = postgres.binaries()
    assert folder is not None
    return str(folder / name)


def _plain(url: str) -> str:
    return sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def _asynchronous(url: str) -> str:
    return sa.make_url(url).set(drivername="postgresql+asyncpg").render_as_string(hide_password=False)
