"""The answer and the timeline as Markdown; both are functions of what was recorded."""

from __future__ import annotations

from collections.abc import Sequence

from bq_copilot.events import Recorded
from bq_copilot.state import RunState


def answer_markdown(state: RunState) -> str:
    """Return the answer with its citations and what does not hold."""
    answer = state.answer
    if answer is None:
        why = state.failure.message if state.failure else f"the run is {state.phase}"
        return f"## {state.question}\n\nNo answer: {why}"
    lines = [f"## {state.question}", "", answer.summary, ""]
    if answer.unsupported:
        lines += [f"**Unsupported figures:** {', '.join(answer.unsupported)}", ""]
    if answer.citations:
        lines += ["| figure | query | cell | value | supported |", "|---|---|---|---|---|"]
        lines += [
            f"| {c.figure} | {c.query} | row {c.row}, {c.column} | {c.value} | {'yes' if c.supported else '**no**'} |"
            for c in answer.citations
        ]
    lines += ["", *(_source(state, q) for q in state.results)]
    return "\n".join(lines)


def _source(state: RunState, query: str) -> str:
    result, job = state.results[query], state.jobs.get(query)
    billed = job.finished.bytes_billed if job and job.finished else 0
    cut = f", {result.rows_kept:,} kept" if result.rows_kept < result.row_count else ""
    how = f"{billed:,} bytes billed" if job else "an earlier run's, nothing it reads has changed since"
    return f"- **{query}** job `{result.job_id}`: {result.row_count:,} rows{cut}, {how}"


def timeline_markdown(events: Sequence[Recorded]) -> str:
    """Return one row for each event."""
    start = events[0].at
    rows = [f"| {e.seq} | +{(e.at - start).total_seconds():.1f} s | {e.event.kind.replace('_', ' ')} |" for e in events]
    return "\n".join(["| # | time | event |", "|---|---|---|", *rows])
