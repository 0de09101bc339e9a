"""Embeddings beside the words: kept with the index, compared by cosine, optional.

Decides how much similarity of meaning adds to a score. It never calls a model: whoever has one hands vectors in. They
are kept by the fingerprint of the text that they were made of, so that an unchanged table is embedded once.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Mapping, Sequence

SHARE = 0.6
"""The most similar unit gets this part of the best word score; the least similar one gets nothing."""


class Vectors:
    """The vectors of one index."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        db.execute("CREATE TABLE IF NOT EXISTS vectors (id TEXT PRIMARY KEY, fingerprint TEXT, model TEXT, v BLOB)")

    def missing(self, model: str) -> list[tuple[str, str]]:
        """Return (id, text) of the units that have no vector of this model for their present texts."""
        rows = self._db.execute(
            "SELECT u.id, t.name || '. ' || t.dataset || '. ' || t.description || '. ' || substr(t.columns, 1, 1500) "
            "FROM units u JOIN texts t ON t.rowid = u.row "
            "LEFT JOIN vectors v ON v.id = u.id AND v.fingerprint = u.fingerprint AND v.model = ? "
            "WHERE v.id IS NULL ORDER BY u.id",
            [model],
        )
        return [(str(i), str(t)) for i, t in rows]

    def keep(self, model: str, vectors: Mapping[str, Sequence[float]]) -> None:
        """Keep the vectors of these units."""
        with self._db:
            for name, values in vectors.items():
                self._db.execute(
                    "INSERT OR REPLACE INTO vectors SELECT id, fingerprint, ?, ? FROM units WHERE id = ?",
                    [model, array("f", _unit_length(values)).tobytes(), name],
                )

    def scores(self, vector: Sequence[float], best: float) -> dict[str, float]:
        """Return what similarity adds to each unit, on the scale of a `best` word score."""
        wanted = _unit_length(vector)
        found: dict[str, float] = {}
        for name, blob in self._db.execute("SELECT v.id, v.v FROM vectors v JOIN units u ON u.id = v.id"):
            values = array("f")
            values.frombytes(blob)
            if len(values) == len(wanted):
                found[str(name)] = sum(a * b for a, b in zip(values, wanted, strict=True))
        low, high = min(found.values(), default=0.0), max(found.values(), default=0.0)
        spread = (high - low) or 1.0
        return {name: SHARE * best * (s - low) / spread for name, s in found.items()}


def _unit_length(values: Sequence[float]) -> list[float]:
    length = sum(v * v for v in values) ** 0.5 or 1.0
    return [v / length for v in values]
