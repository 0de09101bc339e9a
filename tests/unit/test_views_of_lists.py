"""What programs see of many runs, and of a run's history."""

from __future__ import annotations

from pathlib import Path

from bq_copilot import list_views, trace_view
from tests import recorded_runs as rr


def test_runs_are_listed_newest_first_with_their_phase(tmp_path: Path) -> None:
    """The list carries id, phase, question and requester of each run."""
    old = rr.finished(tmp_path)
    new = rr.waiting_for_approval(tmp_path, key="key-2", requester="bob")
    found = list_views.runs(old.ledger.heads())
    assert [r["run_id"] for r in found] == [new.run_id, old.run_id]
    assert [(r["phase"], r["requester"]) for r in found] == [("awaiting_approval", "bob"), ("completed", "ann")]
    assert found[0]["expires_at"] is not None and found[1]["expires_at"] is None


def test_pending_approvals_carry_what_a_decision_needs(tmp_path: Path) -> None:
    """A pending approval shows request id, digest, SQL, bytes and price."""
    run = rr.waiting_for_approval(tmp_path)
    (one,) = list_views.pending([run.state], run.ledger.now())
    assert run.state.plan
    assert (one["waits_for"], one["digest"], one["sql"]) == ("approval", run.state.plan.digest, [rr.SQL])
    assert one["request_id"] == f"{run.run_id}.1" and one["tier"] == 1


def test_pending_questions_carry_the_question(tmp_path: Path) -> None:
    """A pending question shows what is asked, and no SQL."""
    run = rr.waiting_for_answer(tmp_path)
    (one,) = list_views.pending([run.state], run.ledger.now())
    assert (one["waits_for"], one["asks"], one["options"]) == ("answer", "By order date?", ["yes", "no"])
    assert (one["sql"], one["digest"]) == ([], None)


def test_runs_that_wait_for_nobody_are_not_pending(tmp_path: Path) -> None:
    """A finished run is not in the list of what waits."""
    run = rr.finished(tmp_path)
    assert list_views.pending([run.state], run.ledger.now()) == []


def test_a_trace_has_every_event_in_order_with_the_phase_it_led_to(tmp_path: Path) -> None:
    """The history names each event once, with its phase, its words and its body."""
    run = rr.finished(tmp_path)
    trace = trace_view.trace(run.run_id, run.ledger.read(run.run_id), run.shelf)
    assert [e["seq"] for e in trace["events"]] == list(range(1, run.state.seq + 1))
    approved = next(e for e in trace["events"] if e["kind"] == "approval_decided")
    assert (approved["phase"], approved["text"]) == ("executing", "approved by ann via cli")
    assert approved["body"]["decision"]["by"] == "ann"


def test_the_phases_of_a_trace_follow_each_other_without_gaps(tmp_path: Path) -> None:
    """Phases are stretches of time: they begin where the last one ended, and add up to the whole."""
    run = rr.finished(tmp_path)
    trace = trace_view.trace(run.run_id, run.ledger.read(run.run_id), run.shelf)
    names = [p["phase"] for p in trace["phases"]]
    assert names[:2] == ["received", "clarifying"] and names[-1] == "completed"
    total = sum(p["seconds"] for p in trace["phases"])
    assert abs(total - trace["events"][-1]["seconds"]) < 0.01
