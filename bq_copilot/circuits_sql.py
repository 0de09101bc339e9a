"""The circuits in the ledger's database: one row a provider, changed in one transaction by the database's clock.

Edge module. Nothing of a run depends on these rows: lost ones only mean that a provider is asked once more.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast, get_args

import sqlalchemy as sa

from bq_copilot.circuits import Circuit, Provider, admits, closed, failed
from bq_copilot.ledger_sql import SqlLedger

ROW = "INSERT INTO circuits VALUES (:provider, 0, '') ON CONFLICT (provider) DO NOTHING"


class SqlCircuits:
    """The Circuits port over the database of a SqlLedger."""

    def __init__(self, ledger: SqlLedger) -> None:
        self._ledger = ledger
        with ledger.transaction() as c:
            for provider in get_args(Provider):
                c.execute(sa.text(ROW), {"provider": provider})

    def ask(self, provider: Provider) -> Circuit | None:
        """Return None when the provider may be asked now, else its open circuit."""
        with self._ledger.transaction(reads=True) as c:
            circuit = self._read(c, provider)
        if circuit.open_until is None:
            return None
        with self._ledger.transaction() as c:
            circuit = self._read(c, provider, lock=True)
            may, after = admits(circuit, self._ledger.clock(c))
            self._write(c, circuit, after)
        return None if may else circuit

    def note(self, provider: Provider, *, ok: bool) -> None:
        """Record one success or failure; a success after a success writes nothing."""
        if ok:
            with self._ledger.transaction(reads=True) as c:
                if self._read(c, provider).failures == 0:
                    return
        with self._ledger.transaction() as c:
            circuit = self._read(c, provider, lock=True)
            self._write(c, circuit, closed(circuit) if ok else failed(circuit, self._ledger.clock(c)))

    def _read(self, c: sa.Connection, provider: Provider, *, lock: bool = False) -> Circuit:
        suffix = " FOR UPDATE" if lock and c.dialect.name == "postgresql" else ""
        query = sa.text(f"SELECT failures, open_until FROM circuits WHERE provider = :p{suffix}")  # noqa: S608 - constant
        failures, until = cast("tuple[Any, Any]", c.execute(query, {"p": provider}).one())
        return Circuit(provider, int(failures), datetime.fromisoformat(until) if until else None)

    def _write(self, c: sa.Connection, before: Circuit, after: Circuit) -> None:
        if after == before:
            return
        until = after.open_until.isoformat() if after.open_until else ""
        update = sa.text("UPDATE circuits SET failures = :f, open_until = :u WHERE provider = :p")
        c.execute(update, {"f": after.failures, "u": until, "p": after.provider})
