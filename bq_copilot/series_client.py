"""Follow-ups in the Python API: list them, look at one, accept, decline, add and stop.

Edge module. What a person decides is recorded in the parent's chain first; then the parent's run is woken, or, when it
has ended, the schedule is made from here. A server that is down delays the schedule: the recovery service makes it.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from bq_copilot import following_up, identities, series_views
from bq_copilot.errors import CopilotError, Refused
from bq_copilot.installation import Installation
from bq_copilot.journal import Journal
from bq_copilot.local_user import local_user
from bq_copilot.phases import Phase
from bq_copilot.series import Series
from bq_copilot.series_views import SeriesHistoryView, SeriesView
from bq_copilot.state import RunState
from bq_copilot.transitions import fold
from bq_copilot.woken import Woken

if TYPE_CHECKING:
    from bq_copilot.client import Copilot

ASKED_SECONDS = 86_400
"""How long a follow-up that a person adds may wait to be accepted."""


class FollowUps:
    """All follow-ups of an installation."""

    def __init__(self, copilot: Copilot) -> None:
        self._copilot = copilot
        self._at: Installation = copilot.installation
        self.woken = Woken(True)
        """Whether the last decision took effect in Prefect at once, and if not, what will do it."""

    def list(self, *, all: bool = False) -> list[SeriesView]:
        """Return the follow-ups that may still run or wait to be accepted; with `all`, every one."""
        now = self._at.reader.now()
        found = [
            series_views.series_view(series, state.run_id, state.requester, now)
            for state in self._parents()
            for series in state.series
        ]
        return found if all else [v for v in found if v["stands"] in {"proposed", "accepted", "scheduled"}]

    def show(self, series: str) -> SeriesHistoryView:
        """Return one follow-up with every time at which it was due. Raises Refused (`unknown_series`)."""
        state, found = self._find(series)
        return series_views.history_view(found, state.run_id, state.requester, self._at.reader.now())

    def requested(self, series: str) -> Series:
        """Return the follow-up as it is recorded."""
        return self._find(series)[1]

    def accept(  # noqa: PLR0913 - one parameter a term
        self,
        series: str,
        *,
        when: str = "",
        until: datetime | None = None,
        if_changed_by_percent: float | None = None,
        grant: bool = False,
        bytes_per_run: int = 0,
        bytes_total: int = 0,
        grant_until: datetime | None = None,
        reason: str = "",
        code: str = "",
    ) -> SeriesHistoryView:
        """Accept a follow-up; with `grant`, its runs need no further approval inside exactly what is granted.

        What is left out stays as it was proposed. Raises Conflict, or Refused: who may give a grant is decided as for
        an approval, by `code` or as this computer's user.
        """
        terms = following_up.Terms(
            when=when,
            until=until,
            percent=if_changed_by_percent,
            grant=grant,
            bytes_per_run=bytes_per_run,
            bytes_total=bytes_total,
            grant_until=grant_until,
        )
        who = identities.by_code(code) if code else identities.local_user()
        journal = self._journal(series)
        following_up.accept(journal, series, who, self._copilot.via, terms, reason)
        return self._settled(journal, series)

    def decline(self, series: str, reason: str = "") -> SeriesHistoryView:
        """Decline a follow-up. Raises Conflict or Refused."""
        journal = self._journal(series)
        following_up.decline(journal, series, identities.local_user(), self._copilot.via, reason)
        return self._settled(journal, series)

    def add(self, run_id: str, when: str, question: str = "") -> str:
        """Propose a follow-up of an answered run and return its id; it runs once it is accepted."""
        return following_up.add(Journal.open(self._at.ledger, run_id), when, question, local_user(), ASKED_SECONDS)

    def stop(self, series: str, reason: str = "") -> SeriesHistoryView:
        """Stop a follow-up: nothing of it starts any more. Raises Conflict or Refused."""
        journal = self._journal(series)
        following_up.stop(journal, series, local_user(), self._copilot.via, reason)
        self.woken = self._pause(series)
        return self.show(series)

    # -- finding -----------------------------------------------------------------------------------------

    def _parents(self) -> list[RunState]:
        reader = self._at.reader
        return [fold(run_id, reader.read(run_id)) for run_id in reader.parents()]

    def _find(self, series: str) -> tuple[RunState, Series]:
        for state in self._parents():
            found = state.series_of(series)
            if found is not None:
                return state, found
        raise Refused(
            f"There is no follow-up {series}.", code="unknown_series", next="List them: `bq-copilot followups --all`."
        )

    def of_run(self, run_id: str) -> str:
        """Return the follow-up of this run that waits, else its newest one. Raises Refused."""
        state = Journal.open(self._at.ledger, run_id).state
        open_ = [s.id for s in state.series if s.decided is None]
        known = open_ or [s.id for s in state.series]
        if not known:
            raise Refused(
                f"{run_id} has no follow-up.",
                code="unknown_series",
                next=f'Add one: `bq-copilot followups add {run_id} "every Monday"`.',
            )
        return known[-1]

    def _journal(self, series: str) -> Journal:
        return Journal.open(self._at.ledger, self._find(series)[0].run_id)

    # -- Prefect -----------------------------------------------------------------------------------------

    def _settled(self, journal: Journal, series: str) -> SeriesHistoryView:
        """Let Prefect know what was decided."""
        state = journal.state
        if state.phase.is_terminal:
            self.woken = self._schedule(journal, series)
        else:
            from bq_copilot.waking import wake  # noqa: PLC0415 - loads httpx; looking does not need it

            seq = state.seq
            self.woken = wake(
                self._at, state, Phase.AWAITING_FOLLOW_UP, lambda: bool(self._at.reader.read(state.run_id, seq))
            )
        return self.show(series)

    def _schedule(self, journal: Journal, series: str) -> Woken:
        from bq_copilot import scheduling  # noqa: PLC0415 - loads httpx; looking does not need it

        found = journal.state.series_of(series)
        if found is None or found.accepted is None:
            return Woken(True)
        try:
            scheduling.record(journal, self._at.api, found)
        except CopilotError as error:
            return Woken(False, f"the schedule is not made yet ({error.message}); the recovery service makes it")
        return Woken(True)

    def _pause(self, series: str) -> Woken:
        from bq_copilot import scheduling  # noqa: PLC0415 - see _schedule

        try:
            scheduling.pause(self._at.api, series)
        except CopilotError as error:
            return Woken(False, f"its schedule is not paused yet ({error.message}); the next run pauses it")
        return Woken(True)
