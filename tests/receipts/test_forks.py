"""Forks: what another run begins with, what it never gets, and how two runs are compared."""

from __future__ import annotations

from copy import copy
from pathlib import Path

import pytest

from bq_copilot import steps
from bq_copilot.comparing import compare
from bq_copilot.errors import Refused
from bq_copilot.events import Recorded, RunEnded, RunReceived
from bq_copilot.forking import Edits, fork_of, place_of
from bq_copilot.journal import Journal, begin
from bq_copilot.phases import Phase
from bq_copilot.replaying import replay
from bq_copilot.state import RunState
from bq_copilot.testing import MemoryLedger
from bq_copilot.transitions import fold
from tests import recorded_runs as rr
from tests.cli.conftest import Bq, bq, home, prefect  # noqa: F401 - fixtures
from tests.cli.prefect_double import PrefectDouble
from tests.unit.samples import SHELF
from tests.unit.walker import Walker


def forked(events: list[Recorded], seq: int, edits: Edits | None = None, shelf: object = SHELF) -> Journal:
    """Fork in memory."""
    first = fork_of(events, seq, edits or Edits(), "fran", "test", shelf)  # type: ignore[arg-type]
    parent = events[0].event
    assert parent.kind == "run_received"
    known = {"question": parent.question, "requester": "fran", "via": "test", "request_key": "f", "code_version": "0"}
    received = RunReceived(**known, parent_run=events[0].run_id, parent_seq=seq)
    journal, _ = begin(MemoryLedger(), "r-fork", received)
    journal.append(first)
    return journal


def seq_of(run: rr.Recording, kind: str) -> int:
    return max(e.seq for e in run.ledger.read(run.run_id) if e.event.kind == kind)


def test_a_fork_whose_second_event_was_never_recorded_ends_and_says_so() -> None:
    """Its edits are lost with the process that forked: it must not go on as a plain question."""
    known = {"question": "How many?", "requester": "fran", "via": "test", "request_key": "f", "code_version": "0"}
    journal, _ = begin(MemoryLedger(), "r-fork", RunReceived(**known, parent_run="r-parent", parent_seq=9))
    step = steps.next_step(journal.state)
    assert isinstance(step, steps.End)
    assert step.failure is not None
    journal.append(RunEnded(phase=step.phase, failure=step.failure))
    assert (journal.state.phase, step.failure.code, step.failure.next) == (Phase.FAILED, "bad_fork", "Fork again.")


@pytest.mark.parametrize("seed", range(12))
def test_F28_a_run_can_be_forked_after_any_event_and_gets_to_its_end(seed: int) -> None:
    """Wherever it begins: no approval, job, answer or follow-up is inherited, and legal steps lead to an end."""
    walker = Walker(seed)
    walker.walk()
    events = walker.ledger.read("r-walk")
    for seq in range(1, len(events) + 1):
        journal = forked(events, seq)
        state = journal.state
        assert not (state.jobs or state.past_jobs or state.effects or state.follow_ups or state.answer or state.cancel)
        assert state.plan is None or not (state.plan.approvals or state.plan.consumed or state.plan.request)
        assert (state.bytes_billed, state.tokens) == (0, 0)
        again = copy(walker)
        again.ledger, again.journal = journal.ledger, journal
        end = again.walk(300)
        assert end.phase.is_terminal, end.phase
        jobs = [e.event for e in journal.ledger.read("r-fork") if e.event.kind == "job_intended"]
        plan_jobs = [j for j in jobs if not j.query.startswith("profile")]
        used = [e for e in journal.ledger.read("r-fork") if e.event.kind == "approval_consumed"]
        assert not plan_jobs or used, "a job of a plan ran without an approval of the fork's own"


