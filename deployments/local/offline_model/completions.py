"""The OpenAI chat-completions shapes: one assistant message as a body or as a stream of chunks, and the usage.

Decides the wire format only. Tokens are counted by one stated rule, the same for prompt and completion: four characters
of compact JSON are one token, rounded up. It is a count to test accounting with, not a real tokenizer's.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from deployments.local.offline_model.conversation import Json

CHARACTERS_PER_TOKEN = 4


def count_tokens(value: Any) -> int:
    """Tokens of a JSON value by the stated rule."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def call_id(request: Json, tool: str) -> str:
    """The same request gives the same id."""
    seed = json.dumps([request.get("messages"), tool], sort_keys=True, ensure_ascii=False)
    return "call_" + hashlib.sha256(seed.encode()).hexdigest()[:24]


def message_of(request: Json, tool: str, arguments: str) -> Json:
    """The assistant message with its one tool call."""
    function = {"name": tool, "arguments": arguments}
    call = {"id": call_id(request, tool), "type": "function", "function": function}
    return {"role": "assistant", "content": None, "refusal": None, "tool_calls": [call]}


def usage_of(request: Json, message: Json) -> Json:
    """Prompt, completion and total tokens."""
    prompt = count_tokens({"messages": request.get("messages"), "tools": request.get("tools")})
    completion = count_tokens(message)
    return {
        "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    }  # fmt: skip


def _envelope(request: Json, message: Json, kind: str, created: int) -> Json:
    identity = message["tool_calls"][0]["id"] if message.get("tool_calls") else "text"
    return {
        "id": f"chatcmpl-{identity[5:]}", "object": kind, "created": created,
        "model": str(request.get("model") or ""), "system_fingerprint": "offline-planner",
    }  # fmt: skip


def completion(request: Json, message: Json, created: int) -> Json:
    """The whole body of a non-streaming reply."""
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "tool_calls"}
    return {
        **_envelope(request, message, "chat.completion", created),
        "choices": [choice],
        "usage": usage_of(request, message),
    }


def chunks(request: Json, message: Json, created: int, piece: int = 64) -> Iterator[Json]:
    """The reply as streaming chunks: role, the call's head, its arguments in pieces, the end, the usage if asked."""
    envelope = _envelope(request, message, "chat.completion.chunk", created)

    def chunk(delta: Json, finish: str | None = None) -> Json:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return {**envelope, "choices": [choice]}

    call = message["tool_calls"][0]
    name, arguments = call["function"]["name"], call["function"]["arguments"]
    head = {"index": 0, "id": call["id"], "type": "function", "function": {"name": name, "arguments": ""}}
    yield chunk({"role": "assistant", "content": None, "tool_calls": [head]})
    for start in range(0, len(arguments), piece):
        part = {"index": 0, "function": {"arguments": arguments[start : start + piece]}}
        yield chunk({"tool_calls": [part]})
    yield chunk({}, "tool_calls")
    if (request.get("stream_options") or {}).get("include_usage"):
        yield {**envelope, "choices": [], "usage": usage_of(request, message)}
