"""Routes of jobs: insert, query, get, list, cancel, delete, getQueryResults.

Decides when a caller is answered. `insert` answers once the job is on disk and never waits for it; the two calls
that may wait for a result do so without occupying a thread.
"""

from __future__ import annotations

import asyncio
import base64
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from starlette.routing import Route

from bq_sandbox.api import Body, Call, route
from bq_sandbox.catalog import Catalog
from bq_sandbox.cells import wire_rows
from bq_sandbox.execution import Executor
from bq_sandbox.faults import ACCEPTING, ANSWERING, Faults
from bq_sandbox.jobs import Job, Registry
from bq_sandbox.names import LOCATION, check_job
from bq_sandbox.planning import Planner
from bq_sandbox.refusals import Refusal, refusal_from_proto
from bq_sandbox.results import Results
from bq_sandbox.wire_jobs import dry_run_resource, job_resource, list_item, reference
from bq_sandbox.work import destination_of, request_of

_QUERY_KEYS = (
    "query",
    "defaultDataset",
    "queryParameters",
    "parameterMode",
    "maximumBytesBilled",
    "useQueryCache",
    "useLegacySql",
    "destinationEncryptionConfiguration",
)
_PAGE_ROWS = 10_000
_WAIT_LIMIT_MS = 200_000
_REQUEST_ID_S = 15 * 60


