"""The ledger on SQLite (one file, every commit synced to disk) and on PostgreSQL.

Edge module: the only one that speaks SQL to the ledger's database. Three tables: `events` is the truth and is only
ever inserted into (`prune` alone takes whole runs out); `heads` is a derived list of runs, written in the same
transaction; `leases` says who runs what.
The time of an event is the database's, and never earlier than the event before it.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Generator, Iterable
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from bq_copilot import ledger_schema, spending_sql
from bq_copilot.budgets import METERED, Spending
from bq_copilot.canonical import canonical_json
from bq_copilot.errors import LedgerUnavailable, Refused, Superseded
from bq_copilot.events import Event, Recorded
from bq_copilot.head_signatures import Signed, Signer
from bq_copilot.leases_sql import SqlLeases, stamp_of
from bq_copilot.ledger import PARENTS, Accept, HeadMoved, RunHead
from bq_copilot.ledger_reader import parse, parse_all
from bq_copilot.pruned import gone
from bq_copilot.pruned_sql import pruned_rows, pruned_runs
from bq_copilot.receipts import GENESIS, Row, seal
from bq_copilot.state import RunState

NOW = {
    "sqlite": "strftime('%Y-%m-%dT%H:%M:%f000Z','now')",
    "postgresql": "to_char(clock_timestamp() AT TIME ZONE 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')",
}

LOOK = """SELECT {now}, e.seq, e.hash, e.at, (SELECT token FROM leases l WHERE l.run_id = :run_id)
    FROM (SELECT 1 AS one) x LEFT JOIN (SELECT seq, hash, at FROM events WHERE run_id = :run_id
      ORDER BY seq DESC LIMIT 1) e ON 1 = 1"""
INSERT = "INSERT INTO events VALUES (:run_id, :seq, :kind, :body, :at, :prev_hash, :hash)"
UPSERT = """INSERT INTO heads VALUES (:run_id, :seq, :phase, :question, :requester, :received_at, :updated_at,
         :expires_at, :flow_run_id)
       ON CONFLICT (run_id) DO UPDATE SET seq = excluded.seq, phase = excluded.phase,
         updated_at = excluded.updated_at, expires_at = excluded.expires_at, flow_run_id = excluded.flow_run_id"""

SIGN = """INSERT INTO signatures VALUES (:run_id, :seq, :hash, :key, :signature)
       ON CONFLICT (run_id) DO UPDATE SET seq = excluded.seq, hash = excluded.hash, key = excluded.key,
         signature = excluded.signature"""


class SqlLedger(SqlLeases):
    """A Ledger on a SQLAlchemy URL, e.g. `sqlite:////var/lib/bq-copilot/ledger.db` or `postgresql+psycopg://…`."""

    def __init__(
        self, url: str, *, busy_seconds: float = 10.0, signer: Signer | None = None, outdated: bool = False
    ) -> None:
        """Connect; an empty database gets its tables. With `outdated` an older ledger is no error: to look at it."""
        self.url = url
        self._signer = signer
        self._engine = _engine(url, busy_seconds)
        self._dialect = self._engine.dialect.name
        now = NOW[self._dialect]
        self._now = sa.text(f"SELECT {now}")
        self._look = self._raw(LOOK).replace("{now}", now)
        self._insert, self._upsert, self._sign = self._raw(INSERT), self._raw(UPSERT), self._raw(SIGN)
        self._meter = self._raw(spending_sql.UPSERT)
        self._errors: Any = self._engine.dialect.dbapi
        self._create(outdated)

    def _raw(self, statement: str) -> str:
        """Return a statement for the driver itself: the append is the hot path of every step."""
        return statement if self._dialect == "sqlite" else re.sub(r":(\w+)", r"%(\1)s", statement)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def transaction(self, *, reads: bool = False) -> AbstractContextManager[sa.Connection]:
        """Open a transaction for a table of somebody else's beside the ledger's. Raises LedgerUnavailable."""
        return self._transaction(reads=reads)

    def clock(self, c: sa.Connection) -> datetime:
        """Return the database's clock inside a transaction."""
        return _time(self.stamp(c))

    def stamp(self, c: sa.Connection) -> str:
        """Return the database's clock as events have it."""
        return str(c.execute(self._now).scalar_one())

    @contextmanager
    def exclusive(self) -> Generator[sa.Connection]:
        """Open a transaction in which nobody else makes or changes tables. Raises LedgerUnavailable."""
        with self._transaction() as c:
            if self._dialect == "postgresql":
                c.execute(sa.text("SELECT pg_advisory_xact_lock(727401)"))
            yield c

    def revision(self, c: sa.Connection) -> str | None:
        """Return the stamp of the database's tables, None without one."""
        tables = self._tables(c)
        return c.execute(sa.text(ledger_schema.READ)).scalar() if ledger_schema.VERSION_TABLE in tables else None

    def standing(self, c: sa.Connection) -> ledger_schema.Standing:
        """Say how the database's tables stand to those of this version."""
        return ledger_schema.standing(self._tables(c), self.revision(c))

    def _tables(self, c: sa.Connection) -> set[str]:
        return set(c.execute(sa.text(ledger_schema.PRESENT[self._dialect])).scalars())

    def _create(self, outdated: bool) -> None:
        with self._transaction(reads=True) as c:
            stands = self.standing(c)
        if stands == "empty":
            with self.exclusive() as c:
                stands = self.standing(c)  # another process may have been a moment faster
                if stands == "empty":
                    for statement in ledger_schema.all_statements():
                        c.execute(sa.text(statement))
                    c.execute(sa.text(ledger_schema.STAMP), {"revision": ledger_schema.HEAD})
        if stands == "older" and not outdated:
            self.close()
            raise Refused(
                "The ledger's tables are those of an older version.",
                code="ledger_outdated",
                next="Back it up, then run `bq-copilot ledger upgrade`.",
            )

    @contextmanager
    def _transaction(self, *, reads: bool = False) -> Generator[sa.Connection]:
        try:
            with self._engine.connect() as connection:
                if reads:
                    connection.execution_options(reads=True)
                with connection.begin():
                    yield connection
        except (IntegrityError, self._errors.IntegrityError) as error:
            raise _Taken from error
        except (SQLAlchemyError, self._errors.Error) as error:
            raise _unavailable(error) from error

    def now(self) -> datetime:
        """Return the database's clock, UTC."""
        with self._transaction(reads=True) as c:
            return _time(c.execute(self._now).scalar_one())

    def append(
        self, run_id: str, seq: int, event: Event, accept: Accept, fence: int | None = None
    ) -> tuple[Recorded, RunState]:
        """Record `event` at `seq`; see the port."""
        body = body_of(event)
        try:
            with self._transaction() as c:
                row = self._place(c, run_id, seq, event.kind, body, fence)
                recorded = Recorded.model_construct(
                    run_id=run_id, seq=seq, at=_time(row.at), event=event, hash=row.hash
                )
                state = accept(recorded)
                cursor = _cursor(c)
                cursor.execute(self._insert, _values(row))
                cursor.execute(self._upsert, _head_values(state, row.at))
                if self._signer is not None:
                    cursor.execute(self._sign, asdict(self._signer(run_id, seq, row.hash)))
                if event.kind in METERED:
                    cursor.execute(self._meter, spending_sql.values_of(state))
            return recorded, state
        except _Taken:
            raise _moved(run_id, seq) from None
        except LedgerUnavailable:
            found = self._find_own(run_id, seq, body, accept, fence)
            if found is None:
                raise
            return found

    def _place(self, c: sa.Connection, run_id: str, seq: int, kind: str, body: str, fence: int | None) -> Row:
        cursor = _cursor(c)
        cursor.execute(self._look, {"run_id": run_id})
        now, head, last_hash, last_at, token = cursor.fetchone()
        if fence is not None and token != fence:
            raise Superseded(f"Another process runs {run_id} now (lease {token}, ours was {fence}).")
        if (head or 0) + 1 != seq:
            raise _moved(run_id, seq)
        if seq == 1 and (was := pruned_rows(c, run_id)):
            raise gone(run_id, was[-1].at)
        return seal(run_id, seq, kind, body, max(now, last_at or ""), last_hash or GENESIS)

    def _find_own(
        self, run_id: str, seq: int, body: str, accept: Accept, fence: int | None
    ) -> tuple[Recorded, RunState] | None:
        """A commit's answer may be lost though the commit was not: our own row at our place is a success.

        Another process writes the same body too when it takes the run over: then the lease is no longer ours.
        """
        lease = self.lease_of(run_id) if fence is not None else None
        if fence is not None and (lease is None or lease.token != fence):
            raise Superseded(f"Another process runs {run_id} now (our lease was {fence}).")
        for row in self._rows(run_id, after=seq - 1)[:1]:
            if row.body == body:
                recorded = to_recorded(row)
                return recorded, accept(recorded)
        return None

    def spent(self, requester: str, day: str) -> tuple[Spending, Spending]:
        """Return what the runs of a day have (spent, reserved): of one requester, or of all when it is empty."""
        with self._transaction(reads=True) as c:
            row = c.execute(sa.text(spending_sql.SUMS), {"requester": requester, "day": day}).one()
        return spending_sql.sums_of(row)

    def read(self, run_id: str, after: int = 0) -> list[Recorded]:
        """Return the events of a run with a seq greater than `after`, in order."""
        return parse_all(self._rows(run_id, after))

    def rows(self, run_id: str) -> list[Row]:
        """Return the rows of a run exactly as they are stored."""
        return self._rows(run_id, 0)

    def signature_of(self, run_id: str) -> Signed | None:
        """Return what the newest signature of the run says, None when its head was never signed."""
        query = sa.text("SELECT run_id, seq, hash, key, signature FROM signatures WHERE run_id = :run_id")
        with self._transaction(reads=True) as c:
            found = c.execute(query, {"run_id": run_id}).fetchone()
        return Signed(*found) if found else None

    def _rows(self, run_id: str, after: int) -> list[Row]:
        query = sa.text(
            """SELECT run_id, seq, kind, body, at, prev_hash, hash FROM events
               WHERE run_id = :run_id AND seq > :after ORDER BY seq"""
        )
        with self._transaction(reads=True) as c:
            return [Row(*r) for r in c.execute(query, {"run_id": run_id, "after": after})]

    def heads(
        self, phases: Iterable[str] = (), requester: str = "", limit: int = 100, run_ids: Iterable[str] = ()
    ) -> list[RunHead]:
        """Return runs, newest first."""
        wanted, ids = list(phases), list(run_ids)
        where = ["1 = 1", *(["phase IN :phases"] if wanted else []), *(["run_id IN :ids"] if ids else [])]
        where += ["requester = :requester"] if requester else []
        query = sa.text(
            f"SELECT * FROM heads WHERE {' AND '.join(where)} ORDER BY received_at DESC, run_id LIMIT :limit"  # noqa: S608 - only constant parts
        )
        expanding = {"phases": wanted, "ids": ids}
        binds: list[sa.BindParameter[Any]] = [sa.bindparam(k, expanding=True) for k, v in expanding.items() if v]
        values = {"limit": limit, "requester": requester, **expanding}
        used = {k: v for k, v in values.items() if v}
        with self._transaction(reads=True) as c:
            return [_head(r) for r in c.execute(query.bindparams(*binds), used)]

    def runs_with(self, kind: str, limit: int) -> list[str]:
        """Return the ids of the runs that have an event of this kind, the newest such event first."""
        assert kind.isidentifier()
        newest = "GROUP BY run_id ORDER BY MAX(at) DESC, run_id LIMIT :limit"
        query = f"SELECT run_id FROM events WHERE kind = '{kind}' {newest}"  # noqa: S608 - in words, for the partial index
        with self._transaction(reads=True) as c:
            return [str(r[0]) for r in c.execute(sa.text(query), {"limit": limit})]

    def parents(self) -> list[str]:
        """Return the runs with a follow-up that people were asked about, newest first."""
        with self._transaction(reads=True) as c:
            return [r[0] for r in c.execute(sa.text(PARENTS))]

    def pruned_rows(self, run_id: str) -> list[Row]:
        """Return what is kept of a pruned run; empty for any other."""
        with self._transaction(reads=True) as c:
            return pruned_rows(c, run_id)

    def pruned_runs(self) -> list[str]:
        """Return the ids of all pruned runs."""
        with self._transaction(reads=True) as c:
            return pruned_runs(c)


