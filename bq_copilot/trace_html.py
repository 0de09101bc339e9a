"""The history of a run as one page that needs nothing else: drawings, decisions, SQL, turns, jobs, and every event.

Decides what stands where; the frame is `page_shell`, the drawings are `trace_svg`. It never reads a ledger: it draws
the documented JSON of `trace` and `show`, so that it cannot know more than they say.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence

from bq_copilot.amounts import counted, money, size
from bq_copilot.page_shell import badge, esc, facts, page, pre, table
from bq_copilot.trace_sections import costs, decisions, jobs, plans, starts, steps, turns
from bq_copilot.trace_svg import clock, diagram, spent_in, timeline
from bq_copilot.trace_types import EventView, TraceView
from bq_copilot.view_types import AnswerView, ShowView

BODIES = 1_500
"""Events up to which each event's whole record stands in the page; beyond that `trace --json` has it."""

ROWS = 200
"""Rows of the answer's table in the page."""


def trace_html(trace: TraceView, show: ShowView, chart: bytes = b"", home: str = "") -> str:
    """Return the page. `chart` is the answer's chart as SVG; `home` is where the list of runs is, if anywhere."""
    parts = [
        ("answer", "Answer", _answer(show, chart)),
        ("timeline", "Timeline", _timeline(trace)),
        ("path", "States", diagram(trace["phases"])),
        ("costs", "Costs", costs(trace)),
        ("decisions", "Decisions", decisions(trace)),
        ("plans", "Plans and SQL", plans(trace)),
        ("turns", "Model turns", turns(trace)),
        ("jobs", "Warehouse jobs", jobs(trace)),
        ("steps", "Steps", steps(trace)),
        ("starts", "Processes and recoveries", starts(trace)),
        ("events", "Events", _events(trace["events"])),
    ]
    shown = [(name, title, body) for name, title, body in parts if body]
    menu = "".join(f'<li><a href="#{name}">{esc(title)}</a></li>' for name, title, _ in shown)
    back = f'<li><a href="{esc(home)}">All runs</a></li>' if home else ""
    sections = "\n".join(f'<section><h2 id="{n}">{esc(t)}</h2>{b}</section>' for n, t, b in shown)
    nav = f'<nav aria-label="Parts of this page"><ul>{back}{menu}</ul></nav>'
    body = f'<header>{nav}{_head(trace, show)}</header>\n<main id="main">\n{sections}\n</main>'
    return page(f"{trace['question']} · {trace['run_id']}", body)


def _head(trace: TraceView, show: ShowView) -> str:
    spent, parent = trace["spent"], trace["parent_run"]
    fork = f'<span class="mono">{esc(parent)}</span> after event {trace["parent_seq"]}' if parent else ""
    notice = '<p class="notice">Figures come from the sandbox, not from BigQuery.</p>' if trace["sandbox"] else ""
    error = show["error"]
    why = f"<p>{esc(error['message'])} <span class='dim'>{esc(error['next'])}</span></p>" if error else ""
    return f"<h1>{esc(trace['question'])}</h1><p>{badge(trace['phase'])} {_receipts(show)}</p>{notice}{why}" + facts(
        [
            ("Run", f'<span class="mono">{esc(trace["run_id"])}</span>'),
            ("Forked from", fork),
            ("Asked by", esc(trace["requester"])),
            ("Received", esc(trace["received_at"])),
            ("Took", esc(clock(trace["seconds"])) + ("" if trace["ended_at"] else " so far")),
            ("Model", esc(show["model"] or "")),
            ("Warehouse", esc(show["warehouse"] or "")),
            (
                "Cost",
                esc(
                    f"{counted(spent['turns'], 'turn')}, {spent['tokens']:,} tokens, {money(spent['usd'])}, "
                    f"{size(spent['bytes_billed'])} billed"
                ),
            ),
        ]
    )


