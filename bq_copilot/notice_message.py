"""The words of a notice: what waits, the facts of the card, and where to go. Bounded, and from facts only.

Decides what leaves the platform by a channel that others may read: no SQL, no figure of a result, nothing that the
model wrote, no text of an error. The question is the requester's own, so it is quoted as theirs, and nothing in it can
become a link, a mention or markup of the channel.
"""

from __future__ import annotations

from datetime import datetime

from bq_copilot.card import facts_of
from bq_copilot.card_blocks import Fact
from bq_copilot.card_blocks import Notice as CardNotice
from bq_copilot.events import FollowUpRan, Recorded
from bq_copilot.notices import Due
from bq_copilot.phases import Phase
from bq_copilot.safe_text import clip
from bq_copilot.series import Series
from bq_copilot.state import Plan, RunState

QUESTION, LINE, BODY, NAME = 280, 400, 2_400, 60
"""Most characters of the question, of one line, of the whole and of a person's name."""

SUBJECTS = {
    "approval": "An approval waits",
    "question": "A question waits for an answer",
    "reminder": "An approval still waits",
    "escalation": "An approval waits, and more people may decide now",
    "delegated": "An approval was handed over",
    "parked": "A run is parked",
    "cancel_unconfirmed": "A cancel is not confirmed",
    "follow_up": "A follow-up waits to be accepted",
    "follow_up_finished": "A follow-up has finished",
}

REMINDERS = {
    Phase.AWAITING_ANSWER: "A question still waits for an answer",
    Phase.AWAITING_FOLLOW_UP: "A follow-up still waits to be accepted",
}
"""The subject of a reminder where no approval waits."""

INVITATIONS = {
    Phase.AWAITING_APPROVAL: "Decide in the form",
    Phase.AWAITING_ANSWER: "Answer in the form",
    Phase.AWAITING_FOLLOW_UP: "Accept or decline it in the form",
}

SHOWN = ("Reads", "Tables", "Tagged data", "To look at", "Warehouse", "May decide", "Approved by", "Expires")

INERT = str.maketrans({"<": "\u2039", ">": "\u203a", "@": "(at)", "[": "\u27e6", "]": "\u27e7", "`": "'"})
"""What channels take for markup, links or mentions, and what is written instead."""


def message(state: RunState, events: list[Recorded], due: Due, now: datetime, link: str) -> tuple[str, str]:
    """Return (subject, body)."""
    subject = f"BigQuery Copilot: {_subject(state, due)} ({state.run_id})"
    question = f"“{harmless(state.question, QUESTION)}”"
    asked = f"Question, as {harmless(state.requester, NAME)} wrote it (not checked): {question}"
    to = [f"For: {harmless(due.to, NAME)}"] if due.to else []
    lines = [*to, asked, *_facts(state, events, due, now)]
    if link:
        lines += ["", f"{_invitation(state)}: {link}"]
    text = "\n".join(lines)
    return subject, text if len(text) <= BODY else text[: BODY - 1] + "…"


def harmless(text: str, most: int) -> str:
    """Return foreign text on one line, with nothing in it that a channel would act on."""
    return clip(text, most).translate(INERT).replace("://", ": //")


def _subject(state: RunState, due: Due) -> str:
    again = REMINDERS.get(state.phase) if due.notice == "reminder" else None
    return again or SUBJECTS[due.notice]


def _invitation(state: RunState) -> str:
    return INVITATIONS.get(state.phase, "Look at it")


def _facts(state: RunState, events: list[Recorded], due: Due, now: datetime) -> list[str]:
    match due.notice:
        case "parked":
            code = state.failure.code if state.failure else "unknown"
            return [f"Why: {code}", f"Then: bq-copilot show {state.run_id}, resume or abandon it."]
        case "cancel_unconfirmed":
            jobs = state.unconfirmed.jobs if state.unconfirmed else ()
            return [f"Jobs that may be alive: {', '.join(jobs[:4])}{' …' if len(jobs) > 4 else ''}"]
        case "follow_up_finished":
            ran = events[due.about - 1].event
            return _ran(ran) if isinstance(ran, FollowUpRan) else []
        case "delegated":
            return [*_handed(state.plan, due.to), *_card(state.plan, state, now)] if state.plan else []
        case _ if state.phase is Phase.AWAITING_ANSWER:
            return _question(state)
        case _ if state.phase is Phase.AWAITING_FOLLOW_UP:
            return _follow_up(state.series[-1])
        case _:
            return _card(state.plan, state, now) if state.plan else []


def _handed(plan: Plan, to: str) -> list[str]:
    """Who handed the decision over; never why, in whose words ever."""
    return [f"Handed over by: {harmless(d.by, NAME)}" for d in plan.delegations if d.delegate_to == to][-1:]


def _question(state: RunState) -> list[str]:
    """What is known of the question that waits: its words are the model's, so they are told in the form alone."""
    asked = state.asked
    if asked is None:
        return []
    form = f"one of {len(asked.options)} options" if asked.options else f"a {asked.answer_kind}"
    return [
        f"The copilot asks something before it goes on; the answer is {form}.",
        f"Expires: {asked.expires_at:%Y-%m-%d %H:%M} UTC",
        f"Or: bq-copilot show {state.run_id}, then bq-copilot answer {state.run_id} TEXT",
    ]


def _follow_up(series: Series) -> list[str]:
    """When it would run; the question of the series may be the model's, so it is told in the form alone."""
    asked = series.requested
    return [
        "The run has its answer and would ask again; nothing is scheduled unless somebody accepts.",
        f"When: {harmless(asked.rhythm.words, LINE)}; until {asked.until:%Y-%m-%d %H:%M} UTC",
        f"Expires: {asked.expires_at:%Y-%m-%d %H:%M} UTC",
        f"Or: bq-copilot followups show {series.id}, then accept or decline {series.id}",
    ]


def _ran(ran: FollowUpRan) -> list[str]:
    change = f", changed by {ran.change_percent:+.1f} %" if ran.change_percent is not None else ""
    return [
        f"Follow-up {ran.series}, due {ran.due:%Y-%m-%d %H:%M} UTC: {ran.outcome}{change}",
        f"Then: bq-copilot show {ran.run}, or bq-copilot followups show {ran.series}",
    ]


def _card(plan: Plan, state: RunState, now: datetime) -> list[str]:
    """The first screen of the approval card: of each label the first, what follows is about single queries."""
    lines: list[str] = []
    left = set(SHOWN)
    for block in facts_of(plan, state.earlier, now):
        if isinstance(block, CardNotice) and block.text.startswith("Sandbox"):
            lines.append(block.text)
        if isinstance(block, Fact) and block.label in left:
            left.remove(block.label)
            said = " ".join(part for part in (block.text, ", ".join(block.names)) if part)
            lines.append(f"{block.label}: {harmless(said, LINE)}")
    return [*lines, f"Or: bq-copilot show {state.run_id}"]
