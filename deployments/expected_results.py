"""What the expected queries of an evaluation set give, run under the same policy as every other query.

Decides nothing about right or wrong: each query passes the gate, is priced by a dry run against the policy's ceiling,
and runs as a read-only job of whoever evaluates, under an id that follows from it, so that an evaluation that goes on
finds it again. What policy, gate or ceiling refuse is not run, and the reason comes back instead of rows.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping
from contextlib import suppress

from blocks.environment import Environment, open_environment
from bq_copilot.catalog import Catalog
from bq_copilot.errors import Conflict, CopilotError, Refused
from bq_copilot.estimates import judge
from bq_copilot.evals.gold import Gold, order_of
from bq_copilot.gate.engines import GuardedGate, open_gate
from bq_copilot.identity import short_hash
from bq_copilot.ports import JobSpec, JobView, Warehouse
from bq_copilot.retrieval.units import families_of
from deployments.prefect_settings import at_server
from tasks.schemas import fetch

MOST_ROWS = 5_000
ATTEMPTS = 3
"""Ids that are tried: an earlier job's result table may have expired."""
SECONDS = 120.0


def expected_results(api_url: str, environment: str, queries: Mapping[str, str]) -> dict[str, Gold]:
    """Return what each query gives, by the question's id."""
    with at_server(api_url):
        return asyncio.run(_all(environment, queries))


async def _all(name: str, queries: Mapping[str, str]) -> dict[str, Gold]:
    env = await open_environment(name)
    return await run_all(env, queries)


async def run_all(env: Environment, queries: Mapping[str, str]) -> dict[str, Gold]:
    """Run the queries of an open environment, one after the other."""
    ids = [t for d in env.policy.allowed_datasets for t in await asyncio.to_thread(env.warehouse.list_tables, d)]
    tables = tuple(await fetch(env, ids))
    catalog = Catalog(tables=tables, families=families_of(tables))
    with open_gate(catalog, env.policy) as gate:
        return {q: await asyncio.to_thread(_one, env, gate, q, sql) for q, sql in queries.items()}


def _one(env: Environment, gate: GuardedGate, question: str, sql: str) -> Gold:
    try:
        return _rows(env, gate, question, sql)
    except CopilotError as error:
        return Gold(problem=f"{error.code}: {error}"[:300], code=error.code)


def _rows(env: Environment, gate: GuardedGate, question: str, sql: str) -> Gold:
    verdict = gate.rule(sql)
    if verdict.denied:
        said = "; ".join(f"{f.rule}: {f.message}" for f in verdict.findings if f.severity == "deny")
        raise Refused(said, code="gate_denied")
    judge(question, env.warehouse.dry_run(verdict.sql, ()), verdict, env.policy, gate.catalog)
    runs = env.warehouse.acting_for(env.local_user)
    runs.prepare()
    for attempt in range(1, ATTEMPTS + 1):
        job = _done(runs, _spec(env, gate, verdict.sql, attempt))
        if job.failure is not None:
            raise Refused(job.failure.message, code=job.failure.code)
        try:
            page = runs.page(job.job_id, MOST_ROWS)
        except CopilotError:
            continue  # its table has expired: once more under the next id
        if page.row_count > len(page.rows):
            raise Refused(f"it gives {page.row_count:,} rows; at most {MOST_ROWS:,} are compared", code="too_many_rows")
        return Gold(rows=page.rows, ordered_by=order_of(sql, [c.name for c in page.columns]))
    raise Refused("its result cannot be read", code="no_result")


def _spec(env: Environment, gate: GuardedGate, sql: str, attempt: int) -> JobSpec:
    key = short_hash(sql, gate.catalog.fingerprint, str(attempt), length=20)
    return JobSpec(
        job_id=f"bqc-eval-{key}",
        sql=sql,
        parameters=(),
        destination=f"{env.warehouse.scratch}.eval_{key}",
        maximum_bytes_billed=env.policy.limits.bytes_per_query,
        timeout_ms=int(SECONDS * 1000),
        labels=(("app", "bq-copilot"), ("step", "expected")),
        fingerprint=short_hash(sql, length=32),
    )


def _done(runs: Warehouse, spec: JobSpec) -> JobView:
    """Return the finished job; one that is there under this id already is taken as it is."""
    pause = threading.Event()
    with suppress(Conflict):  # an earlier evaluation sent it: the id follows from the text and the schemas
        runs.insert(spec)
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        job = runs.job(spec.job_id)
        if job is None or job.fingerprint not in {"", spec.fingerprint}:
            raise Refused(f"job {spec.job_id} is not the one that was sent", code="stranger")
        if job.state == "DONE":
            return job
        pause.wait(0.1)
    raise Refused(f"job {spec.job_id} does not end", code="timeout")
