"""Gather what is known about a question (tables, notes, accepted queries, the run before) and pin it for the run.

What goes in is bounded and chosen by `bq_copilot.briefing`. Everything from other runs passes this run's own gate and
policy first: memory and context never widen what somebody may see.
"""

from __future__ import annotations

import asyncio
import json

from bq_copilot import briefing, memory, notes
from bq_copilot.briefing import Earlier, EarlierResult, Known
from bq_copilot.context_events import ContextPinned, Settled
from bq_copilot.errors import Damaged
from bq_copilot.notes import Notes
from bq_copilot.phases import Phase
from bq_copilot.prompt_window import BYTES_PER_TOKEN
from bq_copilot.retrieval.units import Unit
from bq_copilot.state import RunState
from bq_copilot.transitions import fold
from tasks.retrieval import embedded, retrieval_of
from tasks.run import Run

THREAD = 3
"""Runs before the earlier one whose questions and answers are told."""


async def brief(run: Run) -> None:
    """Record what the model is told beside the question."""
    noted = run.env.notes
    shown = notes.about(noted, run.policy.allowed_datasets) if noted else {}
    left_out = tuple(notes.problems(Notes(datasets=shown), run.readable)) if shown else ()
    earlier = await asyncio.to_thread(_earlier, run)
    examples = await asyncio.to_thread(_examples, run)
    asked = notes.widened(_whole_question(run.state, earlier), shown.values())
    index = await asyncio.to_thread(retrieval_of, run.readable)
    vector, retriever, usage = await embedded(index, run.env.embedder, asked)
    wanted = [t for e in examples for t in e.tables]
    units = _first(run, [h.id for h in index.search(asked, briefing.TABLES, vector)], wanted)
    known = Known(units, len(run.readable.tables), shown, tuple(examples), earlier)
    budget = run.state.limits.context_tokens * BYTES_PER_TOKEN // briefing.SHARE
    run.append(
        ContextPinned(
            briefing=run.env.shelf.put(briefing.build(known, run.policy, budget)),
            tables=tuple(u.id for u in units),
            retriever=retriever,
            notes_name=noted.name if noted and shown else "",
            notes_version=noted.version if noted and shown else 0,
            notes_fingerprint=noted.fingerprint if noted and shown else "",
            notes_left_out=left_out[:20],
            examples=tuple(e.provenance for e in examples),
            after_run=earlier.run_id if earlier else "",
            after_seq=earlier.seq if earlier else 0,
            settled=tuple(Settled(topic=t, question=q, answer=a) for t, q, a in earlier.settled) if earlier else (),
            usage=usage,
        )
    )


def _whole_question(state: RunState, earlier: Earlier | None) -> str:
    """A question that continues another one often names its tables only there."""
    return f"{state.question} {earlier.question}" if earlier else state.question


def _first(run: Run, found: list[str], examples: list[str]) -> tuple[Unit, ...]:
    """Return the units that were found, those of accepted examples before the least fitting ones."""
    units = run.units
    of = {m: u.id for u in units.values() for m in u.members}
    added = [of[t] for t in dict.fromkeys(examples) if t in of and of[t] not in found]
    kept = found[: max(briefing.TABLES - len(added), 0)]
    return tuple(units[name] for name in dict.fromkeys([*kept, *added]))


def _examples(run: Run) -> list[memory.Remembered]:
    """Return accepted queries that fit and that this run's own gate allows."""
    found = memory.recall(run.env.ledger, run.state.requester, run.policy.budgets.memory)
    fitting = memory.fitting(run.state.question, (e for e in found if e.run_id != run.id))
    return [e for e in fitting if not run.rule(e.sql).denied]


def _earlier(run: Run) -> Earlier | None:
    """Return the run that this one continues, as far as its requester may see it; None when there is none."""
    received = run.state.received
    state = _read(run, received.after_run if received else "")
    if state is None:
        return None
    before: list[tuple[str, str]] = []
    above = state
    for _ in range(THREAD):
        next_one = _read(run, above.received.after_run if above.received else "")
        if next_one is None:
            break
        above = next_one
        said = above.answer.summary if above.answer and _allowed(run, above) else ""
        before.append((above.question, said))
    allowed = _allowed(run, state)
    return Earlier(
        run_id=state.run_id,
        seq=state.seq,
        question=state.question,
        answer=state.answer.summary if state.answer and allowed else "",
        results=_results(run, state) if allowed else (),
        settled=tuple((asked.topic, asked.question, answer) for asked, answer in state.clarified),
        before=tuple(before),
    )


def _read(run: Run, run_id: str) -> RunState | None:
    """Fold another run of the same requester; anybody else's is not there for this one."""
    if not run_id:
        return None
    state = fold(run_id, run.env.ledger.read(run_id))
    return state if state.seq and state.requester == run.state.requester else None


def _allowed(run: Run, state: RunState) -> bool:
    """Say whether this run's gate would allow every query of the earlier one: policy may have changed since."""
    plan = state.plan
    return plan is not None and plan.consumed and not any(run.rule(v.sql).denied for v in plan.verdicts)


def _results(run: Run, state: RunState) -> tuple[EarlierResult, ...]:
    if state.phase not in {Phase.COMPLETED, Phase.PARTIAL} or state.plan is None:
        return ()
    found: list[EarlierResult] = []
    for query, verdict in zip(state.plan.queries, state.plan.verdicts, strict=False):
        result = state.results.get(query.id)
        if result is None:
            continue
        try:
            page = json.loads(run.env.shelf.get(result.page))
        except Damaged:
            continue  # its page has expired; the answer's words stay
        found.append(
            EarlierResult(query.id, verdict.sql, result.columns, page["rows"], result.row_count, page["summary"])
        )
    return tuple(found)
