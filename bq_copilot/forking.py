"""`fork`: which part of a run another one may begin with, and what an edit needs to make sense there.

Decides: where the nearest place is at which a run can begin (after a reply of the model, or after its answer), and what
is carried. Approvals, jobs, schedules, grants and the rest of what had effects stay behind; what was read is reused,
because it is what the model was told. Pure: it records nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bq_copilot import toolbox
from bq_copilot.errors import Refused
from bq_copilot.events import QuestionAnswered, Recorded, RunPinned
from bq_copilot.fork_events import CopiedPlan, CopiedTurn, RunForked
from bq_copilot.phases import Phase
from bq_copilot.policy import Policy
from bq_copilot.shelf import Shelf
from bq_copilot.state import Plan, RunState
from bq_copilot.transitions import apply

BEGINNINGS = frozenset({"run_received", "run_pinned", "run_forked", "turn_taken", "call_answered"})
"""Events after which another run can begin."""


@dataclass(frozen=True, slots=True)
class Edits:
    """What is to be another thing than it was."""

    answer: str = ""
    sql: Mapping[str, str] = field(default_factory=dict[str, str])
    """Query id -> SQL; the id may be empty where the plan has one query."""
    model: str = ""
    policy: Policy | None = None


def fork_of(events: Sequence[Recorded], seq: int, edits: Edits, by: str, via: str, shelf: Shelf) -> RunForked:
    """Return the event that a fork of these events after `seq` begins with. Raises Refused (`bad_fork`)."""
    if not 1 <= seq <= len(events):
        raise _refused(
            f"The run has events 1 to {len(events)}; there is no event {seq}.", "Name one of them with --at."
        )
    state, phase, open_turn = _at(events[:seq])
    answered = _answer(state, edits.answer, by, via, open_turn, events[:seq])
    plan = _carried(state, open_turn)
    sql = _sql(state, edits.sql, open_turn, events)
    queries = {q.id for q in plan.queries} if plan else set[str]()
    return RunForked(
        parent_run=state.run_id,
        parent_seq=seq,
        parent_hash=state.hash,
        by=by,
        via=via,
        phase=str(phase),
        edits=_said(edits, sql),
        dropped=_dropped(state),
        pinned=_pinned(state, edits, shelf),
        context=state.context,
        turns=_turns(state),
        asked=state.asked if answered else None,
        answered=answered,
        questions=state.questions if answered else max(0, state.questions - _asks(state, open_turn)),
        plan=plan,
        results=tuple(r for q, r in state.results.items() if q in queries) if not _is_of(state.plan, open_turn) else (),
        sql=sql,
    )


def place_of(events: Sequence[Recorded], edits: Edits) -> int:
    """Return the event that a fork with these edits goes on from when nobody names one. Raises Refused (`bad_fork`).

    Other SQL belongs to the newest plan that the model proposed, another answer to the newest question; another model
    or policy is for the run from its beginning.
    """
    if edits.sql:
        found, missing = _last_plan(events), "it has proposed no plan"
    elif edits.answer:
        found, missing = _last(events, "question_asked"), "nothing was asked so far"
    elif edits.model or edits.policy:
        found, missing = _last(events, "run_pinned"), "nothing is pinned so far"
    else:
        raise _refused(
            "Nothing would be different in this fork.", "Give --answer, --sql-file, --model or --policy, or --at."
        )
    if found is None:
        hint = f"`bq-copilot trace {events[0].run_id}` shows what there is."
        raise _refused(f"There is no place to fork from: {missing}.", hint)
    return found


def _latest(events: Sequence[Recorded], kind: str) -> Iterator[int]:
    """The places of these events, the last one first."""
    return (e.seq for e in reversed(events) if e.event.kind == kind)


def _last(events: Sequence[Recorded], kind: str) -> int | None:
    return next(_latest(events, kind), None)


def _last_plan(events: Sequence[Recorded]) -> int | None:
    """The last proposal after which the model's plan is open; those of a retry are not."""
    for seq in _latest(events, "plan_proposed"):
        state, _, open_turn = _at(events[:seq])
        if _open_plan(state, open_turn):
            return seq
    return None


def _open_plan(state: RunState, open_turn: int) -> toolbox.ProposePlan | None:
    turn = state.turns[open_turn - 1] if open_turn else None
    call = toolbox.parse(turn.taken.call, turn.tools) if turn and turn.taken else None
    return call if isinstance(call, toolbox.ProposePlan) else None


