"""The blocks of an environment: which types there are, and the documents of the local stack."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from prefect.blocks.core import Block
from pydantic import SecretStr

from blocks.language_model import LanguageModel
from blocks.ledger_store import LedgerStore
from blocks.policy import Policy
from blocks.semantic_notes import SemanticNotes
from blocks.warehouse import Warehouse

BLOCK_TYPES: tuple[type[Block], ...] = (Warehouse, LanguageModel, LedgerStore, Policy, SemanticNotes)


POLICY_FILE = Path(__file__).parent.parent / "deployments" / "local" / "policy.yaml"

NOTES_FILE = POLICY_FILE.with_name("notes.yaml")

OFFLINE_MODEL = "offline-planner-1"


class Stack(Protocol):
    """The addresses of a local stack."""

    @property
    def warehouse_url(self) -> str: ...
    @property
    def model_url(self) -> str: ...
    @property
    def ledger_url(self) -> str: ...
    @property
    def results_dir(self) -> str: ...


def default_blocks(stack: Stack | None) -> list[tuple[str, Block]]:
    """Return the default documents of a local stack; none without one, where an operator writes them."""
    if stack is None:
        return []
    store = LedgerStore(url=SecretStr(stack.ledger_url), results=stack.results_dir)
    policy = Policy(text=POLICY_FILE.read_text(encoding="utf-8"))
    notes = SemanticNotes(text=NOTES_FILE.read_text(encoding="utf-8"))
    blocks = (
        Warehouse(project="bq-copilot-sandbox", endpoint=stack.warehouse_url),
        _model(stack),
        store,
        policy,
        notes,
    )
    return [("default", block) for block in blocks]


def _model(stack: Stack) -> LanguageModel:
    """The offline model, or the one that the operator's environment names."""
    key = os.environ.get("OPENAI_API_KEY", "")
    real = bool(key or os.environ.get("BQ_COPILOT_MODEL_BASE_URL"))
    name = os.environ.get("BQ_COPILOT_MODEL", "gpt-4.1" if real else OFFLINE_MODEL)
    url = stack.model_url
    if url and not real:
        url = url.rstrip("/").removesuffix("/v1") + "/v1"
    return LanguageModel(base_url=url, model=name, api_key=SecretStr(key or "none"))
