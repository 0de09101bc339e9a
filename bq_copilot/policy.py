"""The policy: everything that an operator may choose about what runs, who approves it and what it may cost.

Decides nothing by itself: it is data with a JSON Schema and a fingerprint, read by the gate, by the approval
rules and by the budgets. It can add denials to the built-in rules P01-P20, and has no switch that lifts one.
It never reads a file: `bq_copilot.policy_file` turns YAML into this value.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from bq_copilot.canonical import digest
from bq_copilot.notice_events import NoticeKind
from bq_copilot.spelling import plain

FROZEN = ConfigDict(frozen=True, extra="forbid")
GIB = 2**30
TIB = 2**40


class Effect(StrEnum):
    """What a rule of the policy does when it matches."""

    DENY = "deny"
    """The statement is refused; nobody can approve it."""
    ASK = "ask"
    """A person must approve the statement."""
    ALLOW = "allow"
    """The statement counts as expected; only matters where `default` is ask."""


class Rule(BaseModel):
    """One extra rule; it matches when every list that is given has a glob that matches a fact of the statement."""

    model_config = FROZEN
    id: str = Field(pattern=r"^[A-Z][A-Z0-9_-]{0,31}$")
    effect: Effect
    tables: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    message: str = ""

    def matches(self, tables: Iterable[str], columns: Iterable[str], functions: Iterable[str]) -> str | None:
        """Return the first fact that makes the rule apply, or None. A rule without any list never matches."""
        hits = [
            _first(globs, facts)
            for globs, facts in ((self.tables, tables), (self.columns, columns), (self.functions, functions))
            if globs
        ]
        return hits[0] if hits and all(hits) else None


class TagRule(BaseModel):
    """Which tag of the policy a raw catalog tag stands for; `raw` is a glob, e.g. `policy-tag:*/policyTags/pii`."""

    model_config = FROZEN
    raw: str
    tag: str


class Limits(BaseModel):
    """Hard limits; above one of them the statement does not run, whoever approves. Bytes are bytes billed."""

    model_config = FROZEN
    bytes_per_query: int = Field(default=100 * GIB, gt=0)
    bytes_per_run: int = Field(default=200 * GIB, gt=0)
    bytes_per_requester_day: int = Field(default=500 * GIB, gt=0)
    bytes_per_day: int = Field(default=5 * TIB, gt=0)
    ask_above_bytes: int = Field(default=10 * GIB, ge=0)
    result_rows: int = Field(default=10_000, gt=0)
    characters: int = Field(default=20_000, gt=0, le=20_000)
    generated_elements: int = Field(default=1_000_000, gt=0, le=1_000_000)


class Tier(BaseModel):
    """One approval tier; the highest tier whose condition holds is asked for."""

    model_config = FROZEN
    tier: Literal[0, 1, 2, 3]
    above_bytes: int | None = Field(default=None, ge=0)
    datasets: tuple[str, ...] = ()
    always: bool = False
    approvers: int = Field(default=1, ge=0, le=9)
    role: str | None = None
    require_code: bool = False
    up_to_bytes: int | None = Field(default=None, ge=0)
    """The bound of tier 0: nobody is asked about a plan that bills at most this; above it the tier is silent."""

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if (self.tier == 0) != (self.approvers == 0):
            raise ValueError("tier 0 is automatic and has approvers: 0; every other tier needs at least one.")
        if (self.tier == 0) != (self.up_to_bytes is not None):
            raise ValueError("tier 0 states its bound as up_to_bytes; no other tier has one.")
        return self

    def applies(self, bytes_billed: int, datasets: Iterable[str]) -> bool:
        """Say whether a plan of this size over these datasets falls into the tier."""
        if self.up_to_bytes is not None and bytes_billed > self.up_to_bytes:
            return False
        by_bytes = self.above_bytes is not None and bytes_billed > self.above_bytes
        return self.always or by_bytes or _first(self.datasets, datasets) is not None


class Person(BaseModel):
    """One person who asks or approves: other spellings of the name, and the public key of their codes."""

    model_config = FROZEN
    aliases: tuple[str, ...] = ()
    key: str = Field(default="", pattern=r"^(ed25519:[A-Za-z0-9_-]{43})?$")
    """What `bq-copilot keys create NAME` prints; empty when the person signs nothing."""


class Proxy(BaseModel):
    """The identity-aware proxy whose signed assertions are believed."""

    model_config = FROZEN
    issuer: str
    audience: str
    keys: dict[str, str]
    """Public keys as PEM (Ed25519 or P-256) by key id; a proxy that sends no key id has one key here."""
    claim: str = "email"
    """The claim that names the person."""


class Approvals(BaseModel):
    """Who may approve, for how long, and when somebody else is told."""

    model_config = FROZEN
    tiers: tuple[Tier, ...] = (
        Tier(tier=1, always=True),
        Tier(tier=2, above_bytes=10 * GIB),
        Tier(tier=3, above_bytes=50 * GIB, approvers=2, require_code=True),
    )
    roles: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    delegation: bool = True
    escalate_after_seconds: int = Field(default=3600, gt=0)
    escalate_to: tuple[str, ...] = ()
    expire_after_seconds: int = Field(default=86_400, gt=0)
    canary_rate: float = Field(default=0.0, ge=0.0, le=0.2)
    canary_seed: str = ""
    """Which runs get a canary follows from this and the run's id; keep it from the approvers."""
    people: dict[str, Person] = Field(default_factory=dict[str, Person])
    trust_form: bool = False
    """Let the Prefect form decide tier 1 without a code outside the sandbox; it names nobody."""
    trust_local_user: bool = False
    """Let the machine's own user decide outside the sandbox: for a stack with one user on one machine."""
    proxy: Proxy | None = None

    @model_validator(mode="after")
    def _names_apart(self) -> Self:
        spelled = [n for name, one in self.people.items() for n in {plain(name), *map(plain, one.aliases)}]
        twice = sorted({name for name in spelled if spelled.count(name) > 1})
        if twice:
            raise ValueError(f"people: {', '.join(twice)} names two people.")
        return self

    @model_validator(mode="after")
    def _roles_filled(self) -> Self:
        empty = sorted({t.role for t in self.tiers if t.role and not self.roles.get(t.role)})
        if empty:
            raise ValueError(f"roles: {', '.join(empty)} approves a tier and has no members.")
        return self

    def tier_for(self, bytes_billed: int, datasets: Iterable[str]) -> Tier:
        """Return the tier to ask for; with no tier that applies, one person must approve."""
        names = tuple(datasets)
        found = [t for t in self.tiers if t.applies(bytes_billed, names)]
        return max(found, key=lambda t: t.tier) if found else Tier(tier=1, always=True)


