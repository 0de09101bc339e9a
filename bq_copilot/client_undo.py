"""The verb of the Python API that undoes: what an ended run left in the world is removed.

Edge module, a part of `client`. Records the request; a process of the run removes what the receipts name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from bq_copilot.client import Copilot
    from bq_copilot.installation import Installation
    from bq_copilot.woken import Woken


class UndoVerbs:
    """What `RunHandle` can take back."""

    run_id: str
    woken: Woken
    _copilot: Copilot
    _installation: Installation

    def undo(self, reason: str = "") -> Self:
        """Remove what the ended run left: its follow-ups, its standing grants, tables that hold no result of it.

        Its results stay readable. Raises Refused when nothing is left, or Conflict when somebody asked before.
        """
        from bq_copilot import operating  # noqa: PLC0415 - looking at a run does not need it
        from bq_copilot.journal import Journal  # noqa: PLC0415 - see above
        from bq_copilot.local_user import local_user  # noqa: PLC0415 - see above
        from bq_copilot.waking import put_back  # noqa: PLC0415 - see above

        journal = Journal.open(self._installation.ledger, self.run_id)
        state = operating.undo(journal, local_user(), self._copilot.via, reason)
        self.woken = put_back(self._installation, state, "somebody asked to remove what it left")
        return self
