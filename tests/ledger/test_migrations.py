"""Every schema that a ledger ever had is brought to this version's, with its rows as they were."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from bq_copilot import events as ev
from bq_copilot import ledger_schema, migrating
from bq_copilot.circuits_sql import SqlCircuits
from bq_copilot.errors import Refused
from bq_copilot.folder_blobs import FolderBlobs
from bq_copilot.journal import Journal, begin
from bq_copilot.ledger_sql import SqlLedger
from bq_copilot.shelf import Shelf
from bq_copilot.verifying import check_run
from tests.unit.samples import received

SCHEMAS = sorted((Path(__file__).parent / "schemas").glob("*.sql"))
GOLDEN = Path(__file__).parents[1] / "golden"
RUN = [json.loads(line) for line in (GOLDEN / "0.1.0" / "completed.jsonl").read_text().splitlines()]
INSERT = "INSERT INTO events VALUES (:run_id, :seq, :kind, :body, :at, :prev_hash, :hash)"


def execute(url: str, *statements: str, rows: list[dict[str, object]] | None = None) -> None:
    """Execute behind the ledger's back."""
    engine = sa.create_engine(url)
    with engine.begin() as c:
        for statement in statements:
            c.execute(sa.text(statement), rows) if rows else c.execute(sa.text(statement))
    engine.dispose()


def shape(url: str) -> dict[str, object]:
    """Tables with their columns, keys and indexes."""
    engine = sa.create_engine(url)
    look = sa.inspect(engine)
    found = {
        table: (
            sorted((c["name"], str(c["type"]), c["nullable"]) for c in look.get_columns(table)),
            look.get_pk_constraint(table)["constrained_columns"],
            sorted((i["name"] or "", tuple(i["column_names"])) for i in look.get_indexes(table)),
        )
        for table in sorted(look.get_table_names())
    }
    engine.dispose()
    return found


def drop_all(url: str) -> None:
    """Empty the database."""
    execute(url, *(f"DROP TABLE {name}" for name in shape(url)))


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda p: p.stem)
def test_an_older_schema_is_upgraded_and_its_runs_verify(schema: Path, url: str) -> None:
    """Same tables as a new ledger's, the same rows, and the ledger takes events."""
    SqlLedger(url).close()
    new = shape(url)
    drop_all(url)
    execute(url, *(part for part in schema.read_text().split(";") if part.strip()))
    execute(url, INSERT, rows=RUN)
    stamp = "0003" if ledger_schema.VERSION_TABLE in schema.read_text() else ""
    assert migrating.upgrade(url) == (stamp, ledger_schema.HEAD)
    assert shape(url) == new
    ledger = SqlLedger(url)
    run_id = str(RUN[0]["run_id"])
    assert check_run(run_id, ledger.rows(run_id), Shelf(FolderBlobs(GOLDEN)), None).rows == len(RUN)
    begin(ledger, "r-1", received())[0].append(ev.Waited(what="x", reason="r", attempt=1, until="2026-07-01T00:00:00Z"))
    assert SqlCircuits(ledger).ask("model") is None
    ledger.close()


def test_an_older_ledger_is_refused_for_writing_and_can_be_looked_at(url: str) -> None:
    """Nobody writes into tables that this version does not know; the error says what to do."""
    execute(url, *(part for part in SCHEMAS[-1].read_text().split(";") if part.strip()))
    with pytest.raises(Refused, match="older version") as refused:
        SqlLedger(url)
    assert "ledger upgrade" in refused.value.next
    looking = SqlLedger(url, outdated=True)
    assert looking.heads() == looking.pruned_runs() == []
    looking.close()
    assert migrating.stands(url)[2] == "older"


def test_an_upgrade_of_a_current_ledger_does_nothing(ledger: SqlLedger, url: str) -> None:
    """Twice is once, also beside a process that has the ledger open."""
    begin(ledger, "r-1", received())
    assert migrating.upgrade(url) == (ledger_schema.HEAD, ledger_schema.HEAD)
    assert Journal.open(ledger, "r-1").state.seq == 1


def test_a_newer_ledger_goes_on_being_used(ledger: SqlLedger, url: str) -> None:
    """While hosts are upgraded one by one, the older ones work on: a step only adds."""
    execute(url, f"UPDATE {ledger_schema.VERSION_TABLE} SET version_num = '9999'")
    other = SqlLedger(url)
    begin(other, "r-1", received())
    other.close()
    assert migrating.stands(url)[2] == "newer"


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_the_statements_can_be_printed_for_the_database_s_owner(dialect: str) -> None:
    """Where nobody of ours may change tables, the same steps come out as SQL."""
    said = migrating.as_sql(dialect, "0001")
    assert "CREATE TABLE IF NOT EXISTS pruned_rows" in said
    assert f"UPDATE {ledger_schema.VERSION_TABLE} SET version_num='{ledger_schema.HEAD}'" in said
    assert "CREATE TABLE IF NOT EXISTS heads" not in said


def test_alembic_s_scripts_and_the_steps_are_the_same_revisions() -> None:
    """One script for each step, in this order."""
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(migrating.SCRIPTS)).walk_revisions()
    assert [s.revision for s in scripts] == list(reversed(ledger_schema.STEPS))
