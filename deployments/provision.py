"""`python -m deployments.provision`: make a Prefect server hold what this project needs, and say what changed.

Decides: what differs between the server and the specification. Never does: overwrite a block that a person has
edited, or delete anything. Why this shape: everything is read first and written only when it differs, so running
it twice changes nothing, and it costs tenths of a second on a running server.
"""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass
from typing import Any

from prefect.blocks.core import Block
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import (
    DeploymentUpdate,
    GlobalConcurrencyLimitCreate,
    WorkPoolCreate,
    WorkPoolUpdate,
)
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.settings import PREFECT_API_URL

from blocks.registry import BLOCK_TYPES, default_blocks
from bq_copilot.scheduling import TAG, TEMPLATE
from deployments.automations import provision_automations
from deployments.block_documents import provision_blocks
from deployments.local.home import Home
from deployments.local.records import StackRecord, read_record
from deployments.prefect_settings import at_server
from deployments.specification import (
    LIMITS,
    DeploymentSpec,
    LimitSpec,
    PoolSpec,
    QueueSpec,
    load_deployment,
    pool_spec,
    prefect_file,
    read_entries,
)


@dataclass(frozen=True)
class ProvisionPlan:
    """Everything that the server should hold."""

    pool: PoolSpec
    deployments: tuple[DeploymentSpec, ...]
    blocks: tuple[tuple[str, Block], ...]
    limits: tuple[LimitSpec, ...] = LIMITS


def load_plan(stack: StackRecord | None) -> ProvisionPlan:
    """Read prefect.yaml, import its flows, make the blocks of a local stack; no server is needed."""
    path = prefect_file(os.environ)
    entries = read_entries(path)
    return ProvisionPlan(
        pool=pool_spec(path.parent),
        deployments=tuple(load_deployment(entry, path.parent) for entry in entries),
        blocks=tuple(default_blocks(stack)),
    )


def provision(plan: ProvisionPlan) -> list[str]:
    """Make the server of `PREFECT_API_URL` agree; one line per change, an empty list when nothing differed."""
    return asyncio.run(_provision(plan))


async def _provision(plan: ProvisionPlan) -> list[str]:
    async with get_client() as client:
        changes = await _pool(client, plan.pool)
        for queue in plan.pool.queues:
            changes += await _queue(client, plan.pool.name, queue)
        for limit in plan.limits:
            changes += await _limit(client, limit)
        changes += await provision_blocks(client, BLOCK_TYPES, plan.blocks)
        for deployment in plan.deployments:
            changes += await _deployment(client, deployment)
            changes += await _series(client, deployment) if deployment.full_name == TEMPLATE else []
        changes += await provision_automations(client, plan.pool.name)
    return changes


async def _pool(client: PrefectClient, spec: PoolSpec) -> list[str]:
    try:
        pool = await client.read_work_pool(spec.name)
    except ObjectNotFound:
        created = WorkPoolCreate(
            name=spec.name,
            type="process",
            base_job_template=spec.job_template,
            concurrency_limit=spec.concurrency_limit,  # only at first: from then on it belongs to the operator
        )
        await client.create_work_pool(created)
        return [f"created work pool {spec.name}"]
    if pool.type != "process" or pool.base_job_template == spec.job_template:
        return []  # a pool of containers was made by its operator, with a template of `deployments/pools`
    await client.update_work_pool(spec.name, WorkPoolUpdate(base_job_template=spec.job_template))
    return [f"updated work pool {spec.name}"]


async def _queue(client: PrefectClient, pool: str, spec: QueueSpec) -> list[str]:
    try:
        queue = await client.read_work_queue_by_name(spec.name, work_pool_name=pool)
    except ObjectNotFound:
        await _create_queue(client, pool, spec)
        return [f"created queue {spec.name}"]
    if queue.priority == spec.priority and queue.description == spec.description:
        return []
    await client.update_work_queue(queue.id, priority=spec.priority, description=spec.description)
    return [f"updated queue {spec.name}"]