@dataclass
class JobRoutes:
    """Handlers over the registry and the executor."""

    registry: Registry
    executor: Executor
    planner: Planner
    catalog: Catalog
    results: Results
    faults: Faults
    _requests: dict[tuple[str, str], tuple[float, str]] = field(
        default_factory=dict[tuple[str, str], tuple[float, str]]
    )
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def routes(self) -> list[Route]:
        """All routes."""
        jobs, queries = "/projects/{project}/jobs", "/projects/{project}/queries"
        return [
            route(jobs, "POST", "jobs.insert", self.insert, self.faults),
            route(jobs, "GET", "jobs.list", self.listing, self.faults),
            route(jobs + "/{job}", "GET", "jobs.get", self.get, self.faults),
            route(jobs + "/{job}/cancel", "POST", "jobs.cancel", self.cancel, self.faults),
            route(jobs + "/{job}/delete", "DELETE", "jobs.delete", self.delete, self.faults),
            route(queries, "POST", "jobs.query", self.query_page, self.faults, self.start_and_wait),
            route(
                queries + "/{job}",
                "GET",
                "jobs.getQueryResults",
                self.results_page,
                self.faults,
                self.wait_for_job,
            ),
        ]

    def insert(self, call: Call) -> Body:
        """Accept a job, or answer a dry run."""
        configuration: Body = dict(call.body.get("configuration") or {})
        named = call.body.get("jobReference") or {}
        location = named.get("location") or LOCATION
        if "query" not in configuration:
            raise Refusal("invalid", "The sandbox runs query jobs and uploaded load jobs only")
        if configuration.get("dryRun"):
            return self.dry_run(configuration, location, call.user)
        job = Job(named.get("jobId") or f"job_{uuid.uuid4().hex}", location, call.user, configuration)
        return job_resource(self._accept(job, "jobs.insert"))

    def _accept(self, job: Job, method: str) -> Job:
        check_job(job.job_id)
        check_configuration(job)
        if self.faults.take(ACCEPTING, method, job.job_id):
            return job
        accepted = self.registry.accept(job)
        self.executor.submit(accepted)
        return accepted

    def dry_run(self, configuration: Body, location: str, user: str) -> Body:
        """Plan and report; nothing runs and nothing is remembered."""
        probe = Job("dry_run", location, user, configuration)
        check_configuration(probe)
        request = request_of(probe)
        plans = list(self.planner.plans(request))
        body = dry_run_resource(configuration, location, user, plans)
        dropped = self.faults.take(ANSWERING, "dryRun")
        return alter(body, dropped.settings) if dropped is not None else body

    def get(self, call: Call) -> Body:
        """One job."""
        return job_resource(self._job(call))

    def _job(self, call: Call) -> Job:
        return self.registry.get(call.path["job"], call.query.get("location"))

    def listing(self, call: Call) -> Body:
        """A page of jobs, newest first: the caller's own unless `allUsers`."""
        size = call.number("maxResults", 50) or 50
        start = decode_token(call.query.get("pageToken"))
        jobs = [job for job in self.registry.all() if _listed(job, call)]
        body: Body = {"kind": "bigquery#jobList", "jobs": [list_item(j) for j in jobs[start : start + size]]}
        return {**body, "nextPageToken": encode_token(start + size)} if start + size < len(jobs) else body

    def cancel(self, call: Call) -> Body:
        """Ask for a job's end."""
        job = self._job(call)
        if not job.done:
            self.executor.cancel(job)
        latest = self.registry.get(job.job_id)
        return {"kind": "bigquery#jobCancelResponse", "job": job_resource(latest)}

    def delete(self, call: Call) -> Body:
        """Forget a finished job and its rows."""
        job = self._job(call)
        if not job.done:
            raise Refusal("invalid", f"Job {job.job_id} has not finished")
        self.registry.delete(job)
        self.results.delete(job.job_id)
        return {}

    async def wait_for_job(self, call: Call) -> None:
        """Until the job is done or the caller's `timeoutMs` is over."""
        await self._wait(self._job(call), call.number("timeoutMs", 10_000))

    async def _wait(self, job: Job, timeout_ms: int) -> None:
        end = asyncio.wrap_future(self.registry.end_of(job.job_id))
        await asyncio.wait([asyncio.shield(end)], timeout=min(timeout_ms, _WAIT_LIMIT_MS) / 1000)

    async def start_and_wait(self, call: Call) -> None:
        """The first half of jobs.query: find or accept the job, then wait for it."""
        if call.body.get("dryRun"):
            return
        job = await asyncio.to_thread(self._start, call)
        call.path["job"] = job.job_id
        if self.registry.find(job.job_id) is not None:
            await self._wait(job, call.number("timeoutMs", 10_000))

    def _start(self, call: Call) -> Job:
        request_id = call.body.get("requestId")
        query = {key: call.body[key] for key in _QUERY_KEYS if key in call.body}
        configuration: Body = {"query": query}
        for key in ("labels", "jobTimeoutMs"):
            if key in call.body:
                configuration[key] = call.body[key]
        location = call.body.get("location") or LOCATION
        with self._lock:
            known = self._known_request(call.user, request_id)
            if known is not None:
                return known
            job = Job(f"job_{uuid.uuid4().hex}", location, call.user, configuration)
            accepted = self._accept(job, "jobs.query")
            if request_id:
                self._requests[call.user, request_id] = (time.monotonic(), accepted.job_id)
            return accepted

    def _known_request(self, user: str, request_id: str | None) -> Job | None:
        horizon = time.monotonic() - _REQUEST_ID_S
        self._requests = {key: seen for key, seen in self._requests.items() if seen[0] > horizon}
        seen = self._requests.get((user, request_id or ""))
        return self.registry.find(seen[1]) if seen else None

    def query_page(self, call: Call) -> Body:
        """The second half of jobs.query: the first page, or "not complete"."""
        if call.body.get("dryRun"):
            query = {key: call.body[key] for key in _QUERY_KEYS if key in call.body}
            location = call.body.get("location") or LOCATION
            job = self.dry_run({"query": query, "dryRun": True}, location, call.user)
            statistics = job["statistics"]["query"]
            return {
                "kind": "bigquery#queryResponse",
                "jobReference": job["jobReference"],
                "jobComplete": True,
                "schema": statistics.get("schema", {"fields": []}),
                "totalBytesProcessed": statistics.get("totalBytesProcessed"),
                "cacheHit": False,
            }
        body = self.results_page(call)
        return {**body, "kind": "bigquery#queryResponse"}

    def results_page(self, call: Call) -> Body:
        """A page of a job's rows; a failed job's refusal; `jobComplete: false` while it runs."""
        job = self._job(call) if "location" in call.query else self.registry.get(call.path["job"])
        body: Body = {"kind": "bigquery#getQueryResultsResponse", "jobReference": reference(job)}
        if not job.done:
            return {**body, "jobComplete": False}
        if job.errors:
            raise refusal_from_proto(job.errors[0])
        body |= {
            "jobComplete": True,
            "schema": {"fields": list(job.fields)},
            "totalRows": str(job.total_rows or 0),
            "totalBytesProcessed": str(job.processed),
            "totalBytesBilled": str(job.billed),
            "cacheHit": job.cache_hit,
            "creationTime": str(job.created_ms),
            "startTime": str(job.started_ms or job.created_ms),
            "endTime": str(job.ended_ms),
            "statementType": job.statement_type,
        }
        for key in ("numDmlAffectedRows", "dmlStats"):
            if key in job.statistics:
                body[key] = job.statistics[key]
        return {**body, **self._rows(job, call)} if job.has_result else body

    def _rows(self, job: Job, call: Call) -> Body:
        destination = destination_of(job)
        if destination is not None:
            self.catalog.table(destination.name)
        start = decode_token(call.query.get("pageToken")) or call.number("startIndex", 0)
        asked = call.query.get("maxResults", call.body.get("maxResults"))
        limit = min(_PAGE_ROWS if asked is None else call.number("maxResults", 0), _PAGE_ROWS)
        rows = self.results.page(job.result_id, start, limit) if limit else []
        return page_of(rows, list(job.fields), call, start, job.total_rows or 0)


