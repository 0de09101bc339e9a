"""The Python API: `Copilot` for the installation, `RunHandle` for one run. The same verbs as the command line.

Edge module. What a person decides is recorded in the ledger first, then the flow run is woken; a server that is
down delays a run and loses nothing. It never imports flows, tasks, blocks or Prefect.
"""

from __future__ import annotations

import json
import os
import threading
import time
import uuid
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bq_copilot import deciding, identities, identity, operating, rating, receipts, views
from bq_copilot.client_history import HistoryVerbs, ReceiptVerbs
from bq_copilot.client_undo import UndoVerbs
from bq_copilot.errors import Damaged, LedgerUnavailable, Refused
from bq_copilot.events import Event, RunReceived
from bq_copilot.installation import Installation, find
from bq_copilot.journal import Journal, begin
from bq_copilot.local_user import local_user
from bq_copilot.phases import TERMINAL, WAITING, Phase
from bq_copilot.pruned import missing
from bq_copilot.series_verbs import SeriesVerbs
from bq_copilot.state import RunState
from bq_copilot.transitions import apply
from bq_copilot.until import check, condition, deadline_in, full_digest
from bq_copilot.version import __version__
from bq_copilot.view_types import ReceiptsView, ShowView
from bq_copilot.woken import Woken

if TYPE_CHECKING:
    import pandas as pd  # pyright: ignore[reportMissingTypeStubs] - it has none of its own

    from bq_copilot.card_blocks import Card
    from bq_copilot.list_views import PendingView, RunView
    from bq_copilot.series_client import FollowUps

POLL_SECONDS = 0.1
"""Between two looks at the ledger; an update is seen at most this late."""

OUTAGE_SECONDS = 300.0
"""How long a stream waits for a ledger that does not answer."""


@dataclass(frozen=True, slots=True)
class Update:
    """One event of a run, and the state that it led to."""

    seq: int
    at: datetime
    kind: str
    phase: Phase
    event: Event
    state: RunState


class Copilot(ReceiptVerbs, SeriesVerbs):
    """Ask questions of the warehouse, and decide about what others asked.

    Without arguments it finds the installation as the command line does: `PREFECT_API_URL`, else the local stack.
    """

    def __init__(
        self,
        *,
        environment: str = "default",
        installation: Installation | None = None,
        via: str = "api",
    ) -> None:
        self.installation = installation or find(os.environ, environment)
        self.via = via

    def ask(
        self,
        question: str,
        *,
        request_key: str | None = None,
        requester: str | None = None,
        after: str = "",
        wait: bool = True,
        timeout: float | None = None,
    ) -> RunHandle:
        """Ask a question and return its run; with `wait`, when the run needs a person or has ended.

        `after` names an earlier run of the same requester, which becomes context. The question is recorded first, so
        the same `request_key` always names the same run. Raises Conflict when the key was used for another question,
        Unreachable when the server did not take the run (it is recorded and starts later), TimeoutError after
        `timeout` seconds.
        """
        run = self.record(question, request_key=request_key, requester=requester, after=after)
        run.start(somebody_waits=wait)
        return run.wait(timeout=timeout) if wait else run

    def record(
        self, question: str, *, request_key: str | None = None, requester: str | None = None, after: str = ""
    ) -> RunHandle:
        """Record the question in the ledger without starting anything; `RunHandle.start` does that.

        Raises Unreachable when no server is known that could ever start it.
        """
        if not question.strip():
            raise Refused("There is no question.", code="no_question", next="Write it as you would say it.")
        self.installation.api  # noqa: B018 - raises Unreachable when no server is known, before anything is recorded
        who, key = requester or local_user(), request_key or uuid.uuid4().hex
        run_id = identity.run_id(who, key)
        earlier = rating.continued(self.run(after).state, after, who) if after else ""
        who_how = {"requester": who, "via": self.via, "request_key": key, "environment": self.installation.environment}
        first = RunReceived.model_validate(
            {"question": question, **who_how, "code_version": __version__, "after_run": earlier}
        )
        begin(self.installation.ledger, run_id, first)
        return RunHandle(self, run_id)

    def run(self, run_id: str) -> RunHandle:
        """Return the run of this id. Raises UnknownRun."""
        return RunHandle(self, run_id)

    def runs(self, *, phases: Iterable[str] = (), requester: str = "", limit: int = 20) -> list[RunView]:
        """Return runs, newest first, as `bq-copilot runs --json` does."""
        from bq_copilot import list_views  # noqa: PLC0415 - `show` does not need it

        reader = self.installation.reader
        heads = reader.heads(phases, requester, limit)
        return list_views.runs(heads, list_views.why_parked(heads, reader))

    def pending(self, *, limit: int = 100) -> list[PendingView]:
        """Return what waits for a person, newest first, as `bq-copilot pending --json` does."""
        from bq_copilot import list_views, waiting_list  # noqa: PLC0415 - `show` does not need it

        reader = self.installation.reader
        heads = reader.heads(sorted(WAITING), limit=limit)
        return list_views.pending(waiting_list.waiting_states(heads, reader), reader.now())