def test_F28_a_fork_of_an_answer_reuses_what_was_read_and_writes_the_answer_anew(tmp_path: Path) -> None:
    """After the results were read, the fork goes straight to the model, with the stored page and no job."""
    run = rr.finished(tmp_path)
    at = seq_of(run, "call_answered")
    state = forked(run.ledger.read(run.run_id), at, Edits(model="another"), run.shelf).state
    assert steps.next_step(state) == steps.TakeTurn(3, requested=False)
    assert (state.phase, set(state.results), dict(state.jobs)) == (Phase.ANSWERING, {"q1"}, {})
    assert state.pinned is not None and state.pinned.model == "another"
    assert state.forked is not None
    assert state.forked.dropped == ("1 approval", "1 warehouse job")


def test_F28_an_approved_plan_is_judged_priced_and_asked_about_again(tmp_path: Path) -> None:
    """In the middle of its execution: the fork proposes the plan anew, as revision 1, with nothing decided."""
    run = rr.finished(tmp_path)
    state = forked(run.ledger.read(run.run_id), seq_of(run, "job_submitted"), shelf=run.shelf).state
    step = steps.next_step(state)
    assert isinstance(step, steps.ProposePlan)
    assert (step.revision, step.by, step.queries[0].sql) == (1, "model", rr.SQL)


def test_edited_sql_is_a_plan_of_the_person_who_forked(tmp_path: Path) -> None:
    """The new SQL takes the place of the old one, in the forker's name; the gate comes next, not the warehouse."""
    run = rr.waiting_for_approval(tmp_path)
    journal = forked(run.ledger.read(run.run_id), run.state.seq, Edits(sql={"": "SELECT 2"}), run.shelf)
    step = steps.next_step(journal.state)
    assert isinstance(step, steps.ProposePlan)
    assert (step.by, step.queries[0].sql, step.queries[0].id) == ("fran", "SELECT 2", "q1")
    proposed = rr.ev.PlanProposed(revision=1, queries=step.queries, rationale=step.rationale, by="fran")
    journal.append(proposed)
    assert isinstance(steps.next_step(journal.state), steps.RulePlan)


def test_another_answer_takes_the_question_from_where_it_was_open(tmp_path: Path) -> None:
    """The question that waits in the parent is answered in the fork; the parent still waits."""
    run = rr.waiting_for_answer(tmp_path)
    state = forked(run.ledger.read(run.run_id), run.state.seq, Edits(answer="no"), run.shelf).state
    assert state.answered is not None and (state.answered.answer, state.answered.by) == ("no", "fran")
    assert isinstance(steps.next_step(state), steps.AnswerCall)
    assert run.state.phase is Phase.AWAITING_ANSWER


def test_an_edit_that_makes_no_sense_there_says_where_it_would(tmp_path: Path) -> None:
    """No open question, no open plan, no pins, no such event: one sentence each, with the event to name."""
    run = rr.finished(tmp_path)
    events, proposed = run.ledger.read(run.run_id), seq_of(run, "plan_proposed")
    cases = [
        (1, Edits(model="m"), "Nothing is pinned after event 1", "Name a later event"),
        (5, Edits(answer="x"), "No question is open after event 5", "Nothing was asked so far"),
        (len(events), Edits(sql={"q1": "SELECT 2"}), "No plan is open", f"--at {proposed}"),
        (proposed, Edits(sql={"q9": "SELECT 2"}), "no query q9", "Its queries: q1"),
        (99, Edits(), "there is no event 99", "--at"),
    ]
    for seq, edits, words, hint in cases:
        with pytest.raises(Refused, match=words) as caught:
            fork_of(events, seq, edits, "fran", "test", run.shelf)
        assert hint in caught.value.next


def test_without_an_event_it_goes_on_from_where_the_edit_belongs(tmp_path: Path) -> None:
    """SQL: the newest plan; an answer: the question; a model: the beginning; nothing at all is no fork."""
    run = rr.finished(tmp_path)
    events = run.ledger.read(run.run_id)
    assert place_of(events, Edits(sql={"": "SELECT 2"})) == seq_of(run, "plan_proposed")
    assert place_of(events, Edits(model="m")) == seq_of(run, "run_pinned")
    with pytest.raises(Refused, match="nothing was asked so far"):
        place_of(events, Edits(answer="x"))
    with pytest.raises(Refused, match="Nothing would be different"):
        place_of(events, Edits())
    asked = rr.waiting_for_answer(tmp_path / "asked")
    assert place_of(asked.ledger.read(asked.run_id), Edits(answer="no")) == seq_of(asked, "question_asked")


