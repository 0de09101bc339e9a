"""How the events of a plan on its way through gate and dry run change the state of a run.

Part of `transitions`, under its rules: pure, total, and an event that cannot happen here raises `IllegalTransition`.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from bq_copilot import events as ev
from bq_copilot.events import Recorded
from bq_copilot.legality import need
from bq_copilot.phases import Phase
from bq_copilot.state import Plan, RunState


def plan_proposed(state: RunState, rec: Recorded, e: ev.PlanProposed) -> RunState:
    turn, plan = state.open_turn, state.plan
    need(turn is not None, state, e.kind, "no plan is asked for")
    assert turn is not None
    expected = plan.revision + 1 if plan else 1
    need(e.revision == expected, state, e.kind, f"the next revision is {expected}")
    if plan and plan.turn == turn.number:
        may_replace = plan.denied or plan.refusal or plan.voided
        may_replace = may_replace or (plan.decided and plan.decided.verdict == "edit")
        need(bool(may_replace) and e.by != "model", state, e.kind, "the current revision stands")
    need(state.cancel is None, state, e.kind, "the run is being cancelled")
    need(set(e.keeps) <= set(state.results), state, e.kind, "what it keeps has no result")
    kept = tuple(q for q in (plan.all_queries if plan else ()) if q.id in e.keeps)
    new = Plan(e.revision, turn.number, e.queries, e.rationale, e.by, e.note, e.side_by_side, kept)
    earlier = (*state.earlier, plan) if plan else state.earlier
    over = [j for k, j in state.jobs.items() if k not in e.keeps and not k.startswith("profile")]
    return replace(
        state,
        plan=new,
        earlier=earlier,
        phase=Phase.RULING,
        past_jobs=(*state.past_jobs, *over),
        jobs=MappingProxyType({k: j for k, j in state.jobs.items() if k in e.keeps}),
        results=MappingProxyType({k: r for k, r in state.results.items() if k in e.keeps}),
    )


def _in_ruling(state: RunState, kind: str, revision: int) -> Plan:
    plan = state.plan
    ok = plan is not None and plan.revision == revision and state.phase is Phase.RULING
    need(ok, state, kind, f"revision {revision} is not being judged")
    assert plan is not None
    return plan


def plan_ruled(state: RunState, rec: Recorded, e: ev.PlanRuled) -> RunState:
    plan = _in_ruling(state, e.kind, e.revision)
    need(not plan.verdicts, state, e.kind, "it was ruled before")
    need(len(e.verdicts) == len(plan.queries), state, e.kind, "one verdict a query")
    ruled = replace(plan, verdicts=e.verdicts)
    strikes = state.strikes
    if ruled.denied and plan.by == "model":
        rules = {f.rule for v in e.verdicts for f in v.findings if f.severity == "deny"}
        strikes = MappingProxyType({**strikes, **{r: strikes.get(r, 0) + 1 for r in rules}})
    return replace(state, plan=ruled, strikes=strikes)


def plan_estimated(state: RunState, rec: Recorded, e: ev.PlanEstimated) -> RunState:
    plan = _in_ruling(state, e.kind, e.revision)
    ready = bool(plan.verdicts) and not plan.denied and not plan.estimates and plan.refusal is None
    need(ready, state, e.kind, "the gate has not allowed it")
    need(len(e.estimates) == len(plan.queries), state, e.kind, "one estimate a query")
    return replace(state, plan=replace(plan, estimates=e.estimates), waiting=None)


def estimate_refused(state: RunState, rec: Recorded, e: ev.EstimateRefused) -> RunState:
    plan = _in_ruling(state, e.kind, e.revision)
    ready = bool(plan.verdicts) and not plan.denied and not plan.estimates and plan.refusal is None
    need(ready, state, e.kind, "the gate has not allowed it")
    return replace(state, plan=replace(plan, refusal=(e.query, e.failure)), waiting=None)
