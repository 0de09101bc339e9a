"""What the checks of a production installation are given, and what a check is.

Decides: what is known of the installation so far. Never does: write, or print a secret. Why this shape: a check says
what it needs (the server's answer, usable blocks), so that what is missing is said once and the checks that rest on it
are skipped with that reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar, cast

from prefect.blocks.core import Block
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from blocks.ledger_store import LedgerStore
from bq_copilot.ledger_facts import LedgerFacts
from bq_copilot.prefect_api import PrefectApi
from deployments.verdicts import Verdict

B = TypeVar("B", bound=Block)
LEDGER, RESULTS = "BQ_COPILOT_LEDGER_URL", "BQ_COPILOT_RESULTS"
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass
class Scene:
    """One environment of one Prefect server, seen from this process."""

    api: PrefectApi
    environ: Mapping[str, str] = field(repr=False)
    environment: str = "default"
    answers: bool = False
    """Whether the server answers and takes our login."""
    blocks: dict[type[Block], Block] = field(default_factory=dict[type[Block], Block], repr=False)
    """The blocks of the environment that are there and fit their types."""
    secrets: set[str] = field(default_factory=set[str], repr=False)
    """What must not be printed, as far as it has been read."""
    facts: LedgerFacts | None = None
    """What was seen of the ledger's database, once it was."""

    def block(self, kind: type[B]) -> B:
        """Return a block that the check has asked for."""
        return cast("B", self.blocks[kind])

    @property
    def ledger(self) -> LedgerFacts:
        """Return what a check that needs the ledger rests on."""
        assert self.facts is not None
        return self.facts

    @property
    def ledger_url(self) -> str:
        """Where the ledger is, empty when nobody says so."""
        store = self.blocks.get(LedgerStore)
        said = store.url.get_secret_value() if isinstance(store, LedgerStore) else ""
        return self.environ.get(LEDGER, "") or said

    @property
    def results(self) -> str:
        """Where big texts are, empty when nobody says so."""
        store = self.blocks.get(LedgerStore)
        return self.environ.get(RESULTS, "") or (store.results if isinstance(store, LedgerStore) else "")


@dataclass(frozen=True)
class Check:
    """One look, and what must be there for it."""

    name: str
    look: Callable[[Scene], Iterable[Verdict]]
    """It may raise CopilotError; what it raises is a verdict too."""
    needs: tuple[type[Block], ...] = ()
    server: bool = True
    ledger: bool = False
    seconds: float = 25.0
    """After so long it counts as hanging and is left behind."""


def safe_url(url: str) -> str:
    """Return a database's address without its password."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return "an address that cannot be read"


def password_of(url: str) -> str:
    """Return the password in a database's address; all of what is none, because it may be anything."""
    try:
        return str(make_url(url).password or "") if url else ""
    except ArgumentError:
        return url
