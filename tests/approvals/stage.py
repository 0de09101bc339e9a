"""A run that waits for approval, on any ledger, under any policy; and the people around it.

No Prefect, no warehouse: the events up to the request are recorded as the flow would record them.
"""

from __future__ import annotations

import json
from datetime import timedelta
from functools import cache
from typing import Any

from bq_copilot import codes, deciding, identities, requests, signatures
from bq_copilot import events as ev
from bq_copilot.approval import ApprovalRequest, detail_of, digest_of
from bq_copilot.canonical import digest_bytes
from bq_copilot.catalog import Catalog, Column, Table
from bq_copilot.gate.verdict import Facts, Finding, Ruling, Verdict
from bq_copilot.identities import How, Identity
from bq_copilot.journal import Journal, begin
from bq_copilot.ledger import Ledger
from bq_copilot.policy import Policy
from bq_copilot.shelf import Shelf
from bq_copilot.state import Plan, RunState
from bq_copilot.testing import MemoryBlobs, MemoryLedger
from bq_copilot.values import Estimate, Limits, Query, ToolCall

ORDERS, CUSTOMERS = "p.shop.orders", "p.shop.customers"
SQL = f"SELECT region, COUNT(*) AS n FROM `{ORDERS}` GROUP BY region"
CATALOG = Catalog(
    tables=(
        Table(id=ORDERS, columns=(Column(name="region", type="STRING"), Column(name="total", type="FLOAT64"))),
        Table(id=CUSTOMERS, columns=(Column(name="segment", type="STRING"),), rows=50_000),
    )
)
SHELF = Shelf(MemoryBlobs())
SITE = requests.Site("p.copilot_scratch", "runner@p.iam")
ALIASES = {"ana": ("ana.lopez@example.com", "ALopez"), "ben": ("ben@example.com",), "cora": (), "dora": ()}


@cache
def key(name: str) -> str:
    """Return the person's private key."""
    return signatures.new_key()[0]


@cache
def people() -> dict[str, dict[str, Any]]:
    """Return the people as a policy lists them."""
    return {n: {"aliases": a, "key": signatures.public_key(key(n))} for n, a in ALIASES.items()}


def policy(*tiers: dict[str, Any], **approvals: Any) -> Policy:
    """Return a policy with these tiers and the four people."""
    rules = {"tiers": tiers or ({"tier": 1, "always": True},), "people": people(), **approvals}
    return Policy.model_validate({"allowed_datasets": ["p.shop"], "approvals": rules})


TIER_2 = {"tier": 2, "always": True}
TIER_2_CODE = {**TIER_2, "require_code": True}
TIER_3 = {"tier": 3, "always": True, "approvers": 2, "require_code": True, "role": "owners"}
OWNERS = {"owners": ("ana", "ben", "cora")}


def verdict(sql: str = SQL, *findings: Finding, tagged: tuple[str, ...] = ()) -> Verdict:
    """Return the gate's verdict on a statement over the orders."""
    return Verdict(
        ruling=Ruling.ASK if findings else Ruling.ALLOW,
        policy_fingerprint="sha256:p",
        gate_fingerprint="sha256:g",
        schema_fingerprint=CATALOG.fingerprint,
        sql=sql,
        digest=digest_bytes(sql.encode()),
        facts=Facts(tables=(ORDERS,), columns=(f"{ORDERS}.region",), tagged_read=tagged),
        findings=findings,
    )


def estimate(query: str = "q1", size: int = 5_000_000, accuracy: str = "PRECISE") -> Estimate:
    """Return what a dry run said."""
    values = {"query": query, "statement_type": "SELECT", "bytes": size, "accuracy": accuracy, "usd": 0.0}
    return Estimate(**values, tables=(ORDERS,), columns=())


