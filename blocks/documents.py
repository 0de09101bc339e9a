"""Reading several block documents of one name in one request.

Decides: nothing; a block is what Prefect's server holds under its type and name. Why not `Block.aload`: each of its
calls is a request of its own and sends an event for which Prefect then reads flow, deployment, queue and pool: nine
requests where one does, in every process, while a person waits for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from prefect.blocks.core import Block
from prefect.client.orchestration import get_client

B = TypeVar("B", bound=Block)

FILTER = "/block_documents/filter"


@dataclass(frozen=True, slots=True)
class Documents:
    """What the server holds under one name, by the slug of the block type."""

    name: str
    data: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, name: str, answer: Sequence[Mapping[str, Any]]) -> Documents:
        """Take what the server answered."""
        return cls(name, {found["block_type"]["slug"]: found["data"] for found in answer})

    def found(self, kind: type[B]) -> B | None:
        """The block of this type, None where there is none. Raises ValueError when its values do not fit the type."""
        values = self.data.get(kind.get_block_type_slug())
        return None if values is None else kind.model_validate(values)

    def one(self, kind: type[B]) -> B:
        """The block of this type. Raises ValueError when there is none, or when its values do not fit."""
        block = self.found(kind)
        if block is None:
            slug = kind.get_block_type_slug()
            raise ValueError(f"There is no block {slug}/{self.name}; `bq-copilot doctor` says how to make it.")
        return block


async def load(name: str, kinds: Sequence[type[Block]]) -> Documents:
    """Read the documents called `name` of these types, secrets included. Raises httpx.HTTPError."""
    async with get_client() as client:
        answer = await client.request("POST", FILTER, json=wanted(name, kinds))
    return Documents.of(name, answer.raise_for_status().json())


def wanted(name: str, kinds: Sequence[type[Block]]) -> dict[str, Any]:
    """What `FILTER` is asked for these documents, secrets included."""
    return {
        "block_documents": {"name": {"any_": [name]}, "is_anonymous": {"eq_": False}},
        "block_types": {"slug": {"any_": [kind.get_block_type_slug() for kind in kinds]}},
        "include_secrets": True,
    }
