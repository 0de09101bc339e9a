"""The evaluation set as typed values.

Decides: what an entry of `questions.yaml` may say. Never does: judge an answer. Why this shape: frozen models
that forbid extra keys, so a misspelt key in the file is an error and not an entry that is never checked.
"""

from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

FOLDER = Path(str(files("deployments.local.sample_data")))
GOLD = FOLDER / "gold"

Kind = Literal[
    "trend", "comparison", "figure", "change", "share", "anomaly", "top-n", "pattern", "average", "breakdown",
    "funnel", "rate", "unanswerable", "ambiguous", "hostile",
]  # fmt: skip


class Reading(BaseModel):
    """One thing that an ambiguous question may mean."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    say: str
    truth: str | None = None


class Question(BaseModel):
    """One entry of the set."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: str
    kind: Kind
    question: str
    answerable: bool
    truth: str | None = None
    readings: tuple[Reading, ...] = ()
    because: str | None = None


class QuestionSet(BaseModel):
    """All entries, and the day on which they are asked."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    today: date
    questions: tuple[Question, ...]

    def of(self, kind: Kind) -> tuple[Question, ...]:
        """The entries of one kind."""
        return tuple(question for question in self.questions if question.kind == kind)

    def with_truth(self) -> tuple[Question, ...]:
        """The entries that have one right answer."""
        return tuple(question for question in self.questions if question.truth)


def load_questions() -> QuestionSet:
    """Read `deployments/local/sample_data/questions.yaml`."""
    return QuestionSet.model_validate(yaml.safe_load((FOLDER / "questions.yaml").read_text("utf-8")))


def gold_sql(truth: str) -> str:
    """The hand-written GoogleSQL that gives the truth."""
    return (GOLD / f"{truth}.sql").read_text("utf-8")
