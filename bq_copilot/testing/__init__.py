"""In-memory doubles of every port, public so that users can test their own code without a stack."""

from bq_copilot.testing.memory_circuits import MemoryCircuits
from bq_copilot.testing.memory_ledger import MemoryLedger
from bq_copilot.testing.memory_shelf import MemoryBlobs
from bq_copilot.testing.memory_warehouse import MemoryWarehouse
from bq_copilot.testing.scripted_model import ScriptedModel

__all__ = ["MemoryBlobs", "MemoryCircuits", "MemoryLedger", "MemoryWarehouse", "ScriptedModel"]
