"""The recovery services' sign of life in the ledger's database: one row a host, overwritten.

Edge module. Nothing decides by these rows: they are for whoever asks whether anybody looks after dead processes. They
have the database's time, so that no two clocks are compared.
"""

from __future__ import annotations

import sqlalchemy as sa

from bq_copilot.leases_sql import SqlLeases, later

UPSERT = """INSERT INTO watchers VALUES (:holder, :version, :at)
       ON CONFLICT (holder) DO UPDATE SET version = excluded.version, seen_at = excluded.seen_at"""
FORGET = "DELETE FROM watchers WHERE seen_at < :before"

KEPT_DAYS = 30
"""Days for which a host that has gone is remembered."""


def note(ledger: SqlLeases, holder: str, version: str) -> None:
    """Say that the recovery service of this host lives now, with this version. Raises LedgerUnavailable."""
    with ledger.transaction() as c:
        at = ledger.stamp(c)
        c.execute(sa.text(UPSERT), {"holder": holder, "version": version, "at": at})
        c.execute(sa.text(FORGET), {"before": later(at, -KEPT_DAYS * 86_400)})
