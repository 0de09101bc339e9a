"""The SQL gate: is this statement understood, allowed, and exactly what does it read?

`Gate` loads on first use: whoever only reads verdicts out of a ledger must not wait for a SQL parser.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bq_copilot.gate.verdict import Facts, Finding, Parameter, Ruling, Verdict

if TYPE_CHECKING:
    from bq_copilot.gate.gate import Gate

__all__ = ["Facts", "Finding", "Gate", "Parameter", "Ruling", "Verdict"]


def __getattr__(name: str) -> Any:
    if name != "Gate":
        raise AttributeError(f"module 'bq_copilot.gate' has no attribute {name!r}")
    from bq_copilot.gate.gate import Gate  # noqa: PLC0415 - the lazy load that this function is for

    return Gate
