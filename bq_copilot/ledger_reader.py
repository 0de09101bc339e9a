"""Reading a ledger without the means to write it.

Edge module. `show`, `runs` and live progress only look, many times a second and beside running flows; they must not
wait for the write lock and must start at once. For a SQLite file that needs the standard library alone; any other
database is read through its full adapter.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from pydantic import ValidationError

from bq_copilot.errors import LedgerUnavailable, Refused
from bq_copilot.events import EVENT, LEDGER_VERSION, Recorded, RunReceived, RunStarted
from bq_copilot.head_signatures import Signed
from bq_copilot.ledger import PARENTS, RunHead
from bq_copilot.ledger_schema import READ, VERSION_TABLE
from bq_copilot.receipts import Row
from bq_copilot.transitions import NEEDS_VERSION
from bq_copilot.version import __version__

SQLITE = "sqlite:///"

ROWS = "SELECT run_id, seq, kind, body, at, prev_hash, hash FROM events WHERE run_id = ? AND seq > ? ORDER BY seq"
HEADS = """SELECT run_id, seq, phase, question, requester, received_at, updated_at, expires_at, flow_run_id
    FROM heads"""
SIGNATURE = "SELECT run_id, seq, hash, key, signature FROM signatures WHERE run_id = ?"
HAS_SIGNATURES = "SELECT 1 FROM sqlite_master WHERE name = 'signatures'"
HAS_STAMP = f"SELECT 1 FROM sqlite_master WHERE name = '{VERSION_TABLE}'"  # noqa: S608 - constant
HAS_PRUNED = "SELECT 1 FROM sqlite_master WHERE name = 'pruned_rows'"
PRUNED_ROWS = "SELECT run_id, seq, kind, body, at, prev_hash, hash FROM pruned_rows WHERE run_id = ? ORDER BY seq"
PRUNED_RUNS = "SELECT run_id FROM pruned_rows WHERE kind = 'pruned' ORDER BY at, run_id"
NOW = "SELECT strftime('%Y-%m-%dT%H:%M:%f000Z','now')"


class UnknownEvent(Refused):
    """The ledger holds an event that this version does not know; upgrade BigQuery Copilot to read it."""

    code = NEEDS_VERSION

    def __init__(self, message: str = "", *, code: str | None = None, next: str = "", seq: int = 0) -> None:
        super().__init__(message, code=code, next=next)
        self.seq = seq


class Reader(Protocol):
    """What looking at runs needs from a ledger."""

    def now(self) -> datetime:
        """Return the database's clock, UTC."""
        ...

    def read(self, run_id: str, after: int = 0) -> list[Recorded]:
        """Return the events of a run with a seq greater than `after`, in order."""
        ...

    def rows(self, run_id: str) -> list[Row]:
        """Return the rows of a run exactly as they are stored."""
        ...

    def heads(
        self, phases: Iterable[str] = (), requester: str = "", limit: int = 100, run_ids: Iterable[str] = ()
    ) -> list[RunHead]:
        """Return runs, newest first, optionally only those in `phases`, of `requester`, or with these ids."""
        ...

    def signature_of(self, run_id: str) -> Signed | None:
        """Return what the newest signature of the run says, None when its head was never signed."""
        ...

    def parents(self) -> list[str]:
        """Return the runs with a follow-up that people were asked about, newest first."""
        ...

    def pruned_rows(self, run_id: str) -> list[Row]:
        """Return what is kept of a pruned run; empty for any other."""
        ...

    def pruned_runs(self) -> list[str]:
        """Return the ids of all pruned runs."""
        ...


def open_reader(url: str) -> Reader:
    """Return a reader of the ledger at this SQLAlchemy URL."""
    path = sqlite_path(url)
    if path is not None:
        return SqliteReader(path)
    from bq_copilot.ledger_sql import SqlLedger  # noqa: PLC0415 - loads SQLAlchemy, which a file does not need

    return SqlLedger(url, outdated=True)


def sqlite_path(url: str) -> Path | None:
    """Return the file of a SQLite URL, None for any other ledger."""
    if not url.startswith(SQLITE) or url.endswith(":memory:") or url == SQLITE:
        return None
    return Path(url.removeprefix(SQLITE).partition("?")[0])


