"""Another endpoint by two settings: its address and its model, with the key as a secret."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from blocks.language_model import LanguageModel
from bq_copilot.errors import Refused
from bq_copilot.toolbox import schemas
from deployments.evaluation_environment import pointed_at

MESSAGES = [
    {"role": "system", "content": "Today is 2026-07-01."},
    {"role": "user", "content": "<question>How many orders?</question>"},
]
TOOLS = schemas(("list_tables", "give_up"))
OWN = LanguageModel(model="offline-planner-1", base_url="http://127.0.0.1:9/v1", api_key=SecretStr("none"))


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    """A second server, under another model's name, that wants a key."""
    command = [sys.executable, "-m", "deployments.local.offline_model", "--model", "other-planner"]
    environment = {**os.environ, "OFFLINE_MODEL_KEY": "k-2"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"] + "/v1"
    finally:
        process.terminate()
        process.wait(timeout=30)


async def test_address_and_model_are_all_that_changes(elsewhere: str) -> None:
    """The reply comes from the other server, and its model's name is what the receipt gets."""
    block = pointed_at(OWN, "other-planner", elsewhere, "k-2")
    reply = await block.open().reply(MESSAGES, TOOLS)
    assert (reply.call_name, reply.model) == ("list_tables", "other-planner")
    assert block.timeout_seconds == OWN.timeout_seconds
    assert "k-2" not in repr(block) + str(block.model_dump())


@pytest.mark.parametrize(("model", "key"), [("other-planner", "wrong"), ("offline-planner-1", "k-2")])
async def test_a_wrong_key_or_model_is_refused_and_says_where_to_look(elsewhere: str, model: str, key: str) -> None:
    """Nothing is tried again with another key."""
    with pytest.raises(Refused, match="refused the request") as refused:
        await pointed_at(OWN, model, elsewhere, key).open().reply(MESSAGES, TOOLS)
    assert "Language Model block" in refused.value.next


def test_what_is_not_given_stays() -> None:
    """Only a model: the endpoint and its key are the environment's."""
    block = pointed_at(OWN, "m2", "", "")
    assert (block.model, block.base_url, block.api_key) == ("m2", OWN.base_url, OWN.api_key)
