"""An environment like another one with another model behind it: for evaluations that compare two models.

Decides its name (from model and address, so that the same settings find it again). It writes blocks and nothing else;
the key is kept as a secret of the new Language Model block.
"""

from __future__ import annotations

import asyncio

from pydantic import SecretStr

from blocks.environment import open_environment
from blocks.language_model import LanguageModel
from bq_copilot.identity import short_hash
from deployments.prefect_settings import at_server


def with_model(api_url: str, environment: str, model: str, base_url: str, key: str) -> str:
    """Write the environment on this server and return its name."""
    with at_server(api_url):
        return asyncio.run(_write(environment, model, base_url, key))


def pointed_at(block: LanguageModel, model: str, base_url: str, key: str) -> LanguageModel:
    """Return the block with another model, endpoint and key; what is empty stays as it is."""
    changes = {
        "model": model or block.model,
        "base_url": base_url or block.base_url,
        "api_key": SecretStr(key) if key else block.api_key,
    }
    return block.model_copy(update=changes)


async def _write(environment: str, model: str, base_url: str, key: str) -> str:
    found = await open_environment(environment)
    name = f"eval-{short_hash(environment, model, base_url, length=10)}"
    other = pointed_at(found.model_block, model, base_url, key)
    blocks = [found.warehouse_block, other, found.store_block, found.policy_block]
    for block in [*blocks, *([found.notes_block] if found.notes_block else [])]:
        await block.asave(name, overwrite=True)
    return name
