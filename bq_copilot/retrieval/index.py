"""The index over a catalog: SQLite's full-text search (FTS5, BM25 with a weight for each field), kept in one file.

Decides how units are ranked for a question. Refreshed incrementally: only units whose texts changed are written again,
and a catalog in which nothing changed, descriptions included, is not looked at at all. It never asks a model; vectors
are an addition that the caller may bring along. The same index and question always give the same order: ties go by id.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bq_copilot.canonical import digest
from bq_copilot.catalog import Catalog
from bq_copilot.retrieval.units import Unit, fingerprint_of, texts_of, units_of
from bq_copilot.retrieval.vectors import Vectors
from bq_copilot.retrieval.words import numbers, query_words

WEIGHTS: Mapping[str, float] = {
    "name": 5.0,
    "dataset": 2.5,
    "description": 1.5,
    "columns": 1.0,
    "notes": 0.4,
    "asked": 2.0,
}
"""How much a word counts by where it stands; `asked` holds accepted questions that read the table."""

NEIGHBOUR = 0.2
"""A table gets this part of the best score in its dataset: tables that are joined are kept together."""
NUMBERED = 0.2
"""What a number in the name that the question names adds: a year, a release."""
USED = 0.03
"""What each accepted query that read the table adds, up to five."""
CANDIDATES = 1_000
FORMAT = "1"

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS units"
    " (id TEXT PRIMARY KEY, row INTEGER UNIQUE, fingerprint TEXT, dataset TEXT, numbers TEXT, uses INTEGER)",
    f"CREATE VIRTUAL TABLE IF NOT EXISTS texts USING fts5({', '.join(WEIGHTS)}, tokenize = 'porter unicode61')",
    "CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT)",
)


@dataclass(frozen=True, slots=True)
class Hit:
    """One unit and its score; the best comes first."""

    id: str
    score: float


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a refresh did."""

    written: int
    removed: int
    kept: int