class Stage:
    """One run up to its open approval request."""

    def __init__(
        self,
        rules: Policy | None = None,
        *,
        ledger: Ledger | None = None,
        run_id: str = "r-stage",
        requester: str = "ana",
        question: str = "How many orders per region?",
        sandbox: bool = False,
        rationale: str = "Counting answers it.",
        judged: Verdict | None = None,
        priced: Estimate | None = None,
    ) -> None:
        self.policy = rules or policy()
        self.ledger = ledger or MemoryLedger()
        self.sandbox = sandbox
        values = {"question": question, "requester": requester, "via": "test"}
        first = ev.RunReceived(**values, request_key="k", code_version="0")
        self.journal = begin(self.ledger, run_id, first)[0]
        self.journal.append(self._pin())
        self._called()
        self.propose(rationale=rationale, judged=judged, priced=priced)
        self.ask()

    def _pin(self) -> ev.RunPinned:
        return ev.RunPinned(
            policy=SHELF.put(self.policy.text),
            policy_fingerprint=self.policy.fingerprint,
            catalog=SHELF.put(CATALOG.model_dump_json()),
            schema_fingerprint=CATALOG.fingerprint,
            prompt_fingerprint="x",
            model="m",
            warehouse="p (US)",
            sandbox=self.sandbox,
            limits=Limits(),
        )

    def _called(self) -> None:
        tools = ("describe_table", "propose_plan")
        self.journal.append(ev.TurnRequested(turn=1, prompt_digest="d", prompt_bytes=1, tools=tools))
        said = json.dumps({"queries": [{"id": "q1", "purpose": "count", "sql": SQL}], "rationale": "r"})
        call = ToolCall(id="c1", name="propose_plan", arguments=said)
        self.journal.append(ev.TurnTaken(turn=1, model="m", call=call))

    def propose(
        self, *, by: str = "model", rationale: str = "", judged: Verdict | None = None, priced: Estimate | None = None
    ) -> None:
        """Record a plan revision, its verdict and its price."""
        revision = self.plan.revision + 1 if self.state.plan else 1
        ruled = judged or verdict()
        query = Query(id="q1", purpose="count", sql=ruled.sql)
        self.journal.append(ev.PlanProposed(revision=revision, queries=(query,), rationale=rationale, by=by))
        self.journal.append(ev.PlanRuled(revision=revision, verdicts=(ruled,)))
        self.journal.append(ev.PlanEstimated(revision=revision, estimates=(priced or estimate(),)))

    def built(self) -> ApprovalRequest:
        """Return the request for the newest revision."""
        return requests.build(self.state, self.plan, CATALOG, self.policy, self.ledger.now(), SITE)

    def ask(self, request: ApprovalRequest | None = None) -> None:
        """Record the approval request."""
        made = request or self.built()
        self.journal.append(ev.ApprovalRequested(request=made, digest=digest_of(made)))

    @property
    def state(self) -> RunState:
        """The newest state."""
        return self.journal.state

    @property
    def plan(self) -> Plan:
        """The newest plan."""
        assert self.state.plan is not None
        return self.state.plan

    @property
    def request(self) -> ApprovalRequest:
        """The open request."""
        assert self.plan.request is not None
        return self.plan.request

    def code(self, name: str, verdict: str = "approve", **other: Any) -> str:
        """Return the person's code; `other` replaces what it is signed over."""
        expires = int((self.ledger.now() + timedelta(minutes=30)).timestamp())
        said = {"request_id": self.request.request_id, "digest": self.plan.digest, "verdict": verdict}
        return codes.sign(key(name), codes.Signed(**{**said, "by": name, "expires": expires, **other}))

    def decide(self, who: str | Identity, verdict: str = "approve", **more: Any) -> RunState:
        """Decide as a person (by their own code), or as the identity given."""
        return deciding.decide(Journal.open(self.ledger, self.state.run_id), self.decision(who, verdict, **more))

    def decision(self, who: str | Identity, verdict: str = "approve", **more: Any) -> Any:
        """Return the decision that `decide` records."""
        request_id = more.pop("request_id", self.request.request_id)
        digest = more.pop("digest", self.plan.digest)
        if isinstance(who, str):
            detail = detail_of(verdict, more.get("sql", ()), more.get("delegate_to", ""))
            who = identities.by_code(self.code(who, verdict, detail=detail))
        return deciding.decision_by(who, request_id, digest, verdict, "test", **more)

    def proxied(self, name: str) -> Identity:
        """Return an identity as the proxy vouches for it."""
        return Identity(name, How.PROXY, valid_until=self.ledger.now() + timedelta(minutes=5))

    def reload(self) -> Stage:
        """Fold what others recorded."""
        self.journal.refresh()
        return self

    def refusals(self) -> list[ev.DecisionRefused]:
        """Return the refused attempts as they were recorded."""
        found = (one.event for one in self.ledger.read(self.state.run_id))
        return [event for event in found if isinstance(event, ev.DecisionRefused)]


def local(name: str) -> Identity:
    """Return the machine's own user of this name."""
    return Identity(name, How.LOCAL_USER)
