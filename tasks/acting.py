"""As whom a run asks the warehouse: it plans with one adapter, and what was approved runs with the requester's.

Decides by the query alone, so that whoever submits, polls, cancels, reads or drops comes to the same account. It never
makes a credential: the adapter does, when it is first used.
"""

from __future__ import annotations

from bq_copilot.ports import Warehouse
from tasks.run import Run

PROFILE = "profile"
"""Begins the id of each query that looks at a column for the planner; a plan's own queries must not begin so."""


def executor(run: Run) -> Warehouse:
    """Return what runs this requester's approved jobs. Raises Refused when nobody may."""
    return run.env.warehouse.acting_for(run.state.requester)


def warehouse_of(run: Run, query_id: str) -> Warehouse:
    """Return what runs the job of this query: a look of the planner's is the reading account's, where there is one."""
    planner = run.env.warehouse
    return planner if query_id.startswith(PROFILE) and not planner.writes else executor(run)
