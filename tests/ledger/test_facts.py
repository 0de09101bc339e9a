"""What is seen of a ledger's database from outside, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from bq_copilot import ledger_facts, ledger_schema, watchers_sql
from bq_copilot.errors import LedgerUnavailable, Refused
from bq_copilot.journal import begin
from bq_copilot.ledger_sql import SqlLedger
from deployments.watching import Sign
from tests.unit.walker import received


def test_looking_at_an_empty_database_leaves_it_empty(url: str) -> None:
    """No tables are made; a file that is not there is not made either."""
    engine = sa.create_engine(url)
    engine.connect().close()
    assert ledger_facts.look(url).stands == "empty"
    assert sa.inspect(engine).get_table_names() == []
    engine.dispose()
    with pytest.raises(LedgerUnavailable, match="does not answer"):
        ledger_facts.look("sqlite:////nowhere/ledger.db")


def test_one_look_sees_revision_runs_leases_and_signs_of_life(ledger: SqlLedger, url: str) -> None:
    """All of it by the database's own clock; a sign of life is one row a host, however often it is given."""
    begin(ledger, "r-1", received())
    ledger.take_lease("r-1", "host:1:1", -5)
    now, tick = ledger.now(), [0.0]
    sign = Sign(ledger, clock=lambda: tick[0])
    sign.give()
    sign.give()
    watchers_sql.note(ledger, "host-b", "0.0.9")
    facts = ledger_facts.look(url)
    assert (facts.stands, facts.revision) == ("current", ledger_schema.HEAD)
    assert facts.phases["received"].runs == 1 and facts.signed_with == "" and facts.circuits == {}
    assert facts.lease_over is not None and facts.lease_over < now
    assert {w.holder for w in facts.watchers} >= {"host-b"} and len(facts.watchers) == 2
    assert all(now <= w.seen_at <= facts.now for w in facts.watchers)
    assert abs(facts.now - facts.here) < timedelta(seconds=60) and facts.may_insert
    assert bool(facts.settings) is (facts.dialect == "postgresql")


def test_a_sign_of_life_is_given_now_and_then_and_forgotten_in_the_end(ledger: SqlLedger, url: str) -> None:
    """Not at each look; a host that has gone long ago leaves no row."""
    tick = [0.0]
    sign = Sign(ledger, clock=lambda: tick[0])
    sign.give()
    with ledger.transaction() as c:
        c.execute(sa.text("UPDATE watchers SET seen_at = '2020-01-01T00:00:00.000000Z'"))
        c.execute(sa.text("INSERT INTO watchers VALUES ('gone', '1', '2020-01-01T00:00:00.000000Z')"))
    tick[0] = 5.0
    sign.give()
    assert [w.seen_at.year for w in ledger_facts.look(url).watchers] == [2020, 2020]
    tick[0] = 20.0
    sign.give()
    assert [w.seen_at.year > 2020 for w in ledger_facts.look(url).watchers] == [True]


def test_an_address_that_is_none_is_not_told() -> None:
    """It may have a password in it."""
    with pytest.raises(Refused) as refused:
        ledger_facts.look("postgresq://u:hunter22@h/l")
    assert "hunter22" not in str(refused.value) + refused.value.next
