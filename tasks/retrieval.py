"""The schema index of this process: where its file is kept, and the optional embeddings.

Decides nothing about ranking (`bq_copilot.retrieval`). The file is a cache: it may be deleted at any time, and where no
file can be kept the index lives in memory.
"""

from __future__ import annotations

import os
import sqlite3
from functools import lru_cache
from pathlib import Path

from bq_copilot.catalog import Catalog
from bq_copilot.errors import CopilotError
from bq_copilot.ports import Embedder
from bq_copilot.retrieval.index import FORMAT, Index, index_of
from bq_copilot.values import Usage

SMALL = 200
"""Catalogs with fewer tables are indexed faster than a file is opened."""
BATCH = 128


def cache_folder() -> Path:
    """Return where indexes are kept: `BQ_COPILOT_CACHE`, else the user's cache folder."""
    named = os.environ.get("BQ_COPILOT_CACHE")
    return (Path(named) if named else Path.home() / ".cache" / "bq-copilot").expanduser() / "retrieval"


def retrieval_of(catalog: Catalog) -> Index:
    """Return an up-to-date index of the catalog."""
    return _index(catalog.fingerprint, _Held(catalog))


class _Held:
    """A catalog that the cache below does not compare: its fingerprint is the key."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held)

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=2)
def _index(_fingerprint: str, held: _Held) -> Index:
    catalog = held.catalog
    if len(catalog.tables) < SMALL:
        return index_of(catalog)
    try:
        return index_of(catalog, cache_folder())
    except (OSError, sqlite3.Error):
        return index_of(catalog)


async def embedded(index: Index, embedder: Embedder | None, question: str) -> tuple[list[float] | None, str, Usage]:
    """Return the question's vector, how tables are searched in words for the receipt, and what it cost.

    New and changed tables are embedded first. An embedder that does not answer leaves the search by words.
    """
    words = f"words-{FORMAT}"
    if embedder is None:
        return None, words, Usage()
    try:
        missing = index.vectors.missing(embedder.name)
        usage = Usage()
        for start in range(0, len(missing), BATCH):
            batch = missing[start : start + BATCH]
            found = await embedder.embed([text for _, text in batch])
            index.vectors.keep(embedder.name, dict(zip((i for i, _ in batch), found.vectors, strict=True)))
            usage = usage.plus(found.usage)
        asked = await embedder.embed([question])
        return asked.vectors[0], f"{words}+{embedder.name}", usage.plus(asked.usage)
    except CopilotError:
        return None, f"{words} (embeddings did not answer)", Usage()
