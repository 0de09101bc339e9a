"""The gate's edge: second engines, and the child process that runs the gate under limits."""

from bq_copilot.gate.engines.runtime import warm
from bq_copilot.gate.engines.sqlfluff import SqlfluffEngine
from bq_copilot.gate.engines.zetasql import ZetaSqlEngine
from bq_copilot.gate.port import SecondEngine

__all__ = ["SqlfluffEngine", "ZetaSqlEngine", "second_engines", "warm"]


def second_engines() -> tuple[SecondEngine, ...]:
    """Return the second engines in the order in which the gate tries them."""
    return (ZetaSqlEngine(), SqlfluffEngine())
