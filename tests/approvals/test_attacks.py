"""Attacks on an approval and on its one use: each is refused with its reason."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from bq_copilot import deciding
from bq_copilot import events as ev
from bq_copilot.approval import ApprovalRequest, Decision, digest_of
from bq_copilot.canonical import canonical_json
from bq_copilot.errors import Conflict, Damaged, Refused
from bq_copilot.identities import How, Identity
from bq_copilot.journal import Journal
from bq_copilot.ledger_sql import SqlLedger
from bq_copilot.phases import Phase
from bq_copilot.receipts import seal
from tests.approvals.stage import OWNERS, TIER_2, TIER_2_CODE, TIER_3, Stage, policy


def consume(stage: Stage) -> Any:
    """Use the approval of a run as a process does that has just opened it."""
    journal = Journal.open(stage.ledger, stage.state.run_id)
    return deciding.consume(journal, stage.reload().request.request_id, stage.plan.digest)


def test_an_approval_is_used_once():
    """The second use is a conflict that says when the first one was."""
    stage = Stage()
    stage.decide("ben")
    assert consume(stage).plan.consumed
    with pytest.raises(Conflict, match="was used before at 2026-07-01 09:00:00 UTC"):
        consume(stage)


def test_a_replayed_decision_is_told_who_won():
    """Sending the same decision again changes nothing and names the winner and the time."""
    stage = Stage()
    decision = stage.decision("ben")
    deciding.decide(stage.journal, decision)
    stage.ledger.advance(3)  # type: ignore[attr-defined]
    with pytest.raises(Conflict) as lost:
        deciding.decide(stage.journal, decision)
    assert (lost.value.winner, lost.value.verdict, str(lost.value.at)) == (
        "ben",
        "approve",
        "2026-07-01 09:00:00+00:00",
    )
    assert stage.refusals()[0].failure.code == "decided_before"


def test_a_decision_of_one_run_does_not_work_in_another():
    """The request id and the nonce make every request its own."""
    one, other = Stage(run_id="r-one"), Stage(run_id="r-other")
    with pytest.raises(Refused) as refused:
        deciding.decide(other.journal, one.decision("ben"))
    assert refused.value.code == "other_request"


def test_nothing_is_used_before_it_is_approved():
    """An open request cannot be consumed."""
    with pytest.raises(Refused) as refused:
        consume(Stage())
    assert refused.value.code == "not_approved"


def test_one_of_two_approvals_is_not_enough():
    """Half a quorum executes nothing."""
    stage = Stage(policy(TIER_3, roles=OWNERS))
    stage.decide("ben")
    with pytest.raises(Refused) as refused:
        consume(stage)
    assert refused.value.code == "not_approved"


def test_a_rejected_request_is_never_used():
    """Nor approved after all: the first decision stands."""
    stage = Stage()
    stage.decide("ben", "reject", reason="too wide")
    with pytest.raises(Conflict, match="ben rejected it before"):
        stage.decide("cora")
    with pytest.raises(Refused):
        consume(stage)


def test_an_approval_that_went_past_the_rules_is_not_used():
    """Whoever appends an approval to the ledger directly gets nothing executed."""
    stage = Stage(policy(TIER_2))
    forged = Decision(
        request_id=stage.request.request_id, digest=stage.plan.digest, verdict="approve", by="ana", via="cli"
    )
    stage.journal.append(ev.ApprovalDecided(decision=forged.model_copy(update={"identity": "local-user"})))
    assert stage.state.phase is Phase.EXECUTING
    with pytest.raises(Damaged, match="approved their own question"):
        consume(stage)


def test_an_appended_approval_without_a_code_is_not_used():
    """Where policy wants a code, a row in the ledger is no approval."""
    stage = Stage(policy(TIER_2_CODE))
    known = {"request_id": stage.request.request_id, "digest": stage.plan.digest, "verdict": "approve"}
    forged = Decision(**known, by="ben", via="cli", identity="code", code="bqc1.ben.approve.9999999999." + "A" * 86)
    stage.journal.append(ev.ApprovalDecided(decision=forged))
    with pytest.raises(Damaged, match="the code of ben does not verify"):
        consume(stage)


@pytest.mark.parametrize("identity", ["policy", "unverified"])
def test_an_appended_approval_without_an_identity_is_not_used(identity: str):
    """Neither the policy's own mark nor an unverified name stands for a person."""
    stage = Stage()
    known = {"request_id": stage.request.request_id, "digest": stage.plan.digest, "verdict": "approve"}
    stage.journal.append(ev.ApprovalDecided(decision=Decision(**known, by="ben", via="cli", identity=identity)))
    with pytest.raises(Damaged, match="nobody knows who approved it"):
        consume(stage)


def test_two_appended_spellings_are_not_two_people():
    """The names are compared again at the use."""
    stage = Stage(policy({"tier": 3, "always": True, "approvers": 2, "role": "owners"}, roles=OWNERS))
    known = {"request_id": stage.request.request_id, "digest": stage.plan.digest, "verdict": "approve"}
    for by in ("ben", "BEN@example.com"):
        decision = Decision(**known, by=by, via="cli", identity="proxy")
        stage.journal.append(ev.ApprovalDecided(decision=decision))
    with pytest.raises(Damaged, match="1 of 2 approvals"):
        consume(stage)


