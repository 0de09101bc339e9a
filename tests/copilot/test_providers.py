"""Providers: one reply whatever the form of the call, what it costs, and which model is asked when one fails."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import httpx
import openai
import pytest
from pydantic import SecretStr, ValidationError

from blocks.chat_model import ChatModel
from blocks.fallback_model import WithFallback
from blocks.language_model import LanguageModel
from blocks.price import Price
from blocks.strict_tools import strict, without_nulls
from bq_copilot.errors import Refused, Transient
from bq_copilot.ports import Reply
from bq_copilot.toolbox import TOOLS, schemas
from bq_copilot.values import ToolCall, Usage

TOOLS_SENT = schemas(("list_tables", "give_up"))
MESSAGES = [{"role": "user", "content": "a very secret question"}]
ARGUMENTS = '{"search":"orders"}'
USAGE = {
    "prompt_tokens": 1_000,
    "completion_tokens": 100,
    "total_tokens": 1_100,
    "prompt_tokens_details": {"cached_tokens": 800},
}


def whole(model: str = "gpt-x-2026") -> dict[str, Any]:
    """Return a recorded reply in one piece."""
    call = {"id": "c1", "type": "function", "function": {"name": "list_tables", "arguments": ARGUMENTS}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls", "logprobs": None}
    return {"id": "x", "object": "chat.completion", "created": 1, "model": model, "choices": [choice], "usage": USAGE}


def pieces(*, finished: bool = True) -> bytes:
    """Return the same reply as a stream."""
    base = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "gpt-x-2026"}
    head = {"index": 0, "id": "c1", "type": "function", "function": {"name": "list_tables", "arguments": ""}}
    deltas: list[dict[str, Any]] = [{"role": "assistant", "tool_calls": [head]}]
    deltas += [{"tool_calls": [{"index": 0, "function": {"arguments": p}}]} for p in ('{"search"', ':"orders"}')]
    choices = [[{"index": 0, "delta": d, "finish_reason": None}] for d in deltas]
    if finished:
        choices.append([{"index": 0, "delta": {}, "finish_reason": "tool_calls"}])
    chunks = [{**base, "choices": c} for c in choices] + ([{**base, "choices": [], "usage": USAGE}] if finished else [])
    return b"".join(b"data: " + json.dumps(c).encode() + b"\n\n" for c in chunks) + b"data: [DONE]\n\n"


def client(answer: Callable[[httpx.Request], httpx.Response]) -> openai.AsyncOpenAI:
    """Return the official client over a recorded transport."""
    http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    return openai.AsyncOpenAI(api_key="k", base_url="http://model/v1", http_client=http, max_retries=0)


def price(_model: str) -> Price:
    return Price(prompt=2.0, reply=8.0, cached=0.5)


def model_of(body: Any, seen: list[dict[str, Any]] | None = None, **more: Any) -> ChatModel:
    """Return a chat model that is answered with `body`."""

    def answer(request: httpx.Request) -> httpx.Response:
        if seen is not None:
            seen.append(json.loads(request.content))
        if isinstance(body, bytes):
            return httpx.Response(200, content=body, headers={"content-type": "text/event-stream"})
        return httpx.Response(200, json=body)

    return ChatModel(client(answer), "gpt-x", price, **more)


async def test_streamed_or_whole_the_same_reply_comes_out() -> None:
    """Tool, arguments, model, tokens and price."""
    one = await model_of(whole()).reply(MESSAGES, TOOLS_SENT)
    other = await model_of(pieces(), stream=True).reply(MESSAGES, TOOLS_SENT)
    assert one == other
    assert (one.call_name, one.call_arguments, one.model) == ("list_tables", ARGUMENTS, "gpt-x-2026")
    expected = (200 * 2.0 + 800 * 0.5 + 100 * 8.0) / 1e6
    assert one.usage == Usage(prompt_tokens=1_000, completion_tokens=100, cached_tokens=800, usd=round(expected, 6))


async def test_progress_hears_which_tool_and_how_much_never_what() -> None:
    """The feed gets a name and a count."""
    heard: list[tuple[str, int]] = []
    await model_of(pieces(), stream=True).reply(MESSAGES, TOOLS_SENT, lambda *said: heard.append(said))
    assert heard[0] == ("list_tables", 0)
    assert heard[-1] == ("list_tables", len(ARGUMENTS))


async def test_a_stream_that_breaks_off_is_no_reply() -> None:
    """Half a call is never acted on."""
    with pytest.raises(Transient, match="broke off"):
        await model_of(pieces(finished=False), stream=True).reply(MESSAGES, TOOLS_SENT)


async def test_strict_calls_are_asked_for_and_read_like_any_other() -> None:
    """The tool is sent strict; nulls that stand for defaults are gone from the call."""
    body, seen = whole(), []
    body["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] = '{"search":null}'
    said = await model_of(body, seen, strict=True).reply(MESSAGES, TOOLS_SENT)
    assert said.call_arguments == "{}"
    assert all(t["function"]["strict"] for t in seen[0]["tools"])


@pytest.mark.parametrize("name", TOOLS)
def test_every_tool_has_a_strict_schema(name: str) -> None:
    """Everything required, nothing else allowed, and no keyword that strict mode refuses."""

    def check(schema: dict[str, Any]) -> None:
        assert set(schema) <= {
            "type", "description", "enum", "anyOf", "items", "properties", "required", "additionalProperties",
        }  # fmt: skip
        if "properties" in schema:
            assert schema["required"] == list(schema["properties"])
            assert schema["additionalProperties"] is False
            for inner in schema["properties"].values():
                check(inner)
        for inner in [schema.get("items"), *schema.get("anyOf", [])]:
            if inner:
                check(inner)

    check(strict(schemas((name,))[0])["function"]["parameters"])


def test_a_call_with_nulls_parses_to_the_same_as_one_without() -> None:
    """A strict model and any other one lead to the same typed call."""
    from bq_copilot.toolbox import parse

    said = without_nulls('{"question":"Which?","options":null,"kind":null,"topic":null}')
    offered = ("ask_user",)
    plain = parse(ToolCall(id="c", name="ask_user", arguments='{"question":"Which?"}'), offered)
    assert parse(ToolCall(id="c", name="ask_user", arguments=said), offered) == plain


class Failing:
    """A model that raises."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def reply(self, *_: Any) -> Reply:
        """Raise."""
        raise self.error