class Budgets(BaseModel):
    """What one run may spend before it ends with its own reason."""

    model_config = FROZEN
    turns: int = Field(default=40, gt=0)
    tokens: int = Field(default=400_000, gt=0)
    money: float = Field(default=5.0, gt=0)
    wall_seconds: int = Field(default=7 * 86_400, gt=0)
    refusals_in_a_row: int = Field(default=6, gt=0)
    repairs: int = Field(default=3, ge=0)
    questions: int = Field(default=3, ge=0)
    """Clarifying questions in one run; above it the model states its assumption instead."""
    context_tokens: int = Field(default=32_000, ge=8_000)
    """How long a prompt may get, at four bytes a token: older tool results give way to a note."""
    memory: Literal["off", "requester", "everyone"] = "requester"
    """Whose accepted queries may be shown to the model as examples, always within what this policy allows."""

    @model_serializer(mode="wrap")
    def _as_recorded(self, handler: SerializerFunctionWrapHandler) -> dict[str, object]:
        """Leave a field that a later release added out while it has its default: older fingerprints stay true."""
        written: dict[str, object] = handler(self)
        return {k: v for k, v in written.items() if k not in LATER_BUDGETS or v != type(self).model_fields[k].default}


LATER_BUDGETS = frozenset({"questions", "context_tokens", "memory"})


class Daily(BaseModel):
    """What one requester may spend on the runs of one day; bytes stand in `limits`."""

    model_config = FROZEN
    turns: int = Field(default=4_000, gt=0)
    tokens: int = Field(default=20_000_000, gt=0)
    money: float = Field(default=50.0, gt=0)
    job_seconds: float = Field(default=86_400, gt=0)


class Retries(BaseModel):
    """How often and for how long a step is tried again after a passing fault, before it fails."""

    model_config = FROZEN
    attempts: int = Field(default=6, gt=0)
    seconds: int = Field(default=900, gt=0)
    longest_seconds: float = Field(default=60.0, gt=0)


StepName = Literal[
    "schemas", "model", "gate", "dry_run", "check", "submit", "job", "cancel", "undo", "result", "publish", "other"
]


class StepClocks(BaseModel):
    """Clocks of one kind of step where they differ from the general ones."""

    model_config = FROZEN
    queued_seconds: float | None = Field(default=None, gt=0)
    running_seconds: float | None = Field(default=None, gt=0)
    idle_seconds: float | None = Field(default=None, gt=0)


