"""Dry runs: what a statement would read, asked of the warehouse once for the plan and once more before it runs."""

from __future__ import annotations

import asyncio
from typing import Any

from blocks.environment import Environment
from bq_copilot.ports import DryRun
from bq_copilot.values import ResultColumn
from tasks.durable import Place, effect, look


@effect(name="dry run")
async def dry_run(place: Place, env: Environment, sql: str) -> dict[str, Any]:
    """Return what a dry run says of one canonical statement, as JSON."""
    return _to_json(await asyncio.to_thread(env.warehouse.dry_run, sql, ()))


@look(name="dry run again")
async def dry_run_again(env: Environment, sql: str) -> dict[str, Any]:
    """Return what a dry run says now, to compare it with what was approved."""
    return _to_json(await asyncio.to_thread(env.warehouse.dry_run, sql, ()))


def _to_json(found: DryRun) -> dict[str, Any]:
    return {
        "statement_type": found.statement_type,
        "bytes": found.bytes,
        "accuracy": found.accuracy,
        "tables": None if found.tables is None else list(found.tables),
        "columns": None if found.columns is None else [c.model_dump() for c in found.columns],
    }


def from_json(found: dict[str, Any]) -> DryRun:
    """Return the dry run that a task's JSON result holds."""
    tables, columns = found["tables"], found["columns"]
    return DryRun(
        statement_type=found["statement_type"],
        bytes=found["bytes"],
        accuracy=found["accuracy"],
        tables=None if tables is None else tuple(tables),
        columns=None if columns is None else tuple(ResultColumn(**c) for c in columns),
    )