def page_of(rows: list[Body], fields: list[Any], call: Call, start: int, total: int) -> Body:
    """Rows on the wire with the token of the page after them."""
    options = call.body.get("formatOptions") or {}
    asked = call.query.get("formatOptions.useInt64Timestamp", str(options.get("useInt64Timestamp", "")))
    int64 = asked.lower() == "true"
    body: Body = {"rows": wire_rows(rows, fields, int64_timestamps=int64)}
    following = start + len(rows)
    return {**body, "pageToken": encode_token(following)} if following < total else body


def check_configuration(job: Job) -> None:
    """Refuse what the sandbox would otherwise silently do differently."""
    query = job.query
    if query.get("useLegacySql") is True:
        raise Refusal("invalid", "The sandbox runs GoogleSQL only; set useLegacySql to false")
    if not str(query.get("query") or "").strip():
        raise Refusal("required", "Required parameter is missing: query", code=400)
    destination_of(job)


def alter(body: Body, settings: dict[str, Any]) -> Body:
    """Remove or replace the dotted `field` of an answer, as a `drop_field` fault says."""
    path = str(settings.get("field", "statistics.totalBytesProcessed")).split(".")
    holder = body
    for part in path[:-1]:
        holder = holder.get(part) or {}
    if "value" in settings:
        holder[path[-1]] = settings["value"]
    else:
        holder.pop(path[-1], None)
    return body


def _listed(job: Job, call: Call) -> bool:
    wanted = call.query
    states = wanted.get("stateFilter", "").upper()
    return (
        (call.flag("allUsers") or job.user == call.user)
        and job.parent_id == (wanted.get("parentJobId") or None)
        and (not states or job.state in states.split(","))
        and job.created_ms >= int(wanted.get("minCreationTime", 0))
        and job.created_ms <= int(wanted.get("maxCreationTime", job.created_ms))
    )


def encode_token(start: int) -> str:
    """An opaque page token."""
    return base64.urlsafe_b64encode(f"row:{start}".encode()).decode()


def decode_token(token: str | None) -> int:
    """The row at which a page token continues; none is the first row."""
    if not token:
        return 0
    try:
        return int(base64.urlsafe_b64decode(token).decode().removeprefix("row:"))
    except ValueError as error:
        raise Refusal("invalid", "Invalid page token") from error
