"""The sections of a trace's page: decisions, plans, turns, jobs, steps, processes. Each is HTML.

Everything from the model or the warehouse is text in a box that says so; nothing of it becomes markup.
"""

from __future__ import annotations

from collections.abc import Sequence

from bq_copilot.amounts import money, size
from bq_copilot.page_shell import badge, esc, facts, pre, table
from bq_copilot.trace_svg import clock
from bq_copilot.trace_types import FindingView, PlanView, StepView, TimedJobView, TraceView, TurnView, VersionView

UNTRUSTED = "From the warehouse, untrusted: data and never an instruction."

MOST = 1_000
"""Steps, turns and plans that the page shows in detail; the events below them are all there."""


def _event_link(seq: int) -> str:
    return f'<a href="#e{seq}">{seq}</a>'


def decisions(trace: TraceView) -> str:
    """Who decided what, when, after how long; and who stopped the run."""
    rows = [
        [
            _event_link(d["seq"]),
            badge(d["verdict"]) + (f' <span class="bad">refused: {esc(d["refused"])}</span>' if d["refused"] else ""),
            esc(d["by"]),
            esc(f"{d['via']}, {d['identity']}"),
            esc(d["at"]),
            esc(clock(d["after_seconds"])),
            esc(d["reason"]),
        ]
        for d in trace["decisions"]
    ]
    rows += [
        [_event_link(s["seq"]), badge("cancelled"), esc(s["by"]), esc(s["via"]), esc(s["at"]), "", esc(s["reason"])]
        for s in trace["stops"]
    ]
    names = ("#", "verdict", "by", "how", "at", "after", "reason")
    return table("What people decided", names, rows, numbers=(0, 5)) if rows else ""


def plans(trace: TraceView) -> str:
    """Every revision: who wrote it, the SQL, the difference to the one before, what the gate said."""
    return "".join(_plan(p) for p in trace["plans"][:MOST])


def _plan(plan: PlanView) -> str:
    words = (f'<div class="notice">{esc(plan["note"])}</div>' if plan["note"] else "") + "".join(
        _query(q) for q in plan["queries"]
    )
    if plan["refused"]:
        words += f'<p class="bad">The dry run did not accept it: {esc(plan["refused"])}</p>'
    if plan["voided"]:
        changes = "".join(f"<li>{esc(c)}</li>" for c in plan["changes"])
        words += f'<p class="warn">Its approval was voided: {esc(plan["voided"])}</p><ul>{changes}</ul>'
    if plan["rationale"]:
        words += f'<div class="untrusted"><span class="dim">The model\'s words:</span> {esc(plan["rationale"])}</div>'
    return f"<h3>Revision {plan['revision']} by {esc(plan['by'])}, event {_event_link(plan['seq'])}</h3>{words}"


def _query(query: VersionView) -> str:
    ruled = badge(query["ruling"]) if query["ruling"] else ""
    read = f", reads {size(query['bytes'])}" if query["bytes"] is not None else ""
    said = "".join(_finding(f) for f in query["findings"])
    diff = ""
    if query["diff"]:
        lines = "\n".join(_diff_line(line) for line in query["diff"])
        diff = f'<p class="dim">Against the revision before:</p><pre dir="ltr"><code>{lines}</code></pre>'
    engines = f' <span class="dim">engines: {esc(", ".join(query["engines"]))}</span>' if query["engines"] else ""
    return (
        f"<p><b>{esc(query['query'])}</b> {esc(query['purpose'])}{read} {ruled}{engines}</p>"
        f"{f'<ul>{said}</ul>' if said else ''}{pre(query['sql'])}{diff}"
    )


def _finding(found: FindingView) -> str:
    where = f" at line {found['line']}" if found["line"] else ""
    return f"<li><b>{esc(found['rule'])}</b> {esc(found['severity'])}{where}: {esc(found['message'])}</li>"


def _diff_line(line: str) -> str:
    kind = {"+": "add", "-": "del"}.get(line[:1], "dim")
    return f'<span class="{kind}">{esc(line)}</span>'


def turns(trace: TraceView) -> str:
    """What the model was asked, offered and told, and what it called."""
    return "".join(_turn(t) for t in trace["turns"][:MOST])


def _turn(turn: TurnView) -> str:
    outcome = "" if turn["ok"] is None else ("ok" if turn["ok"] else f"error {turn['code']}")
    head = f"Turn {turn['turn']}: {turn['call'] or 'no tool call'}, {clock(turn['seconds'])}, {turn['tokens']:,} tokens"
    told = ""
    if turn["content_digest"]:
        mark = (
            "From the warehouse, untrusted: data and never an instruction."
            if turn["untrusted"]
            else "Told by the platform."
        )
        kind = "untrusted" if turn["untrusted"] else ""
        told = (
            f'<div class="{kind}"><p class="dim">{mark} {turn["content_bytes"]:,} bytes</p>{pre(turn["content"])}</div>'
        )
    inner = facts(
        [
            ("Event", _event_link(turn["seq"])),
            ("Model", esc(turn["model"])),
            ("Prompt", f'<span class="mono">{esc(turn["prompt_digest"])}</span>, {turn["prompt_bytes"]:,} bytes'),
            ("Tools offered", esc(", ".join(turn["tools"]))),
            ("Price", esc(money(turn["usd"]))),
            ("Answered", esc(outcome)),
        ]
    )
    said = f"<p class='dim'>Said:</p>{pre(turn['said'])}" if turn["said"] else ""
    call = f"<p class='dim'>Arguments:</p>{pre(turn['arguments'])}" if turn["call"] else ""
    return f"<details><summary>{esc(head)}</summary>{inner}{said}{call}{told}</details>"


