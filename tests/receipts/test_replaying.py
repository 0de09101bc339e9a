"""Replay: what repeats, and which event is named when it does not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bq_copilot import conversation
from bq_copilot.canonical import canonical_json, digest_bytes
from bq_copilot.events import EVENT, Recorded
from bq_copilot.following_up import add
from bq_copilot.gate.verdict import Verdict
from bq_copilot.journal import Journal
from bq_copilot.judging import Judges
from bq_copilot.ledger_reader import parse_all
from bq_copilot.policy import Policy
from bq_copilot.prompt_bytes import PromptBytes
from bq_copilot.replaying import Replayed, replay
from bq_copilot.replays import replay_all, under_policy
from bq_copilot.state import RunState
from bq_copilot.transitions import apply
from tests import recorded_runs as rr
from tests.cli.conftest import Bq, bq, home  # noqa: F401 - fixtures


def replayed(run: rr.Recording, events: list[Recorded] | None = None) -> Replayed:
    return replay(run.run_id, events or run.ledger.read(run.run_id), run.shelf)


def altered(run: rr.Recording, kind: str, **fields: Any) -> tuple[list[Recorded], int]:
    """The run's events with the last one of this kind changed, and its seq."""
    events = run.ledger.read(run.run_id)
    place = max(i for i, e in enumerate(events) if e.event.kind == kind)
    body = events[place].event.model_dump(mode="json") | fields
    events[place] = events[place].model_copy(update={"event": EVENT.validate_python(body)})
    return events, events[place].seq


def test_a_recorded_run_repeats(tmp_path: Path) -> None:
    """Steps, prompts and the checked answer are compared, and nothing differs."""
    done = replayed(rr.finished(tmp_path))
    assert done.difference is None
    assert (done.phase, done.counts.prompts, done.counts.answers) == ("completed", 3, 1)
    assert done.counts.steps >= 18


def test_a_follow_up_that_a_person_added_later_repeats(tmp_path: Path) -> None:
    """No step of the core leads to it: somebody thought of it after the end."""
    run = rr.finished(tmp_path)
    add(Journal.open(run.ledger, run.run_id), "every Monday", "", "ann", 3600)
    assert replayed(run).difference is None


def test_a_job_that_was_refused_when_it_was_sent_repeats(tmp_path: Path) -> None:
    """It is over without ever having been submitted; a success without a submission is named."""
    run = rr.approved(tmp_path).job(fails="Quota exceeded", sent=False)
    assert replayed(run).difference is None
    events, seq = altered(run, "job_finished", ok=True, failure=None)
    assert f"at seq {seq}: expected ok False, got True" in str(replayed(run, events).difference)


CHANGED: list[tuple[str, dict[str, Any], str]] = [
    ("turn_requested", {"prompt_digest": "sha256:0"}, "expected prompt sha256:"),
    ("turn_requested", {"tools": ["give_up"]}, "expected tools "),
    ("plan_proposed", {"by": "somebody"}, "expected by model, got somebody"),
    ("plan_proposed", {"rationale": "another"}, "expected rationale Counting orders answers it., got another"),
    ("approval_requested", {"digest": "sha256:0"}, "expected digest sha256:"),
    ("job_intended", {"job_id": "bqc-another"}, "got bqc-another"),
    ("answer_written", {"unsupported": []}, "expected unsupported ('7.5%',), got ()"),
    ("run_ended", {"phase": "refused"}, "expected phase completed, got refused"),
]


@pytest.mark.parametrize(("kind", "fields", "words"), CHANGED, ids=[f"{k}-{next(iter(f))}" for k, f, _ in CHANGED])
def test_an_event_that_does_not_repeat_is_named(tmp_path: Path, kind: str, fields: dict[str, Any], words: str) -> None:
    """The first event that the code would not write again is named with what was expected and what is there."""
    run = rr.finished(tmp_path)
    events, seq = altered(run, kind, **fields)
    found = str(replayed(run, events).difference)
    assert found.startswith(f"nondeterminism at seq {seq}: expected ")
    assert words in found


def test_an_event_that_another_step_would_have_led_to_is_named(tmp_path: Path) -> None:
    """A result that is read before its job was polled is no repetition."""
    run = rr.finished(tmp_path)
    events = run.ledger.read(run.run_id)
    place = next(i for i, e in enumerate(events) if e.event.kind == "job_submitted")
    read = next(e.event for e in events if e.event.kind == "result_read")
    events[place] = events[place].model_copy(update={"event": read})
    assert f"at seq {place + 1}: expected the step SubmitJob, got result_read" in str(replayed(run, events).difference)


def test_a_list_of_runs_that_says_another_phase_is_a_difference(tmp_path: Path) -> None:
    """The phase that the list shows is the one that the events fold to."""
    run = rr.finished(tmp_path)
    (head,) = run.ledger.heads()
    said = replay(run.run_id, run.ledger.read(run.run_id), run.shelf, head=replace(head, phase="failed"))
    assert "expected phase completed, got failed in the list of runs" in str(said.difference)


