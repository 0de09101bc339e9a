"""The verbs of the Python API that look back: receipts, replays, traces, exports, comparisons.

Edge module, the part of `client` that never decides anything about a run. Each verb loads what it needs when it is
called: looking at a run must start in a moment.
"""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

if TYPE_CHECKING:
    from bq_copilot.budget_views import BudgetView
    from bq_copilot.client import Copilot
    from bq_copilot.comparing import DiffView
    from bq_copilot.exporting import ExportView
    from bq_copilot.installation import Installation
    from bq_copilot.list_views import CheckView
    from bq_copilot.progress import Heard
    from bq_copilot.pruning import PruneView
    from bq_copilot.replays import PolicyView, ReplayView
    from bq_copilot.state import RunState
    from bq_copilot.table_export import TableExportView
    from bq_copilot.trace_types import TraceView
    from bq_copilot.woken import Woken


class ReceiptVerbs:
    """What `Copilot` can say about all runs."""

    installation: Installation

    def verify(self, run_id: str | None = None, *, key: str = "") -> list[CheckView]:
        """Check the receipts of one run, or of all, as `bq-copilot verify --json` does.

        With `key`, a public key or several with commas between, every head must be signed with one of them.
        """
        from bq_copilot.checks import check_all  # noqa: PLC0415 - see above

        return check_all(self.installation, run_id, key)

    def replay(self, run_id: str | None = None) -> list[ReplayView]:
        """Fold one run, or all, again without any effect, as `bq-copilot replay --json` does."""
        from bq_copilot.replays import replay_all  # noqa: PLC0415 - see above

        return replay_all(self.installation, run_id)

    def under_policy(self, policy: str, run_id: str | None = None) -> list[PolicyView]:
        """Return what this policy (YAML) would have said to every plan so far, as `replay --policy --json` does."""
        from bq_copilot.policy_file import policy_from_yaml  # noqa: PLC0415 - see above
        from bq_copilot.replays import under_policy  # noqa: PLC0415 - see above

        return under_policy(self.installation, policy_from_yaml(policy), run_id)

    def prune(self, older_than: str, *, dry_run: bool = False) -> PruneView:
        """Empty the ended runs that did not move for so long (`90d`), as `bq-copilot prune --json` does.

        Their hashes stay and verify. With `dry_run` nothing changes. Raises Refused (`bad_age`).
        """
        from bq_copilot.local_user import local_user  # noqa: PLC0415 - see above
        from bq_copilot.pruning import prune  # noqa: PLC0415 - see above

        return prune(self.installation, older_than, local_user(), dry_run=dry_run)

    def diff(self, a: str, b: str) -> DiffView:
        """Return what is the same in two runs and what is not, as `bq-copilot diff --json` does."""
        from bq_copilot.comparing import compare  # noqa: PLC0415 - see above
        from bq_copilot.run_page import pages_of, state_of  # noqa: PLC0415 - see above

        at, one, other = self.installation, state_of(self.installation, a), state_of(self.installation, b)
        return compare(one, other, pages_of(at, one), pages_of(at, other))


class HistoryVerbs:
    """What `RunHandle` can say about its run's past."""

    run_id: str
    woken: Woken
    _copilot: Copilot
    _installation: Installation

    @property
    @abstractmethod
    def state(self) -> RunState:
        """The run as the ledger has it now."""

    def heard(self) -> Heard | None:
        """Return how far the model's reply to the open turn has come; None when none is coming or nothing is known.

        No receipt, and nothing follows from it: a note that a few times a second is replaced.
        """
        from bq_copilot.errors import LedgerUnavailable  # noqa: PLC0415 - see above
        from bq_copilot.ledger_sql import SqlLedger  # noqa: PLC0415 - see above
        from bq_copilot.progress_sql import SqlProgress  # noqa: PLC0415 - see above
        from bq_copilot.step_types import TakeTurn  # noqa: PLC0415 - see above
        from bq_copilot.steps import next_step  # noqa: PLC0415 - see above

        try:
            step, ledger = next_step(self.state), self._installation.ledger
            if not (isinstance(step, TakeTurn) and step.requested and isinstance(ledger, SqlLedger)):
                return None
            found = SqlProgress(ledger).last(self.run_id)
        except LedgerUnavailable:
            return None
        return found if found is not None and found.turn == step.turn else None

    def rate(self, verdict: Literal["up", "down"], reason: str = "", *, via: str = "api") -> Self:
        """Say whether the answer is good; the approved queries of good ones serve as examples. Raises Refused."""
        from bq_copilot import rating  # noqa: PLC0415 - see above
        from bq_copilot.journal import Journal  # noqa: PLC0415 - see above
        from bq_copilot.local_user import local_user  # noqa: PLC0415 - see above

        rating.rate(Journal.open(self._installation.ledger, self.run_id), verdict, local_user(), via, reason)
        return self

    def budget(self) -> BudgetView:
        """Return what `bq-copilot budget --json` prints: the run's budgets, and those of its requester's day."""
        from bq_copilot import budgets  # noqa: PLC0415 - see above
        from bq_copilot.budget_views import budget  # noqa: PLC0415 - see above
        from bq_copilot.policy import Policy  # noqa: PLC0415 - see above

        state, ledger = self.state, self._installation.ledger
        day = budgets.day_of(state)
        sums = (ledger.spent(state.requester, day), ledger.spent("", day))
        pinned = state.pinned
        policy = Policy.model_validate_json(self._installation.shelf.get(pinned.policy)) if pinned else None
        return budget(state, policy, sums, ledger.now())

    def trace(self) -> TraceView:
        """Return what `bq-copilot trace --json` prints."""
        from bq_copilot.trace_view import trace  # noqa: PLC0415 - see above

        return trace(self.run_id, self._installation.reader.read(self.run_id), self._installation.shelf)

    def trace_page(self) -> str:
        """Return the history as one HTML page that needs nothing else, as `bq-copilot trace --html` writes it."""
        from bq_copilot.run_page import run_page  # noqa: PLC0415 - see above

        return run_page(self._installation, self.run_id)

    def export_table(self, table: str, query: str = "", *, days: float = 7.0) -> TableExportView:
        """Copy a result into a BigQuery table that expires, and wait for it. Raises Refused with what to do next."""
        from bq_copilot import table_export  # noqa: PLC0415 - see above
        from bq_copilot.journal import Journal  # noqa: PLC0415 - see above
        from bq_copilot.local_user import local_user  # noqa: PLC0415 - see above
        from bq_copilot.waking import put_back  # noqa: PLC0415 - see above

        journal = Journal.open(self._installation.ledger, self.run_id)
        state = table_export.request(journal, table, days, query, local_user(), self._copilot.via)
        self.woken = put_back(self._installation, state, "somebody asked to export a result")
        return table_export.outcome(lambda: self.state, len(state.exports), self.woken)

    def export(self, path: str | Path, query: str | None = None) -> ExportView:
        """Write the run with its receipts (.zip) or one of its results (.csv, .parquet); say what was written."""
        from bq_copilot.exporting import export  # noqa: PLC0415 - see above

        return export(self._installation, self.run_id, Path(path), query)
