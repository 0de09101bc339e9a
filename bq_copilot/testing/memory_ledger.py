"""A ledger in a list, with a clock that moves only when it is told to."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from bq_copilot import budgets
from bq_copilot.budgets import Spending
from bq_copilot.canonical import canonical_json
from bq_copilot.errors import Superseded
from bq_copilot.events import EVENT, Event, Recorded
from bq_copilot.ledger import Accept, HeadMoved, Lease, RunHead
from bq_copilot.receipts import GENESIS, Row, seal
from bq_copilot.state import RunState


class MemoryLedger:
    """The Ledger port; thread-safe, rows and hashes as in the SQL ledger."""

    def __init__(self, start: datetime = datetime(2026, 7, 1, 9, 0, tzinfo=UTC)) -> None:
        self._rows: dict[str, list[Row]] = {}
        self._heads: dict[str, RunHead] = {}
        self._spending: dict[str, tuple[str, str, Spending, Spending]] = {}
        self._leases: dict[str, Lease] = {}
        self._lock = threading.RLock()
        self._clock = start

    def advance(self, seconds: float) -> None:
        """Move the clock."""
        self._clock += timedelta(seconds=seconds)

    def now(self) -> datetime:
        """Return the clock."""
        return self._clock

    def append(
        self, run_id: str, seq: int, event: Event, accept: Accept, fence: int | None = None
    ) -> tuple[Recorded, RunState]:
        """Record `event` at `seq`; see the port."""
        with self._lock:
            rows = self._rows.setdefault(run_id, [])
            lease = self._leases.get(run_id)
            if fence is not None and (lease is None or lease.token != fence):
                raise Superseded(f"Another process runs {run_id} now.")
            if len(rows) + 1 != seq:
                raise HeadMoved(f"Event {seq} of {run_id} was recorded by somebody else first.")
            body = canonical_json(event.model_dump(mode="json")).decode()
            at = self._clock.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            row = seal(run_id, seq, event.kind, body, at, rows[-1].hash if rows else GENESIS)
            recorded = _recorded(row)
            state = accept(recorded)
            rows.append(row)
            self._heads[run_id] = _head(state, self._clock)
            amounts = (budgets.spent(state), budgets.reserved(state))
            self._spending[run_id] = (state.requester, budgets.day_of(state), *amounts)
            return recorded, state

    def read(self, run_id: str, after: int = 0) -> list[Recorded]:
        """Return the events of a run with a seq greater than `after`, in order."""
        return [_recorded(row) for row in self._rows.get(run_id, [])[after:]]

    def spent(self, requester: str, day: str) -> tuple[Spending, Spending]:
        """Return what the runs of a day have (spent, reserved)."""
        found = [s for s in self._spending.values() if s[1] == day and requester in {"", s[0]}]
        return sum((s[2] for s in found), Spending()), sum((s[3] for s in found), Spending())

    def rows(self, run_id: str) -> list[Row]:
        """Return the rows of a run."""
        return list(self._rows.get(run_id, []))

    def heads(
        self, phases: Iterable[str] = (), requester: str = "", limit: int = 100, run_ids: Iterable[str] = ()
    ) -> list[RunHead]:
        """Return runs, newest first."""
        wanted, ids = set(phases), set(run_ids)
        found = [
            h
            for h in self._heads.values()
            if (not wanted or h.phase in wanted)
            and (not requester or h.requester == requester)
            and (not ids or h.run_id in ids)
        ]
        return sorted(found, key=lambda h: h.received_at, reverse=True)[:limit]

    def signature_of(self, run_id: str) -> None:
        """Return None: nothing is signed in memory."""
        return

    def pruned_rows(self, run_id: str) -> list[Row]:
        """Return nothing: runs in memory are not pruned."""
        return []

    def pruned_runs(self) -> list[str]:
        """Return nothing: runs in memory are not pruned."""
        return []

    def runs_with(self, kind: str, limit: int) -> list[str]:
        """Return the ids of the runs that have an event of this kind, the newest such event first."""
        newest = {
            run: max((row.at for row in rows if row.kind == kind), default="") for run, rows in self._rows.items()
        }
        return sorted((r for r, at in newest.items() if at), key=lambda r: newest[r], reverse=True)[:limit]

    def parents(self) -> list[str]:
        """Return the runs with a follow-up that people were asked about, newest first."""
        asked = {r for r, rows in self._rows.items() if any(row.kind == "follow_up_requested" for row in rows)}
        return [h.run_id for h in self.heads(limit=len(self._heads)) if h.run_id in asked]

    def take_lease(self, run_id: str, holder: str, seconds: float) -> Lease | None:
        """Take the run when nobody holds it or the holder's lease is over."""
        with self._lock:
            before = self._leases.get(run_id)
            if before and before.holder and before.expires_at >= self._clock:
                return None
            token = before.token + 1 if before else 1
            self._leases[run_id] = Lease(run_id, holder, token, self._clock + timedelta(seconds=seconds))
            return self._leases[run_id]

    def renew_lease(self, lease: Lease, seconds: float) -> bool:
        """Keep the run; False when somebody took it."""
        with self._lock:
            now = self._leases.get(lease.run_id)
            if now is None or now.token != lease.token:
                return False
            until = self._clock + timedelta(seconds=seconds)
            self._leases[lease.run_id] = Lease(lease.run_id, now.holder, now.token, until)
            return True

    def release_lease(self, run_id: str, token: int) -> None:
        """End the lease now."""
        with self._lock:
            now = self._leases.get(run_id)
            if now is not None and now.token == token:
                self._leases[run_id] = Lease(run_id, "", token, self._clock)

    def lease_of(self, run_id: str) -> Lease | None:
        """Return the lease of a run, None when nobody holds it."""
        return next((lease for lease in self.leases() if lease.run_id == run_id), None)

    def leases(self) -> list[Lease]:
        """Return all leases that are held, over or not."""
        return [lease for lease in self._leases.values() if lease.holder]


def _recorded(row: Row) -> Recorded:
    at = datetime.fromisoformat(row.at)
    event = EVENT.validate_json(row.body)
    return Recorded.model_construct(run_id=row.run_id, seq=row.seq, at=at, event=event, hash=row.hash)


def _head(state: RunState, now: datetime) -> RunHead:
    request = state.plan.request if state.plan else None
    return RunHead(
        run_id=state.run_id,
        seq=state.seq,
        phase=str(state.phase),
        question=state.question,
        requester=state.requester,
        received_at=state.received_at or now,
        updated_at=now,
        expires_at=request.expires_at if request and state.phase == "awaiting_approval" else None,
        flow_run_id=state.started.flow_run_id if state.started else "",
    )
