"""One chat model behind the core's `LanguageModel` port, over the official client. Its own retries are off.

Decides the form of a call: strict tool schemas where they are supported, streamed or whole, and what each error means.
Streamed or not, strict or not, the same reply comes out. It never logs what is said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import openai

from blocks.price import Price
from blocks.strict_tools import strict, without_nulls
from bq_copilot.errors import CopilotError, Refused, Transient
from bq_copilot.ports import Progress, Reply
from bq_copilot.retry_after import seconds_of
from bq_copilot.values import Usage


@dataclass(slots=True)
class _Said:
    """What has arrived of a reply."""

    text: str = ""
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    model: str = ""
    usage: Any = None
    finished: bool = False
    choices: int = 0
    kept: int | None = field(default=None)
    """Index of the one tool call that is kept: the first."""


class ChatModel:
    """The LanguageModel port over the chat completions API."""

    def __init__(
        self,
        client: openai.AsyncOpenAI,
        model: str,
        price_of: Callable[[str], Price],
        *,
        strict: bool = False,
        stream: bool = False,
    ) -> None:
        self._client = client
        self._price_of = price_of
        self._strict = strict
        self._stream = stream
        self.model = model

    async def reply(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]],
        progress: Progress | None = None,
    ) -> Reply:
        """Ask once; keep the first tool call only."""
        sent: dict[str, Any] = {
            "model": self.model,
            "messages": list(messages),
            "tools": [strict(t) for t in tools] if self._strict else list(tools),
            "tool_choice": "required",
            "parallel_tool_calls": False,
        }
        try:
            said = await (self._streamed(sent, progress) if self._stream else self._whole(sent))
        except openai.OpenAIError as error:
            raise translate(error) from error
        return self._reply(said)

    async def _whole(self, sent: dict[str, Any]) -> _Said:
        answer: Any = await self._client.chat.completions.create(**sent)
        said = _Said(model=answer.model or "", usage=answer.usage, finished=True, choices=len(answer.choices))
        if answer.choices:
            message = answer.choices[0].message
            call = message.tool_calls[0] if message.tool_calls else None
            function = getattr(call, "function", None)
            said.text = message.content or ""
            if call is not None and function is not None:
                said.call_id, said.name, said.arguments = call.id, function.name, function.arguments
        return said

    async def _streamed(self, sent: dict[str, Any], progress: Progress | None) -> _Said:
        said = _Said()
        stream: Any = await self._client.chat.completions.create(
            **sent, stream=True, stream_options={"include_usage": True}
        )
        async for chunk in stream:
            _take(said, chunk)
            if progress is not None and said.choices:
                progress(said.name, len(said.text) + len(said.arguments))
        if said.choices and not said.finished:
            raise Transient("the model's answer broke off", code="model_broken")
        return said

    def _reply(self, said: _Said) -> Reply:
        if not said.choices:
            raise Transient("the model sent no choice", code="model_empty")
        model = said.model or self.model
        return Reply(
            text=said.text,
            call_id=said.call_id,
            call_name=said.name,
            call_arguments=without_nulls(said.arguments) if self._strict else said.arguments,
            model=model,
            usage=self._usage(said.usage, model),
        )

    def _usage(self, usage: Any, model: str) -> Usage:
        if usage is None:
            return Usage()
        details = getattr(usage, "prompt_tokens_details", None)
        cached = getattr(details, "cached_tokens", None) or 0
        prompt, reply = usage.prompt_tokens, usage.completion_tokens
        usd = self._price_of(model if model.startswith(self.model) else self.model).of(prompt, reply, cached)
        return Usage(prompt_tokens=prompt, completion_tokens=reply, usd=usd, cached_tokens=cached)


def _take(said: _Said, chunk: Any) -> None:
    """Add one piece of a streamed reply."""
    said.model = chunk.model or said.model
    said.usage = getattr(chunk, "usage", None) or said.usage
    for choice in chunk.choices[:1]:
        said.choices = 1
        said.finished = said.finished or bool(choice.finish_reason)
        delta = choice.delta
        said.text += getattr(delta, "content", None) or ""
        for call in getattr(delta, "tool_calls", None) or []:
            _take_call(said, call)


def _take_call(said: _Said, call: Any) -> None:
    said.kept = call.index if said.kept is None else said.kept
    if call.index != said.kept:
        return
    said.call_id = call.id or said.call_id
    if call.function is not None:
        said.name = call.function.name or said.name
        said.arguments += call.function.arguments or ""


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
    headers = error.response.headers
    return seconds_of(headers.get("retry-after"), headers.get("date"))