async def _create_queue(client: PrefectClient, pool: str, spec: QueueSpec) -> None:
    try:
        await client.create_work_queue(
            name=spec.name,
            description=spec.description,
            priority=spec.priority,
            concurrency_limit=spec.concurrency_limit,
            work_pool_name=pool,
        )
    except ObjectAlreadyExists:
        return  # another provisioning was a moment faster


async def _limit(client: PrefectClient, spec: LimitSpec) -> list[str]:
    """Create a limit that is missing; from then on it belongs to the operator."""
    try:
        await client.read_global_concurrency_limit_by_name(spec.name)
        return []
    except ObjectNotFound:
        wanted = GlobalConcurrencyLimitCreate(
            name=spec.name, limit=spec.limit, slot_decay_per_second=spec.slot_decay_per_second
        )
    try:
        await client.create_global_concurrency_limit(wanted)
    except ObjectAlreadyExists:
        return []  # another provisioning was a moment faster
    return [f"created limit {spec.name}"]


async def _deployment(client: PrefectClient, spec: DeploymentSpec) -> list[str]:
    wanted = _payload(spec)
    try:
        present = await client.read_deployment_by_name(spec.full_name)
    except ObjectNotFound:
        present = None
    if present is not None and _same(present, wanted):
        return []
    if present is None:
        flow_id = await client.create_flow_from_name(spec.flow_name)
        await client.create_deployment(flow_id=flow_id, **wanted)
        return [f"created deployment {spec.full_name}"]
    # an update leaves the schedules alone that somebody gave it; creating it again would remove them
    changed = {k: v for k, v in wanted.items() if k not in {"name", "parameter_openapi_schema"}}
    await client.update_deployment(
        present.id, DeploymentUpdate(**changed, parameter_openapi_schema=wanted["parameter_openapi_schema"])
    )
    return [f"updated deployment {spec.full_name}"]


async def _series(client: PrefectClient, spec: DeploymentSpec) -> list[str]:
    """Let the deployments of accepted follow-ups run the code of the one that they were made like."""
    tagged = DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG]))
    found = await client.read_deployments(deployment_filter=tagged, limit=200)
    place = {"entrypoint": spec.entry.entrypoint, "pull_steps": spec.pull_steps, "version": spec.version}
    changes: list[str] = []
    for one in found:
        if any(getattr(one, name) != value for name, value in place.items()):
            await client.update_deployment(one.id, DeploymentUpdate(**place))
            changes.append(f"updated deployment {spec.flow_name}/{one.name}")
    return changes


def _payload(spec: DeploymentSpec) -> dict[str, Any]:
    entry = spec.entry
    return {
        "name": entry.name,
        "entrypoint": entry.entrypoint,
        "version": spec.version,
        "description": spec.description,
        "tags": entry.tags,
        "parameters": entry.parameters,
        "parameter_openapi_schema": spec.parameter_schema,
        "enforce_parameter_schema": entry.enforce_parameter_schema,
        "concurrency_limit": entry.concurrency_limit,
        "work_pool_name": entry.work_pool.name,
        "work_queue_name": entry.work_pool.work_queue_name,
        "job_variables": entry.work_pool.job_variables,
        "pull_steps": spec.pull_steps,
    }


def _same(present: DeploymentResponse, wanted: dict[str, Any]) -> bool:
    """A concurrency limit is told apart in the answer; all other fields have the name they were sent with."""
    limit = present.global_concurrency_limit.limit if present.global_concurrency_limit else None
    return limit == wanted["concurrency_limit"] and all(
        getattr(present, name) == value for name, value in wanted.items() if name != "concurrency_limit"
    )


def main() -> int:
    """Provision the server of `PREFECT_API_URL`, or the running local stack when that is not set."""
    stack = read_record(Home.of(os.environ))
    api_url = PREFECT_API_URL.value() or (stack.prefect_api_url if stack else None)
    if api_url is None:
        print("no Prefect server: set PREFECT_API_URL, or start the local stack with `bq-copilot up`")
        return 5
    local = stack if stack and stack.prefect_api_url == api_url else None
    with at_server(api_url):
        changes = provision(load_plan(local))
    print("\n".join(changes) or "nothing to change")
    return 0


if __name__ == "__main__":
    sys.exit(main())
