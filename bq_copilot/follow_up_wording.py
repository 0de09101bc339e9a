"""What happened to a follow-up, in one line an event. The part of `wording` about series, grants and reuse."""

from __future__ import annotations

from bq_copilot import events as ev
from bq_copilot.amounts import size


def follow_up_words(event: ev.Event) -> str:
    """Return what happened; empty for an event that is not about follow-ups."""
    match event:
        case ev.FollowUpRequested():
            return f"follow-up {event.series} asked: {event.rhythm.words}"
        case ev.FollowUpDecided():
            under = ", with a standing grant" if event.grant else ""
            return f"follow-up {event.series}: {event.verdict} by {event.by} via {event.via}{under}"
        case ev.FollowUpScheduled():
            return f"follow-up {event.series} scheduled as {event.deployment}"
        case ev.FollowUpStopped():
            return f"follow-up {event.series} stopped by {event.by}"
        case ev.FollowUpRan():
            figure = "" if event.figure is None else f", {event.column} {event.figure:,.2f}"
            return f"follow-up of {event.due:%Y-%m-%d %H:%M}: {event.outcome}{figure}"
        case ev.GrantUsed():
            return f"standing grant used by {event.run}: {size(event.bytes_reserved)} reserved"
        case ev.GrantSettled():
            return f"standing grant: {event.run} billed {size(event.bytes_billed)}"
        case ev.GrantClaimed():
            return f"runs under the standing grant of {event.grant.decision.by}"
        case ev.PlanReused():
            return f"plan of {event.run} taken over" + (f"; gone: {', '.join(event.missing)}" if event.missing else "")
        case ev.ResultReused():
            return f"{event.query}: nothing changed since job {event.result.job_id}; its result counts, nothing runs"
        case ev.ReuseDeclined():
            return f"{event.query}: computed anew, {event.reason}"
        case _:
            return ""
