"""Circuits in a dictionary, on a given clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from bq_copilot.circuits import Circuit, Provider, admits, closed, failed


class MemoryCircuits:
    """The Circuits port."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self.known: dict[str, Circuit] = {}

    def ask(self, provider: Provider) -> Circuit | None:
        """Return None when the provider may be asked now, else its open circuit."""
        circuit = self.known.get(provider, Circuit(provider))
        may, self.known[provider] = admits(circuit, self._now())
        return None if may else circuit

    def note(self, provider: Provider, *, ok: bool) -> None:
        """Record one success or failure."""
        circuit = self.known.get(provider, Circuit(provider))
        self.known[provider] = closed(circuit) if ok else failed(circuit, self._now())
