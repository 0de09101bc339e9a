"""Parts of a made-up run: its shelf, its events, a verdict, a request. What a walk and other tests are made of."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from bq_copilot import events as ev
from bq_copilot import steps
from bq_copilot.approval import ApprovalRequest, Approvers, QueryFacts
from bq_copilot.gate.verdict import Facts, Finding, Ruling, Verdict
from bq_copilot.shelf import Shelf
from bq_copilot.state import RunState
from bq_copilot.testing import MemoryBlobs
from bq_copilot.values import Failure, Limits, TableVersion

SHELF = Shelf(MemoryBlobs())
TABLE = "p.d.t"

ARGUMENTS = {
    "ask_user": {"question": "by revenue or by units?", "options": ["revenue", "units"]},
    "list_tables": {"search": "orders"},
    "describe_table": {"table": TABLE},
    "profile_column": {"table": TABLE, "column": "a"},
    "propose_plan": {
        "queries": [{"id": "q1", "purpose": "p", "sql": "SELECT a FROM `p.d.t`"}],
        "rationale": "because",
    },
    "write_answer": {"summary": "It is 7.", "citations": [{"figure": "7", "query": "q1", "row": 0, "column": "a"}]},
    "schedule_follow_up": {"when": "every Monday", "question": "again?"},
    "give_up": {"reason": "no such data"},
}


ORIGIN = ev.FollowUpOrigin(series="f-1", parent="r-parent", due=datetime(2026, 7, 1, 9, 0, tzinfo=UTC))


def received(question: str = "How many?", origin: ev.FollowUpOrigin | None = None) -> ev.RunReceived:
    """Return the first event of a run."""
    return ev.RunReceived(
        question=question, requester="ana", via="test", request_key="k", code_version="0", follow_up=origin
    )


def verdict(ruling: Ruling = Ruling.ALLOW) -> Verdict:
    """Return a verdict over the one statement of the walks."""
    findings = (Finding(rule="P04", message="reads a tagged column", line=1),) if ruling is Ruling.DENY else ()
    return Verdict(
        ruling=ruling,
        policy_fingerprint="p",
        gate_fingerprint="g",
        schema_fingerprint="s",
        sql="SELECT a FROM `p.d.t`",
        digest="sha256:1",
        facts=Facts(tables=(TABLE,), columns=(f"{TABLE}.a",)),
        findings=findings,
    )


def two_queries(*, side_by_side: bool) -> str:
    """Return the arguments of a plan of two queries."""
    queries = [{"id": f"q{n}", "purpose": "p", "sql": "SELECT a FROM `p.d.t`"} for n in (1, 2)]
    return json.dumps({"queries": queries, "side_by_side": side_by_side})


def request_for(state: RunState, plan: steps.Plan, now, *, needed: int = 1, **more) -> ApprovalRequest:
    """Return a request for the plan."""
    facts = QueryFacts(
        id="q1",
        sql="SELECT a FROM `p.d.t`",
        sql_digest="sha256:1",
        tables=(TableVersion(table=TABLE, fingerprint="f"),),
        bytes=100,
        accuracy="PRECISE",
        usd=0.0,
    )
    queries = tuple(facts.model_copy(update={"id": q.id}) for q in plan.queries)
    values = {
        "request_id": f"{state.run_id}.{plan.revision}",
        "run_id": state.run_id,
        "revision": plan.revision,
        "question": state.question,
        "requester": state.requester,
        "warehouse": "w",
        "sandbox": True,
        "queries": queries,
        "total_bytes": 100 * len(queries),
        "total_usd": 0.0,
        "policy_fingerprint": "p",
        "schema_fingerprint": "s",
        "approvers": Approvers(needed=needed),
        "created_at": now,
        "expires_at": now + timedelta(hours=1),
        "nonce": "n",
    }
    return ApprovalRequest(**{**values, **more})


def pinned() -> ev.RunPinned:
    """Return a pin with small limits, so that walks end."""
    return ev.RunPinned(
        policy=SHELF.put("{}"),
        policy_fingerprint="p",
        catalog=SHELF.put("{}"),
        schema_fingerprint="s",
        prompt_fingerprint="x",
        model="m",
        warehouse="w",
        sandbox=True,
        limits=Limits(turns=12, repairs=3),
        prompt_version=2,
    )


def briefed() -> ev.ContextPinned:
    """Return a briefing about the one table."""
    return ev.ContextPinned(
        briefing=SHELF.put('{"tables":[]}'),
        tables=(TABLE,),
        retriever="words-1",
    )


def ended(phase: str) -> ev.RunEnded:
    """Return an end with a reason."""
    return ev.RunEnded(phase=phase, failure=Failure(code=phase, message=phase))