# -- a ledger that somebody edits ------------------------------------------------------------------------


def on_disk(folder: Path, **more: Any) -> tuple[Stage, Path]:
    """Return an approved run in a SQLite file."""
    path = folder / "ledger.db"
    stage = Stage(policy(TIER_2_CODE), ledger=SqlLedger(f"sqlite:///{path}"), **more)
    stage.decide("ben")
    return stage.reload(), path


def rewrite(path: Path, kind: str, change: Any, *, chain: bool) -> None:
    """Change the body of one event in the file; with `chain`, seal it and every later row anew."""
    with sqlite3.connect(path) as db:
        rows = db.execute("SELECT run_id, seq, kind, body, at, prev_hash, hash FROM events ORDER BY seq").fetchall()
        previous = ""
        for run_id, seq, row_kind, body, at, prev_hash, row_hash in rows:
            text = body
            if row_kind == kind:
                value = json.loads(body)
                change(value)
                text = canonical_json(value).decode()
            sealed = seal(run_id, seq, row_kind, text, at, previous or prev_hash)
            previous = sealed.hash if chain else row_hash
            kept = (text, sealed.prev_hash, sealed.hash) if chain else (text, prev_hash, row_hash)
            db.execute("UPDATE events SET body = ?, prev_hash = ?, hash = ? WHERE seq = ?", (*kept, seq))
    db.close()


def _other_sql(event: dict[str, Any]) -> None:
    event["request"]["queries"][0]["sql"] = "SELECT email FROM `p.shop.customers`"


def test_an_edited_row_stops_the_run_where_it_was_edited(tmp_path: Path):
    """Nothing runs on a request whose row says something else than what was approved."""
    stage, path = on_disk(tmp_path)
    rewrite(path, "approval_requested", _other_sql, chain=False)
    journal = Journal.open(SqlLedger(stage.ledger.url), "r-stage")  # type: ignore[attr-defined]
    with pytest.raises(Damaged, match="is not what its digest"):
        deciding.consume(journal, "r-stage.1", stage.plan.digest)


def test_an_edited_verdict_row_stops_the_run(tmp_path: Path):
    """A row that no digest of the approval covers is still covered by the chain."""
    stage, path = on_disk(tmp_path)
    rewrite(path, "plan_proposed", lambda e: e.update(rationale="other words"), chain=False)
    with pytest.raises(Damaged, match="do not verify at seq 5"):
        deciding.consume(Journal.open(stage.ledger, "r-stage"), "r-stage.1", stage.plan.digest)


def test_a_chain_that_was_forged_anew_does_not_match_the_digest(tmp_path: Path):
    """Other SQL under the approved digest is found although every hash of the chain fits."""
    stage, path = on_disk(tmp_path)
    rewrite(path, "approval_requested", _other_sql, chain=True)
    with pytest.raises(Damaged, match="is not what its digest"):
        deciding.consume(Journal.open(stage.ledger, "r-stage"), "r-stage.1", stage.plan.digest)


def test_a_chain_and_a_digest_that_were_forged_anew_do_not_match_the_signature(tmp_path: Path):
    """Whoever owns the database can forge all but the approver's code."""
    stage, path = on_disk(tmp_path)
    forged: list[str] = []

    def request(event: dict[str, Any]) -> None:
        _other_sql(event)
        forged.append(digest_of(ApprovalRequest.model_validate(event["request"])))
        event["digest"] = forged[0]

    rewrite(path, "approval_requested", request, chain=True)
    rewrite(path, "approval_decided", lambda e: e["decision"].update(digest=forged[0]), chain=True)
    with pytest.raises(Damaged, match="the code of ben does not verify"):
        deciding.consume(Journal.open(stage.ledger, "r-stage"), "r-stage.1", forged[0])


def test_rows_that_change_under_a_running_process_are_noticed(tmp_path: Path):
    """A process that has folded the run compares its own head with the file before it uses the approval."""
    stage, path = on_disk(tmp_path)
    journal = Journal.open(stage.ledger, "r-stage")
    rewrite(path, "plan_proposed", lambda e: e.update(rationale="other words"), chain=True)
    with pytest.raises(Damaged, match="changed at seq"):
        deciding.consume(journal, "r-stage.1", stage.plan.digest)


def test_a_late_decision_leaves_the_run_expired():
    """After the run has expired a decision is refused, recorded, and wakes nothing."""
    stage = Stage()
    stage.journal.append(ev.RunEnded(phase="expired"))
    with pytest.raises(Refused, match="expired at 2026-07-01 09:00 UTC"):
        stage.decide("ben")
    assert stage.reload().state.phase is Phase.EXPIRED
    assert stage.refusals()[0].decision.by == "ben"


def test_a_decision_over_the_api_without_identity_is_refused_and_recorded():
    """The name in the call is kept as what it is: somebody's claim."""
    stage = Stage()
    decision = stage.decision(Identity("ben", How.PROXY)).model_copy(update={"identity": "unverified"})
    with pytest.raises(Refused) as refused:
        deciding.decide(stage.journal, decision)
    assert refused.value.code == "no_identity"
    assert stage.refusals()[0].decision.identity == "unverified"
