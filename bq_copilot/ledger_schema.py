"""The ledger's tables, one step for each revision, and what the revision of a database means for this version.

Decides: which statements make which revision, and whether a ledger may be opened. Never does: speak to a database.
Why this shape: the first opening of an empty database must not load Alembic, and an upgrade must come to the same
tables; so the statements stand here once, and Alembic's scripts execute them. A step is never changed once it was
released, and only adds tables or indexes: processes of the version before go on beside an upgraded ledger.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

VERSION_TABLE = "ledger_version"

STEPS: dict[str, tuple[str, ...]] = {
    "0001": (
        """CREATE TABLE IF NOT EXISTS events (
            run_id TEXT NOT NULL, seq INTEGER NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL,
            at TEXT NOT NULL, prev_hash TEXT NOT NULL, hash TEXT NOT NULL, PRIMARY KEY (run_id, seq))""",
        """CREATE TABLE IF NOT EXISTS heads (
            run_id TEXT PRIMARY KEY, seq INTEGER NOT NULL, phase TEXT NOT NULL, question TEXT NOT NULL,
            requester TEXT NOT NULL, received_at TEXT NOT NULL, updated_at TEXT NOT NULL,
            expires_at TEXT NOT NULL DEFAULT '', flow_run_id TEXT NOT NULL DEFAULT '')""",
        "CREATE INDEX IF NOT EXISTS heads_by_phase ON heads (phase, received_at)",
        "CREATE INDEX IF NOT EXISTS heads_by_age ON heads (received_at)",
        "CREATE INDEX IF NOT EXISTS events_rated ON events (kind, at) WHERE kind = 'answer_rated'",
        "CREATE INDEX IF NOT EXISTS events_of_follow_ups ON events (run_id) WHERE kind = 'follow_up_requested'",
        """CREATE TABLE IF NOT EXISTS leases (
            run_id TEXT PRIMARY KEY, holder TEXT NOT NULL, token INTEGER NOT NULL, expires_at TEXT NOT NULL)""",
        """CREATE TABLE IF NOT EXISTS signatures (
            run_id TEXT PRIMARY KEY, seq INTEGER NOT NULL, hash TEXT NOT NULL, key TEXT NOT NULL,
            signature TEXT NOT NULL)""",
        """CREATE TABLE IF NOT EXISTS spending (
            run_id TEXT PRIMARY KEY, requester TEXT NOT NULL, day TEXT NOT NULL,
            turns INTEGER NOT NULL, tokens INTEGER NOT NULL, usd REAL NOT NULL, bytes BIGINT NOT NULL,
            seconds REAL NOT NULL, held_turns INTEGER NOT NULL, held_tokens INTEGER NOT NULL, held_usd REAL NOT NULL,
            held_bytes BIGINT NOT NULL)""",
        "CREATE INDEX IF NOT EXISTS spending_by_day ON spending (day, requester)",
        """CREATE TABLE IF NOT EXISTS circuits (
            provider TEXT PRIMARY KEY, failures INTEGER NOT NULL, open_until TEXT NOT NULL DEFAULT '')""",
    ),
    "0002": (
        """CREATE TABLE IF NOT EXISTS pruned_rows (
            run_id TEXT NOT NULL, seq INTEGER NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL,
            at TEXT NOT NULL, prev_hash TEXT NOT NULL, hash TEXT NOT NULL, PRIMARY KEY (run_id, seq))""",
        "CREATE INDEX IF NOT EXISTS pruned_runs ON pruned_rows (run_id) WHERE kind = 'pruned'",
    ),
    "0003": (
        """CREATE TABLE IF NOT EXISTS progress (
            run_id TEXT PRIMARY KEY, turn INTEGER NOT NULL, tool TEXT NOT NULL, characters INTEGER NOT NULL)""",
    ),
    "0004": (
        """CREATE TABLE IF NOT EXISTS watchers (
            holder TEXT PRIMARY KEY, version TEXT NOT NULL, seen_at TEXT NOT NULL)""",
    ),
}
"""Revision -> the statements that make it from the one before; the first one also completes ledgers without a stamp."""

HEAD = list(STEPS)[-1]

CREATE_VERSION = f"""CREATE TABLE IF NOT EXISTS {VERSION_TABLE} (
    version_num VARCHAR(32) NOT NULL, CONSTRAINT {VERSION_TABLE}_pkc PRIMARY KEY (version_num))"""
"""Alembic's own table, under our name."""

STAMP = f"INSERT INTO {VERSION_TABLE} (version_num) VALUES (:revision)"  # noqa: S608 - constant
READ = f"SELECT version_num FROM {VERSION_TABLE}"  # noqa: S608 - constant

_NAMED = f"IN ('events', '{VERSION_TABLE}')"

PRESENT = {
    "sqlite": f"SELECT name FROM sqlite_master WHERE type = 'table' AND name {_NAMED}",  # noqa: S608 - constant
    "postgresql": f"SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename {_NAMED}",  # noqa: S608
}
"""Which of the two tables there are, by dialect."""

Standing = Literal["empty", "older", "current", "newer"]


def standing(tables: Collection[str], revision: str | None) -> Standing:
    """Say where a database stands that has these of the two tables and this stamp."""
    if revision is None:
        return "older" if "events" in tables else "empty"
    if revision == HEAD:
        return "current"
    return "older" if revision in STEPS else "newer"


def all_statements() -> list[str]:
    """Every statement of every step, for an empty database."""
    return [CREATE_VERSION, *(statement for step in STEPS.values() for statement in step)]
