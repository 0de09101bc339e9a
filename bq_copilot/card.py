"""The approval card: what a person must know before they decide, from facts only.

Decides what is shown and in which order: everything that matters within the first screen, then each query's SQL, then
what changed since the last approval, then, apart and marked, the model's words. The same request gives the same
facts, whatever the model wrote. One list of blocks, three outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bq_copilot import permission
from bq_copilot.amounts import money, size, span
from bq_copilot.approval import ApprovalRequest, QueryFacts, escalates_at
from bq_copilot.card_blocks import Block, Box, Card, Code, Fact, Heading, Notice, shown_sql
from bq_copilot.card_html import to_html
from bq_copilot.card_markdown import to_markdown
from bq_copilot.drift import SURENESS, changes, sql_diff
from bq_copilot.state import Plan

__all__ = ["card_html", "card_markdown", "card_of", "facts_of", "last_approved", "money", "size"]

NAMES = 4
"""Names of one kind on the first screen; the rest is counted there and listed below."""

QUESTION = 280
MESSAGE = 160


def card_markdown(plan: Plan, earlier: Sequence[Plan] = (), now: datetime | None = None) -> str:
    """Return the card as Markdown for the Prefect form and its artifact."""
    return to_markdown(card_of(plan, earlier, now))


def card_html(plan: Plan, earlier: Sequence[Plan] = (), now: datetime | None = None) -> str:
    """Return the card as a self-contained HTML fragment."""
    return to_html(card_of(plan, earlier, now))


def card_of(plan: Plan, earlier: Sequence[Plan] = (), now: datetime | None = None) -> Card:
    """Return the card's blocks. `earlier` are the revisions before it; `now` defaults to when it was asked."""
    return (*facts_of(plan, earlier, now), *_before(plan, earlier), *_words(plan))


def facts_of(plan: Plan, earlier: Sequence[Plan] = (), now: datetime | None = None) -> Card:
    """Return the part of the card that is computed: nothing in it was written by the model."""
    assert plan.request is not None
    request, last = plan.request, last_approved(earlier)
    blocks: list[Block] = [*_first_screen(plan, request, now or request.created_at)]
    changed = _changed(last, request) if last else ()
    if changed:
        blocks.insert(1, Notice(f"Changed since the last approval, see below: {_cut('; '.join(changed), MESSAGE)}"))
    blocks += [block for query in request.queries for block in _query(query)]
    blocks += [Fact("Digest", names=(plan.digest,))]
    return (*blocks, *_diff(last, request, changed)) if last else tuple(blocks)


def last_approved(earlier: Sequence[Plan]) -> Plan | None:
    """Return the newest earlier revision that was approved, else the newest that somebody edited."""
    shown = [p for p in reversed(earlier) if p.request is not None and p.decided is not None]
    approved = (p for p in shown if p.decided and p.decided.verdict == "approve")
    return next(approved, shown[0] if shown else None)


def _first_screen(plan: Plan, request: ApprovalRequest, now: datetime) -> list[Block]:
    blocks: list[Block] = [Heading(f"Approve {_count(len(request.queries))} for {request.requester}?", top=True)]
    if request.sandbox:
        blocks.append(Notice("Sandbox: these figures come from the local sandbox, not from BigQuery."))
    if request.asked_because:
        blocks.append(Notice(_cut(request.asked_because, 2 * MESSAGE)))
    if plan.refused is not None:
        last = plan.refused
        text = f"The last attempt was refused ({last.failure.code}): {last.failure.message} {last.failure.next}"
        blocks.append(Notice(_cut(text.strip(), 2 * MESSAGE)))
    return [*blocks, *_reading(request), *_asking(plan, request, now)]


def _reading(request: ApprovalRequest) -> list[Block]:
    queries = request.queries
    most = sum(q.maximum_bytes_billed for q in queries)
    surest = min((q.accuracy for q in queries), key=_sureness)
    ceiling = f"; bills at most {size(most)}" if most else ""
    price = money(request.total_usd, request.currency)
    return [
        Fact("Question", _cut(request.question, QUESTION)),
        Fact("Reads", f"{size(request.total_bytes)} ({_accuracy(surest)}), {price}{ceiling}"),
        _names("Tables", [t.table for q in queries for t in q.tables], "none"),
        _tagged(queries),
        Fact("To look at", _findings(queries)),
        Fact("Warehouse", request.warehouse + (f", as {request.runs_as}" if request.runs_as else "")),
        _names("Writes to", [q.destination for q in queries if q.destination], "its scratch dataset only"),
    ]


def _asking(plan: Plan, request: ApprovalRequest, now: datetime) -> list[Block]:
    left = (request.expires_at - now).total_seconds()
    blocks: list[Block] = [
        Fact("May decide", _who(request)),
        Fact("Expires", f"{request.expires_at:%Y-%m-%d %H:%M} UTC ({f'in {span(left)}' if left > 0 else 'expired'})"),
        Fact("Request", f"digest {plan.digest.removeprefix('sha256:')[:16]}…", (request.request_id,)),
    ]
    if plan.approvals:
        names = ", ".join(a.by for a in plan.approvals)
        blocks.append(Fact("Approved by", f"{names} ({len(plan.approvals)} of {request.approvers.needed})"))
    if plan.delegations:
        blocks.append(Fact("Delegated", ", ".join(f"{d.by} to {d.delegate_to}" for d in plan.delegations)))
    return blocks


