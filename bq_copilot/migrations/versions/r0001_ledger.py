"""The tables of version 0.1.0, and whatever a ledger that was made while it was being written still lacks."""

from __future__ import annotations

from alembic import op

from bq_copilot.ledger_schema import STEPS

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make what is missing; rows are not touched."""
    for statement in STEPS[revision]:
        op.execute(statement)