def _at(events: Sequence[Recorded]) -> tuple[RunState, Phase, int]:
    """Return the state, the phase in which its last whole turn left it, and the number of that turn if it is open."""
    state, phase = RunState(run_id=events[0].run_id), Phase.RECEIVED
    for one in events:
        state = apply(state, one)
        if one.event.kind in BEGINNINGS:
            phase = state.phase
    last = next((t for t in reversed(state.turns) if t.taken is not None), None)
    return state, phase, last.number if last and last.answered is None else 0


def _turns(state: RunState) -> tuple[CopiedTurn, ...]:
    return tuple(
        CopiedTurn(tools=t.tools, prompt_digest=t.prompt_digest, taken=t.taken, answered=t.answered)
        for t in state.turns
        if t.taken is not None
    )


def _is_of(plan: Plan | None, turn: int) -> bool:
    return plan is not None and turn > 0 and plan.turn == turn


def _carried(state: RunState, open_turn: int) -> CopiedPlan | None:
    """The plan of an open turn is proposed again, so that it is judged, priced and approved here."""
    plans = (*state.earlier, *([state.plan] if state.plan else []))
    plan = next((p for p in reversed(plans) if not _is_of(p, open_turn)), None)
    if plan is None:
        return None
    return CopiedPlan(
        revision=plan.revision, turn=plan.turn, queries=plan.all_queries, rationale=plan.rationale, by=plan.by
    )


def _asks(state: RunState, open_turn: int) -> int:
    return int(state.asked is not None and state.asked.turn == open_turn)


def _answer(
    state: RunState, answer: str, by: str, via: str, open_turn: int, events: Sequence[Recorded]
) -> QuestionAnswered | None:
    here = state.asked is not None and state.asked.turn == open_turn
    if not answer:
        return state.answered if here else None
    if not here or state.asked is None:
        last = _last(events, "question_asked")
        hint = f"A question was asked at event {last}: --at {last}." if last else "Nothing was asked so far."
        raise _refused(f"No question is open after event {state.seq}.", hint)
    return QuestionAnswered(turn=state.asked.turn, answer=answer, by=by, via=via)


def _sql(
    state: RunState, wanted: Mapping[str, str], open_turn: int, events: Sequence[Recorded]
) -> tuple[tuple[str, str], ...]:
    if not wanted:
        return ()
    call = _open_plan(state, open_turn)
    if call is None:
        last = _last_plan(events)
        hint = f"A plan was proposed at event {last}: --at {last}." if last else "There is no plan."
        raise _refused(f"No plan is open after event {state.seq}.", hint)
    ids = [q.id for q in call.queries]
    named = {(ids[0] if not q and len(ids) == 1 else q): sql for q, sql in wanted.items()}
    strange = sorted(named.keys() - set(ids))
    if strange:
        raise _refused(f"The plan has no query {strange[0] or 'without a name'}.", f"Its queries: {', '.join(ids)}.")
    return tuple(named.items())


def _pinned(state: RunState, edits: Edits, shelf: Shelf) -> RunPinned | None:
    pinned = state.pinned
    if pinned is None:
        if edits.model or edits.policy:
            raise _refused(f"Nothing is pinned after event {state.seq}.", "Name a later event with --at.")
        return None
    fresh: dict[str, object] = {}
    if edits.model:
        fresh["model"] = edits.model
    if edits.policy is not None:
        fresh["policy"] = shelf.put(edits.policy.text)
        fresh["policy_fingerprint"] = edits.policy.fingerprint
    return pinned.model_copy(update=fresh)


def _said(edits: Edits, sql: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    said = [f"the question was answered anew: {edits.answer}"] if edits.answer else []
    said += [f"the SQL of {query} was edited" for query, _ in sql]
    said += [f"the model is {edits.model}"] if edits.model else []
    said += [f"the policy is {edits.policy.name} ({edits.policy.fingerprint[:19]}…)"] if edits.policy else []
    return tuple(said)


def _dropped(state: RunState) -> tuple[str, ...]:
    plans = [p for p in (*state.earlier, *([state.plan] if state.plan else [])) if p.approvals or p.consumed]
    jobs = (*state.past_jobs, *state.jobs.values())
    said = [f"{len(plans)} approval{'s' * (len(plans) != 1)}"] if plans else []
    said += [f"{len(jobs)} warehouse job{'s' * (len(jobs) != 1)}"] if jobs else []
    said += [f"{len(state.follow_ups)} proposed follow-ups"] if state.follow_ups else []
    said += ["the answer"] if state.answer else []
    return tuple(said)


def _refused(message: str, hint: str) -> Refused:
    return Refused(message, code="bad_fork", next=hint)
