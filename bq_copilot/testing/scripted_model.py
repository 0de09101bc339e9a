"""A model that says what a script says, in order."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bq_copilot.errors import Transient
from bq_copilot.ports import Progress, Reply
from bq_copilot.values import Usage

Line = tuple[str, Mapping[str, Any]] | Exception


class ScriptedModel:
    """The LanguageModel port over (tool, arguments) pairs; an exception in the script is raised."""

    model = "scripted"

    def __init__(self, *script: Line) -> None:
        self._script = list(script)
        self.requests: list[Sequence[Mapping[str, Any]]] = []

    async def reply(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]],
        progress: Progress | None = None,
    ) -> Reply:
        """Return the next line. Raises Transient when the script is over."""
        self.requests.append(messages)
        if not self._script:
            raise Transient("the script is over", code="script_over")
        line = self._script.pop(0)
        if isinstance(line, Exception):
            raise line
        name, arguments = line
        number = len(self.requests)
        text = arguments if isinstance(arguments, str) else json.dumps(arguments)
        return Reply("", f"call_{number}", name, text, self.model, Usage(prompt_tokens=10, completion_tokens=5))