def _names(label: str, names: Sequence[str], otherwise: str) -> Fact:
    every = sorted(set(names))
    more = f"{len(every)}, the first {NAMES} of them:" if len(every) > NAMES else ""
    return Fact(label, more or ("" if every else otherwise), tuple(every[:NAMES]))


def _tagged(queries: Sequence[QueryFacts]) -> Fact:
    fact = _names("Tagged data", [c for q in queries for c in q.tagged], "none is read")
    if not fact.names:
        return fact
    where = "reaches the result" if any(q.tagged_in_output for q in queries) else "is read, not shown in the result"
    return Fact(fact.label, f"{where}: {fact.text}".removesuffix(" "), fact.names)


def _findings(queries: Sequence[QueryFacts]) -> str:
    notes = [f"{q.id}: {n}" for q in queries for n in q.notes]
    notes += [f"{q.id}: gives another result at another time" for q in queries if q.time_dependent]
    if not notes:
        return "the gate passed it with nothing to look at"
    more = f" · and {len(notes) - 3} more below" if len(notes) > 3 else ""
    return " · ".join(_cut(n, MESSAGE) for n in notes[:3]) + more


def _who(request: ApprovalRequest) -> str:
    rule, at = request.approvers, escalates_at(request)
    out = (request.requester,) if rule.exclude_requester else ()
    names = [n for n in rule.allowed if not permission.is_among(rule, n, out)]
    who = ", ".join(names) or ("nobody" if rule.role or rule.allowed else "any approver")
    but = f" (not {request.requester}, who asked)" if out else ""
    many = f", {rule.needed} of them" if rule.needed > 1 else ""
    code = ", with an approval code" if rule.require_code else ""
    later = f"; from {at:%Y-%m-%d %H:%M} UTC also {', '.join(rule.escalate_to)}" if at else ""
    return f"tier {rule.tier}: {who}{but}{many}{code}{later}"


def _query(query: QueryFacts) -> list[Block]:
    read = f"{query.id} reads {size(query.bytes)} ({_accuracy(query.accuracy)})"
    blocks: list[Block] = [Heading(read), Code(shown_sql(query.sql)), Fact("SQL digest", names=(query.sql_digest,))]
    if query.parameters:
        blocks.append(Fact("Parameters", names=tuple(f"{n} {t} = {v}" for n, t, v in query.parameters)))
    blocks.append(Fact("Reads", names=tuple(query.columns) or tuple(t.table for t in query.tables)))
    return [*blocks, *(Fact("Look at", note) for note in query.notes)]


def _changed(last: Plan, request: ApprovalRequest) -> tuple[str, ...]:
    """Return what changed in facts; the SQL has its own diff. A voided approval says itself what it was."""
    assert last.request is not None
    now = {q.id: q for q in request.queries}
    lines = (*last.void_changes, *changes(last.request, now, request.approvers, request.runs_as))
    added = tuple(f"{q}: new" for q in now if q not in {o.id for o in last.request.queries})
    facts = (line for line in (*lines, *added) if ": SQL\n" not in line and ": writes to " not in line)
    sql = tuple(f"{q.id}: the SQL" for q in last.request.queries if q.id in now and now[q.id].sql != q.sql)
    return tuple(dict.fromkeys((*sql, *facts)))


def _diff(last: Plan, request: ApprovalRequest, changed: tuple[str, ...]) -> list[Block]:
    assert last.request is not None and last.decided is not None
    verb = "approved" if last.decided.verdict == "approve" else "edited"
    title = f"What changed since {last.request.request_id}, {verb} by {last.decided.by}"
    blocks: list[Block] = [Heading(title)]
    blocks += [Fact("Changed", line) for line in changed] or [Fact("Changed", "nothing")]
    old = {q.id: q.sql for q in last.request.queries}
    for query in request.queries:
        before = old.get(query.id, query.sql)
        if before != query.sql:
            blocks.append(Code("\n".join(sql_diff(shown_sql(before), shown_sql(query.sql))), "diff"))
    return blocks


def _before(plan: Plan, earlier: Sequence[Plan]) -> list[Block]:
    canary = plan.canary
    words = [plan.note] if plan.note else []
    if canary is not None:
        said = "took it for real" if canary.verdict == "approve" else "noticed it"
        words.append(f"The request before this one was a check of attention; {canary.by} {said}. It ran nothing.")
    return [Box("What happened before (by the platform)", tuple(words))] if words else []


def _words(plan: Plan) -> list[Block]:
    purposes = [f"{q.id}: {q.purpose}" for q in plan.queries if q.purpose]
    lines = tuple(line for line in (*plan.rationale.splitlines(), *purposes) if line.strip())
    return [Box("The model's own words (not checked)", lines)] if lines else []


def _accuracy(accuracy: str) -> str:
    words = {"PRECISE": "exact", "UPPER_BOUND": "at most this", "LOWER_BOUND": "at least this"}
    return words.get(accuracy, "size not known")


def _sureness(accuracy: str) -> int:
    return SURENESS.index(accuracy) if accuracy in SURENESS else 0


def _count(n: int) -> str:
    return "1 query" if n == 1 else f"{n} queries"


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}… ({len(text):,} characters)"
