"""The gate over whatever earlier runs were pinned to: for replays, and for asking what another policy would have said.

Edge module: it starts the gate's guarded child, once for each pair of schemas and policy, and remembers verdicts. It
never asks a warehouse; the schemas are those that the run was pinned to.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self

from bq_copilot.canonical import digest
from bq_copilot.catalog import Catalog
from bq_copilot.errors import Damaged
from bq_copilot.events import RunPinned
from bq_copilot.gate.verdict import Verdict
from bq_copilot.policy import Policy
from bq_copilot.shelf import Shelf

if TYPE_CHECKING:
    from bq_copilot.gate.engines import GuardedGate

OPEN = 4
"""Gates that are kept open at once; each is a process."""


class Judges:
    """Gates by what they judge under; a context manager, because each of them is a process."""

    def __init__(self, shelf: Shelf, policy: Policy | None = None) -> None:
        self._shelf, self._policy = shelf, policy
        self._said: dict[tuple[str, str, str], Verdict] = {}
        self._open: dict[tuple[str, str], tuple[GuardedGate, ExitStack]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for _, stack in self._open.values():
            stack.close()
        self._open.clear()

    def __call__(self, pinned: RunPinned, sql: str) -> Verdict | None:
        """Return the verdict under the run's schemas and its policy, or under the one policy that was given."""
        key = (self._policy.fingerprint if self._policy else pinned.policy_fingerprint, pinned.catalog.sha256)
        place = (*key, sql)
        if place not in self._said:
            self._said[place] = self._gate(key, pinned).rule(sql)
        return self._said[place]

    def catalog_of(self, pinned: RunPinned) -> Catalog:
        """Return the schemas that the run was judged by. Raises Damaged."""
        return Catalog.model_validate_json(self._shelf.get(pinned.catalog))

    def policy_of(self, pinned: RunPinned) -> Policy:
        """Return the policy that was given, else the one that the run was judged by. Raises Damaged."""
        if self._policy is not None:
            return self._policy
        text = self._shelf.get(pinned.policy)
        if digest(json.loads(text)) != pinned.policy_fingerprint:
            raise Damaged("the pinned policy is not the one that was recorded")
        return Policy.model_validate_json(text)

    def _gate(self, key: tuple[str, str], pinned: RunPinned) -> GuardedGate:
        from bq_copilot.gate.engines import open_gate  # noqa: PLC0415 - loads SQL parsers

        if key not in self._open:
            if len(self._open) >= OPEN:
                _, oldest = self._open.pop(next(iter(self._open)))
                oldest.close()
            stack = ExitStack()
            gate = stack.enter_context(open_gate(self.catalog_of(pinned), self.policy_of(pinned)))
            self._open[key] = (gate, stack)
        return self._open[key][0]
