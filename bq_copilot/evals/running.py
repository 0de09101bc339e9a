"""Running an evaluation set on the durable engine: each question is a run like any other.

Edge module. It asks, answers questions back, approves in the name of whoever evaluates (up to what one person may
approve), and waits. A question's request key follows from set, label and question, so that an evaluation that was
stopped goes on where it was, and finished runs are not asked again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime

from bq_copilot import views
from bq_copilot.client import Copilot, RunHandle
from bq_copilot.errors import CopilotError
from bq_copilot.evals.gold import Gold
from bq_copilot.evals.report import Report
from bq_copilot.evals.scoring import Score, fault_of, not_answered, score
from bq_copilot.evals.suite import EvalQuestion, EvalSet
from bq_copilot.identity import short_hash
from bq_copilot.phases import TERMINAL, Phase
from bq_copilot.version import __version__

MOST_TIMES = 5
"""Runs that a question may have: each but the last ended by a fault from outside."""
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

    gold: Callable[[Mapping[str, str]], dict[str, Gold]] = lambda _queries: {}
    """Runs expected queries under the environment's policy; asked once, for the questions that have one."""


def request_key(suite: EvalSet, label: str, question: EvalQuestion, again: int = 0) -> str:
    """Return the key under which this question of this set and label is one run; `again` after a fault from outside."""
    key = f"eval-{label}-{question.id}-{short_hash(suite.fingerprint, length=10)}"
    return f"{key}-again{again}" if again else key


def evaluate(evaluation: Evaluation) -> Iterator[Score]:
    """Yield the score of each question as its run ends; questions that were left out are not there."""
    local, began = threading.local(), datetime.now(UTC)
    queries = {q.id: q.sql for q in evaluation.suite.questions if q.sql and q.kind == "answerable"}
    gold = evaluation.gold(queries) if queries else {}

    def one(question: EvalQuestion) -> Score | None:
        spent = (datetime.now(UTC) - began).total_seconds()
        if evaluation.most_seconds is not None and spent > evaluation.most_seconds:
            return None
        try:
            if not hasattr(local, "copilot"):
                local.copilot = evaluation.open()
            return _one(local.copilot, evaluation, question, gold.get(question.id))
        except (CopilotError, OSError) as error:
            return not_answered(question, str(error) or type(error).__name__)

    with ThreadPoolExecutor(evaluation.parallel) as pool:
        waiting = [pool.submit(one, q) for q in evaluation.suite.questions]
        for done in as_completed(waiting):
            found = done.result()
            if found is not None:
                yield found


def _one(copilot: Copilot, evaluation: Evaluation, question: EvalQuestion, gold: Gold | None) -> Score:
    """Ask one question; one that a fault from outside ended in an earlier evaluation is asked anew."""
    run, reason = _asked(copilot, evaluation, question), ""
    try:
        run.start(somebody_waits=True)
        _to_its_end(run, question)
    except (CopilotError, TimeoutError) as error:
        reason = str(error) or type(error).__name__
    state = run.state
    reason = fault_of(state) or (reason if state.phase not in TERMINAL else "")
    if reason or state.phase not in TERMINAL:
        return not_answered(question, reason or f"it stands at {state.phase}", state.run_id, str(state.phase))
    pages = {query: run.page(query) for query in views.answered_queries(state)}
    return score(question, evaluation.suite.accepted(question), state, pages, gold)


def _asked(copilot: Copilot, evaluation: Evaluation, question: EvalQuestion) -> RunHandle:
    def asked(again: int) -> RunHandle:
        key = request_key(evaluation.suite, evaluation.label, question, again)
        return copilot.record(question.question, request_key=key)

    run, again = asked(0), 0
    while fault_of(run.state) and (again := again + 1) < MOST_TIMES:
        run = asked(again)
    return run


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
    pinned = next((p for s in scores if s.run_id and (p := copilot.run(s.run_id).state.pinned)), None)
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