class RunHandle(HistoryVerbs, UndoVerbs):
    """One run: look at it, follow it, decide about it. Its state is read from the ledger on every look."""

    def __init__(self, copilot: Copilot, run_id: str) -> None:
        self.run_id = run_id
        self._copilot = copilot
        self._installation = copilot.installation
        self._seen: list[Update] = []
        self.woken = Woken(True)
        """Whether the last decision made the run go on at once, and if not, what will."""
        if self.state.seq == 0:
            raise missing(run_id, self._installation.reader.pruned_rows(run_id))

    def __repr__(self) -> str:
        return f"<RunHandle {self.run_id} {self._last.phase}>"

    @property
    def _last(self) -> RunState:
        """The run as it was at the last look."""
        return self._seen[-1].state if self._seen else RunState(run_id=self.run_id)

    @property
    def state(self) -> RunState:
        """The run as the ledger has it now."""
        last = self._last
        for one in self._installation.reader.read(self.run_id, after=last.seq):
            last = apply(last, one)
            self._seen.append(Update(one.seq, one.at, one.event.kind, last.phase, one.event, last))
        return last

    @property
    def phase(self) -> Phase:
        """Where the run stands now."""
        return self.state.phase

    def start(self, *, somebody_waits: bool = False) -> str:
        """Make sure that the run has a flow run, and return its id. Raises Unreachable or Refused."""
        state = self.state
        if state.started is None and not state.phase.is_terminal and state.received is not None:
            from bq_copilot.waking import start  # noqa: PLC0415 - loads httpx; looking does not need it

            return start(self._installation, self.run_id, state.received, somebody_waits).id
        return state.started.flow_run_id if state.started else ""

    def fork(
        self,
        at: int = 0,
        *,
        answer: str = "",
        sql: Mapping[str, str] | None = None,
        model: str = "",
        policy: str = "",
        request_key: str | None = None,
        start: bool = True,
    ) -> RunHandle:
        """Begin a new run, yours, from event `at` (0: where the edits belong); `policy` is YAML. Raises Refused."""
        from bq_copilot.fork_recording import record_fork  # noqa: PLC0415 - looking does not need it

        key = request_key or uuid.uuid4().hex
        edits = {"answer": answer, "sql": dict(sql or {}), "model": model, "policy": policy}
        run_id = record_fork(self._installation, self.run_id, at, edits, local_user(), self._copilot.via, key)
        run = self._copilot.run(run_id)
        if start:
            run.start()
        return run

    @property
    def follow_ups(self) -> FollowUps:
        """The follow-ups, for those of this run."""
        return self._copilot.followups

    def server_answers(self) -> bool:
        """Say whether the Prefect server answers."""
        return bool(self._installation.api_url) and self._installation.api.is_healthy()

    # -- looking -----------------------------------------------------------------------------------------

    def show(self) -> ShowView:
        """Return what `bq-copilot show --json` prints."""
        state = self.state
        pages = {query: self.page(query) for query in views.answered_queries(state)}
        return views.show(state, pages, self.receipts())

    def card(self) -> Card:
        """Return the approval card of the open request; empty when none is open."""
        state = self.state
        if state.plan is None or state.plan.request is None or state.phase is not Phase.AWAITING_APPROVAL:
            return ()
        from bq_copilot.card import card_of  # noqa: PLC0415 - looking at a run that waits for nobody does not need it

        return card_of(state.plan, state.earlier, self._installation.reader.now())

    def receipts(self) -> ReceiptsView:
        """Check the hash chain; `Copilot.verify` checks everything."""
        rows = self._installation.reader.rows(self.run_id)
        try:
            last = receipts.verify(rows)
        except Damaged as error:
            return ReceiptsView(verified=False, rows=len(rows), head="", problem=error.message, seq=error.seq)
        head = last.hash if last else receipts.GENESIS
        return ReceiptsView(verified=True, rows=len(rows), head=head, problem=None, seq=None)

    def page(self, query: str) -> list[list[Any]]:
        """Return the stored rows of a query's result."""
        result = self.state.results.get(query)
        if result is None:
            known = ", ".join(views.answered_queries(self._last)) or "none yet"
            raise Refused(f"{self.run_id} has no result {query}; it has {known}.", code="no_result")
        return json.loads(self._installation.shelf.get(result.page))["rows"]

    def result(self, query: str | None = None) -> pd.DataFrame:
        """Return the stored page of a query's result (the answer's own by default) as a DataFrame."""
        import pandas as pd  # noqa: PLC0415 # pyright: ignore[reportMissingTypeStubs] - loads slowly, wanted only here

        name = query or views.main_query(self.state)
        if name is None:
            raise Refused(f"{self.run_id} has no result; it is {self.phase}.", code="no_result")
        rows, columns = self.page(name), [c.name for c in self._last.results[name].columns]
        return pd.DataFrame(rows, columns=pd.Index(columns))

    # -- following ---------------------------------------------------------------------------------------

    def updates(self, *, after: int = 0) -> list[Update]:
        """Return what has happened so far after seq `after`."""
        self.state  # noqa: B018 - looks at the ledger
        start_at = bisect_right(self._seen, after, key=lambda update: update.seq)
        return self._seen[start_at:]

    def stream(self, *, after: int = 0, timeout: float | None = None) -> Iterator[Update]:
        """Yield every event after seq `after` until the run has ended, as the ledger gets them.

        Survives restarts of either side: it holds nothing but the last seq, and a ledger that does not answer is asked
        again for five minutes. Raises TimeoutError, LedgerUnavailable.
        """
        deadline, pause, answered_at = deadline_in(timeout), threading.Event(), time.monotonic()
        while True:
            try:
                news, answered_at = self.updates(after=after), time.monotonic()
            except LedgerUnavailable:
                if time.monotonic() - answered_at > OUTAGE_SECONDS:
                    raise
                news = []
            for update in news:
                after = update.seq
                yield update
            if self._last.phase in TERMINAL and after >= self._last.seq:
                return
            check(deadline, self.run_id)
            pause.wait(POLL_SECONDS)

    def wait(
        self, until: Callable[[RunState], bool] | Iterable[str] | None = None, *, timeout: float | None = None
    ) -> RunHandle:
        """Wait until a phase of `until` (or its condition) is reached; by default, until a person is needed.

        It returns when the run has ended in any case. Raises TimeoutError after `timeout` seconds.
        """
        reached = condition(until)
        deadline, pause = deadline_in(timeout), threading.Event()
        while not ((state := self.state).phase in TERMINAL or reached(state)):
            check(deadline, self.run_id)
            pause.wait(POLL_SECONDS)
        return self

    # -- deciding ----------------------------------------------------------------------------------------

    def approve(self, *, digest: str | None = None, reason: str = "", code: str = "") -> RunHandle:
        """Approve the open request. Name the `digest` that you saw to approve nothing else.

        You are the operating system's user, or whoever signed `code` (`bq-copilot sign`).
        """
        return self._decide("approve", digest, code, reason=reason)

    def reject(self, reason: str = "", *, digest: str | None = None, code: str = "") -> RunHandle:
        """Reject the open request."""
        return self._decide("reject", digest, code, reason=reason)

    def edit(self, sql: Mapping[str, str], *, digest: str | None = None, reason: str = "", code: str = "") -> RunHandle:
        """Replace the SQL of one or more queries, {query id: SQL}; it is checked and asked about again."""
        return self._decide("edit", digest, code, reason=reason, sql=tuple(sql.items()))

    def delegate(self, to: str, *, digest: str | None = None, reason: str = "", code: str = "") -> RunHandle:
        """Give your decision about the open request to somebody else."""
        return self._decide("delegate", digest, code, reason=reason, delegate_to=to)

    def _decide(self, verdict: str, digest: str | None, code: str, **more: object) -> RunHandle:
        state = self.state
        plan = views.newest_request(state)
        if plan is None or plan.request is None:
            raise Refused(
                f"No approval is waited for; the run is {state.phase}.",
                code="nothing_to_decide",
                next=f"Look at it with `bq-copilot show {self.run_id}`.",
            )
        seen = plan.digest if digest is None else full_digest(digest, plan.digest)
        identity = identities.by_code(code) if code else identities.local_user()
        decision = deciding.decision_by(identity, plan.request.request_id, seen, verdict, self._copilot.via, **more)
        return self._record(lambda journal: deciding.decide(journal, decision))

    def answer(self, text: str) -> RunHandle:
        """Answer the clarifying question that is open."""
        if not text.strip():
            raise Refused("The answer is empty.", code="no_answer", next="Say it in a few words.")
        return self._record(lambda journal: deciding.answer(journal, text, local_user(), self._copilot.via))

    def cancel(self, reason: str = "") -> RunHandle:
        """Ask the run to stop; jobs that are alive are cancelled first."""
        before = self.state.phase
        return self._stopped(deciding.cancel(self._journal(), local_user(), self._copilot.via, reason), before)

    # -- operating ---------------------------------------------------------------------------------------

    def resume(self, reason: str = "") -> RunHandle:
        """Let a parked run go on where it stopped. Raises Refused when it is not parked."""
        return self._take_up(lambda journal: operating.resume(journal, local_user(), self._copilot.via, reason))

    def abandon(self, reason: str = "") -> RunHandle:
        """Give a parked run up: jobs that are alive are stopped, then it is cancelled. Raises Refused or Conflict."""
        before = self.state.phase
        return self._stopped(operating.abandon(self._journal(), local_user(), self._copilot.via, reason), before)

    def retry(self, reason: str = "") -> RunHandle:
        """Try again what a partly finished run has no result of; asks again only if what was approved has changed.

        Raises Refused when nothing is left to try.
        """
        return self._take_up(lambda journal: operating.retry(journal, local_user(), self._copilot.via, reason))

    def _journal(self) -> Journal:
        return Journal.open(self._installation.ledger, self.run_id)

    def _stopped(self, state: RunState, before: Phase) -> RunHandle:
        """Let Prefect know of a cancel: of its end, or that a process is needed to carry it out."""
        from bq_copilot import waking  # noqa: PLC0415 - loads httpx; looking does not need it

        if state.phase is Phase.CANCELLED:
            self.woken = waking.tell_cancelled(self._installation, state)
            return self
        self.woken = waking.wake(self._installation, state, before, lambda: self.state.seq > state.seq)
        if not self.woken.ok:
            self.woken = waking.put_back(self._installation, state, "it was cancelled; its jobs are being stopped")
        return self

    def _take_up(self, append: Callable[[Journal], RunState]) -> RunHandle:
        from bq_copilot.waking import put_back  # noqa: PLC0415 - loads httpx; looking does not need it

        state = append(self._journal())
        self.woken = put_back(self._installation, state, "an operator took it up again")
        return self

    def _record(self, append: Callable[[Journal], RunState]) -> RunHandle:
        before = self.state.phase
        state = append(self._journal())
        decided = state.plan is not None and state.plan.decided is not None
        if before is not Phase.AWAITING_APPROVAL or decided or state.phase is not before:
            from bq_copilot.waking import wake  # noqa: PLC0415 - loads httpx; looking does not need it

            self.woken = wake(self._installation, state, before, lambda: self.state.seq > state.seq)
        return self
