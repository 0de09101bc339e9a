"""Everything that one run works with, loaded once at the top of a flow.

The one place where blocks become adapters. It is not a value: it holds live clients and never crosses a process.
"""

from __future__ import annotations

from functools import cached_property

import httpx

from blocks.documents import load
from blocks.language_model import LanguageModel
from blocks.ledger_store import LedgerStore
from blocks.policy import Policy
from blocks.semantic_notes import SemanticNotes
from blocks.warehouse import Warehouse
from bq_copilot import notes, policy
from bq_copilot.circuits import Circuits
from bq_copilot.circuits_sql import SqlCircuits
from bq_copilot.errors import Transient
from bq_copilot.ledger import Ledger
from bq_copilot.local_user import local_user
from bq_copilot.ports import Embedder
from bq_copilot.ports import LanguageModel as LanguageModelPort
from bq_copilot.progress import Progress
from bq_copilot.progress_sql import SqlProgress
from bq_copilot.shelf import Shelf


class Environment:
    """The blocks of one named environment, and the adapters that they build."""

    def __init__(
        self,
        warehouse: Warehouse,
        model: LanguageModel,
        store: LedgerStore,
        policy: Policy,
        name: str = "default",
        notes: SemanticNotes | None = None,
    ) -> None:
        self.name = name
        self.warehouse_block = warehouse
        self.model_block = model
        self.store_block = store
        self.policy_block = policy
        self.notes_block = notes

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger, connected."""
        return self.store_block.open_ledger()

    @cached_property
    def circuits(self) -> Circuits:
        """The circuit breakers, one for each provider, shared by all processes."""
        return SqlCircuits(self.store_block.open_ledger())

    @cached_property
    def progress(self) -> Progress:
        """Where the progress of replies is noted."""
        return SqlProgress(self.store_block.open_ledger())

    @cached_property
    def shelf(self) -> Shelf:
        """The storage of big texts."""
        return self.store_block.open_shelf()

    @cached_property
    def warehouse(self):
        """The warehouse adapter."""
        return self.warehouse_block.open()

    @cached_property
    def model(self) -> LanguageModelPort:
        """The language model adapter."""
        return self.model_block.open()

    @cached_property
    def embedder(self) -> Embedder | None:
        """The embedding model, None where none is configured: tables are then searched by words alone."""
        return self.model_block.open_embedder()

    @cached_property
    def notes(self) -> notes.Notes | None:
        """The semantic notes, None where there are none."""
        return self.notes_block.value() if self.notes_block else None

    def model_named(self, name: str) -> LanguageModelPort:
        """The adapter of the model that a run was pinned to; same endpoint, key and prices as the block's own."""
        if not name or name == self.model_block.model:
            return self.model
        return self.model_block.model_copy(update={"model": name}).open()

    @property
    def local_user(self) -> str:
        """Who asks when nobody says so: the user that this process runs as."""
        return local_user()

    @cached_property
    def policy(self) -> policy.Policy:
        """The typed policy as this process found it; a run is judged by the one that it pinned."""
        return self.policy_block.value()

    async def policy_now(self) -> policy.Policy:
        """The typed policy as it stands at this moment, read anew. Raises Transient when nobody can say.

        Never one that this process read before, however young: a policy may tighten between that and the decision.
        """
        try:
            blocks = await load(self.name, (Policy,))
        except httpx.HTTPError as error:
            raise Transient(f"the policy cannot be read now: {error}", code="policy_unreachable") from error
        return blocks.one(Policy).value()


async def open_environment(name: str = "default") -> Environment:
    """Load the blocks called `name` in one request. Raises ValueError when one is missing; notes may be."""
    blocks = await load(name, (Warehouse, LanguageModel, LedgerStore, Policy, SemanticNotes))
    return Environment(
        blocks.one(Warehouse),
        blocks.one(LanguageModel),
        blocks.one(LedgerStore),
        blocks.one(Policy),
        name,
        blocks.found(SemanticNotes),
    )
