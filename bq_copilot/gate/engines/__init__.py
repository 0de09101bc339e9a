"""The gate's edge: second engines, and the child process that runs the gate under limits."""

import os
import sys

from bq_copilot.catalog import Catalog
from bq_copilot.gate.engines.guard import GuardedGate
from bq_copilot.gate.engines.runtime import warm
from bq_copilot.gate.engines.sqlfluff import SqlfluffEngine
from bq_copilot.gate.engines.zetasql import ZetaSqlEngine
from bq_copilot.gate.port import SecondEngine
from bq_copilot.policy import Policy

__all__ = ["GuardedGate", "SqlfluffEngine", "ZetaSqlEngine", "open_gate", "second_engines", "warm"]

LAUNCHER_VARIABLE = "BQ_COPILOT_LAUNCHER"
"""Names the file that has a module started by the warm runner, or plainly where there is none."""


def second_engines() -> tuple[SecondEngine, ...]:
    """Return the second engines in the order in which the gate tries them."""
    return (ZetaSqlEngine(), SqlfluffEngine())


def open_gate(catalog: Catalog, policy: Policy) -> GuardedGate:
    """Return the whole gate: every layer, in a child process under limits. Use it in a `with`, or close it."""
    launcher = os.environ.get(LAUNCHER_VARIABLE)
    if not launcher:
        return GuardedGate(catalog, policy)
    return GuardedGate(catalog, policy, launcher=(sys.executable, "-I", "-S", launcher))
