"""The events of notices in one line each; part of `wording`."""

from __future__ import annotations

from bq_copilot.notice_events import NoticeEvent, NoticeGiven, NoticeIntended


def notice_words(event: NoticeEvent) -> str:
    """Return what happened, in one line."""
    name = event.key.partition(" ")[0].replace("_", " ")
    match event:
        case NoticeIntended():
            return f"notice ({name}) is being given by {event.channel}, try {event.attempt}"
        case NoticeGiven():
            return f"notice ({name}) given by {event.channel}"
        case _:
            return f"notice ({name}) not given by {event.channel}, try {event.attempt}: {event.error}"
