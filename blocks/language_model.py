"""The `LanguageModel` block: any OpenAI-compatible endpoint, and the adapter over the official client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import openai
from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from bq_copilot.errors import CopilotError, Refused, Transient
from bq_copilot.ports import Reply
from bq_copilot.retry_after import seconds_of
from bq_copilot.values import Usage


class LanguageModel(Block):
    """A chat model with tools."""

    _block_type_name = "Language Model"
    _block_type_slug = "bq-copilot-language-model"
    _description = "Any OpenAI-compatible chat endpoint: base URL, model name, key, timeout, prices."

    base_url: str = Field(default="", description="Endpoint up to /v1. Empty: OpenAI.")
    model: str = Field(description="Model name as the endpoint knows it.")
    api_key: SecretStr = Field(default=SecretStr("none"), description="Key; the offline model needs none.")
    timeout_seconds: float = Field(default=90.0, gt=0, description="Deadline of one call.")
    usd_per_million_in: float = Field(default=0.0, ge=0, description="Price of a million prompt tokens, USD.")
    usd_per_million_out: float = Field(default=0.0, ge=0, description="Price of a million reply tokens, USD.")

    def open(self) -> ChatModel:
        """Build the adapter; no call is made yet."""
        client = openai.AsyncOpenAI(
            base_url=self.base_url or None,
            api_key=self.api_key.get_secret_value(),
            timeout=self.timeout_seconds,
            max_retries=0,
        )
        return ChatModel(client, self.model, self.usd_per_million_in, self.usd_per_million_out)


class ChatModel:
    """The LanguageModel port over the chat completions API. Its own retries are off."""

    def __init__(self, client: openai.AsyncOpenAI, model: str, usd_in: float, usd_out: float) -> None:
        self._client = client
        self._prices = (usd_in, usd_out)
        self.model = model

    async def reply(self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]) -> Reply:
        """Ask once; keep the first tool call only."""
        sent: Any = {
            "model": self.model,
            "messages": list(messages),
            "tools": list(tools),
            "tool_choice": "required",
            "parallel_tool_calls": False,
        }
        try:
            answer = await self._client.chat.completions.create(**sent)
        except openai.OpenAIError as error:
            raise translate(error) from error
        return self._read(answer)

    def _read(self, answer: Any) -> Reply:
        if not answer.choices:
            raise Transient("the model sent no choice", code="model_empty")
        said = answer.choices[0].message
        call = said.tool_calls[0] if said.tool_calls else None
        function = getattr(call, "function", None)
        return Reply(
            text=said.content or "",
            call_id=call.id if call else "",
            call_name=function.name if function else "",
            call_arguments=function.arguments if function else "",
            model=answer.model or self.model,
            usage=self._usage(answer.usage),
        )

    def _usage(self, usage: Any) -> Usage:
        if usage is None:
            return Usage()
        usd = (usage.prompt_tokens * self._prices[0] + usage.completion_tokens * self._prices[1]) / 1e6
        return Usage(prompt_tokens=usage.prompt_tokens, completion_tokens=usage.completion_tokens, usd=round(usd, 6))


def translate(error: openai.OpenAIError) -> CopilotError:
    """Return our error for a failed model call."""
    match error:
        case openai.RateLimitError() if error.code == "insufficient_quota":
            return Refused("the model's quota is used up", code="model_quota", next="Top up, or use another model.")
        case openai.RateLimitError():
            return Transient("model rate limit", code="model_rate_limit", retry_after=_retry_after(error))
        case openai.APITimeoutError():
            return Transient("the model did not answer in time", code="model_timeout")
        case openai.APIConnectionError():
            return Transient("the model cannot be reached", code="model_unreachable")
        case openai.APIStatusError() if error.status_code >= 500:
            return Transient(f"the model's server failed ({error.status_code})", code="model_error")
        case openai.APIStatusError():
            return Refused(
                f"the model refused the request ({error.status_code})",
                code="model_refused",
                next="Check the Language Model block: base URL, model name, key.",
            )
        case _:
            return Transient(f"the model's answer was unusable ({type(error).__name__})", code="model_broken")


def _retry_after(error: openai.RateLimitError) -> float | None:
    return seconds_of(error.response.headers.get("retry-after"))
