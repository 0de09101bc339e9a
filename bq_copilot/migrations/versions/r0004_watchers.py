"""Where recovery services say that they live."""

from __future__ import annotations

from alembic import op

from bq_copilot.ledger_schema import STEPS

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the table; rows are not touched."""
    for statement in STEPS[revision]:
        op.execute(statement)
