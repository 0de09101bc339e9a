"""`python -m tests.races --runs 1000`: every contest and the idempotent start, on SQLite and PostgreSQL."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from bq_copilot.ledger_sql import SqlLedger
from tests import postgres
from tests.races.contests import CONTESTS
from tests.races.grounds import submit_together


@contextmanager
def databases() -> Iterator[list[str]]:
    """Yield the kinds of database that there are on this machine, as URLs; SQLite's is a folder to make files in."""
    with tempfile.TemporaryDirectory(prefix="bqc-races-") as folder:
        if postgres.binaries() is None:
            yield [f"sqlite:///{folder}"]
            return
        with postgres.cluster() as url:
            yield [f"sqlite:///{folder}", url]


def empty(url: str, name: str) -> str:
    """Return the address of an empty ledger in this database."""
    if url.startswith("sqlite"):
        return f"{url}/{name.replace(' ', '-').replace(',', '')}.db"
    engine = sa.create_engine(url)
    with engine.begin() as c:
        c.execute(sa.text("DROP SCHEMA public CASCADE"))
        c.execute(sa.text("CREATE SCHEMA public"))
    engine.dispose()
    return url


def same_key(url: str, count: int) -> Counter[str]:
    """Submit one key `count` times from four processes: one run. Raises AssertionError."""
    told = Counter(submit_together(url, 4, count // 4, lambda _number: "How many orders?"))
    ledger = SqlLedger(url)
    heads, rows = ledger.heads(limit=10), ledger.rows(ledger.heads(limit=1)[0].run_id)
    ledger.close()
    assert (len(heads), len(rows)) == (1, 1)
    assert told == {"began": 1, "found": count // 4 * 4 - 1}, told
    return told


def main() -> int:
    """Run and print; an AssertionError names the first race that did not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.races")
    parser.add_argument("--runs", type=int, default=1_000)
    count = parser.parse_args().runs
    with databases() as urls:
        for url in urls:
            print(url.partition(":")[0], flush=True)
            for contest in CONTESTS:
                began = time.monotonic()
                wins = contest.run(empty(url, contest.name), count)
                said = ", ".join(f"{number} {who}" for who, number in sorted(wins.items()))
                print(f"  {contest.name:<28} {count} runs, {time.monotonic() - began:5.1f} s: {said}", flush=True)
            told = same_key(empty(url, "same key"), count)
            print(f"  {'one key':<28} {count} submissions: {dict(told)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
