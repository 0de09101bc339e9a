"""The server over HTTP with the official client: replies, streaming, usage and armed faults."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from bq_copilot.toolbox import schemas

REQUEST = {
    "model": "some-model",
    "messages": [
        {"role": "system", "content": "Today is 2026-07-01."},
        {"role": "user", "content": "<question>How many orders?</question>"},
    ],
    "tools": schemas(("list_tables", "give_up")),
}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server process of its own on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "deployments.local.offline_model", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.fixture
def client(url: str) -> openai.OpenAI:
    """The official client without retries; nothing is armed."""
    httpx.delete(f"{url}/faults")
    return openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=3)


def ask(client: openai.OpenAI, **more: object) -> Any:
    return client.chat.completions.create(**{**REQUEST, **more})  # type: ignore[call-overload]


def test_a_reply_is_one_tool_call_with_usage_and_the_model_name(client: openai.OpenAI) -> None:
    """The asked model's name comes back, and the usage adds up."""
    reply = ask(client)
    calls = reply.choices[0].message.tool_calls or []
    assert [c.function.name for c in calls if c.type == "function"] == ["list_tables"]
    assert reply.model == "some-model" and reply.choices[0].finish_reason == "tool_calls"
    assert reply.usage and reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens > 100


def test_a_stream_spells_the_same_call(client: openai.OpenAI) -> None:
    """The pieces of a stream add up to the non-streaming reply, usage included."""
    whole = ask(client)
    chunks = list(ask(client, stream=True, stream_options={"include_usage": True}))
    deltas = [d for c in chunks if c.choices for d in c.choices[0].delta.tool_calls or []]
    assert (
        "".join(d.function.arguments or "" for d in deltas) == whole.choices[0].message.tool_calls[0].function.arguments
    )
    assert chunks[-1].usage == whole.usage


def test_it_is_ready_fast_and_names_its_model(client: openai.OpenAI, url: str) -> None:
    """Health answers and the model list has the planner."""
    assert httpx.get(f"{url}/health").json()["status"] == "ok"
    assert [m.id for m in client.models.list()] == ["offline-planner-1"]


def test_a_new_process_says_that_it_is_ready() -> None:
    """The first line is for whoever started it: the address, and that it answers."""
    command = [sys.executable, "-m", "deployments.local.offline_model"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        assert said["ready"] is True
        assert httpx.get(f"{said['url'].removesuffix('/v1')}/health", timeout=30).is_success
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"kind": "rate_limit", "retry_after": 2}, openai.RateLimitError),
        ({"kind": "error"}, openai.InternalServerError),
        ({"kind": "timeout", "seconds": 9}, openai.APITimeoutError),
        ({"kind": "cut_stream"}, openai.APIConnectionError),
    ],
)
def test_a_fault_fails_as_the_real_service_would(
    client: openai.OpenAI, url: str, fault: dict[str, object], error: type[Exception]
) -> None:
    """The official client raises its own error for each armed fault, and the next call works."""
    httpx.post(f"{url}/faults", json=fault)
    with pytest.raises(error):
        ask(client)
    assert ask(client).choices[0].message.tool_calls
    assert httpx.get(f"{url}/faults").json()["faults"][0]["hits"] == 1


def test_a_rate_limit_says_when_to_come_back(client: openai.OpenAI, url: str) -> None:
    """429 carries Retry-After."""
    httpx.post(f"{url}/faults", json={"kind": "rate_limit", "retry_after": 2})
    with pytest.raises(openai.RateLimitError) as caught:
        ask(client)
    assert caught.value.response.headers["retry-after"] == "2"


def test_a_stream_can_be_cut(client: openai.OpenAI, url: str) -> None:
    """An armed cut_stream ends a stream before its last chunk."""
    httpx.post(f"{url}/faults", json={"kind": "cut_stream"})
    with pytest.raises((openai.APIError, httpx.HTTPError)):
        list(ask(client, stream=True))


@pytest.mark.parametrize(
    ("kind", "name", "is_json"),
    [
        ("malformed_call", "list_tables", False),
        ("unknown_tool", "run_shell", True),
        ("endless_loop", "list_tables", True),
    ],
)
def test_a_fault_bends_the_tool_call(client: openai.OpenAI, url: str, kind: str, name: str, is_json: bool) -> None:
    """Broken arguments, a tool that nobody offered, or the same call for ever."""
    httpx.post(f"{url}/faults", json={"kind": kind})
    calls = ask(client).choices[0].message.tool_calls or []
    function = calls[0].function
    try:
        json.loads(function.arguments)
        parsed = True
    except ValueError:
        parsed = False
    assert (function.name, parsed) == (name, is_json)


def test_an_unknown_fault_is_not_armed(url: str) -> None:
    """A misspelt kind is answered with 400 and arms nothing."""
    httpx.delete(f"{url}/faults")
    assert httpx.post(f"{url}/faults", json={"kind": "explode"}).status_code == 400
    assert httpx.get(f"{url}/faults").json() == {"faults": []}
