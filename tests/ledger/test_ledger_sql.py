"""The SQL ledger: compare-and-set, fences, leases, chains."""

from __future__ import annotations

import multiprocessing
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from bq_copilot import events as ev
from bq_copilot.errors import Damaged, LedgerUnavailable, Superseded
from bq_copilot.export_events import ExportRequested
from bq_copilot.journal import Journal, UnknownRun, begin
from bq_copilot.ledger import HeadMoved
from bq_copilot.ledger_sql import SqlLedger
from bq_copilot.receipts import verify
from tests.unit.samples import received
from tests.unit.walker import Walker


def wait(number: int = 1) -> ev.Waited:
    """A harmless event."""
    return ev.Waited(what="x", reason="r", attempt=number, until="2026-07-01T00:00:00Z")


def test_what_is_appended_is_read_back_in_order(ledger: SqlLedger) -> None:
    """Events come back as they were recorded, with rising times."""
    journal, _ = begin(ledger, "r-1", received())
    journal.append(wait(1))
    journal.append(wait(2))
    events = ledger.read("r-1")
    assert [e.event.kind for e in events] == ["run_received", "waited", "waited"]
    assert events[0].at <= events[1].at <= events[2].at
    assert Journal.open(ledger, "r-1").state == journal.state


def test_the_second_writer_of_a_place_loses_and_knows_what_came_first(ledger: SqlLedger) -> None:
    """Appends are compare-and-set: the loser has folded the winner's event when it is told."""
    begin(ledger, "r-1", received())
    first, second = Journal.open(ledger, "r-1"), Journal.open(ledger, "r-1")
    first.append(wait(1))
    with pytest.raises(HeadMoved):
        second.append(wait(2))
    assert second.state == first.state


def test_the_same_key_and_question_is_the_same_run(ledger: SqlLedger) -> None:
    """Beginning a run twice finds the first."""
    _, began = begin(ledger, "r-1", received())
    _, again = begin(ledger, "r-1", received())
    assert (began, again) == (True, False)


def test_the_same_key_with_another_question_is_a_conflict(ledger: SqlLedger) -> None:
    """A key names one question."""
    begin(ledger, "r-1", received("one"))
    with pytest.raises(Exception, match="another question"):
        begin(ledger, "r-1", received("two"))


def test_an_unknown_run_is_named_in_the_error(ledger: SqlLedger) -> None:
    """Opening a run that is not there says so."""
    with pytest.raises(UnknownRun, match="r-none"):
        Journal.open(ledger, "r-none")


def test_a_lease_is_held_by_one(ledger: SqlLedger) -> None:
    """A second holder gets nothing while the lease holds."""
    assert ledger.take_lease("r-1", "a", 30) is not None
    assert ledger.take_lease("r-1", "b", 30) is None


def test_a_released_lease_comes_back_with_a_higher_token(ledger: SqlLedger) -> None:
    """Tokens only ever grow."""
    first = ledger.take_lease("r-1", "a", 30)
    assert first is not None
    ledger.release_lease("r-1", first.token)
    second = ledger.take_lease("r-1", "b", 30)
    assert second is not None
    assert second.token > first.token


def test_who_lost_the_lease_cannot_append(ledger: SqlLedger) -> None:
    """A fenced writer whose token is old is refused."""
    journal, _ = begin(ledger, "r-1", received())
    old = ledger.take_lease("r-1", "a", -1)
    assert old is not None
    ledger.take_lease("r-1", "b", 30)
    journal.fence = old.token
    with pytest.raises(Superseded):
        journal.append(wait())
    assert not ledger.renew_lease(old, 30)


def test_heads_list_phase_and_filter(ledger: SqlLedger) -> None:
    """The list of runs follows the events."""
    begin(ledger, "r-1", received())
    begin(ledger, "r-2", received())
    Journal.open(ledger, "r-2").append(ev.CancelRequested(by="ana", via="test"))
    assert [h.run_id for h in ledger.heads(phases=["cancelling"])] == ["r-2"]
    assert {h.run_id for h in ledger.heads()} == {"r-1", "r-2"}
    assert ledger.heads(run_ids=["r-1"])[0].phase == "received"


