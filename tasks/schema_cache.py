"""Descriptions of tables that a run of a moment ago fetched, so that a wide catalog is not described anew by each run.

Decides how old a description may be: five minutes (`BQ_COPILOT_SCHEMA_SECONDS`), and only in catalogs wide enough
to be slow. Never stands in for the look before a job runs: every table of an approved plan is described anew there
(`tasks.drift`), and what changed in between voids the approval. The list of tables is always today's. The file is a
cache: it may be deleted at any time, and where it cannot be read everything is fetched.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from pathlib import Path

from pydantic import ValidationError

from bq_copilot.catalog import Table
from bq_copilot.identity import short_hash
from tasks.retrieval import cache_folder

FORMAT = "1"
SECONDS = 300.0
"""Age up to which a description counts."""

Fetch = Callable[[list[str]], Awaitable[list[Table]]]


class Described:
    """The descriptions of one warehouse as one principal sees them."""

    def __init__(self, *whose: str, clock: Callable[[], float], folder: Path | None = None) -> None:
        place = folder or cache_folder().parent / "schemas"
        self._path = place / f"{short_hash(FORMAT, *whose)}.db"
        self._clock = clock

    async def of(self, tables: Sequence[str], fetch: Fetch) -> list[Table]:
        """Return each table's description, in the order given; what is missing or too old is fetched and kept."""
        if lifetime() <= 0:
            return await fetch(list(tables))
        known = self._read(set(tables))
        news = await fetch([t for t in tables if t not in known])
        self._write(news, tables)
        found = known | {t.id: t for t in news}
        return [found[t] for t in tables]

    def _read(self, wanted: set[str]) -> dict[str, Table]:
        since = self._clock() - lifetime()
        try:
            with closing(self._open()) as db:
                rows = db.execute(
                    "SELECT body FROM described WHERE at > ? AND at <= ?", (since, self._clock())
                ).fetchall()
            read = (Table.model_validate_json(body) for (body,) in rows)
            return {t.id: t for t in read if t.id in wanted}
        except (OSError, sqlite3.Error, ValidationError):
            return {}

    def _write(self, news: list[Table], listed: Sequence[str]) -> None:
        """Keep what was fetched, and forget tables that are not listed any more."""
        rows = [(t.id, self._clock(), t.model_dump_json()) for t in news]
        try:
            with closing(self._open()) as db, db:
                db.executemany("INSERT OR REPLACE INTO described VALUES (?, ?, ?)", rows)
                gone = {name for (name,) in db.execute("SELECT name FROM described")} - set(listed)
                db.executemany("DELETE FROM described WHERE name = ?", [(name,) for name in gone])
        except (OSError, sqlite3.Error):
            return  # the next run fetches them again

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        db = sqlite3.connect(self._path, timeout=5.0)
        db.execute("CREATE TABLE IF NOT EXISTS described (name TEXT PRIMARY KEY, at REAL NOT NULL, body TEXT NOT NULL)")
        return db


def lifetime() -> float:
    """Return the age up to which a description counts; 0 switches the cache off."""
    try:
        return float(os.environ.get("BQ_COPILOT_SCHEMA_SECONDS", SECONDS))
    except ValueError:
        return SECONDS