class SqliteReader:
    """Reads a SQLite ledger that `SqlLedger` writes; one short read transaction a call."""

    def __init__(self, path: Path, *, busy_seconds: float = 5.0) -> None:
        self._path = path
        self._busy_seconds = busy_seconds
        self._connection: sqlite3.Connection | None = None

    def now(self) -> datetime:
        """Return the database's clock, UTC."""
        with self._reading() as c:
            return datetime.fromisoformat(c.execute(NOW).fetchone()[0])

    def read(self, run_id: str, after: int = 0) -> list[Recorded]:
        """Return the events of a run with a seq greater than `after`, in order."""
        return parse_all(self._rows(run_id, after))

    def rows(self, run_id: str) -> list[Row]:
        """Return the rows of a run exactly as they are stored."""
        return self._rows(run_id, 0)

    def _rows(self, run_id: str, after: int) -> list[Row]:
        with self._reading() as c:
            return [Row(*r) for r in c.execute(ROWS, (run_id, after))]

    def heads(
        self, phases: Iterable[str] = (), requester: str = "", limit: int = 100, run_ids: Iterable[str] = ()
    ) -> list[RunHead]:
        """Return runs, newest first."""
        where, values = ["1 = 1"], list[object]()
        for column, wanted in (("phase", list(phases)), ("run_id", list(run_ids))):
            if wanted:
                where.append(f"{column} IN ({', '.join('?' * len(wanted))})")
                values += wanted
        if requester:
            where.append("requester = ?")
            values.append(requester)
        query = f"{HEADS} WHERE {' AND '.join(where)} ORDER BY received_at DESC, run_id LIMIT ?"
        with self._reading() as c:
            return [_head(r) for r in c.execute(query, (*values, limit))]

    def signature_of(self, run_id: str) -> Signed | None:
        """Return what the newest signature of the run says; a ledger of an older release has none."""
        with self._reading() as c:
            if c.execute(HAS_SIGNATURES).fetchone() is None:
                return None
            found = c.execute(SIGNATURE, (run_id,)).fetchone()
        return Signed(*found) if found else None

    def parents(self) -> list[str]:
        """Return the runs with a follow-up that people were asked about, newest first."""
        with self._reading() as c:
            return [r[0] for r in c.execute(PARENTS)]

    def revision(self) -> str:
        """Return the stamp of the file's tables, empty without one."""
        with self._reading() as c:
            stamped = c.execute(HAS_STAMP).fetchone() is not None
            return str(c.execute(READ).fetchone()[0]) if stamped else ""

    def pruned_rows(self, run_id: str) -> list[Row]:
        """Return what is kept of a pruned run; empty for any other."""
        with self._reading() as c:
            if c.execute(HAS_PRUNED).fetchone() is None:
                return []
            return [Row(*r) for r in c.execute(PRUNED_ROWS, (run_id,))]

    def pruned_runs(self) -> list[str]:
        """Return the ids of all pruned runs."""
        with self._reading() as c:
            return [r[0] for r in c.execute(PRUNED_RUNS)] if c.execute(HAS_PRUNED).fetchone() else []

    @contextmanager
    def _reading(self) -> Generator[sqlite3.Connection]:
        try:
            yield self._connect()
        except sqlite3.Error as error:
            raise LedgerUnavailable(
                f"try again: ledger unavailable ({self._path}: {error})",
                next="Look at `bq-copilot doctor`: disk, file rights, server.",
            ) from error

    def _connect(self) -> sqlite3.Connection:
        if self._connection is None:
            if not self._path.exists():
                raise LedgerUnavailable(
                    f"There is no ledger at {self._path}.",
                    next="Start the stack with `bq-copilot up`, or set BQ_COPILOT_LEDGER_URL.",
                )
            uri = f"file:{quote(str(self._path))}?mode=ro"
            self._connection = sqlite3.connect(
                uri, uri=True, timeout=self._busy_seconds, isolation_level=None, check_same_thread=False
            )
        return self._connection


def parse(row: Row) -> Recorded:
    """Return the row as an event. Raises UnknownEvent for one that this version does not know."""
    return parse_all([row])[0]


def parse_all(rows: Sequence[Row]) -> list[Recorded]:
    """Return the rows as events. Raises UnknownEvent, with its seq, for the first that this version does not know."""
    found: list[Recorded] = []
    for row in rows:
        try:
            event = EVENT.validate_json(row.body)
        except ValidationError as error:
            raise _unknown(row, found) from error
        at = datetime.fromisoformat(row.at)
        found.append(Recorded.model_construct(run_id=row.run_id, seq=row.seq, at=at, event=event, hash=row.hash))
        if event.kind == "run_received" and event.ledger_version > LEDGER_VERSION:
            raise _unknown(row, found)
    return found


def _unknown(row: Row, before: Sequence[Recorded]) -> UnknownEvent:
    """Name the version that wrote it: the newest start before it says so."""
    events = [recorded.event for recorded in before]
    versions = [e.code_version for e in events if isinstance(e, RunReceived | RunStarted)]
    newer = [v for v in versions if v != __version__]
    return UnknownEvent(
        f"needs version {newer[-1] if newer else 'newer than ' + __version__}: event {row.seq} of {row.run_id}"
        f" ({row.kind}) is not one that version {__version__} can read",
        next="Upgrade BigQuery Copilot, or check the ledger with `bq-copilot verify`.",
        seq=row.seq,
    )


def _head(r: tuple[str, ...]) -> RunHead:
    run_id, seq, phase, question, requester, received, updated, expires, flow_run_id = r
    return RunHead(
        run_id=run_id,
        seq=int(seq),
        phase=phase,
        question=question,
        requester=requester,
        received_at=datetime.fromisoformat(received),
        updated_at=datetime.fromisoformat(updated),
        expires_at=datetime.fromisoformat(expires) if expires else None,
        flow_run_id=flow_run_id,
    )
