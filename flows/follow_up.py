"""One run of a follow-up series, when its schedule says so.

The same loop as for a question that a person asks; only its beginning is another one. Whether it may run, and under
whose approval, is read from the ledger: Prefect's schedule merely wakes it.
"""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed
from pydantic import Field

from blocks.environment import open_environment
from bq_copilot import identity
from bq_copilot.journal import Journal
from flows.analysis import carry_out
from tasks import series_runs
from tasks.durable import results_folder
from tasks.opening import open_received


@flow(
    name="follow-up",
    flow_run_name="{series}",
    persist_result=True,
    result_storage=results_folder(),
    result_serializer="json",
    retries=0,
)
async def follow_up(
    parent: str = Field(description="Id of the run whose answer is followed up, r-…."),
    series: str = Field(description="Id of the accepted follow-up, f-….; `bq-copilot followups` lists them."),
    environment: str = Field(default="default", description="Name of the blocks to use."),
    warm_seconds: float = Field(
        default=0.0, ge=0, le=3_600, description="Seconds to wait for a person before the process ends."
    ),
) -> State[Any]:
    """Ask an accepted question again, with the SQL that was accepted; alone only under a standing grant."""
    env = await open_environment(environment)
    first = series_runs.receive(env, parent, series, flow_run.scheduled_start_time, str(flow_run.id))
    assert first.follow_up is not None
    begun = Journal(env.ledger, identity.run_id(first.requester, first.request_key)).refresh()
    if not begun and (why := await series_runs.not_due(env, first.follow_up)):
        return Completed(name="Skipped", message=why)
    async with open_received(env, first, str(flow_run.id)) as run:
        return await carry_out(run, warm_seconds)
