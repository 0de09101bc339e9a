"""F02, F07, F14: every fault of the sandbox against the real executor and client; what user and operator read.

The run is performed in this process, so that the waits cost no time; warehouse, client and adapter are the real ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from blocks.bigquery import BigQueryWarehouse
from bq_copilot.phases import Phase
from bq_copilot.views import show
from bq_copilot.wording import event_words
from tests.cancel.play import Play, play_of, quick
from tests.sandbox.process import SandboxProcess
from tests.sandbox.seed import PROJECT

TABLE = f"{PROJECT}.shop.orders"
SQL = f"SELECT country AS region, COUNT(*) AS n FROM `{TABLE}` GROUP BY country"
RATE = "warehouse rate limit (Exceeded rate limits: too many requests)"
RATE_403 = "warehouse rate limit (Exceeded rate limits: too many api requests per user)"
QUOTA = "Quota exceeded: your project exceeded quota for bytes scanned"
BROKEN = "The job encountered an error during execution. Retrying the job may solve the problem."
OUTCOMES = {"waited", "job_submitted", "job_adopted", "job_finished", "estimate_refused", "job_cancel_requested"}
DONE = "q1: job done, 10.0 MiB billed"
SUBMITTED = "q1: job submitted, PENDING"
ADOPTED = "q1: job was there already, adopted, {state}"


@dataclass(frozen=True)
class Fault:
    """One fault of the sandbox at one place, and what is read of it."""

    kind: str
    operator: tuple[str, ...]
    """The lines of the trace between the approval and the answer."""
    times: int = 1
    method: str = "jobs.insert"
    phase: Phase = Phase.COMPLETED
    user: str = ""
    """What `show` says at the end, empty for an answer."""
    next: str = ""
    jobs: int = 1
    settings: dict[str, Any] = field(default_factory=dict[str, Any])


def waits(reason: str, times: int = 1, step: str = "SubmitJob") -> tuple[str, ...]:
    """The lines of waits in a row."""
    return tuple(f"waits ({step}, attempt {n}): {reason}" for n in range(1, times + 1))


LOST = "the warehouse does not know {job} any more; it is sent again under the same id"
FAULTS = {
    "F07_429": Fault("rate_limit", (*waits(RATE), SUBMITTED, DONE)),
    "F07_403_rate": Fault("rate_limit_403", (*waits(RATE_403), SUBMITTED, DONE)),
    "F07_429_for_ever": Fault(
        "rate_limit",
        (
            *waits(RATE, 6),
            f"q1: warehouse asked to stop the job: {RATE}; gave up after 6 tries in {{span}}",
            f"q1: job failed: {RATE}; gave up after 6 tries in {{span}} (0 bytes billed)",
        ),
        times=50,
        phase=Phase.FAILED,
        user=f"q1 failed: {RATE}; gave up after 6 tries in {{span}} (0 bytes billed)",
        next="Ask for less, or try it again later. `bq-copilot retry {run}` tries it again.",
        jobs=0,
    ),
    "F07_403_quota": Fault(
        "quota_exceeded",
        (f"q1: job failed: {QUOTA}",),
        phase=Phase.FAILED,
        user=f"q1 failed: {QUOTA} (0 bytes billed)",
        next="Wait for the quota to reset, or ask its owner for more. `bq-copilot retry {run}` tries it again.",
        jobs=0,
    ),
    "F02_500": Fault(
        "500",
        (
            *waits(
                "job {job} is not there (submitting {job}: the warehouse failed (500 internalError));"
                " it is sent again under the same id"
            ),
            SUBMITTED,
            DONE,
        ),
    ),
    "F02_502": Fault(
        "502",
        (
            *waits(
                "job {job} is not there (submitting {job}: the warehouse failed (502 badGateway));"
                " it is sent again under the same id"
            ),
            SUBMITTED,
            DONE,
        ),
    ),
    "F02_503": Fault(
        "503",
        (
            *waits(
                "job {job} is not there (submitting {job}: the warehouse failed (503 backendError));"
                " it is sent again under the same id"
            ),
            SUBMITTED,
            DONE,
        ),
    ),
    "F02_reset_after_accept": Fault("reset_after_accept", (ADOPTED, DONE)),
    "F02_503_after_accept": Fault("error_after_accept", (ADOPTED, DONE)),
    "F02_lost_before_execution": Fault("lost_job", (SUBMITTED, f"waits (lost job, attempt 1): {LOST}", DONE)),
    "F02_lost_for_ever": Fault(
        "lost_job",
        (
            SUBMITTED,
            *(f"waits (lost job, attempt {n}): {LOST}" for n in (1, 2, 3)),
            "q1: job failed: the warehouse does not know the job any more",
        ),
        times=50,
        phase=Phase.FAILED,
        user="q1 failed: the warehouse does not know the job any more (0 bytes billed)",
        next="`bq-copilot retry {run}` tries it again.",
        jobs=0,
    ),
    "F14_fails_after_commit": Fault(
        "fail_after_commit", (SUBMITTED, f"q1: job failed: {BROKEN}", SUBMITTED, DONE), method="", jobs=2
    ),
    "F14_fails_for_ever": Fault(
        "fail_after_commit",
        (SUBMITTED, f"q1: job failed: {BROKEN}") * 3,
        times=50,
        method="",
        phase=Phase.FAILED,
        user=f"q1 failed after 3 attempts: {BROKEN} (30.0 MiB billed)",
        next="`bq-copilot retry {run}` tries it again.",
        jobs=3,
    ),
    "F06_slow_but_in_time": Fault("slow_job", (SUBMITTED, DONE), method="", settings={"seconds": 1}),
    "F07_503_while_it_runs": Fault(
        "503",
        (SUBMITTED, *waits("looking up {job}: the warehouse failed (503 backendError)", 2, "PollJob"), DONE),
        times=2,
        method="jobs.get",
    ),
}


def played(monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess, name: str, **rules: Any) -> Play:
    """Return a run against the sandbox."""
    warehouse = BigQueryWarehouse(
        sandbox.client(), scratch=f"{PROJECT}.copilot_scratch", scratch_days=1, call_timeout=10
    )
    script = (
        ("describe_table", {"table": TABLE}),
        ("propose_plan", {"queries": [{"id": "q1", "purpose": "count", "sql": SQL}], "rationale": "r"}),
        ("write_answer", {"summary": "There are some.", "citations": []}),
    )
    policy = quick(allowed_datasets=[f"{PROJECT}.shop"], **rules)
    return play_of(
        monkeypatch,
        *script,
        warehouse=warehouse,
        rules=policy,
        table=TABLE,
        run_id=f"r-{name.lower().replace('_', '-')}",
    )


def trace(play: Play) -> tuple[str, ...]:
    """Return what the operator reads of the jobs, with what differs from run to run left out."""
    lines: list[str] = []
    for one in play.env.ledger.read(play.run_id):
        if one.event.kind == "job_finished" and one.event.ok:
            lines.append(event_words(one.event.model_copy(update={"milliseconds": 0})).replace(" in 0.0 s", ""))
        elif one.event.kind in OUTCOMES:
            lines.append(event_words(one.event))
    return tuple(lines)


def filled(text: str, play: Play) -> str:
    """Put the run's own names into an expected text."""
    job = f"bqc-{play.run_id}-q1-v1-a1"
    adopted = play.events("job_adopted")
    waited = play.events("waited")
    span = int((waited[-1].until - waited[0].since).total_seconds()) if waited and waited[0].since else 0
    return text.format(job=job, run=play.run_id, span=f"{span} s", state=adopted[0].state if adopted else "")