class Index:
    """One catalog's index; `path` names its file, None keeps it in memory."""

    def __init__(self, path: Path | None = None) -> None:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path or ":memory:", timeout=30, check_same_thread=False)
        for statement in _SCHEMA:
            self._db.execute(statement)
        self._known: dict[str, tuple[int, str, frozenset[str], int]] | None = None
        self.vectors = Vectors(self._db)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def refresh(self, catalog: Catalog, asked: Mapping[str, Sequence[str]] | None = None) -> Refreshed:
        """Bring the index up to date; `asked` maps table ids to accepted questions that read them."""
        told = sorted((t.id, t.description) for t in catalog.tables if t.description)
        stamp = digest([FORMAT, catalog.fingerprint, told, sorted((k, *v) for k, v in (asked or {}).items())])
        with closing(self._db.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            try:
                done = self._refresh(cursor, stamp, catalog, asked or {})
                cursor.execute("COMMIT")
            except BaseException:
                cursor.execute("ROLLBACK")
                raise
        if done.written or done.removed:
            self._known = None
        return done

    def _refresh(
        self, cursor: sqlite3.Cursor, stamp: str, catalog: Catalog, asked: Mapping[str, Sequence[str]]
    ) -> Refreshed:
        before = {str(i): (int(r), str(f)) for i, r, f in cursor.execute("SELECT id, row, fingerprint FROM units")}
        if cursor.execute("SELECT 1 FROM facts WHERE name = 'stamp' AND value = ?", [stamp]).fetchone():
            return Refreshed(0, 0, len(before))
        now: set[str] = set()
        written = 0
        for unit in units_of(catalog.tables):
            now.add(unit.id)
            asks = [q for m in unit.members for q in asked.get(m, ())]
            fingerprint = fingerprint_of(unit, asks)
            if before.get(unit.id, (0, ""))[1] != fingerprint:
                texts = {**texts_of(unit), "asked": " ".join(asks)}
                _write(cursor, unit, texts, fingerprint, before.get(unit.id), len(asks))
                written += 1
        gone = [(row, name) for name, (row, _) in before.items() if name not in now]
        for row, name in gone:
            cursor.execute("DELETE FROM texts WHERE rowid = ?", [row])
            cursor.execute("DELETE FROM units WHERE id = ?", [name])
        cursor.execute("INSERT OR REPLACE INTO facts VALUES ('stamp', ?)", [stamp])
        return Refreshed(written, len(gone), len(now) - written)

    def search(self, question: str, k: int, vector: Sequence[float] | None = None) -> list[Hit]:
        """Return the `k` units that fit best; those that share no word with the question fill up at the end."""
        known = self._units()
        found = self._matches(query_words(question))
        if vector is not None:
            for name, score in self.vectors.scores(vector, max(found.values(), default=1.0)).items():
                found[name] = found.get(name, 0.0) + score
        named = numbers(question)
        best: dict[str, float] = defaultdict(float)
        for name, score in found.items():
            dataset = known[name][1]
            best[dataset] = max(best[dataset], score)
        scores = {name: self._score(name, found.get(name, 0.0), best, named) for name in known}
        ranked = sorted(scores, key=lambda name: (-scores[name], name))
        return [Hit(name, round(scores[name], 4)) for name in ranked[:k]]

    def _score(self, name: str, match: float, best: Mapping[str, float], named: frozenset[str]) -> float:
        _, dataset, digits, uses = self._units()[name]
        score = match + NEIGHBOUR * best.get(dataset, 0.0)
        return score * (1 + (NUMBERED if digits & named else 0.0) + (USED * min(uses, 5) if match else 0.0))

    def _matches(self, words: Sequence[str]) -> dict[str, float]:
        if not words:
            return {}
        wanted = " OR ".join(f'"{w}"' for w in words)
        weights = ", ".join(str(w) for w in WEIGHTS.values())
        rows = self._db.execute(
            f"SELECT u.id, -bm25(texts, {weights}) AS score FROM texts JOIN units u ON u.row = texts.rowid "  # noqa: S608
            "WHERE texts MATCH ? ORDER BY score DESC, u.id LIMIT ?",
            [wanted, CANDIDATES],
        )
        return {str(name): float(score) for name, score in rows}

    def _units(self) -> Mapping[str, tuple[int, str, frozenset[str], int]]:
        if self._known is None:
            rows = self._db.execute("SELECT id, row, dataset, numbers, uses FROM units")
            self._known = {str(i): (int(r), str(d), frozenset(str(n).split()), int(u)) for i, r, d, n, u in rows}
        return self._known


def _write(
    cursor: sqlite3.Cursor,
    unit: Unit,
    texts: Mapping[str, str],
    fingerprint: str,
    before: tuple[int, str] | None,
    uses: int,
) -> None:
    if before is not None:
        cursor.execute("DELETE FROM texts WHERE rowid = ?", [before[0]])
    marks = ", ".join("?" * len(WEIGHTS))
    cursor.execute(f"INSERT INTO texts VALUES ({marks})", [texts[f] for f in WEIGHTS])  # noqa: S608 - only marks
    row = cursor.lastrowid
    digits = " ".join(sorted({w for w in texts["name"].split() if w.isdigit()}))
    cursor.execute(
        "INSERT OR REPLACE INTO units VALUES (?, ?, ?, ?, ?, ?)",
        [unit.id, row, fingerprint, unit.table.dataset, digits, uses],
    )


def index_of(catalog: Catalog, folder: Path | None = None, asked: Mapping[str, Sequence[str]] | None = None) -> Index:
    """Return an up-to-date index of the catalog; with a folder, the file of its datasets is found and kept there."""
    name = digest(sorted(catalog.datasets)).removeprefix("sha256:")[:24]
    index = Index(folder / f"schema-{FORMAT}-{name}.sqlite" if folder else None)
    index.refresh(catalog, asked)
    return index


def ids(hits: Iterable[Hit]) -> list[str]:
    """Return the ids of the hits in order."""
    return [h.id for h in hits]
