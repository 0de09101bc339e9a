"""The leases of the SQL ledger: who may run which run, until when, by the database's clock.

Edge module, a part of `SqlLedger`. Liveness across hosts is nothing but `expires_at`; a token only ever grows.
"""

from __future__ import annotations

from abc import abstractmethod
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from bq_copilot.ledger import Lease


class SqlLeases:
    """Takes, renews and ends leases in the database of a ledger."""

    @abstractmethod
    def transaction(self, *, reads: bool = False) -> AbstractContextManager[sa.Connection]:
        """Open a transaction. Raises LedgerUnavailable."""

    @abstractmethod
    def stamp(self, c: sa.Connection) -> str:
        """Return the database's clock as events have it."""

    def take_lease(self, run_id: str, holder: str, seconds: float) -> Lease | None:
        """Take the run when nobody holds it or the holder's lease is over."""
        upsert = sa.text(
            """INSERT INTO leases VALUES (:run_id, :holder, 1, :until)
               ON CONFLICT (run_id) DO UPDATE SET holder = :holder, token = leases.token + 1, expires_at = :until
               WHERE leases.expires_at < :now"""
        )
        with self.transaction() as c:
            now = self.stamp(c)
            until = later(now, seconds)
            values = {"run_id": run_id, "holder": holder, "until": until, "now": now}
            if c.execute(upsert, values).rowcount != 1:
                return None
            token = c.execute(sa.text("SELECT token FROM leases WHERE run_id = :r"), {"r": run_id}).scalar_one()
        return Lease(run_id, holder, token, datetime.fromisoformat(until))

    def renew_lease(self, lease: Lease, seconds: float) -> bool:
        """Keep the run; False when somebody took it."""
        update = sa.text("UPDATE leases SET expires_at = :until WHERE run_id = :run_id AND token = :token")
        with self.transaction() as c:
            until = later(self.stamp(c), seconds)
            values = {"until": until, "run_id": lease.run_id, "token": lease.token}
            return c.execute(update, values).rowcount == 1

    def release_lease(self, run_id: str, token: int) -> None:
        """End the lease now; the token stays, so that the next one is higher."""
        update = sa.text("UPDATE leases SET expires_at = '', holder = '' WHERE run_id = :run_id AND token = :token")
        with self.transaction() as c:
            c.execute(update, {"run_id": run_id, "token": token})

    def lease_of(self, run_id: str) -> Lease | None:
        """Return the lease of a run, over or not; None when nobody holds it."""
        return next((lease for lease in self.leases() if lease.run_id == run_id), None)

    def leases(self) -> list[Lease]:
        """Return all leases that are held, over or not."""
        query = sa.text("SELECT run_id, holder, token, expires_at FROM leases WHERE expires_at <> ''")
        with self.transaction(reads=True) as c:
            return [Lease(r[0], r[1], r[2], datetime.fromisoformat(r[3])) for r in c.execute(query)]


def later(stamp: str, seconds: float) -> str:
    """Return the stamp of so many seconds after another one, before it when they are negative."""
    return stamp_of(datetime.fromisoformat(stamp) + timedelta(seconds=seconds))


def stamp_of(moment: datetime) -> str:
    """Return a moment as the ledger writes it: UTC, to the microsecond, so that texts sort as the moments do."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
