"""`ask --after` and `rate`, as they are typed."""

from __future__ import annotations

from pathlib import Path

from tests import recorded_runs as rr
from tests.cli.conftest import Bq
from tests.cli.prefect_double import PrefectDouble


def test_a_question_after_a_run_is_recorded_with_it(home: Path, bq: Bq, prefect: PrefectDouble) -> None:
    """The new run knows which one it continues."""
    run = rr.finished(home, requester="ann")
    out = bq("ask", "--detach", "--json", "--requester", "ann", "--after", run.run_id, "And as a share?")
    assert out.code == 0, out.err
    new = rr.Journal.open(run.ledger, out.json["run_id"]).state
    assert new.received is not None
    assert new.received.after_run == run.run_id


def test_somebody_elses_run_cannot_be_continued(home: Path, bq: Bq, prefect: PrefectDouble) -> None:
    """It is said that there is none, and what to do; nothing is recorded."""
    run = rr.finished(home, requester="ann")
    out = bq("ask", "--detach", "--json", "--requester", "bob", "--after", run.run_id, "And?")
    assert (out.code, out.json["error"]["code"]) == (3, "nothing_to_continue")
    assert len(run.ledger.heads()) == 1


def test_an_answer_is_rated_and_the_trace_says_by_whom(home: Path, bq: Bq) -> None:
    """The newest rating stands."""
    run = rr.finished(home)
    assert bq("rate", run.run_id, "up", "--reason", "right").code == 0
    assert bq("rate", run.run_id, "down").code == 0
    state = rr.Journal.open(run.ledger, run.run_id).state
    assert state.rating is not None and state.rating.verdict == "down"
    assert "rated the answer down" in bq("trace", run.run_id).out


def test_what_has_no_answer_is_not_rated(home: Path, bq: Bq) -> None:
    """A run that waits says where it stands."""
    run = rr.waiting_for_approval(home)
    out = bq("rate", run.run_id, "up", "--json")
    assert (out.code, out.json["error"]["code"]) == (3, "nothing_to_rate")
    assert bq("rate", run.run_id, "perhaps").code == 2
