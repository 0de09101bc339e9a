"""What programs and people see of a run's notices: who was told by which channel, when, or why nobody was."""

from __future__ import annotations

from datetime import datetime

from bq_copilot.notice_record import Notice
from bq_copilot.notices import question_name
from bq_copilot.phases import Phase
from bq_copilot.state import RunState
from bq_copilot.view_types import NoticeView


def notices(state: RunState) -> list[NoticeView]:
    """Return every notice of a run, oldest first."""
    return [_view(n) for n in state.notices]


def notices_of_wait(state: RunState) -> list[NoticeView]:
    """Return the notices about what waits for a person now: approval request, question or follow-up."""
    of = _waits(state)
    return [_view(n) for n in state.notices if of and n.key.endswith(f" {of}")]


def _waits(state: RunState) -> str:
    match state.phase:
        case Phase.AWAITING_APPROVAL if state.plan and state.plan.request:
            return state.plan.request.request_id
        case Phase.AWAITING_ANSWER if state.asked:
            return question_name(state.asked)
        case Phase.AWAITING_FOLLOW_UP:
            return state.series[-1].id
        case _:
            return ""


def _view(n: Notice) -> NoticeView:
    last = n.told_at or n.failed_at or n.tried_at
    return NoticeView(
        notice=n.notice,
        state=n.stands,
        channel=n.channel,
        tries=n.attempt,
        at=last.isoformat(),
        error=n.error,
        next_try=n.next_at.isoformat() if n.next_at else None,
    )


def told_words(view: NoticeView) -> str:
    """Return one notice as a line for people."""
    what, at = view["notice"].replace("_", " "), datetime.fromisoformat(view["at"])
    tries = "1 try" if view["tries"] == 1 else f"{view['tries']} tries"
    match view["state"]:
        case "told":
            return f"{what}: told by {view['channel']} at {at:%H:%M} UTC"
        case "open":
            return f"{what}: being told by {view['channel']} since {at:%H:%M} UTC ({tries})"
        case _:
            then = f", again at {datetime.fromisoformat(view['next_try']):%H:%M} UTC" if view["next_try"] else ""
            return f"{what}: could not be told ({tries}): {view['error']} by {view['channel']}{then}"
