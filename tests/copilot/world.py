"""A small shop for runs in this process, and the calls that a model makes about it."""

from __future__ import annotations

from typing import Any

from bq_copilot.catalog import Column, Table
from bq_copilot.notes import Notes
from bq_copilot.policy import Policy
from bq_copilot.testing.memory_warehouse import page_of
from tests.inprocess import World

ORDERS = Table(
    id="p.shop.orders",
    description="One row for each order.",
    rows=1_000,
    columns=(
        Column(name="country", type="STRING"),
        Column(name="total", type="FLOAT64"),
        Column(name="order_date", type="DATE"),
        Column(name="email", type="STRING", tags=("pii",)),
    ),
)
REFUNDS = Table(id="p.shop.refunds", description="Money given back.", columns=(Column(name="amount", type="FLOAT64"),))
SECRET = Table(id="p.hr.salaries", columns=(Column(name="salary", type="FLOAT64"),))
SQL = "SELECT country, COUNT(*) AS orders FROM `p.shop.orders` GROUP BY country ORDER BY orders DESC"
PAGE = page_of({"country": "STRING", "orders": "INTEGER"}, [["US", 120], ["DE", 60], ["GB", 20]])
TIERS = {"tiers": [{"tier": 1, "always": True}], "trust_local_user": True}

LIST = ("list_tables", {"search": "orders"})
DESCRIBE = ("describe_table", {"table": "p.shop.orders"})
GIVE_UP = ("give_up", {"reason": "nothing fits"})


def policy(**more: Any) -> Policy:
    """Return a policy that allows the shop and not the salaries."""
    return Policy.model_validate({"allowed_datasets": ["p.shop"], "approvals": TIERS, **more})


def shop(*tables: Table, notes: Notes | None = None, rules: Policy | None = None, **more: Any) -> World:
    """Return the shop's environment."""
    return World((ORDERS, REFUNDS, SECRET, *tables), PAGE, rules or policy(), notes=notes, **more)


def plan(sql: str = SQL, rationale: str = "Counting answers it.") -> tuple[str, dict[str, Any]]:
    """Return a call that proposes one query."""
    return "propose_plan", {"queries": [{"id": "q1", "purpose": "count", "sql": sql}], "rationale": rationale}


def answer(summary: str = "US leads with 120 orders.", figure: str = "120") -> tuple[str, dict[str, Any]]:
    """Return a call that writes an answer with one citation."""
    cited = {"figure": figure, "query": "q1", "row": 0, "column": "orders"}
    return "write_answer", {"summary": summary, "citations": [cited]}
