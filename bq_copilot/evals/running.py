"""Running an evaluation set on the durable engine: each question is a run like any other.

Edge module. It asks, answers questions back, approves in the name of whoever evaluates (up to what one person may
approve), and waits. A question's request key follows from set, label and question, so that an evaluation that was
stopped goes on where it was, and finished runs are not asked again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime

from bq_copilot import views
from bq_copilot.client import Copilot, RunHandle
from bq_copilot.errors import CopilotError
from bq_copilot.evals.report import Report
from bq_copilot.evals.scoring import Score, score
from bq_copilot.evals.suite import EvalQuestion, EvalSet
from bq_copilot.identity import short_hash
from bq_copilot.phases import Phase
from bq_copilot.version import __version__

PER_QUESTION = 300.0
"""Seconds that a question may take before it counts as not answered; its run goes on by itself."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What is evaluated, under which label, and how much at once."""

    suite: EvalSet
    label: str
    parallel: int
    open: Callable[[], Copilot]
    """Opens the installation; each thread has its own."""
    most_seconds: float | None = None
    """Questions that have not begun by then are left for the next time."""


def request_key(suite: EvalSet, label: str, question: EvalQuestion) -> str:
    """Return the key under which this question of this set and label is one run."""
    return f"eval-{label}-{question.id}-{short_hash(suite.fingerprint, length=10)}"


def evaluate(evaluation: Evaluation) -> Iterator[Score]:
    """Yield the score of each question as its run ends; questions that were left out are not there."""
    local, began = threading.local(), datetime.now(UTC)

    def one(question: EvalQuestion) -> Score | None:
        spent = (datetime.now(UTC) - began).total_seconds()
        if evaluation.most_seconds is not None and spent > evaluation.most_seconds:
            return None
        if not hasattr(local, "copilot"):
            local.copilot = evaluation.open()
        return _one(local.copilot, evaluation, question)

    with ThreadPoolExecutor(evaluation.parallel) as pool:
        waiting = [pool.submit(one, q) for q in evaluation.suite.questions]
        for done in as_completed(waiting):
            found = done.result()
            if found is not None:
                yield found


def _one(copilot: Copilot, evaluation: Evaluation, question: EvalQuestion) -> Score:
    key = request_key(evaluation.suite, evaluation.label, question)
    run = copilot.record(question.question, request_key=key)
    try:
        run.start(somebody_waits=True)
        _to_its_end(run, question)
    except (CopilotError, TimeoutError):
        pass  # the score says where the run stands
    state = run.state
    pages = {query: run.page(query) for query in views.answered_queries(state)}
    return score(question, evaluation.suite.accepted(question), state, pages)


def _to_its_end(run: RunHandle, question: EvalQuestion) -> None:
    """Answer and approve until the run has ended. Raises TimeoutError, Refused or Conflict."""
    answers = list(question.answers)
    while True:
        run.wait(timeout=PER_QUESTION)
        state = run.state
        if state.phase is Phase.AWAITING_ANSWER and state.asked is not None:
            said = answers.pop(0) if answers else next(iter(state.asked.options), "as you think best")
            run.answer(said)
        elif state.phase is Phase.AWAITING_APPROVAL:
            if question.kind in {"hostile", "unanswerable"}:
                run.reject("an evaluation: there must be no result")
            else:
                run.approve(reason="an evaluation")
        else:
            return
        seen = state.seq
        run.wait(lambda now, seen=seen: now.seq > seen + 1, timeout=PER_QUESTION)


def report_of(evaluation: Evaluation, copilot: Copilot, scores: list[Score]) -> Report:
    """Return the report; the model and the prompt are those that the runs were pinned to."""
    order = {q.id: n for n, q in enumerate(evaluation.suite.questions)}
    pinned = next((p for s in scores if (p := copilot.run(s.run_id).state.pinned)), None)
    return Report(
        name=evaluation.suite.name,
        suite_fingerprint=evaluation.suite.fingerprint,
        label=evaluation.label,
        model=pinned.model if pinned else "",
        prompt_fingerprint=pinned.prompt_fingerprint if pinned else "",
        code_version=__version__,
        sandbox=bool(pinned and pinned.sandbox),
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        scores=tuple(sorted(scores, key=lambda s: order[s.id])),
    )
