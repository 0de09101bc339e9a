"""The check of the blocks of an environment: there, and of values that fit this version.

Decides: which of them the other checks can rest on. Never does: say a value; what is wrong with one is told by the name
of its field and the rule that it breaks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from prefect.blocks.core import Block
from pydantic import ValidationError

from blocks.documents import FILTER, Documents, wanted
from blocks.language_model import LanguageModel
from blocks.ledger_store import LedgerStore
from blocks.policy import Policy
from blocks.semantic_notes import SemanticNotes
from blocks.warehouse import Warehouse
from bq_copilot.errors import CopilotError
from deployments.production.scene import LEDGER, RESULTS, Scene, password_of
from deployments.verdicts import Verdict, bad, good, skipped

NEEDED: tuple[type[Block], ...] = (Warehouse, LanguageModel, LedgerStore, Policy)
OPTIONAL: tuple[type[Block], ...] = (SemanticNotes,)
SECRET = ("key", "secret", "password", "token")
"""What is in the names of fields that keep secrets."""


def look(scene: Scene) -> Iterable[Verdict]:
    """Read them in one request; those that fit are noted in the scene."""
    kinds = (*NEEDED, *OPTIONAL)
    documents = Documents.of(scene.environment, scene.api.look(FILTER, wanted(scene.environment, kinds)) or ())
    scene.secrets |= set(secrets_in(documents.data))
    for kind in kinds:
        block, verdict = judge(
            documents, kind, by_variables=bool(scene.environ.get(LEDGER) and scene.environ.get(RESULTS))
        )
        if block is not None:
            scene.blocks[kind] = block
        yield verdict


def judge(documents: Documents, kind: type[Block], *, by_variables: bool = False) -> tuple[Block | None, Verdict]:
    """Return the block, None when it cannot be used, and what is to be said of it."""
    name, place = f"block {_short(kind)}", documents.name
    try:
        block = documents.found(kind)
    except ValidationError as error:
        said = "; ".join(
            f"{_place(e['loc'])}: {e['msg']}" for e in error.errors(include_input=False, include_url=False)
        )
        return None, bad(name, f"{place} does not fit this version: {said}", _edit(kind, place))
    except CopilotError as error:
        return None, bad(name, f"{place} cannot be used: {error}", _edit(kind, place))
    if block is not None:
        return block, good(name, f"{place} fits this version")
    if kind in OPTIONAL:
        return None, skipped(name, f"there is none called {place}; the copilot goes by names and comments")
    if kind is LedgerStore and by_variables:
        return None, bad(
            name,
            f"there is none called {place}; the variables of this shell stand in, for this shell alone",
            _make(kind, place),
        )
    return None, bad(name, f"there is none called {place}: no run can be carried out", _make(kind, place))


def _short(kind: type[Block]) -> str:
    """Return what the block is about, without whose it is."""
    return kind.get_block_type_slug().removeprefix("bq-copilot-").replace("-", " ")


def _place(path: tuple[int | str, ...]) -> str:
    return ".".join(map(str, path)) or "the block"


def _make(kind: type[Block], name: str) -> str:
    return f"prefect block create {kind.get_block_type_slug()}   # says where its form is; call it {name}"


def _edit(kind: type[Block], name: str) -> str:
    return (
        f"prefect block inspect {kind.get_block_type_slug()}/{name}   # then correct it in the Prefect UI, under Blocks"
    )


def secrets_in(value: Any, name: str = "") -> Iterable[str]:
    """Yield what a block's values keep secret: by the name of the field, and passwords in addresses."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from secrets_in(one, str(key))
    elif isinstance(value, str) and any(word in name for word in SECRET):
        yield value
    elif isinstance(value, str) and name == "url":
        yield password_of(value)
