"""Two worker hosts share PostgreSQL, the Prefect API and a results folder; one dies, the other finishes its run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bq_copilot.events import RunStarted
from bq_copilot.phases import Phase
from tests.live import PATIENCE, RECOVERY, events_of
from tests.scale_out.arena import Arena, arena, missing

QUESTION = "What was our total revenue in 2025?"


@pytest.fixture(scope="module")
def two_hosts() -> Iterator[Arena]:
    """A centre on PostgreSQL and two hosts."""
    if why := missing():
        pytest.skip(why)
    with arena() as made:
        yield made


def test_F03_a_host_dies_and_the_other_one_finishes_its_run(two_hosts: Arena) -> None:
    """SIGKILL to all of a host while its job runs: one job, one answer; its lease alone said that it lived."""
    centre = two_hosts.centre
    centre.arm_warehouse("slow_job", seconds=5, match={"job_id_prefix": "bqc-"})
    run = centre.ask(QUESTION)
    run.approve()
    run.wait(lambda s: "job_submitted" in centre.kinds(run), timeout=PATIENCE)
    dead = two_hosts.host_of(run)
    two_hosts.kill(dead)
    left = centre.copilot.installation.ledger.lease_of(run.run_id)
    run.wait((), timeout=RECOVERY)
    assert run.phase is Phase.COMPLETED, two_hosts.logs()
    starts = [u for u in run.updates() if isinstance(u.event, RunStarted)]
    (survivor,) = two_hosts.hosts
    assert dead != survivor
    assert events_of(run, RunStarted)[-1].reason == "recovered"
    assert left is not None and starts[-1].at >= left.expires_at, "the lease was not waited for"
    assert len(centre.jobs_of_plan(run)) == 1
    assert run.receipts()["verified"]
