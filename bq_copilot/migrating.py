"""Bringing a ledger to this version's tables, with Alembic; saying where it stands.

Edge module. Decides: nothing; the scripts do. Never does: change or remove a row, or step down. Why this shape: one
transaction for all scripts, behind the same lock as the creation of tables, so two hosts that upgrade at once are one.
"""

from __future__ import annotations

import io
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from bq_copilot.ledger_schema import HEAD
from bq_copilot.ledger_sql import SqlLedger

SCRIPTS = Path(__file__).with_name("migrations")


def upgrade(url: str) -> tuple[str, str]:
    """Bring the ledger up to date: (revision before, revision after); empty for a ledger without a stamp."""
    ledger = SqlLedger(url, outdated=True)
    try:
        with ledger.exclusive() as connection:
            before = ledger.revision(connection) or ""
            if ledger.standing(connection) == "older":
                command.upgrade(_config(connection), "head")
            return before, ledger.revision(connection) or ""
    finally:
        ledger.close()


def stands(url: str) -> tuple[str, str, str]:
    """Return where the ledger stands: (its revision, this version's, `current`, `older` or `newer`)."""
    ledger = SqlLedger(url, outdated=True)
    try:
        with ledger.transaction(reads=True) as connection:
            return ledger.revision(connection) or "", HEAD, ledger.standing(connection)
    finally:
        ledger.close()


def as_sql(dialect: str, since: str) -> str:
    """Return the statements of an upgrade from `since` (empty: from nothing), for whoever may change the database."""
    config, text = _config(None), io.StringIO()
    config.output_buffer = text
    config.set_main_option("dialect", dialect)
    command.upgrade(config, f"{since or 'base'}:head", sql=True)
    return text.getvalue()


def _config(connection: sa.Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