def _receipts(show: ShowView) -> str:
    receipts = show["receipts"]
    if receipts is None:
        return ""
    if receipts["verified"]:
        head = receipts["head"].removeprefix("sha256:")[:12]
        return f'<span class="ok">✓ receipts verified, {receipts["rows"]} rows, head <code>{esc(head)}</code></span>'
    return f'<strong class="bad">✗ {esc(receipts["problem"] or "receipts do not verify")}</strong>'


def _timeline(trace: TraceView) -> str:
    rows = [[badge(name), esc(clock(seconds))] for name, seconds in spent_in(trace["phases"]).items()]
    return timeline(trace) + table("Time in each phase", ("phase", "time"), rows, numbers=(1,))


def _answer(show: ShowView, chart: bytes) -> str:
    answer = show["answer"]
    if answer is None:
        return ""
    loose = "".join(
        f"<li class='bad'>unsupported: {esc(f)}, which no cited cell holds</li>" for f in answer["unsupported"]
    )
    cited = [
        [
            ("<span class='ok'>✓</span>" if c["supported"] else "<strong class='bad'>✗ no</strong>"),
            esc(c["figure"]),
            esc(f"{c['query']} row {c['row']}, {c['column']}"),
            esc(c["value"] if c["value"] is not None else ""),
            f'<span class="mono">{esc(c["job_id"] or "")}</span>',
        ]
        for c in answer["citations"]
    ]
    parts = [
        f"<p>{esc(answer['summary'], lines=True)}</p>",
        f"<ul>{loose}</ul>" if loose else "",
        _chart(answer, chart),
    ]
    if cited:
        parts.append(table("Each figure and its cell", ("found", "figure", "cell", "value", "job"), cited))
    return "".join(parts) + _result(answer)


def _chart(answer: AnswerView, chart: bytes) -> str:
    if not chart or answer["chart"] is None:
        return ""
    title = answer["chart"]["title"]
    code = base64.b64encode(chart).decode()
    return f'<figure><img alt="Chart: {esc(title)}" src="data:image/svg+xml;base64,{code}"></figure>'


def _result(answer: AnswerView) -> str:
    if not answer["columns"]:
        return ""
    rows = [[esc("∅" if v is None else v) for v in row] for row in answer["rows"][:ROWS]]
    shown, count = len(rows), answer["row_count"]
    cut = f"truncated, {shown:,} of {count:,} rows" if shown < count else f"{count:,} rows"
    names = [c["name"] for c in answer["columns"]]
    return table(f"Result of {answer['query']}: {cut}", names, rows)


def _events(events: Sequence[EventView]) -> str:
    bodies = len(events) <= BODIES
    rows = "".join(_event(e, bodies=bodies) for e in events)
    note = "" if bodies else " Their whole records are in bq-copilot trace --json."
    columns = (("#", ' class="n"'), ("after", ' class="n"'), ("phase", ""), ("event", ""))
    head = "".join(f'<th scope="col"{side}>{name}</th>' for name, side in columns)
    return (
        '<form class="filter" role="search"><label>Find in events (press /)'
        '<input id="find" type="search" autocomplete="off"></label><span id="found" role="status"></span></form>'
        '<div class="wide" tabindex="0" role="group" aria-label="Events"><table class="events">'
        f"<caption>{len(events):,} events.{note}</caption><thead><tr>{head}</tr></thead>"
        f'<tbody class="events">\n{rows}</tbody></table></div>'
    )


def _event(e: EventView, *, bodies: bool) -> str:
    what = f"<b>{esc(e['kind'].replace('_', ' '))}</b> {esc(e['text'])}"
    if bodies:
        record = pre(json.dumps(e["body"], ensure_ascii=False, indent=1))
        digest = f'<p class="dim mono">{esc(e["hash"])}</p>'
        what = f'<details class="long"><summary>{what}</summary>{record}{digest}</details>'
    return (
        f'<tr id="e{e["seq"]}"><td class="n">{e["seq"]}</td><td class="n">{e["seconds"]:,.2f} s</td>'
        f"<td>{esc(e['phase'].replace('_', ' '))}</td><td>{what}</td></tr>\n"
    )
