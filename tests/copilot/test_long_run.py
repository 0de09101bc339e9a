"""Fifty turns: the prompt stays within its budget, its beginning stays the same, the ledger grows evenly."""

from __future__ import annotations

import statistics

import pytest

from bq_copilot.phases import Phase
from bq_copilot.prompt_window import BYTES_PER_TOKEN
from bq_copilot.replaying import replay
from tasks.run import Run
from tests.copilot.long_run import CONTEXT_TOKENS, TURNS, Weighed, fifty_turns, ledger_bytes

BUDGET = CONTEXT_TOKENS * BYTES_PER_TOKEN
TOOLS_BYTES = 8_000


@pytest.fixture(scope="module")
def played() -> tuple[Run, Weighed]:
    """The run, played once."""
    import asyncio

    return asyncio.run(fifty_turns())


def test_fifty_turns_come_to_an_answer_and_replay(played: tuple[Run, Weighed]) -> None:
    """Older results gave way, and every prompt is still written again byte for byte."""
    run, _ = played
    assert (run.state.phase, len(run.state.turns)) == (Phase.COMPLETED, TURNS)
    done = replay(run.id, run.env.ledger.read(run.id), run.env.shelf)
    assert (done.difference, done.counts.prompts) == (None, TURNS)


def test_every_prompt_is_within_the_budget(played: tuple[Run, Weighed]) -> None:
    """The messages of each turn; without a budget the last ones would weigh several times as much."""
    run, model = played
    assert max(map(len, model.prompts)) <= BUDGET + TOOLS_BYTES
    assert sum(t.answered.content.size for t in run.state.turns if t.answered) > 2 * BUDGET


def test_the_beginning_of_a_prompt_is_nearly_always_that_of_the_prompt_before(played: tuple[Run, Weighed]) -> None:
    """All of the prompt before stands at the beginning of the next one, but for a few turns in fifty."""
    _, model = played
    pairs = zip(model.prompts, model.shared[1:], strict=False)
    whole = [same >= len(before) - 2 for before, same in pairs]
    assert sum(not w for w in whole) <= 8


def test_the_ledger_grows_by_the_same_for_each_turn(played: tuple[Run, Weighed]) -> None:
    """Looking turns late in the run record no more than early ones: prompts are not stored."""
    run, _ = played
    looks = ledger_bytes(run)[1:-3]
    assert statistics.mean(looks[-10:]) <= 1.1 * statistics.mean(looks[:10])
    assert run.state.usd > 0
