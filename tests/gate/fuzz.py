"""Differential fuzz of the two engines: random queries, and no leaf that only the second engine sees.

Short form: `pytest tests/gate/test_fuzz.py`. Long form: `python -m tests.gate.fuzz --seconds 600`. A miss (the gate
accepts a query and the analyzer reads a leaf that the gate does not list) ends the run with exit code 1.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from bq_copilot.catalog import Catalog
from bq_copilot.gate.analysis import analyse
from bq_copilot.gate.engines import ZetaSqlEngine
from bq_copilot.gate.port import EngineRefusal
from bq_copilot.gate.verdict import Ruling
from bq_copilot.gate.views import Views
from bq_copilot.policy import Policy
from tests.gate.queries import Queries

ACME = Path(__file__).parent.parent / "gate_corpus" / "acme.json"
COST_RULES = ("P13", "P14")


def catalog() -> Catalog:
    """Return the acme catalog."""
    return Catalog.from_document(json.loads(ACME.read_text()))


class Difference:
    """Compares both engines on one text, policy aside."""

    def __init__(self) -> None:
        self.catalog = catalog()
        datasets = tuple(sorted(self.catalog.datasets))
        self.policy = Policy(allowed_datasets=datasets, denied_tags=())
        self.views = Views(self.catalog, self.policy)
        self.second = ZetaSqlEngine()
        self.second.start()

    def kind(self, sql: str) -> tuple[str, str]:
        """Return the kind of difference (`agree`, `both refuse`, `strict`, `lenient`, `extra` or `MISS`) and why."""
        first = analyse(sql, self.catalog, self.policy, self.views)
        hard = [f for f in first.findings if f.severity is Ruling.DENY and f.rule not in COST_RULES]
        try:
            reading = self.second.read(first.canonical or sql, self.catalog, {})
        except EngineRefusal as refusal:
            return ("both refuse", "") if hard else ("lenient", str(refusal))
        if hard:
            return "strict", hard[0].message
        missed = (reading.surely or frozenset()) - first.leaves.keys()
        if missed or reading.tables != first.tables:
            return "MISS", f"{sorted(missed)} {sorted(reading.tables ^ first.tables)}"
        extra = first.leaves.keys() - (reading.possibly or frozenset())
        return ("extra", str(sorted(extra))) if extra else ("agree", "")


def run(seed: int, seconds: float) -> Iterator[tuple[str, str, str]]:
    """Return kind, reason and text of random queries until the time is over."""
    stream, difference = Queries(seed), Difference()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sql = stream.query()
        kind, reason = difference.kind(sql)
        yield kind, reason, sql


def main() -> int:
    """Run, print every miss and a summary."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--show", nargs="*", default=["MISS"])
    options = parser.parse_args()
    counts: Counter[str] = Counter()
    for kind, reason, sql in run(options.seed, options.seconds):
        counts[kind] += 1
        if kind in options.show:
            print(f"{kind}: {reason}\n    {sql}")
    print(f"seed {options.seed}: {dict(counts)}")
    return 1 if counts["MISS"] else 0


if __name__ == "__main__":
    sys.exit(main())
