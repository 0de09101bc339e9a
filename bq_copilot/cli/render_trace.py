"""The history of a run for the terminal: phases, decisions, plans, turns, jobs, steps, and every event.

Printed line by line and not as one table: ten thousand events must not wait for their widest column.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from bq_copilot.amounts import counted, money, size
from bq_copilot.cli.wordings import PHASE_STYLE
from bq_copilot.safe_text import clip, safe
from bq_copilot.trace_svg import clock, spent_in
from bq_copilot.trace_types import PlanView, StepView, TraceView, TurnView

FEW = 400
"""Events up to which the parts before them are shown one by one."""


def render_trace(console: Console, trace: TraceView) -> None:
    """Print everything that is known of how the run came where it is."""
    console.print(Text.assemble((trace["run_id"], "bold"), f" · {safe(trace['question'])}"))
    if trace["parent_run"]:
        console.print(Text(f"forked from {trace['parent_run']} after event {trace['parent_seq']}", style="yellow"))
    spans = " · ".join(f"{name} {clock(seconds)}" for name, seconds in spent_in(trace["phases"]).items())
    console.print(Text(f"{clock(trace['seconds'])} in all: {spans}", style="dim"))
    if len(trace["events"]) <= FEW:
        _parts(console, trace)
    _heading(console, "events")
    out = console.file
    for event in trace["events"]:
        out.write(f"{event['seq']:>5}  {event['seconds']:>9,.2f} s  {event['phase']:<17} {safe(event['text'])}\n")
    spent = trace["spent"]
    cost = f"{counted(spent['turns'], 'turn')}, {spent['tokens']:,} tokens, {money(spent['usd'])}"
    cost += f", {size(spent['bytes_billed'])} billed"
    console.print(Text(cost, style="dim"))


def _parts(console: Console, trace: TraceView) -> None:
    sections: list[tuple[str, Iterator[tuple[str, str]]]] = [
        ("steps", (line for s in trace["steps"] for line in _step(s))),
        ("model turns", (line for t in trace["turns"] for line in _turn(t))),
        ("plans", (line for p in trace["plans"] for line in _plan(p))),
        ("decisions", _decisions(trace)),
        ("jobs", _jobs(trace)),
        ("processes", _starts(trace)),
    ]
    for title, lines in sections:
        shown = list(lines)
        if shown:
            _heading(console, title)
        for text, style in shown:
            console.print(Text(text, style=style), soft_wrap=True)


def _heading(console: Console, title: str) -> None:
    console.print(Text(f"\n{title}", style="bold"))


def _step(step: StepView) -> Iterator[tuple[str, str]]:
    cost = [f"{step['tokens']:,} tokens"] if step["tokens"] else []
    cost += [f"{size(step['bytes_billed'])} billed"] if step["bytes_billed"] else []
    tries = f", {step['attempts']} processes" if step["attempts"] > 1 else ""
    more = "; ".join([*step["inputs"], *step["results"], *cost])
    yield f"  {clock(step['seconds']):>8}  {safe(step['text'])}{tries}{f'  [{safe(more)}]' if more else ''}", ""
    for wait in step["waits"]:
        yield f"            waited (attempt {wait['attempt']}): {safe(wait['reason'])}", "yellow"


def _turn(turn: TurnView) -> Iterator[tuple[str, str]]:
    outcome = "" if turn["ok"] is None else (", ok" if turn["ok"] else f", error {turn['code']}")
    mark = ", untrusted data" if turn["untrusted"] else ""
    digest = turn["prompt_digest"].removeprefix("sha256:")[:12]
    yield (
        f"  {turn['turn']}. {turn['call'] or 'no tool call'}{outcome}{mark}: prompt {digest}, "
        f"{turn['prompt_bytes']:,} bytes, {turn['tokens']:,} tokens, {clock(turn['seconds'])}",
        "",
    )
    yield f"     offered: {', '.join(turn['tools'])}", "dim"
    if turn["call"] and turn["call"] != "propose_plan":
        yield f"     {clip(turn['arguments'], 200)}", "dim"


def _plan(plan: PlanView) -> Iterator[tuple[str, str]]:
    note = f": {safe(plan['note'])}" if plan["note"] else ""
    yield f"  revision {plan['revision']} by {clip(plan['by'], 60)}{note}", ""
    for query in plan["queries"]:
        rules = ", ".join(f"{f['rule']} line {f['line']}: {clip(f['message'], 100)}" for f in query["findings"])
        read = f", reads {size(query['bytes'])}" if query["bytes"] is not None else ""
        yield f"    {query['query']}: {query['ruling'] or 'not ruled'}{read}{f' ({rules})' if rules else ''}", ""
        lines = query["diff"] or query["sql"].splitlines()
        for line in lines:
            style = {"+": "green", "-": "red"}.get(line[:1], "dim") if query["diff"] else "dim"
            yield f"      {safe(line)}", style
    if plan["refused"]:
        yield f"    the dry run did not accept it: {safe(plan['refused'])}", "red"
    if plan["voided"]:
        yield f"    approval voided: {safe(plan['voided'])} ({'; '.join(map(safe, plan['changes']))})", "yellow"


def _decisions(trace: TraceView) -> Iterator[tuple[str, str]]:
    for d in trace["decisions"]:
        why = f": {safe(d['reason'])}" if d["reason"] else ""
        refused = f", refused: {safe(d['refused'])}" if d["refused"] else ""
        how = f"via {d['via']} ({d['identity']}) after {clock(d['after_seconds'])}"
        yield f"  {d['verdict']} by {clip(d['by'], 60)} {how}{why}{refused}", "red" if refused else ""
    for s in trace["stops"]:
        why = f": {safe(s['reason'])}" if s["reason"] else ""
        yield f"  cancel by {clip(s['by'], 60)} via {s['via']}{why}", "magenta"


def _jobs(trace: TraceView) -> Iterator[tuple[str, str]]:
    for j in trace["jobs"]:
        adopted = ", adopted" if j["adopted"] else ""
        why = f": {safe(j['error']['message'])}" if j["error"] else ""
        took = f"{clock(j['seconds'])}, {size(j['bytes_billed'])} billed"
        yield f"  {j['query']} attempt {j['attempt']}: {j['job_id']} {j['state']}{adopted}, {took}{why}", ""


def _starts(trace: TraceView) -> Iterator[tuple[str, str]]:
    for s in trace["starts"]:
        why = f" ({safe(s['why'])})" if s["why"] else ""
        style = PHASE_STYLE["parked"] if s["reason"] == "recovered" else ""
        rest = f"after {clock(s['idle_seconds'])} of rest"
        yield f"  attempt {s['attempt']} {s['reason']} on {safe(s['host'])} {rest}{why}", style
