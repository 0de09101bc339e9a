"""The approval request: what a person is asked to allow, and the digest that names exactly that.

A request is an immutable revision. Its digest covers every fact that the person sees and that the runner will
send: canonical SQL, parameters, destinations, tables with their schema fingerprints, bytes, price, policy, who
may decide, expiry. Model prose is not part of it and cannot change it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from bq_copilot.canonical import digest
from bq_copilot.values import TableVersion, Value


class QueryFacts(Value):
    """One query of the request, in facts."""

    id: str
    sql: str
    """Canonical SQL: the bytes that were analysed, are shown, are hashed, and will run."""
    sql_digest: str
    parameters: tuple[tuple[str, str, str], ...] = ()
    """(name, type, value as text) in the order of the statement."""
    tables: tuple[TableVersion, ...]
    columns: tuple[str, ...] = ()
    """Every leaf column that the query reads, `project.dataset.table.leaf`."""
    bytes: int
    accuracy: str
    usd: float
    notes: tuple[str, ...] = ()
    """What the gate wants a person to know, one sentence each."""
    destination: str = ""
    """Scratch table of the result without its attempt: attempt n writes to `<destination>_a<n>`."""
    maximum_bytes_billed: int = 0
    """The warehouse stops the job before it bills more than this."""
    tagged: tuple[str, ...] = ()
    """Columns among `columns` that carry a tag which the policy denies or asks about."""
    tagged_in_output: bool = False
    time_dependent: bool = False
    """True when the same SQL may give another result later, whatever the tables hold."""


class Person(Value):
    """A person as the policy knew them when the request was made."""

    name: str
    aliases: tuple[str, ...] = ()
    key: str = ""
    """Public key of the person's approval codes, empty for none."""


class Approvers(Value):
    """Who may decide, and how many of them."""

    tier: int = 1
    """0 nobody is asked, 1 one person, 2 somebody else than the requester, 3 several or a named role."""
    needed: int = 1
    allowed: tuple[str, ...] = ()
    """Names of the people who may decide; empty means anybody whom the tier allows."""
    role: str = ""
    exclude_requester: bool = False
    require_code: bool = False
    people: tuple[Person, ...] = ()
    trust_form: bool = False
    trust_local_user: bool = False
    trust_proxy: bool = False
    delegation: bool = True
    escalate_to: tuple[str, ...] = ()
    """Who may decide as well once the request is old enough."""
    escalate_after_seconds: int = 0


class ApprovalRequest(Value):
    """One immutable request; `digest_of` names it."""

    request_id: str
    run_id: str
    revision: int
    question: str
    requester: str
    warehouse: str
    sandbox: bool
    queries: tuple[QueryFacts, ...]
    total_bytes: int
    total_usd: float
    policy_fingerprint: str
    schema_fingerprint: str
    approvers: Approvers
    created_at: datetime
    expires_at: datetime
    nonce: str
    runs_as: str = ""
    """The account that the jobs run as."""
    currency: str = "USD"
    canary: bool = False
    """True for a request that measures attention: nothing can ever run on its approval."""
    asked_because: str = ""
    """Why a follow-up asks although it has a standing grant."""


def digest_of(request: ApprovalRequest) -> str:
    """Return `sha256:<hex>` over the canonical form of the whole request.

    Fields at their default are left out, so that a field which a later release adds does not change what was
    signed before; hence a default, once released, never changes.
    """
    return digest(request.model_dump(mode="json", exclude_defaults=True))


def escalates_at(request: ApprovalRequest) -> datetime | None:
    """Return when others may decide as well, None when nobody would be added."""
    rule = request.approvers
    if not rule.escalate_to or not rule.escalate_after_seconds:
        return None
    return request.created_at + timedelta(seconds=rule.escalate_after_seconds)


class Decision(Value):
    """What one person decided about one request, and how they were known."""

    request_id: str
    digest: str
    verdict: Literal["approve", "reject", "edit", "delegate"]
    by: str
    via: str
    """How the decision came in: `cli`, `api`, `prefect-form`, `policy`."""
    identity: str = "unverified"
    """How `by` was established: `local-user`, `code`, `proxy`, `form`, `policy`, or `unverified`."""
    reason: str = ""
    sql: tuple[tuple[str, str], ...] = ()
    """For `edit`: (query id, new SQL) pairs."""
    delegate_to: str = ""
    code: str = ""
    """The approval code itself, so that its signature can be checked again; empty in a refused decision."""
    key: str = ""
    """Fingerprint of the key that the code verified with."""
    valid_until: datetime | None = None
    """When the proof of identity ends, by the database's clock."""


def detail_of(verdict: str, sql: tuple[tuple[str, str], ...], delegate_to: str) -> str:
    """Return the digest of what a verdict says beyond its word: an edit's SQL, a delegation's person."""
    if verdict == "edit":
        return digest([list(pair) for pair in sql])
    return digest(delegate_to) if verdict == "delegate" else ""
