"""Read the schemas that policy allows, and pin them with policy and model for the whole run."""

from __future__ import annotations

import asyncio
from typing import Any

from blocks.environment import Environment
from bq_copilot.catalog import Catalog, Table
from bq_copilot.conversation import PROMPT_VERSION, prompt_fingerprint
from bq_copilot.events import RunPinned
from bq_copilot.policy import Policy
from bq_copilot.retrieval.units import families_of
from bq_copilot.values import Limits
from tasks import acting
from tasks.durable import Place, effect
from tasks.retrieval import SMALL
from tasks.run import Run
from tasks.schema_cache import Described

AT_ONCE = 8
"""Table descriptions that are fetched side by side."""


@effect(name="list tables")
async def list_tables(place: Place, env: Environment, datasets: list[str]) -> list[str]:
    """Return the ids of all tables and views in the datasets."""
    return [t for d in datasets for t in await asyncio.to_thread(env.warehouse.list_tables, d)]


@effect(name="describe tables")
async def describe_tables(place: Place, env: Environment, tables: list[str]) -> list[dict[str, Any]]:
    """Return schema, sizes and tags of each table as JSON, in the order given; in wide catalogs, of a moment ago."""
    found = await (_described(env, tables) if len(tables) >= SMALL else fetch(env, tables))
    return [t.model_dump(mode="json") for t in found]


async def _described(env: Environment, tables: list[str]) -> list[Table]:
    """Describe the tables of a wide catalog; what was described a moment ago is taken from there."""
    whose = (env.name, env.warehouse_block.label, env.warehouse.principal)
    described = Described(*whose, clock=lambda: env.ledger.now().timestamp())
    return await described.of(tables, lambda some: fetch(env, some))


async def fetch(env: Environment, tables: list[str]) -> list[Table]:
    """Describe tables, a few at a time."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(table: str) -> Table:
        async with gate:
            return await asyncio.to_thread(env.warehouse.describe_table, table)

    return list(await asyncio.gather(*(one(t) for t in tables)))


async def pin(run: Run) -> None:
    """Record what the run is judged by: policy, schemas, model, limits."""
    env, policy = run.env, run.env.policy
    acting.executor(run)  # a requester whose jobs nobody may run is told so before anything is planned
    datasets = list(policy.allowed_datasets)
    place = Place(run_id=run.id, seq=run.state.seq, kind="tables", inputs=policy.fingerprint)
    ids = await list_tables(place, env, datasets)
    described = await describe_tables(place.model_copy(update={"kind": "schemas"}), env, ids)
    tables = tuple(Table.model_validate(t) for t in described)
    catalog = Catalog(tables=tables, families=families_of(tables))
    run.append(
        RunPinned(
            policy=env.shelf.put(policy.text),
            policy_fingerprint=policy.fingerprint,
            catalog=env.shelf.put(catalog.model_dump_json()),
            schema_fingerprint=catalog.fingerprint,
            prompt_fingerprint=prompt_fingerprint(),
            prompt_version=PROMPT_VERSION,
            model=env.model_block.model,
            warehouse=env.warehouse_block.label,
            sandbox=env.warehouse_block.is_sandbox,
            limits=_limits(policy),
        )
    )
    run.warm_gate()


def _limits(policy: Policy) -> Limits:
    budgets = policy.budgets
    return Limits(
        turns=budgets.turns,
        tokens=budgets.tokens,
        repairs=budgets.repairs,
        strikes=policy.strikes,
        questions=budgets.questions,
        context_tokens=budgets.context_tokens,
        usd=budgets.money,
        bytes=policy.limits.bytes_per_run,
    )
