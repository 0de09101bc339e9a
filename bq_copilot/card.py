"""The approval card: what a person must know before they decide, from facts only.

The same request gives the same card. The model's words stand apart at the end, marked as such, as plain text.
"""

from __future__ import annotations

from bq_copilot.approval import ApprovalRequest, QueryFacts
from bq_copilot.state import Plan

LONG_LITERAL = 80


def card_markdown(plan: Plan) -> str:
    """Return the card as Markdown for the Prefect form and its artifact."""
    request = plan.request
    assert request is not None
    parts = [_facts(request, plan), *(_query(q) for q in request.queries), _words(plan)]
    return "\n\n".join(parts)


def _facts(request: ApprovalRequest, plan: Plan) -> str:
    lines = [
        f"### Approve {_count(len(request.queries))} for {request.requester}?",
        "",
        f"**Question** {_plain(request.question)}",
        "",
        f"- **Reads** {size(request.total_bytes)}, about {money(request.total_usd)}",
        f"- **Warehouse** {_plain(request.warehouse)}",
        f"- **Tables** {', '.join(f'`{t}`' for t in _tables(request))}",
        f"- **Gate** {_gate(plan)}",
        f"- **Who may decide** {_who(request)}",
        f"- **Expires** {request.expires_at:%Y-%m-%d %H:%M} UTC",
        f"- **Request** `{request.request_id}` · digest `{plan.digest[7:23]}…`",
    ]
    if request.sandbox:
        lines.insert(3, "> Figures come from the sandbox, not from BigQuery.\n")
    if plan.note:
        lines.append(f"- **Note** {_plain(plan.note)}")
    return "\n".join(lines)


def _query(query: QueryFacts) -> str:
    facts = f"**{query.id}** reads {size(query.bytes)} ({query.accuracy.lower().replace('_', ' ')})"
    notes = "".join(f"\n- {_plain(n)}" for n in query.notes)
    fence = "```"
    while fence in query.sql:
        fence += "`"
    return f"{facts}{notes}\n\n{fence}sql\n{query.sql}\n{fence}"


def _words(plan: Plan) -> str:
    if not plan.rationale:
        return ""
    quoted = "\n".join(f"> {_plain(line)}" for line in plan.rationale.splitlines())
    return f"**The model's own words** (not checked)\n\n{quoted}"


def _gate(plan: Plan) -> str:
    notes = sum(f.severity == "ask" for v in plan.verdicts for f in v.findings)
    return f"passed, {notes} point(s) to look at" if notes else "passed"


def _who(request: ApprovalRequest) -> str:
    rule = request.approvers
    who = ", ".join(rule.allowed) if rule.allowed else "any approver"
    but = f" but {request.requester}" if rule.exclude_requester else ""
    many = f", {rule.needed} of them" if rule.needed > 1 else ""
    code = ", with an approval code" if rule.require_code else ""
    return f"tier {rule.tier}: {who}{but}{many}{code}"


def _tables(request: ApprovalRequest) -> list[str]:
    return sorted({t.table for q in request.queries for t in q.tables})


def _count(n: int) -> str:
    return "1 query" if n == 1 else f"{n} queries"


def _plain(text: str) -> str:
    """Show text as it is: no Markdown, no HTML, no control or direction characters."""
    clean = "".join(c for c in text if c.isprintable())
    for sign in "\\`*_[]<>#|!{}":
        clean = (
            clean.replace(sign, "\\" + sign)
            if sign not in "<>"
            else clean.replace(sign, {"<": "&lt;", ">": "&gt;"}[sign])
        )
    return clean


def size(count: int) -> str:
    """Return bytes as a person reads them, in binary units."""
    value, unit = float(count), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            break
        value /= 1024
    return f"{int(value)} {unit}" if unit == "B" else f"{value:,.1f} {unit}"


def money(usd: float) -> str:
    """Return a price; what is less than a cent says so."""
    return "less than $0.01" if 0 < usd < 0.01 else f"${usd:,.2f}"
