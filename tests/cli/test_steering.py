"""approve, reject, edit, delegate, answer, cancel: recorded first, then the run is woken."""

from __future__ import annotations

from pathlib import Path

from bq_copilot.local_user import local_user
from tests import recorded_runs as rr
from tests.cli.conftest import Bq
from tests.cli.prefect_double import FLOW_RUN, PrefectDouble


def test_approve_records_the_digest_and_resumes_the_form(home: Path, bq: Bq, prefect: PrefectDouble) -> None:
    """The decision names the digest that was open; the waiting flow run gets an answer that fits its form."""
    run, prefect.state = rr.waiting_for_approval(home), "PAUSED"
    found = bq("approve", run.run_id, "--reason", "fine", "--json")
    assert (found.code, found.json["goes_on"], found.json["phase"]) == (0, True, "executing")
    assert prefect.bodies("/resume") == [{"run_input": {"decision": "approve", "reason": "fine"}}]
    run.journal.refresh()
    plan = run.state.plan
    assert plan and plan.decided and (plan.decided.by, plan.decided.digest) == (local_user(), plan.digest)
    assert (plan.decided.identity, plan.decided.via) == ("local-user", "cli")


def test_a_form_that_does_not_take_the_answer_is_gone_around(home: Path, bq: Bq, prefect: PrefectDouble) -> None:
    """HTTP 200 with REJECT counts as rejected: the flow run is scheduled again instead, and reads the ledger."""
    run, prefect.state, prefect.refuses_resume = rr.waiting_for_approval(home), "PAUSED", True
    assert bq("approve", run.run_id, "--json").json["goes_on"] is True
    (body,) = prefect.bodies(f"{FLOW_RUN}/set_state")
    assert body["state"]["type"] == "SCHEDULED" and body["force"] is False


def test_with_the_server_down_the_decision_stands(home: Path, bq: Bq) -> None:
    """Without a server the approval is recorded, exit 0, and the command says when the run goes on."""
    run = rr.waiting_for_approval(home)
    found = bq("approve", run.run_id)
    assert found.code == 0
    assert "is approved" in found.out and "goes on when it is back" in found.out
    run.journal.refresh()
    assert run.state.phase == "executing"


def test_a_second_decision_is_told_who_was_first(home: Path, bq: Bq) -> None:
    """Rejecting what bob approved exits 3 and names bob, his verdict and the time; bob's decision stands."""
    run = rr.waiting_for_approval(home).decided(by="bob")
    found = bq("reject", run.run_id, "--reason", "no", "--json")
    assert (found.code, found.json["error"]["winner"], found.json["error"]["verdict"]) == (3, "bob", "approve")
    assert found.json["error"]["at"] is not None


def test_approve_names_the_digest_that_was_seen(home: Path, bq: Bq) -> None:
    """Another digest than the open one is refused; the beginning that the card shows is enough."""
    run = rr.waiting_for_approval(home)
    wrong = bq("approve", run.run_id, "--digest", "sha256:" + "0" * 64, "--json")
    assert (wrong.code, wrong.json["error"]["code"]) == (3, "other_request")
    plan = run.state.plan
    assert plan
    assert bq("approve", run.run_id, "--digest", plan.digest[7:23] + "…").code == 0


def test_a_run_that_waits_for_nothing_cannot_be_approved(home: Path, bq: Bq) -> None:
    """Approving a run without a request is refused with the command that shows it."""
    run = rr.Recording(home).started()
    found = bq("approve", run.run_id)
    assert (found.code, f"bq-copilot show {run.run_id}" in found.err) == (3, True)


def test_reject_records_the_reason(home: Path, bq: Bq) -> None:
    """The reason is kept word for word."""
    run = rr.waiting_for_approval(home)
    assert bq("reject", run.run_id, "--reason", "wrong table").code == 0
    approval = bq("show", run.run_id, "--json").json["approval"]
    assert (approval["verdict"], approval["reason"]) == ("reject", "wrong table")


def test_edit_takes_the_sql_from_a_file(home: Path, bq: Bq, tmp_path: Path) -> None:
    """With one query in the plan its name may be left out."""
    run, file = rr.waiting_for_approval(home), tmp_path / "new.sql"
    file.write_text("SELECT 2")
    assert bq("edit", run.run_id, "--sql-file", str(file)).code == 0
    run.journal.refresh()
    plan = run.state.plan
    assert plan and plan.decided and plan.decided.sql == (("q1", "SELECT 2"),)