@pytest.mark.parametrize("name", FAULTS)
async def test_F07_what_is_read_of_a_fault_of_the_warehouse(
    monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess, name: str
) -> None:
    """The user's words, the operator's lines, the number of jobs that were executed, and the receipts."""
    fault, play = FAULTS[name], played(monkeypatch, sandbox, name)
    await play.process()
    play.approve()
    prefix = f"bqc-{play.run_id}"
    method = {"method": fault.method} if fault.method else {}
    sandbox.arm(fault.kind, times=fault.times, match={**method, "job_id_prefix": prefix}, **fault.settings)
    assert await play.process() == "ended"
    view = show(play.state, {})
    error = view["error"] or {"message": "", "next": ""}
    assert (play.phase, error["message"]) == (fault.phase, filled(fault.user, play))
    assert error["next"] == filled(fault.next, play)
    assert trace(play) == tuple(filled(line, play) for line in fault.operator)
    known = [j for j in sandbox.client().list_jobs(all_users=True) if j.job_id.startswith(prefix)]
    assert len(known) == fault.jobs
    assert play.verified()


async def test_F07_a_wait_is_shown_with_its_next_try_in_show_and_in_prefect(
    monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess
) -> None:
    """`show`, and Prefect's state message, name what is waited for and the time of the next try."""
    play = played(monkeypatch, sandbox, "visible")
    await play.process()
    play.approve()
    sandbox.arm("rate_limit", match={"job_id_prefix": "bqc-r-visible"})
    play.die_after = lambda e: e.kind == "waited"
    assert await play.process() == "died"
    waiting = show(play.state, {})["waiting"]
    assert waiting is not None
    assert (waiting["what"], waiting["reason"], waiting["attempt"]) == ("SubmitJob", RATE, 1)
    play.die_after = lambda _e: False
    sandbox.arm("rate_limit", match={"job_id_prefix": "bqc-r-visible"})
    await play.process()
    second = play.events("waited")[1]
    assert (second.attempt, play.phase) == (2, Phase.COMPLETED)
    assert play.told[0] == f"waiting: {RATE}, next try {second.until:%H:%M:%S} UTC"


