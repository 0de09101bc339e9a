"""What the gate says: findings, facts, and the verdict that binds them to one canonical text.

Decides the shape and the order of rulings (deny over ask over allow), never a rule itself. Everything here is
frozen and crosses processes: the child that analyses, the ledger, the card and the model see the same values.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, JsonValue

FROZEN = ConfigDict(frozen=True, extra="forbid")


class Ruling(StrEnum):
    """The gate's answer to one statement."""

    ALLOW = "allow"
    """Understood and inside the policy."""
    ASK = "ask"
    """Understood, but a person must look at it."""
    DENY = "deny"
    """Refused; nobody can approve it."""


class Parameter(BaseModel):
    """One query parameter; an empty name means positional. `type` is a GoogleSQL type name."""

    model_config = FROZEN
    name: str = ""
    type: str = "STRING"
    value: JsonValue = None


class Finding(BaseModel):
    """One reason: which rule, where (1-based, 0 = the whole text), about what, and how to go on."""

    model_config = FROZEN
    rule: str
    severity: Ruling = Ruling.DENY
    line: int = 0
    column: int = 0
    subject: str = ""
    message: str = ""
    advice: str = ""
    repairable: bool = True


class Facts(BaseModel):
    """What the statement does, computed from its canonical text and the catalog only."""

    model_config = FROZEN
    tables: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    tagged_read: tuple[str, ...] = ()
    tagged_in_output: bool = False
    functions: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    time_dependent: bool = False
    output: tuple[str, ...] = ()


class Verdict(BaseModel):
    """The ruling on one statement, and everything needed to repeat it."""

    model_config = FROZEN
    ruling: Ruling
    policy_fingerprint: str
    gate_fingerprint: str
    schema_fingerprint: str
    engines: tuple[str, ...] = ()
    sql: str = ""
    digest: str = ""
    facts: Facts = Facts()
    findings: tuple[Finding, ...] = ()

    @property
    def denied(self) -> bool:
        """Say whether the statement is refused."""
        return self.ruling is Ruling.DENY


def ruling_of(findings: Iterable[Finding], default: Ruling = Ruling.ALLOW) -> Ruling:
    """Return deny if any finding denies, else ask if any asks, else the default."""
    severities = {f.severity for f in findings}
    if Ruling.DENY in severities:
        return Ruling.DENY
    return Ruling.ASK if Ruling.ASK in severities else default
