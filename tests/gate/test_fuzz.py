"""The short form of the differential fuzz; `python -m tests.gate.fuzz --seconds N` is the long one."""

from __future__ import annotations

from collections import Counter

import pytest

from bq_copilot.gate.engines import warm
from tests.gate.fuzz import run


@pytest.mark.parametrize("seed", [1, 2])
def test_no_leaf_is_seen_by_the_second_engine_only(seed: int) -> None:
    """Over random queries, whatever the gate's resolver accepts it also read completely."""
    warm()
    results = list(run(seed, 4))
    misses = [(reason, sql) for kind, reason, sql in results if kind == "MISS"]
    counts = Counter(kind for kind, _, _ in results)
    assert misses == []
    assert counts["agree"] > 0
    assert counts["strict"] + counts["extra"] <= 0.02 * len(results), counts
