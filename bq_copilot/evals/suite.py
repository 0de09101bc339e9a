"""An evaluation set: golden questions with what a right outcome is, as YAML.

Decides what an entry may say; an unknown or missing field is an error and not a question that is never checked.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self, cast

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bq_copilot.canonical import digest
from bq_copilot.errors import Refused

FROZEN = ConfigDict(frozen=True, extra="forbid")
Cell = str | int | float | bool | None
Kind = Literal["answerable", "ambiguous", "unanswerable", "hostile"]


class Expected(BaseModel):
    """One accepted result; its first `keys` columns name a row, the others are figures."""

    model_config = FROZEN
    columns: tuple[str, ...] = Field(min_length=1)
    rows: tuple[tuple[Cell, ...], ...]
    keys: int = Field(default=0, ge=0)
    match: Literal["rows", "ranking", "subset", "figures"] = "rows"
    """The same rows; the first `top` in order; at least these rows; these numbers anywhere in a few rows."""
    top: int = 0
    tolerance: float = Field(default=0.001, ge=0)


class EvalQuestion(BaseModel):
    """One question and what a right outcome is."""

    model_config = FROZEN
    id: str = Field(pattern=r"^[\w.-]{1,80}$")
    question: str = Field(min_length=1)
    kind: Kind = "answerable"
    expected: tuple[str, ...] = ()
    """Names of accepted results in `results`; any of them is right."""
    sql: str = ""
    """A query that gives the right result, under the policy of the evaluated environment; also `expected: {sql: …}`."""
    tables: tuple[str, ...] = ()
    """The tables that a right query reads."""
    answers: tuple[str, ...] = ()
    """What to say when the run asks back; its first option otherwise."""
    held_out: bool = False
    """True for a wording that nobody looked at while the system was made."""

    @model_validator(mode="before")
    @classmethod
    def _sql_under_expected(cls, given: object) -> object:
        if isinstance(given, dict):
            fields = cast("dict[str, object]", given)
            expected = fields.get("expected")
            if (
                isinstance(expected, dict)
                and set(cast("dict[str, object]", expected)) == {"sql"}
                and "sql" not in fields
            ):
                return {**fields, "expected": (), "sql": cast("dict[str, object]", expected)["sql"]}
        return given  # pyright: ignore[reportUnknownVariableType] - the fields are validated next

    @model_validator(mode="after")
    def _can_be_right(self) -> Self:
        if self.kind == "answerable" and not (self.expected or self.sql):
            raise ValueError(f"{self.id} is answerable and has neither `expected` nor `sql`")
        return self


class EvalSet(BaseModel):
    """A whole set."""

    model_config = FROZEN
    format: Literal[1] = 1
    name: str
    about: str = ""
    results: dict[str, tuple[Expected, ...]] = Field(default_factory=dict[str, tuple[Expected, ...]])
    """Accepted results by name: several questions may share one, and one may have several right forms."""
    questions: tuple[EvalQuestion, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        ids = [q.id for q in self.questions]
        twice = sorted({i for i in ids if ids.count(i) > 1})
        unknown = sorted({e for q in self.questions for e in q.expected} - set(self.results))
        if twice or unknown:
            raise ValueError(f"named twice: {twice}; results that are not there: {unknown}")
        return self

    @property
    def fingerprint(self) -> str:
        """Return the digest over the whole set."""
        return digest(self.model_dump(mode="json"))

    def accepted(self, question: EvalQuestion) -> tuple[Expected, ...]:
        """Return every accepted result of a question."""
        return tuple(one for name in question.expected for one in self.results[name])


def read_suite(path: Path) -> EvalSet:
    """Read a set. Raises Refused and names the first wrong field."""
    try:
        return EvalSet.model_validate(cast("object", yaml.safe_load(path.read_text("utf-8"))))
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}", code="bad_eval") from error
    except yaml.YAMLError as error:
        raise Refused(f"{path} is not YAML: {error}", code="bad_eval") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the set"
        raise Refused(f"{path}, {where}: {first['msg']}", code="bad_eval") from error
