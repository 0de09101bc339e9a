"""The fold: legal histories replay to the same state, illegal events do not get in."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bq_copilot import events as ev
from bq_copilot import steps
from bq_copilot.errors import Refused
from bq_copilot.events import Recorded
from bq_copilot.ledger import HeadMoved
from bq_copilot.phases import TERMINAL
from bq_copilot.receipts import verify
from bq_copilot.state import RunState
from bq_copilot.transitions import IllegalTransition, apply, fold
from tests.unit.samples import ended, pinned, received
from tests.unit.walker import Walker

seeds = st.integers(0, 2**31)


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_any_legal_history_folds_to_the_state_that_it_was_recorded_with(seed: int) -> None:
    """Folding what the ledger holds gives the state that the writer had."""
    walker = Walker(seed)
    state = walker.walk()
    assert fold("r-walk", walker.ledger.read("r-walk")) == state


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_every_walk_ends_in_a_terminal_phase_with_no_live_job(seed: int) -> None:
    """Whatever model, gate, people and warehouse do, the run ends, and it ends with nothing running."""
    state = Walker(seed).walk(most=400)
    assert state.phase in TERMINAL
    assert not state.live_jobs


@settings(max_examples=20, deadline=None)
@given(seeds, seeds)
def test_an_event_of_another_history_is_refused_or_leaves_a_state_that_replays(one: int, other: int) -> None:
    """No event, wherever it comes from, leads to a state that its own history does not give."""
    walker = Walker(one)
    walker.walk(most=one % 30)
    stranger = Walker(other)
    stranger.walk(most=40)
    for foreign in stranger.ledger.read("r-walk"):
        try:
            walker.journal.append(foreign.event)
        except (IllegalTransition, HeadMoved):
            continue
        assert fold("r-walk", walker.ledger.read("r-walk")) == walker.journal.state


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_no_job_is_intended_without_a_consumed_approval_or_a_profile(seed: int) -> None:
    """In every history, each job's query was approved and the approval was consumed before."""
    walker = Walker(seed)
    walker.walk()
    allowed: set[str] = set()
    planned: set[str] = set()
    for recorded in walker.ledger.read("r-walk"):
        match recorded.event:
            case ev.ApprovalConsumed():
                allowed |= planned
            case ev.PlanProposed(queries=queries):
                allowed.clear()
                planned = {q.id for q in queries}
            case ev.RetryRequested():
                allowed.clear()
            case ev.ProfilePlanned(query=query):
                allowed.add(query.id)
            case ev.JobIntended(query=query_id):
                assert query_id in allowed
            case _:
                continue


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_a_denied_plan_is_never_dry_run_asked_or_executed(seed: int) -> None:
    """After a denial the revision goes nowhere: no dry run, no approval request, no job."""
    walker = Walker(seed)
    walker.walk()
    denied: set[int] = set()
    for recorded in walker.ledger.read("r-walk"):
        match recorded.event:
            case ev.PlanRuled(revision=revision, verdicts=verdicts):
                denied |= {revision} if any(v.denied for v in verdicts) else set()
            case ev.PlanEstimated(revision=revision) | ev.EstimateRefused(revision=revision):
                assert revision not in denied
            case ev.ApprovalRequested(request=request):
                assert request.revision not in denied
            case _:
                continue


def test_the_chain_of_a_walk_verifies() -> None:
    """Receipts of a recorded run verify."""
    walker = Walker(7)
    state = walker.walk()
    last = verify(walker.ledger.rows("r-walk"))
    assert last is not None
    assert last.hash == state.hash


def test_a_run_starts_with_its_question() -> None:
    """Nothing can happen to a run that was not received."""
    with pytest.raises(IllegalTransition, match="run_received"):
        _apply(RunState("r-1"), pinned())


def test_a_question_is_received_once() -> None:
    """A second first event is illegal."""
    walker = Walker(1)
    with pytest.raises(IllegalTransition):
        walker.journal.append(received("another"))


def test_nothing_moves_after_the_end() -> None:
    """An ended run stays ended."""
    walker = Walker(3)
    walker.walk(most=400)
    with pytest.raises(IllegalTransition, match="has ended"):
        walker.journal.append(ended("failed"))


def test_a_run_is_not_cancelled_without_a_cancel() -> None:
    """`cancelled` needs a person who cancelled."""
    walker = Walker(1)
    with pytest.raises(IllegalTransition, match="nobody cancelled"):
        walker.journal.append(ended("cancelled"))


def test_a_run_is_not_completed_without_an_answer() -> None:
    """`completed` needs an answer."""
    walker = Walker(1)
    with pytest.raises(IllegalTransition, match="no answer"):
        walker.journal.append(ended("completed"))


def test_a_second_decision_is_illegal() -> None:
    """The first decision stands."""
    walker = _at_approval()
    step = steps.next_step(walker.journal.state)
    assert isinstance(step, steps.AwaitDecision)
    decision = walker._decision(step.plan, 0.05)
    walker.journal.append(decision)
    with pytest.raises(IllegalTransition):
        walker.journal.append(walker._decision(step.plan, 0.5))


def test_a_decision_after_expiry_is_illegal_by_the_ledgers_clock() -> None:
    """A late approval does not get in, whoever checked the time before."""
    walker = _at_approval()
    step = steps.next_step(walker.journal.state)
    assert isinstance(step, steps.AwaitDecision)
    walker.ledger.advance(7_200)
    with pytest.raises(Refused, match="expired"):
        walker.journal.append(walker._decision(step.plan, 0.5))


def _at_approval() -> Walker:
    for seed in range(1_000):
        walker = Walker(seed)
        for _ in range(60):
            step = steps.next_step(walker.journal.state)
            if isinstance(step, steps.AwaitDecision) and step.plan.request and step.plan.request.approvers.needed == 1:
                return walker
            if isinstance(step, steps.Done):
                break
            walker.journal.append(walker.event_for(step))
    raise AssertionError("no walk came to an approval")


def _apply(state: RunState, event: ev.Event) -> RunState:
    recorded = Recorded(run_id=state.run_id, seq=state.seq + 1, at="2026-07-01T00:00:00Z", event=event, hash="h")
    return apply(state, recorded)
