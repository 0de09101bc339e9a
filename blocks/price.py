"""What a model's tokens cost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Price:
    """USD a million tokens."""

    prompt: float
    reply: float
    cached: float

    def of(self, prompt: int, reply: int, cached: int) -> float:
        """Return the price of one call; cached prompt tokens have their own."""
        return round(((prompt - cached) * self.prompt + cached * self.cached + reply * self.reply) / 1e6, 6)
