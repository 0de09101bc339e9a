"""Whether a run went on after somebody decided."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Woken:
    """Whether the run goes on now; if not, `why` says what will make it go on."""

    ok: bool
    why: str = ""