class Clocks(BaseModel):
    """How long a step may wait for its turn, run, and give no sign of life. The whole run has `wall_seconds`."""

    model_config = FROZEN
    queued_seconds: float = Field(default=900, gt=0)
    running_seconds: float = Field(default=600, gt=0)
    idle_seconds: float = Field(default=300, gt=0)
    steps: dict[StepName, StepClocks] = Field(default_factory=dict[StepName, StepClocks])

    def of(self, step: StepName) -> StepClocks:
        """Return all three clocks of one kind of step."""
        own = self.steps.get(step, StepClocks())
        return StepClocks(
            queued_seconds=own.queued_seconds or self.queued_seconds,
            running_seconds=own.running_seconds or self.running_seconds,
            idle_seconds=own.idle_seconds or self.idle_seconds,
        )


class Notifications(BaseModel):
    """What people are told outside of the waiting list, and through which notification block of Prefect."""

    model_config = FROZEN
    kinds: tuple[NoticeKind, ...] = get_args(NoticeKind)
    block: str = "bq-copilot"
    """Name of the notification block (Slack, e-mail, webhook, …), whatever its type; without one nobody is told."""
    people: dict[str, str] = Field(default_factory=dict[str, str])
    """Blocks of single people by their names, for what is one person's: a question's requester, a delegate."""
    remind_after_seconds: int = Field(default=1_800, ge=0)
    """Seconds after which a request that nobody decided, or a question, is told once more; 0: never."""

    @property
    def blocks(self) -> list[str]:
        """The names of all blocks that somebody is told through, the one for all first."""
        return [self.block, *sorted({*self.people.values()} - {self.block})]

    def block_of(self, person: str) -> str:
        """Return the name of a person's own block; empty when they have none, or when nobody is named."""
        own = {plain(name): block for name, block in self.people.items()}
        return own.get(plain(person), "") if person else ""


class Profile(BaseModel):
    """How far `profile_column` may look at data."""

    model_config = FROZEN
    bytes: int = Field(default=1 * GIB, gt=0)
    top_values: int = Field(default=10, ge=0, le=50)
    value_characters: int = Field(default=80, gt=0, le=200)


class Exports(BaseModel):
    """Where results may be exported to as tables, and for how long; nowhere unless a dataset is named."""

    model_config = FROZEN
    datasets: tuple[str, ...] = ()
    """Globs over `project.dataset`."""
    days: float = Field(default=30.0, gt=0, le=3_650)


class Policy(BaseModel):
    """One versioned, fingerprinted policy."""

    model_config = FROZEN
    version: Literal[1] = 1
    name: str = "default"
    allowed_datasets: tuple[str, ...] = ()
    denied_tags: tuple[str, ...] = ("pii", "restricted")
    asked_tags: tuple[str, ...] = ()
    tag_rules: tuple[TagRule, ...] = (TagRule(raw="policy-tag:*/policyTags/pii", tag="pii"),)
    denied_functions: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    default: Literal["allow", "ask"] = "allow"
    limits: Limits = Limits()
    price_per_tib: float = Field(default=6.25, ge=0)
    currency: str = "USD"
    approvals: Approvals = Approvals()
    budgets: Budgets = Budgets()
    daily: Daily = Daily()
    retries: Retries = Retries()
    clocks: Clocks = Clocks()
    profile: Profile = Profile()
    notifications: Notifications = Notifications()
    exports: Exports = Exports()
    strikes: int = Field(default=3, gt=0)

    @cached_property
    def text(self) -> str:
        """Return the policy as it is recorded: sections that a later release added stand in it once they are used."""
        said = self.model_dump(mode="json")
        return json.dumps({k: v for k, v in said.items() if k not in ADDED or getattr(self, k) != _default(k)})

    @cached_property
    def fingerprint(self) -> str:
        """Return the digest over the policy's recorded text."""
        return digest(json.loads(self.text))

    def meaning(self, raw: Iterable[str]) -> frozenset[str]:
        """Return what raw catalog tags mean here. A policy tag that no rule maps means `restricted`."""
        return frozenset(tag for item in raw for tag in self._tags_of(item))

    def _tags_of(self, raw: str) -> tuple[str, ...]:
        mapped = tuple(rule.tag for rule in self.tag_rules if fnmatchcase(raw, rule.raw))
        if mapped:
            return mapped
        if raw.startswith("label:"):
            return ()
        return ("restricted",) if raw.startswith("policy-tag:") else (raw,)

    def price(self, bytes_billed: int) -> float:
        """Return the price of that many bytes in `currency`, on demand."""
        return bytes_billed / TIB * self.price_per_tib


ADDED = frozenset({"retries", "clocks", "daily", "notifications", "exports"})
"""Sections that 0.1.0 did not know. Their defaults leave a policy's fingerprint, and so its approvals, as they were."""


def _default(section: str) -> object:
    return Policy.model_fields[section].default


def _first(globs: Iterable[str], facts: Iterable[str]) -> str | None:
    names = tuple(facts)
    return next((n for g in globs for n in names if fnmatchcase(n.casefold(), g.casefold())), None)