def test_a_forks_own_prompts_replay(tmp_path: Path) -> None:
    """What it took over is part of its prompts; they come out again byte for byte."""
    parent = rr.finished(tmp_path)
    journal = forked(parent.ledger.read(parent.run_id), seq_of(parent, "call_answered"), shelf=parent.shelf)
    fork = rr.Recording.__new__(rr.Recording)
    fork.ledger, fork.shelf, fork.journal, fork.run_id = journal.ledger, parent.shelf, journal, "r-fork"  # type: ignore[assignment]
    fork.turn("give_up", reason="enough")
    done = replay("r-fork", journal.ledger.read("r-fork"), parent.shelf)
    assert (done.difference, done.counts.prompts) == (None, 1)


def test_two_runs_are_compared_from_question_to_answer(tmp_path: Path) -> None:
    """SQL as a diff, results and costs side by side, and that one comes from the other."""
    run = rr.finished(tmp_path)
    other = forked(run.ledger.read(run.run_id), seq_of(run, "call_answered"), Edits(model="m2"), run.shelf).state
    pages = {"q1": rr.ROWS}
    found = compare(run.state, other, pages, pages)
    what = {d["what"]: (d["a"], d["b"]) for d in found["differences"]}
    assert what["model"] == ("offline-planner-1", "m2")
    assert what["phase"] == ("completed", "answering")
    assert {"question", "q1: SQL", "q1: result", "policy"} <= set(found["same"])
    assert found["related"] == f"r-fork comes from {run.run_id} after event {seq_of(run, 'call_answered')}"


def test_F28_fork_as_it_is_typed(home: Path, bq: Bq, prefect: PrefectDouble) -> None:  # noqa: F811
    """A new run in the forker's name is recorded and started; parent and event stand in both its views."""
    run = rr.waiting_for_approval(home)
    (home / "new.sql").write_text("SELECT 2")
    made = bq("fork", run.run_id, "--sql-file", str(home / "new.sql"), "--json")
    assert made.code == 0, made.err
    proposed = seq_of(run, "plan_proposed")
    fork_id = made.json["run_id"]
    shown = bq("show", fork_id, "--json").json
    assert (shown["parent_run"], shown["parent_seq"]) == (run.run_id, proposed)
    assert shown["forked"] == ["the SQL of q1 was edited"]
    assert shown["approval"] is None
    assert f"forked from {run.run_id} after event {proposed}" in bq("trace", fork_id).out
    compared = bq("diff", run.run_id, fork_id, "--json").json
    assert compared["related"].startswith(fork_id)
    assert bq("verify", fork_id).code == 0
    run.journal.refresh()
    assert run.state.phase is Phase.AWAITING_APPROVAL


def test_the_same_request_key_gives_the_same_fork(home: Path, bq: Bq, prefect: PrefectDouble) -> None:  # noqa: F811
    """Typed twice it is one fork; the key of another run is a conflict."""
    run = rr.waiting_for_approval(home)
    line = ("fork", run.run_id, "--request-key", "once", "--json", "--at")
    first, second = (bq(*line, str(run.state.seq)).json["run_id"] for _ in range(2))
    assert first == second
    assert bq(*line, "3").code == 3


def test_a_fork_of_a_fork_begins_where_that_one_stood(tmp_path: Path) -> None:
    """Parents chain."""
    run = rr.waiting_for_approval(tmp_path)
    once = forked(run.ledger.read(run.run_id), run.state.seq, shelf=run.shelf)
    events = once.ledger.read("r-fork")
    again: RunState = fold("r-fork", events)
    twice = fork_of(events, again.seq, Edits(), "gil", "test", run.shelf)
    assert (twice.parent_run, twice.parent_seq, len(twice.turns)) == ("r-fork", 2, 2)
