"""A run of fifty turns over wide tables, and what each of its prompts weighs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from blocks.price import Price
from bq_copilot.canonical import canonical_json
from bq_copilot.catalog import Column, Table
from bq_copilot.ports import Progress, Reply
from bq_copilot.prompt_window import BYTES_PER_TOKEN
from bq_copilot.testing import ScriptedModel
from bq_copilot.values import Usage
from tasks.run import Run
from tests.copilot.world import DESCRIBE, LIST, answer, plan, policy, shop
from tests.inprocess import play

TURNS = 50
CONTEXT_TOKENS = 32_000
PRICE = Price(prompt=2.0, reply=8.0, cached=0.5)
"""USD a million tokens; the ratio is what providers ask for cached prompts."""


@dataclass
class Weighed:
    """A scripted model that weighs what it is sent, and counts what a provider's cache would know already."""

    script: ScriptedModel
    prompts: list[bytes] = field(default_factory=list)
    shared: list[int] = field(default_factory=list)
    """Bytes at the beginning of each prompt that the prompt before had too."""
    model: str = "weighed"

    async def reply(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]],
        progress: Progress | None = None,
    ) -> Reply:
        """Return the next line of the script, with the usage of this prompt."""
        sent = canonical_json({"tools": list(tools)}) + b"".join(canonical_json(m) for m in messages)
        same = _common(self.prompts[-1], sent) if self.prompts else 0
        self.prompts.append(sent)
        self.shared.append(same)
        said = await self.script.reply(messages, tools, progress)
        prompt, cached, reply = (n // BYTES_PER_TOKEN for n in (len(sent), same, len(said.call_arguments)))
        usage = Usage(
            prompt_tokens=prompt, completion_tokens=reply, cached_tokens=cached, usd=PRICE.of(prompt, reply, cached)
        )
        return Reply(said.text, said.call_id, said.call_name, said.call_arguments, said.model, usage)


def _common(one: bytes, other: bytes) -> int:
    most = min(len(one), len(other))
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[:middle] == other[:middle] else (low, middle - 1)
    return low


def wide_tables(count: int) -> list[Table]:
    """Return tables of sixty described columns."""
    columns = tuple(
        Column(name=f"metric_{i}", type="FLOAT64", description=f"Measured value {i}. " * 4) for i in range(60)
    )
    return [Table(id=f"p.shop.wide_{n:02}", description=f"Wide table {n}.", columns=columns) for n in range(count)]


async def fifty_turns() -> tuple[Run, Weighed]:
    """Play the run."""
    looks = TURNS - 4
    rules = policy(budgets={"turns": TURNS + 5, "tokens": 5_000_000, "context_tokens": CONTEXT_TOKENS})
    describe = [("describe_table", {"table": f"p.shop.wide_{n:02}"}) for n in range(looks)]
    model = Weighed(ScriptedModel(LIST, *describe, DESCRIBE, plan(), answer()))
    return await play(shop(*wide_tables(looks), rules=rules), model, "Which countries have the most orders?"), model


def ledger_bytes(run: Run) -> list[int]:
    """Return the bytes of the ledger's rows for each turn, from its request to its answer."""
    sizes: list[int] = []
    for row in run.env.ledger.rows(run.id):
        if row.kind == "turn_requested":
            sizes.append(0)
        if sizes:
            sizes[-1] += len(row.body) + 300  # the other columns: ids, time and two hashes
    return sizes


def shelf_bytes(run: Run) -> int:
    """Return the bytes of stored texts that the run's turns refer to."""
    return sum(t.answered.content.size for t in run.state.turns if t.answered)


def spent(run: Run) -> str:
    """Return what the run cost, in words."""
    usage = [t.taken.usage for t in run.state.turns if t.taken]
    tokens, cached = sum(u.prompt_tokens for u in usage), sum(u.cached_tokens for u in usage)
    return f"{tokens:,} prompt tokens ({cached / tokens:.0%} of them cached), ${run.state.usd:.4f}"


def summary(run: Run) -> str:
    """Return the last answer as JSON, for whoever prints it."""
    return json.dumps(run.state.answer.summary if run.state.answer else "")
