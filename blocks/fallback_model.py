"""A second model for when the first one fails: the same port, asked in order.

Decides when the second one is asked: when the first cannot be reached, fails, is out of quota or refuses. A rate limit
is waited for by the run, which records it, and is no reason to change the model. Which model replied stands in the
reply, and so in the receipt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bq_copilot.errors import CopilotError
from bq_copilot.ports import LanguageModel, Progress, Reply

NO_REASON = frozenset({"model_rate_limit"})


class WithFallback:
    """The LanguageModel port over two others."""

    def __init__(self, first: LanguageModel, second: LanguageModel) -> None:
        self._first = first
        self._second = second

    async def reply(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]],
        progress: Progress | None = None,
    ) -> Reply:
        """Ask the first model, and the second one when the first fails. Raises what the second one raises."""
        try:
            return await self._first.reply(messages, tools, progress)
        except CopilotError as error:
            if error.code in NO_REASON:
                raise
        return await self._second.reply(messages, tools, progress)
