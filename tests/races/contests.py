"""The contests: who does what to one run at the same moment, and what must be true afterwards.

Decides: what counts as exactly one decision. Every check reads the ledger, then compares what the contenders were
told with it: a winner stands in the ledger, a loser knows the winner's name, verdict and time.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from bq_copilot import deciding, receipts, steps
from bq_copilot.events import Recorded
from bq_copilot.identities import How, Identity
from bq_copilot.journal import Journal
from bq_copilot.ledger_sql import SqlLedger
from bq_copilot.transitions import fold
from tests.approvals.stage import Stage
from tests.races.grounds import Contender, contested, race, seconds_to_record


def decides(name: str, verdict: str) -> Contender:
    """Return a person who gives this verdict."""

    def contend(ledger: SqlLedger, stage: Stage) -> str:
        who = Identity(name, How.LOCAL_USER)
        deciding.decide(Journal.open(ledger, stage.state.run_id), stage.decision(who, verdict))
        return f"won {name} {verdict}"

    return contend


def cancels(ledger: SqlLedger, stage: Stage) -> str:
    """Somebody cancels the run."""
    deciding.cancel(Journal.open(ledger, stage.state.run_id), "cora", "test")
    return "won cora cancel"


def expires(ledger: SqlLedger, stage: Stage) -> str:
    """The recovery service finds it due, as soon as it is."""
    deciding.expire(Journal.open(ledger, stage.state.run_id))
    return "won clock expire"


def uses(ledger: SqlLedger, stage: Stage) -> str:
    """The flow uses the approval."""
    plan = stage.plan
    assert plan.request is not None
    deciding.consume(Journal.open(ledger, stage.state.run_id), plan.request.request_id, plan.digest)
    return "won flow consume"


def at_the_last_moment(contender: Contender, earliest: float, latest: float) -> Contender:
    """Return the same, begun so many milliseconds after the expiry; an approval takes some until it is recorded."""

    def contend(ledger: SqlLedger, stage: Stage) -> str:
        request = stage.plan.request
        assert request is not None
        moment = request.expires_at + timedelta(milliseconds=random.uniform(earliest, latest))
        pause = threading.Event()
        while (left := (moment - ledger.now()).total_seconds()) > 0:
            pause.wait(min(left, 0.5))
        return contender(ledger, stage)

    return contend


@dataclass(frozen=True)
class Contest:
    """Two or more contenders, and the rule that the ledger must obey."""

    name: str
    contenders: tuple[Contender, ...]
    rule: Callable[[list[Recorded], list[str]], None]
    expires: bool = False
    """Whether the requests expire while they are contested, one after the other."""

    def run(self, url: str, count: int) -> dict[str, int]:
        """Run it `count` times; return how often each contender won. Raises AssertionError."""
        lead = 2.0 + 1.6 * count * seconds_to_record() if self.expires else 0.0
        stages = contested(count, url, expire_in=(lambda i: lead + 0.02 * i) if self.expires else None)
        told = race(url, stages, self.contenders)
        ledger, wins = SqlLedger(url), dict[str, int]()
        for stage, said in zip(stages, told, strict=True):
            self.rule(ledger.read(stage.state.run_id), said)
            assert receipts.verify(ledger.rows(stage.state.run_id)) is not None
            for word in said:
                key = word if word.startswith("won") else "lost"
                wins[key] = wins.get(key, 0) + 1
        ledger.close()
        return wins


def one_decision(events: list[Recorded], said: list[str]) -> None:
    """One decision stands; all others were told whose it is and when it was made."""
    decided = [e for e in events if e.event.kind == "approval_decided"]
    assert len(decided) == 1, said
    assert decided[0].event.kind == "approval_decided"
    decision = decided[0].event.decision
    assert sum(word.startswith("won") for word in said) == 1, said
    assert f"won {decision.by} {decision.verdict}" in said
    lost = f"decided_before {decision.by} {decision.verdict} {decided[0].at}"
    assert [word for word in said if not word.startswith("won")] == [lost] * (len(said) - 1), said


def in_time_or_expired(events: list[Recorded], said: list[str]) -> None:
    """Either the approval came in time and nothing expired, or it expired and the approval was refused."""
    decided = [e for e in events if e.event.kind == "approval_decided"]
    ended = [e for e in events if e.event.kind == "run_ended"]
    state = fold(events[0].run_id, events)
    plan = state.plan
    assert plan is not None and plan.request is not None
    assert len(decided) <= 1 and len(ended) <= 1
    assert not (decided and ended), said
    if decided:
        assert decided[0].at <= plan.request.expires_at
        assert said[0].startswith("won") and said[1].startswith("not_due"), said
    else:
        assert said[0].startswith("expired"), said
        assert not ended or ended[0].at > plan.request.expires_at
        assert any(e.event.kind == "decision_refused" for e in events), "the late attempt is on record"
    assert state.bytes_billed == 0


def approved_or_cancelled(events: list[Recorded], said: list[str]) -> None:
    """A cancel always counts; with it no approval is used afterwards, and no step leads to a job."""
    state = fold(events[0].run_id, events)
    decided = [e for e in events if e.event.kind == "approval_decided"]
    assert state.cancel is not None and said[1] == "won cora cancel"
    assert len(decided) == said[0].startswith("won"), said
    assert decided or said[0].startswith("cancelled_before cora cancel"), said
    step = steps.next_step(state)
    assert isinstance(step, steps.End | steps.Done) and step.phase == "cancelled", step


def used_once(events: list[Recorded], said: list[str]) -> None:
    """Several processes of the same run use one approval: one does, the others know when."""
    used = [e for e in events if e.event.kind == "approval_consumed"]
    assert len(used) <= 1
    assert sum(word == "won flow consume" for word in said) == len(used), said
    one_decision(events, [word for word in said if word.startswith(("won ann", "won ben", "decided_before"))])


CONTESTS = (
    Contest("double approval", (decides("ann", "approve"), decides("ben", "approve")), one_decision),
    Contest("approve against reject", (decides("ann", "approve"), decides("ben", "reject")), one_decision),
    Contest(
        "approve against expiry",
        (at_the_last_moment(decides("ann", "approve"), -250, 5), at_the_last_moment(expires, -10, 20)),
        in_time_or_expired,
        expires=True,
    ),
    Contest("approve against cancel", (decides("ann", "approve"), cancels), approved_or_cancelled),
    Contest(
        "approve, approve, use, use", (decides("ann", "approve"), decides("ben", "approve"), uses, uses), used_once
    ),
)
