"""How approvers behave: how often they are asked, how fast they decide, and whether they read.

Pure: figures from events. It judges nobody; a median of two seconds and approved canaries say enough. Requests that
the policy approves by itself count as automatic, canaries only as canaries.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from statistics import median
from typing import TypedDict

from bq_copilot.approval import ApprovalRequest, Decision
from bq_copilot.events import Recorded
from bq_copilot.notice_events import NOTICE_KINDS

FAST_SECONDS = 2.0
"""Nobody has read a card and its SQL in less."""


class DecisionFigures(TypedDict):
    """Decisions of everybody, or of one person; seconds from the question to the decision."""

    decided: int
    approved: int
    rejected: int
    edited: int
    delegated: int
    approval_rate: float | None
    seconds_median: float | None
    seconds_p95: float | None
    approved_under_2s: int
    canaries_shown: int
    canaries_caught: int
    canaries_missed: int


class ApprovalFigures(TypedDict):
    """What `bq-copilot approvals stats --json` prints."""

    runs: int
    asked: int
    asked_per_100_runs: float | None
    automatic: int
    expired: int
    voided: int
    refused_attempts: dict[str, int]
    all: DecisionFigures
    by_approver: dict[str, DecisionFigures]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request to people and what they decided about it."""

    request: ApprovalRequest
    at: datetime
    decisions: tuple[tuple[Decision, datetime], ...] = ()


def figures(runs: Iterable[Sequence[Recorded]], since: datetime | None = None) -> ApprovalFigures:
    """Return the figures of these runs, each given as its events; requests before `since` are left out."""
    asked: list[Asked] = []
    count, counts, refused = 0, Counter[str](), Counter[str]()
    for events in runs:
        if not events or (since is not None and events[-1].at < since):
            continue
        count += 1
        found = [a for a in _requests(events) if since is None or a.at >= since]
        asked += found
        counts += _counts(events, found)
        refused += Counter(one.event.failure.code for one in events if one.event.kind == "decision_refused")
    real = [a for a in asked if not a.request.canary and a.request.approvers.tier > 0]
    people = sorted({d.by for a in asked for d, _ in a.decisions if d.identity != "policy"})
    return ApprovalFigures(
        runs=count,
        asked=len(real),
        asked_per_100_runs=round(100 * len(real) / count, 1) if count else None,
        automatic=sum(a.request.approvers.tier == 0 for a in asked),
        expired=counts["expired"],
        voided=counts["voided"],
        refused_attempts=dict(sorted(refused.items())),
        all=_of(asked, None),
        by_approver={name: _of(asked, name) for name in people},
    )


def _requests(events: Sequence[Recorded]) -> list[Asked]:
    found: dict[str, Asked] = {}
    for one in events:
        event = one.event
        if event.kind == "approval_requested":
            found[event.digest] = Asked(event.request, one.at)
        elif event.kind == "approval_decided" and event.decision.digest in found:
            before = found[event.decision.digest]
            found[event.decision.digest] = replace(before, decisions=(*before.decisions, (event.decision, one.at)))
    return list(found.values())


def _counts(events: Sequence[Recorded], found: list[Asked]) -> Counter[str]:
    said = [r.event for r in events if r.event.kind not in NOTICE_KINDS]
    ended = said[-1] if said[-1].kind == "run_ended" else None
    waiting = bool(found) and not any(d.verdict != "delegate" for d, _ in found[-1].decisions)
    expired = ended is not None and ended.phase == "expired" and waiting
    return Counter(expired=int(expired), voided=sum(one.event.kind == "approval_voided" for one in events))


def _of(asked: Sequence[Asked], name: str | None) -> DecisionFigures:
    mine = [
        (a, d, (at - a.at).total_seconds())
        for a in asked
        for d, at in a.decisions
        if d.identity != "policy" and (name is None or d.by == name)
    ]
    real = [(d, seconds) for a, d, seconds in mine if not a.request.canary]
    words = Counter[str](d.verdict for d, _ in real)
    spent = sorted(seconds for d, seconds in real if d.verdict != "delegate")
    settled = words["approve"] + words["reject"] + words["edit"]
    shown = [d for a, d, _ in mine if a.request.canary and d.verdict != "delegate"]
    return DecisionFigures(
        decided=settled,
        approved=words["approve"],
        rejected=words["reject"],
        edited=words["edit"],
        delegated=words["delegate"],
        approval_rate=round(words["approve"] / settled, 3) if settled else None,
        seconds_median=round(median(spent), 1) if spent else None,
        seconds_p95=round(spent[math.ceil(0.95 * len(spent)) - 1], 1) if spent else None,
        approved_under_2s=sum(d.verdict == "approve" and seconds < FAST_SECONDS for d, seconds in real),
        canaries_shown=len(shown),
        canaries_caught=sum(d.verdict != "approve" for d in shown),
        canaries_missed=sum(d.verdict == "approve" for d in shown),
    )
