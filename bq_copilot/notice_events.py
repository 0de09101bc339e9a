"""What can happen to a notice: the part of `events` about telling people outside that a run needs them.

Part of `events`, under the same rule: additive only. A notice is claimed before it is sent, so that of several
processes one sends it; what became of it is recorded by that one. No step of a run depends on any of these.
"""

from __future__ import annotations

from typing import Literal

from bq_copilot.values import Value

NoticeKind = Literal[
    "approval",
    "question",
    "reminder",
    "escalation",
    "delegated",
    "parked",
    "cancel_unconfirmed",
    "follow_up",
    "follow_up_finished",
]


class NoticeIntended(Value):
    """Intent: this process is about to tell it."""

    kind: Literal["notice_intended"] = "notice_intended"
    key: str
    """Names the notice: the same cause gives the same key in every process."""
    notice: NoticeKind
    about: int
    """The event that is the cause."""
    attempt: int
    channel: str
    """The type of the notification block, e.g. `slack-webhook`."""


class NoticeGiven(Value):
    """Outcome: the channel took it."""

    kind: Literal["notice_given"] = "notice_given"
    key: str
    about: int
    attempt: int
    channel: str


class NoticeFailed(Value):
    """Outcome: the channel did not take it."""

    kind: Literal["notice_failed"] = "notice_failed"
    key: str
    about: int
    attempt: int
    channel: str
    error: str
    """The kind of fault and its status; never the channel's own words, which may hold its address."""


NoticeEvent = NoticeIntended | NoticeGiven | NoticeFailed

NOTICE_KINDS = frozenset({"notice_intended", "notice_given", "notice_failed"})


def about(event: object) -> int:
    """Return the place of the event that a notice is about; 0 for an event of any other kind."""
    return event.about if isinstance(event, NoticeIntended | NoticeGiven | NoticeFailed) else 0