def test_a_run_that_went_on_while_it_was_replayed_is_no_difference(tmp_path: Path) -> None:
    """A list that is a moment older than the events agrees with them at its own place; a longer one shows a loss."""
    run = rr.waiting_for_approval(tmp_path)
    (head,) = run.ledger.heads()
    run.decided()
    events = run.ledger.read(run.run_id)
    assert replay(run.run_id, events, run.shelf, head=head).difference is None
    lost = replay(run.run_id, events[:-2], run.shelf, head=head).difference
    assert lost is not None and lost.seq == len(events) - 1


def test_prompts_that_another_version_wrote_are_counted_and_not_compared(tmp_path: Path) -> None:
    """A changed system prompt makes no past run wrong."""
    run = rr.finished(tmp_path)
    events, _ = altered(run, "run_pinned", prompt_fingerprint="sha256:another")
    done = replayed(run, events)
    assert (done.difference, done.counts.prompts, done.counts.other_prompts) == (None, 0, 3)


def test_the_bytes_of_a_prompt_are_those_that_are_sent(tmp_path: Path) -> None:
    """What is hashed part by part is the canonical form of the request, for every turn of a run."""
    run, seen = rr.finished(tmp_path), 0
    parts, state = PromptBytes(run.shelf), RunState(run_id=run.run_id)
    for one in run.ledger.read(run.run_id):
        if one.event.kind == "turn_requested":
            sent = canonical_json(conversation.request(state, run.shelf, one.event.tools))
            assert parts.of_next_turn(state, one.event.tools) == (digest_bytes(sent), len(sent))
            seen += 1
        state = apply(state, one)
    assert seen == 3


def test_a_verdict_that_the_gate_does_not_give_again_is_named(tmp_path: Path) -> None:
    """The same statement under the same schemas and policy has the same verdict, down to its findings."""
    run = rr.Recording(tmp_path).started()
    with Judges(run.shelf) as judge:
        assert run.state.pinned is not None
        true = judge(run.state.pinned, rr.SQL)
    assert isinstance(true, Verdict)
    queries = [{"id": "q1", "purpose": "count", "sql": rr.SQL}]
    run.looked().turn("propose_plan", queries=queries, rationale="r")
    run.add(rr.ev.PlanProposed(revision=1, queries=(rr.Query(**queries[0]),), rationale="r", by="model"))
    run.add(rr.ev.PlanRuled(revision=1, verdicts=(true,)))
    (good,) = replay_all(run.installation)
    assert (good["repeats"], good["compared"]["verdicts"]) == (True, 1)
    facts = true.facts.model_copy(update={"columns": ()})
    forged = [*run.ledger.read(run.run_id)[:-1]]
    last = run.ledger.read(run.run_id)[-1]
    lie = rr.ev.PlanRuled(revision=1, verdicts=(true.model_copy(update={"facts": facts}),))
    forged.append(last.model_copy(update={"event": lie}))
    with Judges(run.shelf) as judge:
        found = replay(run.run_id, forged, run.shelf, judge).difference
    assert str(found).startswith(f"nondeterminism at seq {last.seq}: expected verdict facts ")


def test_another_policy_is_asked_about_past_plans(tmp_path: Path) -> None:
    """Denied datasets and higher tiers show against what was said then; the run itself is untouched."""
    run = rr.waiting_for_approval(tmp_path)
    before = run.state.seq
    (same,) = under_policy(run.installation, run.policy)
    (denied,) = under_policy(run.installation, Policy(allowed_datasets=("p.other",)))
    rules = {"tiers": [{"tier": 2, "always": True}]}
    (raised,) = under_policy(run.installation, Policy.model_validate({**run.policy.model_dump(), "approvals": rules}))
    assert (same["changed"], same["then"]["ruling"], same["now"]["ruling"]) == (False, "allow", "allow")
    assert (denied["changed"], denied["now"]["ruling"], denied["now"]["tier"]) == (True, "deny", None)
    assert (raised["changed"], raised["then"]["tier"], raised["now"]["tier"]) == (True, 1, 2)
    run.journal.refresh()
    assert run.state.seq == before


def test_F28_replay_as_it_is_typed(home: Path, bq: Bq) -> None:  # noqa: F811
    """All runs repeat; a row that was recorded by other code is named, and the command fails."""
    run = rr.finished(home)
    rr.waiting_for_answer(home, key="key-2")
    assert bq("replay").out.strip() == f"2 of 2 runs repeat, {run.state.seq + 6} events"
    one = bq("replay", run.run_id)
    assert one.code == 0 and "events repeat (" in one.out
    run.ledger._engine.dispose()
    import sqlite3

    with sqlite3.connect(home / "ledger.db") as db:
        body = json.loads(db.execute("SELECT body FROM events WHERE kind = 'run_ended'").fetchone()[0])
        db.execute("UPDATE events SET body = ? WHERE kind = 'run_ended'", (json.dumps(body | {"phase": "refused"}),))
    bad = bq("replay", run.run_id)
    assert bad.code == 4
    assert f"nondeterminism at seq {run.state.seq}: expected phase completed, got refused" in " ".join(bad.out.split())
    assert parse_all(run.ledger.rows(run.run_id))
