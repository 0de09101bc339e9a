"""What may be asked of a person, and what their answer means.

Decides whether a question was asked before (the same topic, or nearly the same words), and reads an answer by its
kind: one of the options by its number or its words, a number, a date, or free text. It never guesses an option.
"""

from __future__ import annotations

import re
from datetime import date

from bq_copilot import toolbox
from bq_copilot.errors import Refused
from bq_copilot.events import QuestionAsked
from bq_copilot.retrieval.words import SILENT, split
from bq_copilot.state import RunState

ALIKE = 0.75
"""Share of common words from which on two questions are the same one."""


def problem_of(state: RunState, call: toolbox.AskUser) -> toolbox.CallProblem | None:
    """Return why the model's question is not put to a person, None when it is."""
    if state.pinned is not None and state.pinned.prompt_version >= 2:
        for topic, question, answer in known_answers(state):
            if _same(call.topic, topic) or _alike(call.question, question):
                text = f"This was asked before and answered: {answer[:300]!r}. Go on with that answer."
                return toolbox.CallProblem("asked_before", text)
    if state.questions >= state.limits.questions:
        text = "No more questions may be asked in this run. State your assumption in the answer instead."
        return toolbox.CallProblem("question_budget", text)
    return None


def known_answers(state: RunState) -> list[tuple[str, str, str]]:
    """Return (topic, question, answer) of everything that a person has settled, in the earlier run too."""
    before = [(s.topic, s.question, s.answer) for s in state.context.settled] if state.context else []
    return before + [(asked.topic, asked.question, answer) for asked, answer in state.clarified]


def _same(one: str, other: str) -> bool:
    return bool(one) and " ".join(split(one)) == " ".join(split(other))


def _alike(one: str, other: str) -> bool:
    mine, theirs = set(split(one)) - SILENT, set(split(other)) - SILENT
    return bool(mine | theirs) and len(mine & theirs) / len(mine | theirs) >= ALIKE


def read_answer(asked: QuestionAsked, text: str) -> str:
    """Return the answer in the form that is recorded. Raises Refused when it is not of the question's kind."""
    said = " ".join(text.split())
    match asked.answer_kind:
        case "number":
            if not re.fullmatch(r"[-+]?[\d,]*\.?\d+ ?%?", said):
                raise _not(asked, "a number", "12.5")
        case "date":
            try:
                date.fromisoformat(said)
            except ValueError:
                raise _not(asked, "a date", "2026-06-30") from None
        case _:
            return _option(asked, said) or text
    return said


def _option(asked: QuestionAsked, said: str) -> str | None:
    """The option that is meant: by its number in the list, or by its own words; other words stand as they are."""
    if re.fullmatch(r"\d", said) and 1 <= int(said) <= len(asked.options):
        return asked.options[int(said) - 1]
    return next((o for o in asked.options if o.casefold() == said.casefold()), None)


def _not(asked: QuestionAsked, what: str, example: str) -> Refused:
    return Refused(
        f"The question asks for {what}: {asked.question}", code="answer_invalid", next=f"Write it like {example}."
    )
