"""One circuit breaker per provider, shared by all processes through the ledger's database.

Decides when nobody asks a provider any more, for how long, and who may try it first. Pure: the stored value goes in,
the next one comes out; the store makes the change atomic. A single success closes the circuit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, Protocol

Provider = Literal["model", "warehouse"]

OPEN_AFTER = 8
"""Failures in a row, over all runs, after which a circuit opens."""

FIRST_SECONDS, LONGEST_SECONDS = 10.0, 120.0
"""How long it stays open at first, and at the most; it doubles with every probe that fails."""

PROBE_SECONDS = 20.0
"""How long the one that tries first has, before another one may."""


@dataclass(frozen=True, slots=True)
class Circuit:
    """What is known of one provider."""

    provider: str
    failures: int = 0
    open_until: datetime | None = None


def failed(circuit: Circuit, now: datetime) -> Circuit:
    """Return the circuit after one more failure."""
    failures = circuit.failures + 1
    if failures < OPEN_AFTER:
        return replace(circuit, failures=failures)
    seconds = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** (failures - OPEN_AFTER))
    return replace(circuit, failures=failures, open_until=now + timedelta(seconds=seconds))


def closed(circuit: Circuit) -> Circuit:
    """Return the circuit after a success."""
    return replace(circuit, failures=0, open_until=None)


def admits(circuit: Circuit, now: datetime) -> tuple[bool, Circuit]:
    """Say whether the provider may be asked now, and what is stored then: whoever probes keeps the others away."""
    if circuit.failures < OPEN_AFTER or circuit.open_until is None:
        return True, circuit
    if circuit.open_until > now:
        return False, circuit
    return True, replace(circuit, open_until=now + timedelta(seconds=PROBE_SECONDS))


class Circuits(Protocol):
    """Where circuits are kept."""

    def ask(self, provider: Provider) -> Circuit | None:
        """Return None when the provider may be asked now (the caller may be the probe), else its open circuit."""
        ...

    def note(self, provider: Provider, *, ok: bool) -> None:
        """Record one success or failure."""
        ...
