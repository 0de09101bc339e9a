"""The schedule of an accepted follow-up in Prefect: a deployment of its own, beside the one that it is made like.

Edge module. Decides what that deployment looks like. It is named after the series, so that a repeated step finds it,
and is never changed once it is there: whoever edits its schedule in the Prefect UI is right. What is stopped is
paused, not removed, so that its runs stay together; what is undone loses its schedule. Whether anything may run is
not decided here but by the ledger.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from bq_copilot.appending import append
from bq_copilot.card_markdown import plain
from bq_copilot.errors import Refused
from bq_copilot.events import FollowUpScheduled
from bq_copilot.journal import Journal
from bq_copilot.rhythm import Rhythm
from bq_copilot.series import Series
from bq_copilot.state import RunState

if TYPE_CHECKING:
    from bq_copilot.prefect_api import PrefectApi

FLOW = "follow-up"
TEMPLATE = "follow-up/follow-up"
"""The deployment that says where follow-ups run and from which code."""

TAG = "follow-up-series"

_TAKEN_OVER = (
    "flow_id",
    "entrypoint",
    "path",
    "pull_steps",
    "work_pool_name",
    "work_queue_name",
    "job_variables",
    "parameter_openapi_schema",
    "enforce_parameter_schema",
    "version",
)


def schedule_of(rhythm: Rhythm) -> dict[str, Any]:
    """Return the rhythm as Prefect writes schedules."""
    match rhythm.form:
        case "cron":
            return {"cron": rhythm.cron, "timezone": "UTC"}
        case "interval":
            assert rhythm.at is not None
            return {"interval": rhythm.seconds, "anchor_date": rhythm.at.isoformat(), "timezone": "UTC"}
        case "once":
            start = f"DTSTART:{rhythm.at:%Y%m%dT%H%M%S}"
            return {"rrule": f"{start}\nRRULE:FREQ=DAILY;COUNT=1", "timezone": "UTC"}


def ensure(api: PrefectApi, state: RunState, series: Series) -> FollowUpScheduled:
    """Make the series' deployment, or find the one that is there. Raises Unreachable or Refused."""
    name = f"{FLOW}/{series.id}"
    found = api.deployment(name)
    if found is None:
        template = api.deployment(TEMPLATE)
        if template is None:
            raise Refused(
                f"The Prefect server at {api.url} has no deployment {TEMPLATE}.",
                code="deployment_missing",
                next="Provision it: `bq-copilot up`, or `prefect deploy --all` in the project.",
            )
        found = api.create_deployment(_like(template, state, series))
    return FollowUpScheduled(series=series.id, deployment=name, deployment_id=str(found["id"]))


def record(journal: Journal, api: PrefectApi, series: Series) -> None:
    """Make the schedule of a parent that has ended, and record it; somebody else may have been first."""
    made = ensure(api, journal.state, series)
    try:
        append(journal, lambda _state: made)
    except Refused:
        return


def unscheduled(state: RunState) -> list[Series]:
    """Return what was accepted and has no schedule, in a run that has ended and cannot make it itself."""
    if not state.phase.is_terminal:
        return []
    return [s for s in state.series if s.accepted and s.scheduled is None and s.stopped is None]


def _like(template: dict[str, Any], state: RunState, series: Series) -> dict[str, Any]:
    accepted = series.accepted
    assert accepted is not None
    environment = state.received.environment if state.received else "default"
    who, until = plain(accepted.by), f"{accepted.until:%Y-%m-%d}"
    return {
        **{key: template[key] for key in _TAKEN_OVER if template.get(key) is not None},
        "name": series.id,
        "description": f"{plain(series.question)}\n\nFollow-up of {state.run_id}, accepted by {who}; until {until}.",
        "tags": ["bq-copilot", TAG],
        "parameters": {"parent": state.run_id, "series": series.id, "environment": environment},
        "schedules": [{"schedule": schedule_of(accepted.rhythm), "active": True}],
    }


def delete(api: PrefectApi, parent: str, series: str) -> Literal["done", "absent", "not_ours"]:
    """Delete the series' schedules, if the deployment is this parent's. Raises Unreachable or Refused.

    The deployment stays: without a schedule it starts nothing, and a run of it that waits for a person needs it.
    """
    found = api.deployment(f"{FLOW}/{series}")
    if found is None:
        return "absent"
    parameters: dict[str, Any] = found.get("parameters") or {}
    if parameters.get("parent") != parent:
        return "not_ours"
    schedules: list[dict[str, Any]] = found.get("schedules") or []
    gone = [api.delete_schedule(str(found["id"]), str(s["id"])) for s in schedules]
    return "done" if any(gone) else "absent"


def pause(api: PrefectApi, series: str) -> bool:
    """Pause the series' schedule; False when Prefect has none. Raises Unreachable or Refused."""
    found = api.deployment(f"{FLOW}/{series}")
    if found is None:
        return False
    api.pause_deployment(str(found["id"]))
    return True
