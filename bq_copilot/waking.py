"""Telling Prefect that a run has something to do: create its flow run, or wake the one that waits.

Edge module. Prefect's state decides nothing: what a person decided stands in the ledger before anything here is
called, and the recovery service does the same later when the server is down now. Waking twice is harmless: the
process that wakes reads the ledger first.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from bq_copilot.errors import CopilotError, Refused, Unreachable
from bq_copilot.events import RunReceived
from bq_copilot.installation import Installation
from bq_copilot.phases import Phase
from bq_copilot.prefect_api import FlowRun, PrefectApi
from bq_copilot.queues import queue_of
from bq_copilot.state import RunState
from bq_copilot.woken import Woken

DEPLOYMENT = "analyze/analyze"
"""Flow and deployment that answer questions."""

NAME_LENGTH = 80

WARM_SECONDS = 20.0
"""How long a run's process stays for an answer when the person who asked is still there."""

SETTLE_SECONDS = 3.0
"""How long a run that is just about to wait is given to get there before it is left to the recovery service."""


def start(installation: Installation, run_id: str, received: RunReceived, somebody_waits: bool = False) -> FlowRun:
    """Create the run's flow run, or return the one that exists. Raises Unreachable or Refused.

    With `somebody_waits` its process stays a while for the person's answer; without, it ends and is started again.
    """
    parameters: dict[str, str | float] = {
        "question": received.question,
        "requester": received.requester,
        "request_key": received.request_key,
    }
    environment = received.environment if received.environment != "default" else installation.environment
    if environment != "default":
        parameters["environment"] = environment
    if somebody_waits:
        parameters["warm_seconds"] = WARM_SECONDS
    name = received.question[:NAME_LENGTH]
    return installation.api.create_run(DEPLOYMENT, parameters, name, run_id, queue_of(received.requester))


def form_for(phase: Phase, state: RunState) -> Mapping[str, str]:
    """Return an answer that fits the form which was open in `phase`; the ledger says what it really is."""
    if phase is Phase.AWAITING_ANSWER:
        return {"answer": state.answered.answer if state.answered and state.answered.answer else "cancelled"}
    if phase is Phase.AWAITING_FOLLOW_UP:
        accepted = state.series and state.series[-1].accepted
        return {"decision": "accept" if accepted else "decline"}
    decided = state.plan.decided if state.plan else None
    if state.cancel is not None or decided is None:
        return {"decision": "reject", "reason": "cancelled"}
    return {"decision": decided.verdict, "reason": decided.reason}


def wake(installation: Installation, state: RunState, phase: Phase, has_moved: Callable[[], bool]) -> Woken:
    """Wake the flow run that waited in `phase`; `has_moved` says that the run went on by itself."""
    try:
        return _wake(installation.api, state, form_for(phase, state), has_moved)
    except (Unreachable, Refused) as error:
        return Woken(False, _later(error))


def _wake(api: PrefectApi, state: RunState, answers: Mapping[str, str], has_moved: Callable[[], bool]) -> Woken:
    if not has_moved() and _resumed_at_once(api, state, answers):
        return Woken(True)
    pause, deadline = threading.Event(), time.monotonic() + SETTLE_SECONDS
    said = "its flow run does not wait"
    while not has_moved():
        found = _flow_run(api, state)
        if found is None:
            return Woken(False, "it has no flow run yet; the recovery service creates it")
        if found.state_type in {"SCHEDULED", "PENDING"}:
            return Woken(True)
        if found.waits:
            said = _resume(api, found, answers)
            if not said:
                return Woken(True)
        if time.monotonic() > deadline:
            return Woken(False, f"{said}; the recovery service wakes it if it must be woken")
        pause.wait(0.15)
    return Woken(True)


def _resumed_at_once(api: PrefectApi, state: RunState, answers: Mapping[str, str]) -> bool:
    """Answer the form without looking whether it is open: mostly it is, and the person waits for one request less."""
    flow_run_id = state.started.flow_run_id if state.started else ""
    with suppress(Refused):
        return bool(flow_run_id) and not api.resume(flow_run_id, answers)
    return False


UNHELD = frozenset({"SCHEDULED", "FAILED", "CRASHED", "COMPLETED", "CANCELLED"})
"""States of a flow run that no process holds."""


def tell_cancelled(installation: Installation, state: RunState) -> Woken:
    """Call the flow run of a run that has ended as cancelled so; a process that holds it does that by itself."""
    assert state.phase is Phase.CANCELLED
    try:
        found = _flow_run(installation.api, state)
        held = found is not None and found.state_type not in UNHELD and found.state_name != "Suspended"
        if found is not None and not held:
            installation.api.cancelled(found.id, state.failure.message if state.failure else "cancelled")
    except (Unreachable, Refused) as error:
        return Woken(False, _later(error))
    return Woken(True)


def put_back(installation: Installation, state: RunState, why: str) -> Woken:
    """Put a run that was taken up again in its queue; what is in a queue or has a process is left there."""
    try:
        found = _flow_run(installation.api, state)
        if found is None or found.state_type in {"SCHEDULED", "PENDING", "RUNNING"}:
            return Woken(found is not None, "" if found else "it has no flow run; the recovery service creates it")
        rejected = installation.api.restart(found.id, why)
    except (Unreachable, Refused) as error:
        return Woken(False, _later(error))
    return Woken(not rejected, rejected and f"{rejected}; the recovery service wakes it")


def _flow_run(api: PrefectApi, state: RunState) -> FlowRun | None:
    if state.started is not None and state.started.flow_run_id:
        found = api.flow_run(state.started.flow_run_id)
        if found is not None:
            return found
    return api.flow_run_of(state.run_id)


def _resume(api: PrefectApi, found: FlowRun, answers: Mapping[str, str]) -> str:
    """Answer the form; where that is refused, start the flow run again: it reads the ledger. "" when it took."""
    refused = api.resume(found.id, answers)
    return refused and api.schedule(found.id)


def _later(error: CopilotError) -> str:
    if isinstance(error, Unreachable):
        return "the server does not answer; the run goes on when it is back"
    return f"{error.message} The recovery service wakes the run."