class _Taken(Exception):
    """The place in the run is taken."""


def _cursor(c: sa.Connection) -> Any:
    """Return a cursor of the driver, inside the connection's transaction."""
    return c.connection.cursor()


def body_of(event: Event) -> str:
    """Return the text of an event as the ledger stores it: canonical JSON."""
    return canonical_json(event.model_dump(mode="json")).decode()


to_recorded = parse
"""Return a row as an event. Raises UnknownEvent for one that this version does not know."""


def _engine(url: str, busy_seconds: float) -> sa.Engine:
    if not url.startswith("sqlite"):
        return sa.create_engine(url, pool_pre_ping=True, isolation_level="READ COMMITTED")
    database = sa.make_url(url).database
    if database and database != ":memory:":
        Path(database).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(url, connect_args={"timeout": busy_seconds, "check_same_thread": False})
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


def _begin_immediate(connection: sa.Connection) -> None:
    reads = connection.get_execution_options().get("reads", False)
    connection.connection.cursor().execute("BEGIN" if reads else "BEGIN IMMEDIATE")  # a tenth of SQLAlchemy's time


def _unavailable(error: Exception) -> LedgerUnavailable:
    cause = error.orig if isinstance(error, DBAPIError) else error
    text = str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
    return LedgerUnavailable(
        f"try again: ledger unavailable ({text})",
        next="Look at `bq-copilot doctor`: disk, file rights, server.",
    )


def _moved(run_id: str, seq: int) -> HeadMoved:
    return HeadMoved(f"Event {seq} of {run_id} was recorded by somebody else first.")


def _values(row: Row) -> dict[str, Any]:
    return {f: getattr(row, f) for f in ("run_id", "seq", "kind", "body", "at", "prev_hash", "hash")}


def _head_values(state: RunState, at: str) -> dict[str, Any]:
    return {
        "run_id": state.run_id,
        "seq": state.seq,
        "phase": str(state.phase),
        "question": state.question,
        "requester": state.requester,
        "received_at": stamp_of(state.received_at) if state.received_at else at,
        "updated_at": at,
        "expires_at": stamp_of(state.due) if state.due else "",
        "flow_run_id": state.started.flow_run_id if state.started else "",
    }


def _head(r: Any) -> RunHead:
    return RunHead(
        run_id=r.run_id,
        seq=r.seq,
        phase=r.phase,
        question=r.question,
        requester=r.requester,
        received_at=_time(r.received_at),
        updated_at=_time(r.updated_at),
        expires_at=_time(r.expires_at) if r.expires_at else None,
        flow_run_id=r.flow_run_id,
    )


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
