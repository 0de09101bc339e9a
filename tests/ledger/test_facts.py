"""What is seen of a ledger's database from outside, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from bq_copilot import ledger_facts, ledger_schema, watchers_sql
from bq_copilot.errors import LedgerUnavailable, Refused
from bq_copilot.journal import begin
from bq_copilot.ledger_sql import SqlLedger
from deployments.production.ledger import durability
from deployments.verdicts import Severity
from deployments.watching import Sign
from tests.unit.samples import received


def look(url: str) -> ledger_facts.LedgerFacts:
    """Look once, beside this machine's clock."""
    return ledger_facts.look(url, lambda: datetime.now(UTC))


def test_looking_at_an_empty_database_leaves_it_empty(url: str) -> None:
    """No tables are made; a file that is not there is not made either."""
    engine = sa.create_engine(url)
    engine.connect().close()
    assert look(url).stands == "empty"
    assert sa.inspect(engine).get_table_names() == []
    engine.dispose()
    with pytest.raises(LedgerUnavailable, match="does not answer"):
        look("sqlite:////nowhere/ledger.db")


def test_one_look_sees_revision_runs_leases_and_signs_of_life(ledger: SqlLedger, url: str) -> None:
    """All of it by the database's own clock; a sign of life is one row a host, however often it is given."""
    begin(ledger, "r-1", received())
    ledger.take_lease("r-1", "host:1:1", -5)
    now, tick = ledger.now(), [0.0]
    sign = Sign(ledger, clock=lambda: tick[0])
    sign.give()
    sign.give()
    watchers_sql.note(ledger, "host-b", "0.0.9")
    facts = look(url)
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
    assert [w.seen_at.year for w in look(url).watchers] == [2020, 2020]
    tick[0] = 20.0
    sign.give()
    assert [w.seen_at.year > 2020 for w in look(url).watchers] == [True]


def test_a_database_that_gives_durability_away_is_found(server: str) -> None:
    """`synchronous_commit` that somebody switched off for this database alone is what a new connection has."""
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as c:
        assert durability(look(server)).severity is Severity.GOOD
        c.execute(sa.text("ALTER DATABASE postgres SET synchronous_commit = off"))
        try:
            wrong = durability(look(server))
        finally:
            c.execute(sa.text("ALTER DATABASE postgres RESET synchronous_commit"))
    engine.dispose()
    assert wrong.severity is Severity.BAD and "SET synchronous_commit = on" in wrong.mend


def test_a_user_who_may_not_insert_is_found(ledger: SqlLedger, url: str) -> None:
    """Rights are asked for, not tried; a database that does not let us in is told without the password."""
    if not url.startswith("postgresql"):
        assert look(url).may_insert
        return
    with ledger.transaction() as c:
        c.execute(sa.text("DROP ROLE IF EXISTS looker"))
        c.execute(sa.text("CREATE ROLE looker LOGIN"))
        c.execute(sa.text("GRANT USAGE ON SCHEMA public TO looker"))
        c.execute(sa.text("GRANT SELECT ON ALL TABLES IN SCHEMA public TO looker"))
    assert not look(url.replace("copilot@", "looker@")).may_insert
    with ledger.transaction() as c:
        c.execute(sa.text("DROP OWNED BY looker"))
        c.execute(sa.text("DROP ROLE looker"))
    with pytest.raises(LedgerUnavailable, match="does not exist") as gone:
        look(url.replace("copilot@", "looker:hunter22@"))
    assert "hunter22" not in str(gone.value)


def test_an_address_that_is_none_is_not_told() -> None:
    """It may have a password in it."""
    with pytest.raises(Refused) as refused:
        look("postgresq://u:hunter22@h/l")
    assert "hunter22" not in str(refused.value) + refused.value.next
