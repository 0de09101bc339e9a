"""What can be seen of a ledger's database from outside: its place, its tables, how it keeps what is committed.

Edge module. Decides: nothing. Never does: write; it opens a file read only, and a PostgreSQL in a read-only
transaction, so that looking at an empty database leaves it empty. Why not `SqlLedger`: that one makes tables where
there are none.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from bq_copilot import phases
from bq_copilot.errors import LedgerUnavailable, Refused
from bq_copilot.ledger_reader import sqlite_path
from bq_copilot.ledger_schema import HEAD, PRESENT, READ, VERSION_TABLE, Standing, standing
from bq_copilot.ledger_sql import NOW

PATIENCE = 5
"""Seconds until a database that does not answer counts as down; statements have as long."""

SETTINGS = ("fsync", "synchronous_commit", "full_page_writes", "server_version", "server_version_num")

SEEN = "SELECT holder, version, seen_at FROM watchers ORDER BY seen_at DESC LIMIT 50"
OPEN = """SELECT phase, COUNT(*), MIN(updated_at), MIN(CASE WHEN expires_at = '' THEN NULL ELSE expires_at END)
    FROM heads GROUP BY phase"""
LEASES = """SELECT MIN(l.expires_at) FROM leases l JOIN heads h ON h.run_id = l.run_id
    WHERE l.expires_at <> '' AND h.phase IN :moving"""
SIGNED = "SELECT s.key FROM signatures s JOIN heads h ON h.run_id = s.run_id ORDER BY h.updated_at DESC LIMIT 1"
CIRCUITS = "SELECT provider, open_until FROM circuits WHERE open_until <> ''"


@dataclass(frozen=True, slots=True)
class Runs:
    """The runs in one phase."""

    runs: int
    moved_at: datetime
    """When the one that has rested longest moved last."""
    due_at: datetime | None = None
    """When the first of them expires, or should have."""


@dataclass(frozen=True, slots=True)
class Watcher:
    """A recovery service that has told the ledger that it lives."""

    holder: str
    version: str
    seen_at: datetime


@dataclass(frozen=True)
class LedgerFacts:
    """One look at a ledger's database."""

    dialect: str
    now: datetime
    """Its clock."""
    here: datetime
    """This machine's clock at the same moment."""
    stands: Standing
    revision: str
    wanted: str = HEAD
    settings: dict[str, str] = field(default_factory=dict[str, str])
    """PostgreSQL's, as far as they say what survives a crash; empty for SQLite."""
    may_insert: bool = True
    standby: bool = False
    encrypted: bool = True
    """False when a connection over the network is in clear."""
    phases: dict[str, Runs] = field(default_factory=dict[str, Runs])
    lease_over: datetime | None = None
    """When that lease of a moving run ends, or has ended, which ends first; None when none is held."""
    signed_with: str = ""
    """The key of the newest signed head; empty when none is signed."""
    watchers: tuple[Watcher, ...] = ()
    circuits: dict[str, datetime] = field(default_factory=dict[str, datetime])
    """Providers that nobody asks until then."""


def look(url: str, clock: Callable[[], datetime]) -> LedgerFacts:
    """Look once; `clock` is this machine's, for comparison alone.

    Raises LedgerUnavailable, or Refused for an address that is none.
    """
    with _reading(url) as c:
        dialect = c.dialect.name
        now, here = _time(c.execute(sa.text(f"SELECT {NOW[dialect]}")).scalar_one()), clock()
        tables = set(c.execute(sa.text(PRESENT[dialect])).scalars())
        revision = str(c.execute(sa.text(READ)).scalar() or "") if VERSION_TABLE in tables else ""
        stands = standing(tables, revision or None)
        server = _postgresql(c, "events" in tables) if dialect == "postgresql" else {}
        rows = _rows(c) if stands in {"current", "newer"} else {}
        return LedgerFacts(dialect, now, here, stands, revision, **server, **rows)


@contextmanager
def _reading(url: str) -> Generator[sa.Connection]:
    try:
        engine = _engine(url)
    except (SQLAlchemyError, ImportError, ValueError) as error:
        raise Refused("The ledger's address cannot be read.", code="bad_ledger_url", next=NEXT_URL) from error
    try:
        with engine.connect() as c, c.begin():
            if c.dialect.name == "postgresql":
                c.execute(sa.text("SET TRANSACTION READ ONLY"))
                c.execute(sa.text(f"SET LOCAL statement_timeout = {PATIENCE * 1000}"))
            yield c
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        lines = str(cause).strip().splitlines()
        raise LedgerUnavailable(
            f"the ledger's database does not answer ({lines[0] if lines else type(cause).__name__})",
            next="Start it, or correct `url` of the Ledger Store block.",
        ) from error
    finally:
        engine.dispose()


NEXT_URL = "Correct `url` of the Ledger Store block, or BQ_COPILOT_LEDGER_URL: postgresql+psycopg://USER@HOST/NAME."


def _engine(url: str) -> sa.Engine:
    path = sqlite_path(url)
    if path is not None:
        return sa.create_engine(
            f"sqlite:///file:{quote(str(path))}?mode=ro&uri=true", connect_args={"timeout": PATIENCE}
        )
    return sa.create_engine(url, connect_args={"connect_timeout": PATIENCE})


def _postgresql(c: sa.Connection, has_events: bool) -> dict[str, Any]:
    shown = {name: str(c.execute(sa.text(f"SHOW {name}")).scalar_one()) for name in SETTINGS}
    granted = c.execute(sa.text("SELECT has_table_privilege('events', 'INSERT')")).scalar_one() if has_events else True
    clear = "SELECT NOT ssl AND NOT (client_addr <<= '127.0.0.0/8' OR client_addr = '::1')"
    over = f"{clear} FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE pid = pg_backend_pid()"
    return {
        "settings": shown,
        "may_insert": bool(granted),
        "standby": bool(c.execute(sa.text("SELECT pg_is_in_recovery()")).scalar_one()),
        "encrypted": not c.execute(sa.text(over)).scalar(),
    }


def _rows(c: sa.Connection) -> dict[str, Any]:
    moving = sa.text(LEASES).bindparams(sa.bindparam("moving", expanding=True))
    over = c.execute(moving, {"moving": sorted(set(phases.Phase) - phases.TERMINAL - phases.WAITING)}).scalar()
    found = {
        str(name): Runs(int(runs), _time(moved), _time(due) if due else None)
        for name, runs, moved, due in c.execute(sa.text(OPEN))
    }
    return {
        "phases": found,
        "lease_over": _time(over) if over else None,
        "signed_with": str(c.execute(sa.text(SIGNED)).scalar() or ""),
        "watchers": tuple(Watcher(str(h), str(v), _time(at)) for h, v, at in c.execute(sa.text(SEEN))),
        "circuits": {str(provider): _time(until) for provider, until in c.execute(sa.text(CIRCUITS))},
    }


def _time(text: Any) -> datetime:
    return datetime.fromisoformat(str(text))
