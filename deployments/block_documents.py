"""Default block documents: written once, followed when the stack moves, never over a person's edit.

Decides: whether a document is still ours. Never does: read a secret out of a document into a log. Why this shape:
two digests are kept in a Prefect variable beside each document: of the default that was written, and of what the
server then stored. A document that still has the second digest may be replaced when the first one changes; any
other one belongs to the person who edited it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, cast

from prefect.blocks.core import Block
from prefect.client.orchestration import PrefectClient
from prefect.exceptions import ObjectNotFound
from prefect.variables import Variable

DIGESTS = "bq_copilot_default_blocks"


async def provision_blocks(
    client: PrefectClient, types: Sequence[type[Block]], blocks: Sequence[tuple[str, Block]]
) -> list[str]:
    """Register the types and write the default documents; one line per change."""
    known = cast("dict[str, dict[str, str]]", await Variable.aget(DIGESTS, default={}) or {})
    digests = dict(known)
    changes: list[str] = []
    for block_type in types:
        changes += await _register(client, block_type, digests)
    for name, block in blocks:
        changes += await _write(client, name, block, digests)
    if digests != known:
        await Variable.aset(DIGESTS, cast("dict[str, Any]", digests), overwrite=True)
    return changes


async def _register(client: PrefectClient, block_type: type[Block], digests: dict[str, dict[str, str]]) -> list[str]:
    slug = block_type.get_block_type_slug()
    form = {"schema": str(block_type._calculate_schema_checksum())}
    if digests.get(slug) == form:
        return []
    await block_type.aregister_type_and_schema(client=client)
    digests[slug] = form
    return [f"registered block type {slug}"]


async def _write(client: PrefectClient, name: str, block: Block, digests: dict[str, dict[str, str]]) -> list[str]:
    """What was done to one document; nothing when it was right already."""
    key = f"{type(block).get_block_type_slug()}/{name}"
    last = digests.get(key, {})
    default = _digest(block.model_dump(mode="json", context={"include_secrets": True}))
    present = await _read(client, block, name)
    if present is not None and last.get("default") == default:
        return []
    if present is not None and _digest(present) != last.get("stored"):
        digests[key] = {"default": default, "stored": ""}
        return [f"kept block {key}: it was edited by hand"]
    await block.asave(name, overwrite=True, client=client)
    digests[key] = {"default": default, "stored": _digest(await _read(client, block, name))}
    return [f"{'created' if present is None else 'updated'} block {key}"]


async def _read(client: PrefectClient, block: Block, name: str) -> dict[str, Any] | None:
    slug = type(block).get_block_type_slug()
    try:
        document = await client.read_block_document_by_name(name, slug, include_secrets=True)
    except ObjectNotFound:
        return None
    return document.data


def _digest(data: object) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True, default=str).encode()).hexdigest()