@pytest.mark.parametrize(
    ("error", "falls_back"),
    [
        (Transient("x", code="model_unreachable"), True),
        (Refused("x", code="model_quota"), True),
        (Transient("x", code="model_rate_limit", retry_after=3.0), False),
    ],
)
async def test_the_fallback_is_asked_when_the_first_model_fails_but_not_when_it_asks_to_wait(
    error: Exception, falls_back: bool
) -> None:
    """A rate limit is a wait that the run records; the reply says which model it was."""
    both = WithFallback(Failing(error), model_of(whole("second")))
    if falls_back:
        assert (await both.reply(MESSAGES, TOOLS_SENT)).model == "second"
    else:
        with pytest.raises(Transient):
            await both.reply(MESSAGES, TOOLS_SENT)


def test_prices_by_model_with_the_longest_name_that_fits() -> None:
    """A dated version has the price of its family; an unknown one the block's default."""
    block = LanguageModel(
        model="gpt-x",
        prices={"gpt-x": [2, 8], "gpt-x-mini": [0.4, 1.6, 0.1]},
        usd_per_million_in=1,
        usd_per_million_out=1,
    )
    assert block.price_of("gpt-x-2026") == Price(2, 8, 2)
    assert block.price_of("gpt-x-mini-2026") == Price(0.4, 1.6, 0.1)
    assert block.price_of("other") == Price(1, 1, 1)
    with pytest.raises(ValidationError, match="needs"):
        LanguageModel(model="m", prices={"m": [1]})


def test_azure_speaks_to_the_deployment_with_its_own_version() -> None:
    """The address has the deployment and the version, and strict calls are on."""
    block = LanguageModel(
        provider="azure",
        model="my-gpt",
        base_url="https://r.openai.azure.com",
        api_key=SecretStr("k"),
        api_version="v1",
    )
    made = block._client()
    assert isinstance(made, openai.AsyncAzureOpenAI)
    assert str(made.base_url).startswith("https://r.openai.azure.com/openai")
    assert block.is_strict
    assert not LanguageModel(model="m").is_strict


async def test_no_prompt_and_no_reply_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Not even when everything else is logged in full by the client's own modules at info."""
    with caplog.at_level(logging.INFO):
        await model_of(whole()).reply(MESSAGES, TOOLS_SENT)
    assert "secret" not in caplog.text and "orders" not in caplog.text