@pytest.mark.parametrize("column", ["run_id", "seq", "kind", "body", "at", "prev_hash", "hash"])
def test_any_altered_column_of_any_row_is_found_by_verify(ledger: SqlLedger, url: str, column: str) -> None:
    """Each altered value is named by its row's seq."""
    _copy(Walker(11), ledger)
    rows = ledger.rows("r-walk")
    verify(rows)
    for seq in (1, len(rows) // 2, len(rows)):
        old = getattr(rows[seq - 1], column)
        new = 10_000 + seq if column == "seq" else _altered(old)
        _alter(url, column, seq, "r-walk", new)
        with pytest.raises(Damaged) as caught:
            _verify_whole(ledger, len(rows))
        assert caught.value.seq == seq
        _alter(url, column, new if column == "seq" else seq, new if column == "run_id" else "r-walk", old)


def _alter(url: str, column: str, seq: int, run_id: str, value: object) -> None:
    """Change one column of one row behind the ledger's back."""
    engine = sa.create_engine(url)
    statement = f"UPDATE events SET {column} = :value WHERE run_id = :run_id AND seq = :seq"
    with engine.begin() as c:
        c.execute(sa.text(statement), {"value": value, "run_id": run_id, "seq": seq})
    engine.dispose()


def _verify_whole(ledger: SqlLedger, count: int) -> None:
    """Check the chain and that its head is the one that the list of runs knows."""
    last = verify(ledger.rows("r-walk"))
    head = ledger.heads(run_ids=["r-walk"])[0]
    if last is None or last.seq != head.seq:
        raise Damaged("rows are missing at the end", seq=count)


def _altered(text: str) -> str:
    middle = len(text) // 2
    return text[:middle] + ("x" if text[middle] != "x" else "y") + text[middle + 1 :]


def _copy(walker: Walker, ledger: SqlLedger) -> None:
    walker.walk()
    journal: Journal | None = None
    for recorded in walker.ledger.read("r-walk"):
        if journal is None:
            journal, _ = begin(ledger, "r-walk", recorded.event)
        else:
            journal.append(_unexpired(recorded.event))


def _unexpired(event: ev.Event) -> ev.Event:
    """Walks run on a clock of 2026-07; this ledger has the real one."""
    if isinstance(event, ev.ApprovalRequested):
        request = event.request.model_copy(update={"expires_at": "2099-01-01T00:00:00Z"})
        return ev.ApprovalRequested.model_validate({"request": request.model_dump(mode="json"), "digest": event.digest})
    if isinstance(event, ev.QuestionAsked):
        return ev.QuestionAsked.model_validate({**event.model_dump(), "expires_at": "2099-01-01T00:00:00Z"})
    if isinstance(event, ExportRequested):
        return event.model_copy(update={"expires_at": datetime(2099, 1, 1, tzinfo=UTC)})
    return event


def test_a_read_only_ledger_says_try_again(tmp_path: Path) -> None:
    """A database that cannot be written is a passing fault with the fixed words."""
    path = tmp_path / "ledger.db"
    ledger = SqlLedger(f"sqlite:///{path}", busy_seconds=0.1)
    begin(ledger, "r-1", received())
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(LedgerUnavailable, match="try again: ledger unavailable"):
        Journal.open(ledger, "r-1").append(wait())
    holder.execute("ROLLBACK")
    holder.close()
    assert Journal.open(ledger, "r-1").append(wait()).seq == 2


def _hammer(url: str, number: int, wins: multiprocessing.Queue[int]) -> None:
    ledger = SqlLedger(url)
    won = 0
    for place in range(2, 12):
        journal = Journal.open(ledger, "r-1")
        try:
            ledger.append("r-1", place, wait(number), lambda rec, j=journal: j.state)
            won += 1
        except HeadMoved:
            continue
    wins.put(won)


def test_of_many_processes_one_wins_each_place(url: str) -> None:
    """Four processes race for ten places: each place has one winner."""
    begin(SqlLedger(url), "r-1", received())
    wins: multiprocessing.Queue[int] = multiprocessing.get_context("spawn").Queue()
    spawn = multiprocessing.get_context("spawn")
    racers = [spawn.Process(target=_hammer, args=(url, n, wins)) for n in range(4)]
    for racer in racers:
        racer.start()
    total = sum(wins.get(timeout=60) for _ in racers)
    for racer in racers:
        racer.join()
    rows = SqlLedger(url).rows("r-1")
    assert total == len(rows) - 1
    assert verify(rows) is not None


def test_what_a_requester_spent_on_a_day_is_summed_with_what_is_reserved(ledger: SqlLedger) -> None:
    """Two runs of one requester and one of another: each day's sum is theirs alone, everybody's is all of it."""
    from bq_copilot import budgets
    from tests.unit.walker import Walker

    ledger.advance = lambda _seconds: None  # type: ignore[attr-defined] - its clock moves by itself
    states = [Walker(seed, ledger=ledger, run_id=f"r-{seed}").walk() for seed in (3, 4)]  # type: ignore[arg-type]
    day = budgets.day_of(states[0])
    gone, held = ledger.spent("ana", day)
    assert gone == sum((budgets.spent(s) for s in states), budgets.Spending())
    assert held == budgets.Spending()
    assert ledger.spent("", day) == (gone, held)
    assert ledger.spent("ben", day) == (budgets.Spending(), budgets.Spending())
