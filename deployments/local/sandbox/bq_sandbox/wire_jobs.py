"""Jobs on the wire: the REST job resource and its statistics.

Decides what a client can read of a job. Numbers are strings, as BigQuery sends 64-bit ones.
"""

from __future__ import annotations

from typing import Any

from bq_sandbox.catalog import now_ms
from bq_sandbox.jobs import Job
from bq_sandbox.names import PROJECT
from bq_sandbox.planning import StatementPlan

RESULTS_DATASET = "_sandbox_results"
Body = dict[str, Any]


def query_statistics(plan: StatementPlan) -> Body:
    """The parts of `statistics.query` that follow from a plan."""
    names = sorted({str(reading.entry.name) for reading in plan.readings})
    tables = {str(reading.entry.name): reading.entry.name.reference() for reading in plan.readings}
    return {
        "statementType": plan.kind,
        "totalBytesProcessedAccuracy": "PRECISE" if plan.exact else "UPPER_BOUND",
        "referencedTables": [tables[name] for name in names],
    }


def dry_run_resource(configuration: Body, location: str, user: str, plans: list[StatementPlan]) -> Body:
    """The answer to a dry run: a job resource that stands for no job."""
    total = str(sum(plan.bytes for plan in plans))
    only = plans[0] if len(plans) == 1 else None
    query: Body = query_statistics(only) if only else _script_statistics(plans)
    query |= {
        "totalBytesProcessed": total,
        "totalBytesBilled": "0",
        "cacheHit": False,
        "estimatedBytesProcessed": total,
    }
    if only is not None and only.fields:
        query["schema"] = {"fields": list(only.fields)}
    return {
        "kind": "bigquery#job",
        "jobReference": {"projectId": PROJECT, "location": location},
        "user_email": user,
        "configuration": configuration,
        "status": {"state": "DONE"},
        "statistics": {"creationTime": str(now_ms()), "totalBytesProcessed": total, "query": query},
    }


def _script_statistics(plans: list[StatementPlan]) -> Body:
    tables = {str(r.entry.name): r.entry.name.reference() for plan in plans for r in plan.readings}
    return {
        "statementType": "SCRIPT",
        "totalBytesProcessedAccuracy": "UPPER_BOUND",
        "referencedTables": [tables[name] for name in sorted(tables)],
    }


def job_resource(job: Job) -> Body:
    """The whole job."""
    return {
        "kind": "bigquery#job",
        "id": f"{PROJECT}:{job.location}.{job.job_id}",
        "etag": f"{job.job_id}-{job.state}-{job.ended_ms or 0}",
        "selfLink": f"/bigquery/v2/projects/{PROJECT}/jobs/{job.job_id}?location={job.location}",
        "jobReference": reference(job),
        "user_email": job.user,
        "configuration": _configuration(job),
        "status": _status(job),
        "statistics": _statistics(job),
    }


def list_item(job: Job) -> Body:
    """A job as `jobs.list` shows it."""
    item = {**job_resource(job), "state": job.state}
    return {**item, "errorResult": job.errors[0]} if job.errors else item


def reference(job: Job) -> Body:
    """The REST `JobReference`."""
    return {"projectId": PROJECT, "jobId": job.job_id, "location": job.location}


def _configuration(job: Job) -> Body:
    if "query" not in job.configuration:
        return {"jobType": "LOAD", **job.configuration}
    query = {"useLegacySql": False, **job.query}
    query.setdefault(
        "destinationTable",
        {"projectId": PROJECT, "datasetId": RESULTS_DATASET, "tableId": job.result_id},
    )
    return {**job.configuration, "jobType": "QUERY", "query": query}


def _status(job: Job) -> Body:
    if not job.errors:
        return {"state": job.state}
    return {"state": job.state, "errorResult": job.errors[0], "errors": list(job.errors)}


def _statistics(job: Job) -> Body:
    body: Body = {"creationTime": str(job.created_ms)}
    if job.started_ms is not None:
        body["startTime"] = str(job.started_ms)
    if job.parent_id is not None:
        body["parentJobId"] = job.parent_id
        body["scriptStatistics"] = {"evaluationKind": "STATEMENT"}
    if job.children:
        body["numChildJobs"] = str(job.children)
    if not job.done:
        return body
    body |= {"endTime": str(job.ended_ms), "totalSlotMs": "0"}
    if "load" in job.configuration:
        return {**body, "load": job.statistics}
    processed, billed = str(job.processed), str(job.billed)
    body["totalBytesProcessed"] = processed
    body["query"] = {
        "totalBytesProcessed": processed,
        "totalBytesBilled": billed,
        "totalSlotMs": "0",
        "cacheHit": job.cache_hit,
        "queryPlan": [],
        **job.statistics,
    }
    return body