async def test_F07_a_spent_quota_does_not_void_an_approval(
    monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess
) -> None:
    """The check before execution meets it: the run fails with the reason; nobody is asked anew."""
    play = played(monkeypatch, sandbox, "quota-check")
    await play.process()
    play.approve()
    sandbox.arm("quota_exceeded", times=50, match={"method": "jobs.insert"})
    await play.process()
    assert (play.phase, play.said) == (Phase.FAILED, QUOTA)
    assert play.events("waited") == play.events("approval_voided") == []


async def test_F07_a_spent_quota_at_the_dry_run_is_not_the_models_fault(
    monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess
) -> None:
    """It is not asked for other SQL."""
    play = played(monkeypatch, sandbox, "quota-dry-run")
    sandbox.arm("quota_exceeded", times=50, match={"method": "jobs.insert"})
    await play.process()
    assert (play.phase, play.said, len(play.state.turns)) == (Phase.FAILED, QUOTA, 2)


MISSING = "query q1: the dry run left out what it must say (missing: statement_type)"
PROPOSAL = ("propose_plan", {"queries": [{"id": "q1", "purpose": "count", "sql": SQL}], "rationale": "r"})


async def test_F21_a_malformed_dry_run_is_refused_and_told(
    monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess
) -> None:
    """A field that is missing from the warehouse's answer is never guessed; the next, whole one leads to the card."""
    play = played(monkeypatch, sandbox, "malformed")
    play.env.model._script.insert(1, PROPOSAL)
    sandbox.arm("drop_field", field="statistics.query.statementType")
    await play.process()
    assert trace(play) == (f"dry run of q1 refused: {MISSING}",)
    assert (play.phase, show(play.state, {})["error"]) == (Phase.AWAITING_APPROVAL, None)


async def test_F21_a_dry_run_that_stays_malformed_ends_the_run_in_the_warehouses_words(
    monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess
) -> None:
    """Nothing is asked about, nothing is sent, and it is not left to the model alone."""
    play = played(monkeypatch, sandbox, "malformed-for-ever")
    play.env.model._script[1:1] = [PROPOSAL] * 4
    sandbox.arm("drop_field", times=50, field="statistics.query.statementType")
    await play.process()
    error = show(play.state, {})["error"]
    assert error is not None
    assert (play.phase, error["message"], error["next"]) == (
        Phase.FAILED,
        f"model output unusable: more than 3 repairs, the last one for dry_run_failed ({MISSING})",
        "Ask again in other words, or try another model.",
    )
    assert trace(play) == (f"dry run of q1 refused: {MISSING}",) * 4
    assert play.events("approval_requested") == play.events("job_intended") == []


IN_ANOTHER_FILE = {"partial_script"}
"""A script never reaches the warehouse: the gate denies it (tests/gate)."""


def test_F07_no_fault_that_the_sandbox_can_play_is_without_its_words(sandbox: SandboxProcess) -> None:
    """The sandbox names its faults when it is asked for one that it does not have."""
    answer = httpx.post(f"{sandbox.url}/faults", json={"kind": "?"}, timeout=30)
    kinds = set(answer.json()["error"]["message"].partition("kinds: ")[2].split(", "))
    told = {f.kind for f in FAULTS.values()} | {"drop_field"} | IN_ANOTHER_FILE
    assert len(kinds) > 10 and kinds == told


async def test_F06_a_job_that_runs_too_long_is_stopped_and_says_which_clock_and_the_bytes(
    monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess
) -> None:
    """The warehouse says DONE first; the failure names clock and bytes, and nothing lives."""
    clocks = {"steps": {"job": {"queued_seconds": 0.2, "running_seconds": 0.2, "idle_seconds": 30}}}
    monkeypatch.setattr("tasks.deadlines.JOB_MARGIN", 0.2)
    play = played(monkeypatch, sandbox, "slow", clocks=clocks)
    monkeypatch.setattr("tasks.jobs._timeout_ms", lambda _run: 60_000)
    await play.process()
    play.approve()
    sandbox.arm("slow_job", seconds=60, match={"job_id_prefix": "bqc-r-slow"})
    await play.process()
    said = "timed out after 0 s in the job (run clock) (0 bytes billed)"
    assert (play.phase, play.said) == (Phase.FAILED, f"q1 failed: {said}")
    error = show(play.state, {})["error"]
    assert error is not None
    assert error["next"] == "Ask for less, or try it again later. `bq-copilot retry r-slow` tries it again."
    stop = said.removesuffix(" (0 bytes billed)")
    assert trace(play) == (SUBMITTED, f"q1: warehouse asked to stop the job: {stop}", f"q1: job failed: {said}")
    job = sandbox.client().get_job("bqc-r-slow-q1-v1-a1", location="US")
    assert (job.state, job.error_result["reason"]) == ("DONE", "stopped")
