"""The circuits in the ledger's database: shared by all processes, changed by its clock."""

from __future__ import annotations

from bq_copilot.circuits import OPEN_AFTER
from bq_copilot.circuits_sql import SqlCircuits
from bq_copilot.ledger_sql import SqlLedger


def test_a_circuit_opens_for_every_process_and_a_success_closes_it(ledger: SqlLedger) -> None:
    """What one process saw, another one heeds; one provider's failures are not the other's."""
    one, other = SqlCircuits(ledger), SqlCircuits(ledger)
    for _ in range(OPEN_AFTER - 1):
        one.note("model", ok=False)
    assert other.ask("model") is None
    one.note("model", ok=False)
    found = other.ask("model")
    assert found is not None
    assert (found.failures, found.open_until is not None) == (OPEN_AFTER, True)
    assert other.ask("warehouse") is None
    other.note("model", ok=True)
    assert one.ask("model") is None
