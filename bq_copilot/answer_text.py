"""What people read of a run elsewhere: answer, SQL, chart and timeline as Markdown, functions of what was recorded.

Decides what stands there and in which order. Whatever somebody else wrote (question, summary, cells) passes through
`plain` and can become neither link nor image nor markup; the one picture is the chart that our own code drew.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

from bq_copilot.card_blocks import Code, Heading
from bq_copilot.card_markdown import plain, to_markdown
from bq_copilot.events import Recorded
from bq_copilot.state import Plan, RunState
from bq_copilot.trace_svg import clock
from bq_copilot.transitions import apply
from bq_copilot.values import Cell
from bq_copilot.wording import event_words

MOST_ROWS = 500
"""Rows of a timeline; a longer one says what it leaves out, and where the rest stands."""

MOST_WORDS = 300


def answer_markdown(state: RunState, picture: str = "") -> str:
    """Return the answer with its chart, its citations, what does not hold, and how to open it again."""
    title = f"## {plain(state.question)}"
    again = f"Open it at any time: `bq-copilot show {state.run_id}` · its history: `bq-copilot trace {state.run_id}`"
    answer = state.answer
    if answer is None:
        why = state.failure.message if state.failure else f"the run is {state.phase}"
        return "\n\n".join([title, f"No answer: {plain(why)}", again])
    lines = [title, "", *(plain(line) for line in answer.summary.splitlines()), ""]
    if answer.unsupported:
        lines += [f"**Unsupported figures:** {plain(', '.join(answer.unsupported))}", ""]
    lines += [picture, ""] if picture else []
    if answer.citations:
        lines += ["| figure | query | cell | value | supported |", "|---|---|---|---|---|"]
        lines += [_cited(c) for c in answer.citations]
    lines += ["", *(_source(state, q) for q in state.results), "", again]
    return "\n".join(lines)


def _cited(cell: Cell) -> str:
    value, holds = plain(cell.value or ""), "yes" if cell.supported else "**no**"
    return f"| {plain(cell.figure)} | {cell.query} | row {cell.row}, {plain(cell.column)} | {value} | {holds} |"


def _source(state: RunState, query: str) -> str:
    result, job = state.results[query], state.jobs.get(query)
    billed = job.finished.bytes_billed if job and job.finished else 0
    cut = f", {result.rows_kept:,} kept" if result.rows_kept < result.row_count else ""
    how = f"{billed:,} bytes billed" if job else "an earlier run's, nothing it reads has changed since"
    return f"- **{query}** job `{result.job_id}`: {result.row_count:,} rows{cut}, {how}"


def chart_markdown(title: str, svg: bytes) -> str:
    """Return a chart that `charts` drew as a picture in the text itself; empty when there is none."""
    if not svg:
        return ""
    return f"![{plain(title) or 'Chart'}](data:image/svg+xml;base64,{base64.b64encode(svg).decode()})"


def sql_markdown(plan: Plan | None) -> str:
    """Return the plan's SQL, each query under its name with what it reads; empty when there is none."""
    if plan is None:
        return ""
    said = f"Revision {plan.revision} by {plan.by}"
    asked = {q.id: q for q in plan.request.queries} if plan.request else {}
    blocks: list[Heading | Code] = [Heading(said, top=True)]
    for query in plan.queries:
        tables = f" · reads {', '.join(t.table for t in asked[query.id].tables)}" if query.id in asked else ""
        blocks += [Heading(f"{query.id}: {query.purpose}{tables}"), Code(query.sql, "sql")]
    return to_markdown(tuple(blocks))


def timeline_markdown(events: Sequence[Recorded]) -> str:
    """Return one row for each event: when, in which phase, and what happened in words."""
    start, run_id = events[0].at, events[0].run_id
    state, rows = RunState(run_id=run_id), list[str]()
    for one in events:
        state = apply(state, one)
        words = plain(event_words(one.event)[:MOST_WORDS])
        when = clock((one.at - start).total_seconds())
        rows.append(f"| {one.seq} | +{when} | {str(state.phase).replace('_', ' ')} | {words} |")
    left = len(rows) - MOST_ROWS
    more = f"\n\n{left:,} more events: `bq-copilot trace {run_id}`" if left > 0 else ""
    return "\n".join(["| # | time | phase | what happened |", "|---|---|---|---|", *rows[:MOST_ROWS]]) + more
