"""A run of fifty turns: bytes of prompt and ledger by turn, how much of each prompt a cache knows, and what it costs.

No model is called: the turns are a script over wide tables, tokens are counted at four bytes each, and the prices are
those of the script. It prints figures and decides nothing.
"""

from __future__ import annotations

import asyncio

from bq_copilot.prompt_window import BYTES_PER_TOKEN
from tests.copilot.long_run import CONTEXT_TOKENS, PRICE, fifty_turns, ledger_bytes, shelf_bytes, spent


def main() -> None:
    """Play and print."""
    run, model = asyncio.run(fifty_turns())
    rows = ledger_bytes(run)
    print(f"budget of a prompt: {CONTEXT_TOKENS:,} tokens, {CONTEXT_TOKENS * BYTES_PER_TOKEN:,} bytes")
    print("turn   prompt bytes   same as before   ledger bytes")
    for turn in (1, 2, 5, *range(10, len(rows) + 1, 5)):
        sent, same = len(model.prompts[turn - 1]), model.shared[turn - 1]
        print(f"{turn:>4} {sent:>14,} {same / sent:>16.0%} {rows[turn - 1]:>14,}")
    print(f"largest prompt {max(map(len, model.prompts)):,} bytes; tool results in all {shelf_bytes(run):,} bytes")
    print(f"{run.state.phase} after {len(run.state.turns)} turns: {spent(run)}")
    print(f"at ${PRICE.prompt}/{PRICE.cached}/{PRICE.reply} a million prompt/cached/reply tokens")


if __name__ == "__main__":
    main()
