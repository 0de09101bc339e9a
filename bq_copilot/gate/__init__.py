"""The SQL gate: is this statement understood, allowed, and exactly what does it read?"""

from bq_copilot.gate.gate import Gate
from bq_copilot.gate.verdict import Facts, Finding, Parameter, Ruling, Verdict

__all__ = ["Facts", "Finding", "Gate", "Parameter", "Ruling", "Verdict"]
