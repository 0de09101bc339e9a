"""How well and how fast tables are found: recall@5/@10/@20 within a question's database and over all, and the times.

`python -m benchmarks retrieval --corpora FOLDER` (or BQ_COPILOT_CORPORA) reads `spider2_bq_tables.jsonl.gz` and
`spider2_bq_questions.jsonl` from there, or what --tables and --questions name; without them it says why it measures
nothing. A wildcard family of date-sharded tables counts as one table, as BigQuery's own lists show it; gold tables that
the catalog does not hold are left out, and said. No model is called.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bq_copilot.catalog import Catalog, Table
from bq_copilot.ddl import table_from_ddl
from bq_copilot.retrieval.index import Index, ids, index_of
from bq_copilot.retrieval.units import units_of

CUTS = (5, 10, 20)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    folder = os.environ.get("BQ_COPILOT_CORPORA", "")
    parser.add_argument("--corpora", default=folder)
    parser.add_argument("--tables", default="")
    parser.add_argument("--questions", default="")
    options, _ = parser.parse_known_args()
    tables = Path(options.tables or Path(options.corpora or ".") / "spider2_bq_tables.jsonl.gz")
    questions = Path(options.questions or Path(options.corpora or ".") / "spider2_bq_questions.jsonl")
    missing = [str(p) for p in (tables, questions) if not p.is_file()]
    if missing:
        print(f"skipped: {', '.join(missing)} not found; name the corpora with --corpora FOLDER (they are not shipped)")
        return
    by_database = read_tables(tables)
    asked = [json.loads(line) for line in questions.read_text(encoding="utf-8").splitlines() if line.strip()]
    measure(by_database, asked)


def read_tables(path: Path) -> dict[str, list[Table]]:
    """Return the tables of each database."""
    started, found = time.perf_counter(), defaultdict[str, list[Table]](list)
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            table = table_from_ddl(row["ddl"])
            found[row["database"]].append(table.model_copy(update={"id": f"{row['dataset']}.{row['table']}"}))
    count = sum(map(len, found.values()))
    print(f"{count:,} tables of {len(found)} databases read in {time.perf_counter() - started:.1f} s")
    return found


def measure(by_database: Mapping[str, list[Table]], asked: list[dict[str, Any]]) -> None:
    """Print recall within the database and over all, and the times of the big index."""
    with TemporaryDirectory() as folder:
        whole = _whole(by_database, Path(folder))
        small = {name: Shelf(tables) for name, tables in by_database.items()}
        everything = Shelf([t for tables in by_database.values() for t in tables], whole)
        within: list[tuple[float, ...]] = []
        over_all: list[tuple[float, ...]] = []
        left_out = 0
        for one in asked:
            gold, shelf = set(one["gold_tables"]), small.get(one["database"])
            known = shelf.units_of(gold) if shelf else set[str]()
            left_out += sum(1 for g in gold if not (shelf and g in shelf.unit))
            if shelf and known:
                within.append(shelf.recall(one["question"], known))
            if found := everything.units_of(gold):
                over_all.append(everything.recall(one["question"], found))
        _print("within the question's database", within)
        _print("over all tables", over_all)
        print(f"gold tables that the catalog does not hold, left out: {left_out}")
        times = sorted(_time(whole, one["question"]) for one in asked)
        print(f"query over all: median {statistics.median(times):.1f} ms, slowest {times[-1]:.1f} ms")


class Shelf:
    """Tables with their index."""

    def __init__(self, tables: list[Table], index: Index | None = None) -> None:
        unique = list({t.id: t for t in tables}.values())
        self.index = index or index_of(Catalog(tables=tuple(unique)))
        self.unit = {m: u.id for u in units_of(unique) for m in u.members}

    def units_of(self, gold: set[str]) -> set[str]:
        """Return the units that hold the gold tables which are there."""
        return {self.unit[g] for g in gold if g in self.unit}

    def recall(self, question: str, gold: set[str]) -> tuple[float, ...]:
        """Return recall at each cut."""
        found = ids(self.index.search(question, max(CUTS)))
        return tuple(len(gold & set(found[:k])) / len(gold) for k in CUTS)


def _whole(by_database: Mapping[str, list[Table]], folder: Path) -> Index:
    """Build the index of all rows of the corpus, a table that two databases share once, and refresh it."""
    tables = list({t.id: t for found in by_database.values() for t in found}.values())
    rows = sum(map(len, by_database.values()))
    catalog = Catalog(tables=tuple(tables))
    started = time.perf_counter()
    index = index_of(catalog, folder)
    built = time.perf_counter() - started
    print(f"index of {rows:,} tables ({len(tables):,} different) built in {built:.2f} s")
    changed = tables[0].model_copy(update={"columns": tables[0].columns[:-1]})
    started = time.perf_counter()
    done = index.refresh(Catalog(tables=(changed, *tables[1:])))
    print(f"refreshed after one change in {time.perf_counter() - started:.2f} s ({done.written} written)")
    index.refresh(catalog)
    started = time.perf_counter()
    index.refresh(catalog)
    print(f"unchanged catalog: {1000 * (time.perf_counter() - started):.1f} ms")
    return index


def _time(index: Index, question: str) -> float:
    started = time.perf_counter()
    index.search(question, max(CUTS))
    return (time.perf_counter() - started) * 1000


def _print(what: str, rows: list[tuple[float, ...]]) -> None:
    means = [statistics.mean(column) for column in zip(*rows, strict=True)]
    shown = "  ".join(f"recall@{k} {m:.3f}" for k, m in zip(CUTS, means, strict=True))
    print(f"{what}: {shown}  ({len(rows)} questions)")


if __name__ == "__main__":
    main()
