"""`replay` for one run or for all, and `replay --policy`: what another policy would have said to everything before.

Reads the ledger and the stored texts, starts the gate, and asks neither model nor warehouse nor Prefect. The shapes
are documented JSON under the rules of `views`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypedDict

from bq_copilot import requests
from bq_copilot.checks import EVERY
from bq_copilot.errors import CopilotError
from bq_copilot.events import ApprovalRequested, PlanRuled, Recorded
from bq_copilot.gate.verdict import Ruling, Verdict
from bq_copilot.installation import Installation
from bq_copilot.journal import UnknownRun
from bq_copilot.judging import Judges
from bq_copilot.ledger import RunHead
from bq_copilot.policy import Policy
from bq_copilot.replaying import Replayed, replay
from bq_copilot.state import RunState
from bq_copilot.transitions import apply


class ComparedView(TypedDict):
    """How much was compared."""

    steps: int
    prompts: int
    verdicts: int
    answers: int


class NotComparedView(TypedDict):
    """What could not be: another version wrote those prompts, another gate gave those verdicts."""

    prompts: int
    verdicts: int


class ReplayView(TypedDict):
    """What the replay of one run came to."""

    run_id: str
    repeats: bool
    events: int
    phase: str
    compared: ComparedView
    not_compared: NotComparedView
    seq: int | None
    message: str


class RuledView(TypedDict):
    """A ruling, the rules behind it, and the approval tier that it led to."""

    ruling: str
    rules: list[str]
    tier: int | None


class PolicyView(TypedDict):
    """One query of one plan under the policy of then and the one that is asked about."""

    run_id: str
    question: str
    seq: int
    query: str
    sql: str
    then: RuledView
    now: RuledView
    changed: bool


def replay_all(at: Installation, run_id: str | None = None) -> list[ReplayView]:
    """Replay one run, or every run that the ledger lists. Raises UnknownRun."""
    heads = _heads(at, run_id)
    with Judges(at.shelf) as judge:
        return [_view(h, at, judge) for h in heads]


def _heads(at: Installation, run_id: str | None) -> list[RunHead]:
    heads = at.reader.heads(limit=EVERY, run_ids=[run_id] if run_id else ())
    if run_id and not heads:
        raise UnknownRun(f"There is no run {run_id}.", next="List the runs with `bq-copilot runs`.")
    return heads


def _view(head: RunHead, at: Installation, judge: Judges) -> ReplayView:
    try:
        done = replay(head.run_id, at.reader.read(head.run_id), at.shelf, judge, head)
    except CopilotError as error:
        view = _of(Replayed(head.run_id, 0, head.phase))
        view["repeats"], view["seq"], view["message"] = False, getattr(error, "seq", None), error.message
        return view
    return _of(done)


def _of(done: Replayed) -> ReplayView:
    counts, found = done.counts, done.difference
    return ReplayView(
        run_id=done.run_id,
        repeats=found is None,
        events=done.events,
        phase=done.phase,
        compared=ComparedView(
            steps=counts.steps, prompts=counts.prompts, verdicts=counts.verdicts, answers=counts.answers
        ),
        not_compared=NotComparedView(prompts=counts.other_prompts, verdicts=counts.other_gate),
        seq=found.seq if found else None,
        message=str(found) if found else "",
    )


def under_policy(at: Installation, policy: Policy, run_id: str | None = None) -> list[PolicyView]:
    """Return what `policy` would have said to every plan of one run, or of all. Raises UnknownRun."""
    heads = _heads(at, run_id)
    with Judges(at.shelf, policy) as judge:
        return [line for h in heads for line in _lines(h.run_id, at.reader.read(h.run_id), judge, policy)]


def _lines(run_id: str, events: Sequence[Recorded], judge: Judges, policy: Policy) -> Iterator[PolicyView]:
    state = RunState(run_id=run_id)
    tiers = {e.event.request.revision: e.event for e in events if isinstance(e.event, ApprovalRequested)}
    for one in events:
        state = apply(state, one)
        if isinstance(one.event, PlanRuled):
            yield from _ruled(state, one.seq, one.event, tiers.get(one.event.revision), judge, policy)


def _ruled(
    state: RunState, seq: int, e: PlanRuled, asked: ApprovalRequested | None, judge: Judges, policy: Policy
) -> Iterator[PolicyView]:
    assert state.plan is not None and state.pinned is not None
    found = [judge(state.pinned, q.sql) for q in state.plan.queries]
    verdicts = tuple(v for v in found if v is not None)
    denied = any(v.denied for v in verdicts)
    tier = None
    if asked is not None and not denied:
        tier = requests.approvers_for(asked.request.queries, verdicts, policy).tier
    for query, before, now in zip(state.plan.queries, e.verdicts, verdicts, strict=True):
        then = _said(before, asked.request.approvers.tier if asked else None)
        said = _said(now, tier)
        yield PolicyView(
            run_id=state.run_id,
            question=state.question,
            seq=seq,
            query=query.id,
            sql=query.sql,
            then=then,
            now=said,
            changed=then["ruling"] != said["ruling"] or (asked is not None and then["tier"] != said["tier"]),
        )


def _said(verdict: Verdict, tier: int | None) -> RuledView:
    rules = {f.rule for f in verdict.findings if f.severity is not Ruling.ALLOW}
    return RuledView(ruling=str(verdict.ruling), rules=sorted(rules), tier=tier)
