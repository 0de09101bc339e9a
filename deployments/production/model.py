"""The check of the language model: its endpoint answers, takes the key and has the model. No token is spent.

Decides: what the endpoint's list of models means. Never does: ask the model anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

import openai

from blocks.language_model import LanguageModel
from deployments.production.scene import Scene
from deployments.verdicts import Verdict, bad, good, skipped, warning

PATIENCE = 15.0
EDIT = "correct it in the Language Model block, in the Prefect UI under Blocks"


def look(scene: Scene) -> Iterable[Verdict]:
    """Ask each endpoint for its list."""
    block = scene.block(LanguageModel)
    for model in dict.fromkeys((block.model, block.fallback_model)):
        if model:
            yield _ask(block, model)


def _ask(block: LanguageModel, model: str) -> Verdict:
    fallback = model != block.model
    where = (block.fallback_base_url if fallback else "") or block.base_url or "https://api.openai.com/v1"
    try:
        offered = asyncio.run(block.offered(PATIENCE, fallback=fallback))
    except openai.APIStatusError as error:
        return refused(error.status_code, model, where)
    except (openai.APIConnectionError, openai.APIError, ValueError, TypeError) as error:
        found = f"{where} gave no list of models ({type(error).__name__})"
        return bad("model", found, f"look at the endpoint and the network; {EDIT}")
    azure = block.provider == "azure" and not (fallback and block.fallback_base_url)
    return listed(model, where, [] if azure else offered)


def refused(status: int, model: str, where: str) -> Verdict:
    """Judge an answer that is no list."""
    if status in {401, 403}:
        return bad("model", f"{where} does not take the key ({status})", f"renew api_key: {EDIT}")
    if status in {404, 405, 501}:
        return skipped(
            "model", f"{where} answers and has no list of models ({status}); {model} was not asked, that costs"
        )
    if status == 429:
        return warning("model", f"{where} says that it was asked too often (429)", "look at the quota of the key")
    return bad("model", f"{where} answers {status}", f"look at the endpoint's status page; {EDIT}")


def listed(model: str, where: str, offered: Sequence[str]) -> Verdict:
    """Judge the list; one that is empty says nothing about single models."""
    if not offered:
        return good("model", f"{where} answers and takes the key; whether it has {model} shows with the first question")
    names = {name.removeprefix("models/") for name in offered}
    if model.removeprefix("models/") not in names:
        few = ", ".join(sorted(names)[:5])
        return warning("model", f"{where} does not list {model}; it has {few}{' …' if len(names) > 5 else ''}", EDIT)
    return good("model", f"{where} has {model} (not asked anything)")