def test_edit_of_several_queries_wants_a_name(home: Path, bq: Bq, tmp_path: Path) -> None:
    """Which of several queries is meant is never guessed; the message lists them."""
    run = rr.Recording(home).started().planned("SELECT 1", "SELECT 2").requested()
    file = tmp_path / "new.sql"
    file.write_text("SELECT 3")
    found = bq("edit", run.run_id, "--sql-file", str(file))
    assert (found.code, "q1, q2" in found.err) == (2, True)
    assert bq("edit", run.run_id, "--sql-file", str(file), "--query", "q2").code == 0


def test_edit_of_a_file_that_is_not_there_is_a_usage_error(home: Path, bq: Bq) -> None:
    """A missing file is noticed before anything is recorded."""
    run = rr.waiting_for_approval(home)
    assert bq("edit", run.run_id, "--sql-file", str(home / "none.sql")).code == 2
    assert bq("show", run.run_id, "--json").json["approval"]["open"] is True


def test_answer_resumes_with_the_words_of_the_person(home: Path, bq: Bq, prefect: PrefectDouble) -> None:
    """The answer is in the ledger, and the waiting form gets the same words."""
    run, prefect.state = rr.waiting_for_answer(home), "PAUSED"
    assert bq("answer", run.run_id, "yes").code == 0
    assert prefect.bodies("/resume") == [{"run_input": {"answer": "yes"}}]
    run.journal.refresh()
    assert run.state.answered and run.state.answered.answer == "yes"


def test_a_question_is_answered_once(home: Path, bq: Bq) -> None:
    """The second answer exits 3 and names who answered."""
    run = rr.waiting_for_answer(home)
    assert bq("answer", run.run_id, "yes").code == 0
    second = bq("answer", run.run_id, "no", "--json")
    assert (second.code, second.json["error"]["winner"]) == (3, local_user())


def test_cancel_of_a_waiting_run_ends_it_at_once_without_approving(home: Path, bq: Bq, prefect: PrefectDouble) -> None:
    """The ledger has its end before Prefect hears of it; the form is not answered, the sleeping flow run is told."""
    run, prefect.state, prefect.name = rr.waiting_for_approval(home), "PAUSED", "Suspended"
    found = bq("cancel", run.run_id, "--reason", "no need")
    assert (found.code, f"cancelled by {local_user()} (0 bytes billed)" in found.out) == (0, True)
    assert prefect.bodies("/resume") == []
    assert [b["state"]["type"] for b in prefect.bodies("/set_state")] == ["CANCELLED"]
    run.journal.refresh()
    assert (run.state.phase, run.state.cancel and run.state.cancel.reason) == ("cancelled", "no need")


def test_cancel_while_a_job_may_live_leaves_the_end_to_a_process(home: Path, bq: Bq, prefect: PrefectDouble) -> None:
    """The client never says cancelled for a job that it cannot see; the flow run is put to work."""
    run, prefect.state = rr.executing(home), "CRASHED"
    found = bq("cancel", run.run_id, "--json")
    assert (found.code, found.json["phase"]) == (0, "cancelling")
    assert [b["state"]["type"] for b in prefect.bodies("/set_state")] == ["CRASHED", "SCHEDULED"]


def test_cancel_counts_while_the_server_is_down(home: Path, bq: Bq, prefect: PrefectDouble) -> None:
    """The run has ended in the ledger; that Prefect does not know yet is said, and is not an error."""
    run, prefect.busy = rr.waiting_for_approval(home), 1_000
    found = bq("cancel", run.run_id, "--json")
    assert (found.code, found.json["phase"], found.json["goes_on"]) == (0, "cancelled", False)


def test_cancel_of_a_finished_run_says_that_it_has_ended(home: Path, bq: Bq) -> None:
    """A cancel that comes too late exits 3; the run keeps its end."""
    run = rr.finished(home)
    found = bq("cancel", run.run_id, "--json")
    assert (found.code, found.json["error"]["code"]) == (3, "ended_before")


def test_an_approval_that_needs_a_second_person_does_not_wake_the_run(
    home: Path, bq: Bq, prefect: PrefectDouble
) -> None:
    """The first of two approvals is recorded, and the form stays open for the second."""
    from bq_copilot.policy import Approvals, Policy, Tier

    tiers = (Tier(tier=3, always=True, approvers=2),)
    policy = Policy(allowed_datasets=("p.shop",), approvals=Approvals(tiers=tiers))
    run, prefect.state = rr.waiting_for_approval(home, policy=policy, requester="zoe"), "PAUSED"
    found = bq("approve", run.run_id, "--json")
    assert (found.code, found.json["phase"]) == (0, "awaiting_approval")
    assert prefect.bodies("/resume") == []
    assert bq("show", run.run_id, "--json").json["approval"]["approved_by"] == [local_user()]