def jobs(trace: TraceView) -> str:
    """Every attempt at every query."""
    rows = [_job(j) for j in trace["jobs"]]
    names = ("#", "query", "job", "state", "took", "billed", "at most", "what")
    return table("Warehouse jobs, every attempt", names, rows, numbers=(0, 4, 5, 6)) if rows else ""


def _job(job: TimedJobView) -> list[str]:
    notes = [n for n, on in (("adopted", job["adopted"]), ("from the cache", job["cache_hit"])) if on]
    if job["error"]:
        notes.append(job["error"]["message"])
    return [
        _event_link(job["seq"]),
        esc(f"{job['query']}, attempt {job['attempt']}"),
        f'<span class="mono">{esc(job["job_id"])}</span>',
        badge("completed" if job["ok"] else "failed" if job["ok"] is False else job["state"].lower()),
        esc(clock(job["seconds"])),
        esc(size(job["bytes_billed"])),
        esc(size(job["maximum_bytes_billed"])),
        esc("; ".join(notes)),
    ]


def steps(trace: TraceView) -> str:
    """Each step that the core chose, with what went in, what came out, and what it waited for."""
    rows = [
        [
            _event_link(s["seq"]),
            esc(s["text"]) + "".join(_tried(w["reason"], w["attempt"], w["until"]) for w in s["waits"][:20]),
            esc(clock(s["seconds"])),
            esc("; ".join(s["inputs"])),
            esc("; ".join(s["results"])),
            esc(_cost(s["tokens"], s["usd"], s["bytes_billed"])),
            str(s["attempts"]),
        ]
        for s in trace["steps"][:MOST]
    ]
    left = len(trace["steps"]) - len(rows)
    caption = "What the run did, step by step" + (f"; {left:,} more are in the events below" if left else "")
    names = ("#", "the run …", "took", "from", "to", "cost", "tries")
    return table(caption, names, rows, numbers=(0, 2, 6)) if rows else ""


def _tried(reason: str, attempt: int, until: str) -> str:
    return f'<br><span class="warn">waited (attempt {attempt}): {esc(reason)}, next try {esc(until[11:19])}</span>'


def _cost(tokens: int, usd: float, billed: int) -> str:
    parts = [
        f"{tokens:,} tokens" if tokens else "",
        money(usd) if usd else "",
        f"{size(billed)} billed" if billed else "",
    ]
    return ", ".join(p for p in parts if p)


def costs(trace: TraceView) -> str:
    """What the run cost, and where its time went: the model, the warehouse, people, and waits for the next try."""
    model = [s for s in trace["steps"] if s["step"] == "TakeTurn"]
    people = [s for s in trace["steps"] if s["step"] in {"AwaitDecision", "AwaitAnswer"}]
    work = [s for s in trace["steps"] if s["step"] in {"SubmitJob", "PollJob", "ReadResult"}]
    billed = sum(j["bytes_billed"] for j in trace["jobs"])
    tokens, usd = trace["spent"]["tokens"], trace["spent"]["usd"]
    tries = sum(len(s["waits"]) for s in trace["steps"])
    rows = [
        ["Model", f"{len(trace['turns'])} turns, {tokens:,} tokens", esc(money(usd)), _taken(model)],
        ["Warehouse", f"{len(trace['jobs'])} jobs", esc(f"{size(billed)} billed"), _taken(work)],
        ["People", f"{len(trace['decisions'])} decisions", "", _taken(people)],
        ["Waits for another try", f"{tries} waits", "", ""],
    ]
    return table("What it cost", ("for", "what", "price", "time"), rows, numbers=(3,))


def _taken(steps: Sequence[StepView]) -> str:
    return esc(clock(sum(s["seconds"] for s in steps)))


def starts(trace: TraceView) -> str:
    """Which processes had the run, and why each of them took it."""
    rows = [
        [
            _event_link(s["seq"]),
            str(s["attempt"]),
            badge(s["reason"]),
            esc(s["host"]),
            esc(s["at"]),
            esc(clock(s["idle_seconds"])),
            esc(s["why"]),
        ]
        for s in trace["starts"][:MOST]
    ]
    names = ("#", "attempt", "reason", "host", "at", "idle before", "why")
    return table("Processes that had the run", names, rows, numbers=(0, 1, 5)) if rows else ""
